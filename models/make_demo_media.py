"""The files that the demo reads: two pictures and one sound, made by our generators. `python -m models.make_demo_media`

Job: a PNG and a JPEG of 256 pixels, and a WAV of three digits in a voice that training never hears.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from edge.media.audio import Sound
from models.data.first import pictures, speech

FOLDER = Path("benchmarks/media")


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(2026)
    pair = pictures.pair_of(("red", "circle"), ("blue", "square"), False, rng=rng)
    Image.fromarray(pictures.draw(pair, rng, side=256)).save(FOLDER / "scene.png")
    stars = pictures.count_of("purple", "star", 3, rng=rng, background="cream")
    Image.fromarray(pictures.draw(stars, rng, side=256)).save(FOLDER / "scene.jpg", quality=88)
    Sound(speech.say("three one four", speech.Delivery("en-us+f3", 165, 50)), speech.RATE).save(
        FOLDER / "digits.wav"
    )


if __name__ == "__main__":
    main()
