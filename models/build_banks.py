"""Stage 3: turn generated media into codes, once. `python -m models.build_banks pictures --count 60000`

Job: draw or speak, encode with the frozen codec, store. One process per bank; banks do not depend on each other.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from edge.media.spectrum import level, log_mel
from models.audio_codec import AudioCodec
from models.codec_files import load_audio_codec, load_image_codec
from models.data import pictures, sounds, speech
from models.data.banks import scene_of
from models.image_codec import ImageCodec

OWN_VOICE = speech.Delivery("en-us+f2", 170, 50)
_BATCH = 64


def build_pictures(codec: ImageCodec, count: int, path: Path) -> None:
    """codes (count, 64) uint16; picture i is scene_of(i)."""
    rows = []
    for start in range(0, count, _BATCH):
        drawn = []
        for i in range(start, min(start + _BATCH, count)):
            scene, rng = scene_of(i)
            pixels = pictures.draw(scene, rng)
            drawn.append(pictures.through_a_camera(pixels, rng) if rng.random() < 0.15 else pixels)
        batch = torch.from_numpy(np.stack(drawn)).permute(0, 3, 1, 2).float() / 255
        rows.append(
            codec.encode(batch.contiguous(memory_format=torch.channels_last)).numpy().astype(np.uint16)
        )
        if start % (_BATCH * 50) == 0:
            print("pictures", start, flush=True)
    np.savez(path, codes=np.concatenate(rows))


def spoken(index: int) -> tuple[str, NDArray[np.float32]]:
    """Sentence and samples number `index`, many voices, a third through a microphone."""
    rng = np.random.default_rng((8, index))
    text = speech.sample_sentence(rng)
    samples = speech.say(text, speech.sample_delivery(rng))
    return text, speech.through_a_microphone(samples, rng) if rng.random() < 0.3 else samples


def own(index: int) -> tuple[str, NDArray[np.float32]]:
    text = speech.sample_sentence(np.random.default_rng((9, index)))
    return text, speech.say(text, OWN_VOICE)


def heard(index: int) -> tuple[str, NDArray[np.float32]]:
    return sounds.sample(np.random.default_rng((10, index)))


SOURCES = {"speech": spoken, "own_voice": own, "sounds": heard}


def build_clips(codec: AudioCodec, bank: str, count: int, path: Path) -> None:
    """texts (count,), lengths (count,), codes joined."""
    texts, rows = [], []
    for i in range(count):
        text, samples = SOURCES[bank](i)
        texts.append(text)
        rows.append(
            codec.encode(torch.from_numpy(log_mel(level(samples)))[None])[0].numpy().astype(np.uint16)
        )
        if i % 2000 == 0:
            print(bank, i, flush=True)
    np.savez(
        path, texts=np.array(texts), lengths=np.array([len(r) for r in rows]), codes=np.concatenate(rows)
    )


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("bank", choices=["pictures", *SOURCES])
    parse.add_argument("--count", type=int, required=True)
    parse.add_argument("--runs", type=Path, default=Path("runs"))
    args = parse.parse_args()
    torch.set_num_threads(1)
    folder = args.runs / "banks"
    folder.mkdir(parents=True, exist_ok=True)
    if args.bank == "pictures":
        build_pictures(load_image_codec(args.runs), args.count, folder / "pictures.npz")
    else:
        build_clips(load_audio_codec(args.runs), args.bank, args.count, folder / f"{args.bank}.npz")


if __name__ == "__main__":
    main()
