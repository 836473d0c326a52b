"""Stage 2: train the sound codec. `python -m models.train_audio_codec --steps 4000 --corpus ../shared/corpus`

Job: voices, real recordings and music on the fly into a growing pool of mel spectrograms, random crops of 2 s, mel L1.
Resumable; writes runs/audio_codec.
"""

from __future__ import annotations

import argparse
import itertools
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from edge.media.spectrum import level, log_mel
from models.audio_codec import AudioCodec
from models.data import microphone, music, recordings, utterances, voices
from models.data.ahead import ahead
from models.data.turns import Split
from models.training import Run, optimizer, seed_everything

CROP = 96  # frames of 20 ms
POOL, FRESH = 4000, 8  # mels kept, mels made anew per step
SHARES = {"speech": 0.5, "mood": 0.1, "recording": 0.15, "music": 0.25}
Mel = NDArray[np.float32]


@cache
def _lexicon(corpus: Path) -> utterances.Lexicon:
    return utterances.read_lexicon(corpus)


@cache
def _recordings(corpus: Path, split: Split) -> list[recordings.Recording]:
    return recordings.find(corpus / "speech/fsdd", split)


def samples_of(kind: str, rng: np.random.Generator, split: Split, corpus: Path) -> NDArray[np.float32]:
    """A random sound of a kind."""
    if kind == "music":
        return music.sample(rng, split).play(rng)
    if kind == "recording":
        return recordings.sample(rng, _recordings(corpus, split))[1]
    emotion = voices.EMOTIONS[int(rng.integers(len(voices.EMOTIONS)))] if kind == "mood" else None
    said = utterances.sample(rng, split, _lexicon(corpus))
    return voices.say(said.text, voices.sample_delivery(rng, split, emotion))


def clip(seed: tuple[int, int], kind: str, split: Split, corpus: Path) -> Mel:
    """The log-mel (80, T) of one sound; in training a third comes through a microphone."""
    rng = np.random.default_rng((2, *seed))
    samples = samples_of(kind, rng, split, corpus)
    if split == "train" and rng.random() < 0.3:
        samples = microphone.through_a_microphone(samples, rng)
    return log_mel(level(samples))


def fresh(number: int, corpus: Path) -> list[Mel]:
    """Batch `number` of new training mels."""
    kinds = np.random.default_rng((6, number)).choice(list(SHARES), FRESH, p=list(SHARES.values()))
    return [clip((number, i), str(kind), "train", corpus) for i, kind in enumerate(kinds)]


def crops(pool: list[Mel], seed: int, size: int) -> Tensor:
    """(size, 80, CROP), short clips joined until they fill a crop."""
    rng = np.random.default_rng((3, seed))
    rows = []
    for _ in range(size):
        row = pool[rng.integers(len(pool))]
        while row.shape[1] < CROP:
            row = np.concatenate([row, pool[rng.integers(len(pool))]], 1)
        start = int(rng.integers(row.shape[1] - CROP + 1))
        rows.append(row[:, start : start + CROP])
    return torch.from_numpy(np.stack(rows))


@torch.no_grad()
def evaluate(codec: AudioCodec, corpus: Path, size: int = 24) -> dict[str, float]:
    """Mel L1 in nat by kind, on held-out voices, speakers and compositions."""
    results, used = {}, set()
    for kind in SHARES:
        total, frames = 0.0, 0
        for i in range(size):
            mel = torch.from_numpy(clip((10**9, i), kind, "heldout", corpus))[None]
            codes = codec.encode(mel)
            used |= set(codes.flatten().tolist())
            total += float((codec.decode(codes) - mel).abs().mean()) * mel.shape[2]
            frames += mel.shape[2]
        results[f"{kind}_nat"] = total / frames
    return results | {"codes_used": len(used) / codec.fsq.codes}


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("--corpus", type=Path, required=True)
    parse.add_argument("--folder", type=Path, default=Path("runs/audio_codec"))
    parse.add_argument("--steps", type=int, default=4000)
    parse.add_argument("--batch", type=int, default=32)
    parse.add_argument("--width", type=int, default=256)
    parse.add_argument("--lr", type=float, default=1.5e-3)
    parse.add_argument("--threads", type=int, default=torch.get_num_threads())
    parse.add_argument("--workers", type=int, default=1, help="processes that speak and play")
    args = parse.parse_args()
    torch.set_num_threads(args.threads)
    seed_everything(0)
    codec = AudioCodec(args.width).to(memory_format=torch.channels_last)
    opt = optimizer(codec, args.lr, weight_decay=0.01)
    run = Run(args.folder, args.steps, args.lr)
    run.resume(codec, opt)
    sounds = ahead(partial(fresh, corpus=args.corpus), run.step, workers=args.workers)
    pool = list(itertools.chain.from_iterable(itertools.islice(sounds, 32)))
    for made in sounds:
        if run.step >= run.steps:
            break
        pool = (pool + made)[-POOL:]
        mel = crops(pool, run.step, args.batch)
        run.set_rate(opt, decay=0.4)
        with torch.autocast("cpu", torch.bfloat16):
            result = codec(mel)
        loss = F.l1_loss(result, mel)
        opt.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(codec.parameters(), 1.0)
        opt.step()
        run.step += 1
        if run.step % 100 == 0 or run.step == run.steps:
            run.log(loss=loss.item())
        if run.step % 500 == 0 or run.step == run.steps:
            run.log(**evaluate(codec, args.corpus))
            run.save(codec, opt)


if __name__ == "__main__":
    main()
