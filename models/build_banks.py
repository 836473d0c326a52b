"""Stage 3: turn generated media into codes, once. `python -m models.build_banks scenes --count 60000 --corpus ../shared/corpus`

Job: draw, speak or play item after item, encode with the frozen codec, store. One process per bank; banks do not depend on each other.
A killed run starts its bank again.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from edge.media.spectrum import level, log_mel
from models.audio_codec import AudioCodec
from models.codec_files import load_audio_codec, load_image_codec
from models.data import items
from models.data.ahead import ahead
from models.data.banks import PICTURES, SOUNDS
from models.data.pictures.drawing import through_a_camera
from models.data.sounds.phonemes import NO_LABEL, stretched
from models.data.text.turns import Split
from models.image_codec import ImageCodec

SIDE, CHUNK = 64, 64
PHOTOGRAPHED = 0.15
T = TypeVar("T")


class Heard(NamedTuple):
    """A sound before it is codes."""

    text: str
    mel: NDArray[np.float32]  # (80, T)
    phonemes: NDArray[np.uint8]  # (T,)


def drawn(bank: str, number: int, corpus: Path, split: Split = "train") -> list[NDArray[np.uint8]]:
    """The pictures of an item, (64, 64, 3) each."""
    if bank in PICTURES:
        picture, rng = items.picture(bank, number, corpus, split)
        pixels = picture.draw(rng, SIDE)
        return [through_a_camera(pixels, rng) if split == "train" and rng.random() < PHOTOGRAPHED else pixels]
    if bank == "sounding":
        thing, rng = items.sounding(number, split)
        return [thing.picture.draw(rng, SIDE)]
    if bank == "clips":
        clip, rng = items.clip(number, split)
        return clip.draw(rng, SIDE)
    item, rng = items.edit(number, split) if bank == "edits" else items.comparison(number, split)
    scenes = (item.before, item.after) if bank == "edits" else (item.first, item.second)
    seed = int(rng.integers(2**32))  # equal generators: only what differs is drawn differently
    return [scene.draw(np.random.default_rng(seed), SIDE) for scene in scenes]


def pictures(chunk: int, bank: str, corpus: Path, first: int) -> list[list[NDArray[np.uint8]]]:
    """Items first + CHUNK * chunk and following."""
    return [drawn(bank, first + CHUNK * chunk + i, corpus) for i in range(CHUNK)]


def heard(bank: str, number: int, corpus: Path, split: Split = "train") -> Heard:
    """One sound as log-mel, with phonemes where they are known."""
    phonemes = None
    if bank == "recordings":
        text, samples = items.recording(number, corpus, split)
    elif bank == "sounds":
        sound, rng = items.sound(number, split)
        text, samples = sound.name, sound.play(rng)
    else:
        spoken, rng = getattr(items, {"moods": "mood"}.get(bank, bank))(number, corpus, split)
        text, (samples, phonemes) = spoken.text, spoken.samples(rng)
    mel = log_mel(level(samples))
    unknown = np.full(mel.shape[1], NO_LABEL, np.uint8)
    return Heard(text, mel, unknown if phonemes is None else stretched(phonemes, mel.shape[1]))


def sounds(chunk: int, bank: str, corpus: Path, first: int) -> list[Heard]:
    return [heard(bank, first + CHUNK * chunk + i, corpus) for i in range(CHUNK)]


def encode_pictures(codec: ImageCodec, chunk: list[list[NDArray[np.uint8]]]) -> list[NDArray[np.uint16]]:
    """Codes (n, 64) of each item."""
    batch = torch.from_numpy(np.stack([p for item in chunk for p in item])).permute(0, 3, 1, 2).float() / 255
    codes = codec.encode(batch.contiguous(memory_format=torch.channels_last)).numpy().astype(np.uint16)
    ends = np.cumsum([len(item) for item in chunk])
    return [codes[end - len(item) : end] for end, item in zip(ends, chunk, strict=True)]


def build_pictures(runs: Path, bank: str, first: int, count: int, corpus: Path, workers: int) -> None:
    codec = load_image_codec(runs)
    rows: list[NDArray[np.uint16]] = []
    for number, chunk in _chunks(partial(pictures, bank=bank, corpus=corpus, first=first), count, workers):
        rows += encode_pictures(codec, chunk)
        _tell(bank, number)
    lengths = np.array([len(r) for r in rows[:count]], np.int32)
    codes = np.concatenate(rows[:count])
    np.savez(runs / "banks" / f"{bank}.npz", first=first, lengths=lengths, codes=codes)


def build_sounds(runs: Path, bank: str, first: int, count: int, corpus: Path, workers: int) -> None:
    codec: AudioCodec = load_audio_codec(runs)
    made: list[tuple[Heard, NDArray[np.uint16]]] = []
    for number, chunk in _chunks(partial(sounds, bank=bank, corpus=corpus, first=first), count, workers):
        made += [(h, codec.encode(torch.from_numpy(h.mel)[None])[0].numpy().astype(np.uint16)) for h in chunk]
        _tell(bank, number)
    made = made[:count]
    np.savez(
        runs / "banks" / f"{bank}.npz",
        first=first,
        texts=np.array([h.text for h, _ in made]),
        lengths=np.array([len(c) for _, c in made], np.int32),
        codes=np.concatenate([c for _, c in made]),
        phonemes=np.concatenate([h.phonemes[: len(c)] for h, c in made]),
    )


def _chunks(make: Callable[[int], T], count: int, workers: int) -> Iterator[tuple[int, T]]:
    return itertools.islice(enumerate(ahead(make, workers=workers)), -(-count // CHUNK))


def _tell(bank: str, chunk: int) -> None:
    if chunk % 50 == 0:
        print(bank, chunk * CHUNK, flush=True)


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("bank", choices=[*PICTURES, "edits", "comparisons", "sounding", "clips", *SOUNDS])
    parse.add_argument("--count", type=int, required=True)
    parse.add_argument(
        "--first", type=int, default=0, help="number of the first item: a run that goes on sees others"
    )
    parse.add_argument("--corpus", type=Path, required=True)
    parse.add_argument("--runs", type=Path, default=Path("runs"))
    parse.add_argument("--workers", type=int, default=0)
    args = parse.parse_args()
    if args.bank == "scenes" and args.first:
        parse.error(f"scenes begin at 0: spoken questions are about the first {items.ASKABLE}")
    torch.set_num_threads(1)
    (args.runs / "banks").mkdir(parents=True, exist_ok=True)
    build = build_sounds if args.bank in SOUNDS else build_pictures
    build(args.runs, args.bank, args.first, args.count, args.corpus, args.workers)


if __name__ == "__main__":
    main()
