"""The files that the demo reads: pictures, sounds and a clip, made by our generators. `python -m models.make_demo_media`

Job: a PNG and a JPEG of 256 pixels, a clip as WebP and MP4, a WAV of three digits and a WAV of a question, in voices that training never hears.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from edge.media.audio import Sound
from edge.media.video import Clip
from models.data.clips import clips
from models.data.pictures.scenes import Scene
from models.data.pictures.things import Thing
from models.data.sounds import voices
from models.data.sounds.voices import Delivery

FOLDER = Path("benchmarks/media")
PAIR = Scene((Thing("circle", "red", 0.5, 0.27, 0.155), Thing("square", "blue", 0.5, 0.73, 0.155)))
STARS = Scene(
    tuple(Thing("star", "purple", x, y, 0.125) for x, y in ((0.22, 0.3), (0.76, 0.45), (0.4, 0.78))), "cream"
)
SAID = {"digits": "three one four", "question": "what color is the square"}


def clip() -> list[np.ndarray]:
    """The first held-out clip of something that moves, 128 pixels a side."""
    for seed in range(1000):
        rng = np.random.default_rng((2026, seed))
        made = clips.sample(rng, "heldout")
        if made.kind == "motion" and made.heading() and len(made.tracks) == 1:
            return made.draw(rng, 128)
    raise AssertionError("no clip of the kind")


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(2026)
    Image.fromarray(PAIR.draw(rng, 256)).save(FOLDER / "scene.png")
    Image.fromarray(STARS.draw(rng, 256)).save(FOLDER / "scene.jpg", quality=88)
    moving = Clip(np.stack(clip()), 0.25)
    for ending in ("webp", "mp4"):
        moving.save(FOLDER / f"clip.{ending}")
    for name, words in SAID.items():
        Sound(voices.say(words, Delivery("en-us+f3", 165)), voices.RATE).save(FOLDER / f"{name}.wav")


if __name__ == "__main__":
    main()
