"""Stage 2: train the sound codec. `python -m models.train_audio_codec --steps 4000 --corpus ../shared/corpus`

Job: voices, real recordings and music on the fly into a growing pool of mel spectrograms, random crops of 2 s; mel L1, and a small
head that names the phoneme of each code, because codes that only reconstruct read badly. Resumable; writes runs/audio_codec.
"""

from __future__ import annotations

import argparse
import itertools
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from edge.media.spectrum import level, log_mel
from models.audio_codec import AudioCodec
from models.data import items
from models.data.ahead import ahead
from models.data.sounds import microphone, music, recordings, utterances, voices
from models.data.sounds.phonemes import stretched
from models.data.text.turns import Split
from models.training import Run, optimizer, seed_everything

CROP = 96  # frames of 20 ms
POOL, FRESH = 4000, 8  # mels kept, mels made anew per step
LABEL_WEIGHT = 0.05
SHARES = {"speech": 0.5, "mood": 0.1, "recording": 0.15, "music": 0.25}
Labelled = tuple[NDArray[np.float32], NDArray[np.uint8]]  # log-mel (80, T), phonemes (T,)


class Reader(nn.Module):
    """The throw-away head: the phoneme of each code, from its neighbourhood."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(4, 128, (1, 5), padding=(0, 2)), nn.SiLU(), nn.Conv2d(128, 128, (1, 5), padding=(0, 2)), nn.SiLU(),
            nn.Conv2d(128, len(voices.PHONEMES), 1),
        )  # fmt: skip

    def loss(self, z: Tensor, phonemes: Tensor) -> Tensor:
        """Cross entropy where a phoneme is known; phonemes (batch, T)."""
        return F.cross_entropy(self.body(z).float().squeeze(2), phonemes, ignore_index=voices.NO_LABEL)


def sound_of(
    kind: str, rng: np.random.Generator, split: Split, corpus: Path
) -> tuple[NDArray[np.float32], NDArray[np.uint8] | None]:
    """A random sound of a kind, and its phonemes per code where they are known."""
    if kind == "music":
        return music.sample(rng, split).play(rng), None
    if kind == "recording":
        return recordings.sample(rng, items.known_recordings(corpus, split))[1], None
    emotion = voices.EMOTIONS[int(rng.integers(len(voices.EMOTIONS)))] if kind == "mood" else None
    said = utterances.sample(rng, split, items.lexicon(corpus))
    return voices.say_labelled(said.text, voices.sample_delivery(rng, split, emotion))


def clip(seed: tuple[int, int], kind: str, split: Split, corpus: Path) -> Labelled:
    """One sound; in training a third comes through a microphone."""
    rng = np.random.default_rng((2, *seed))
    samples, phonemes = sound_of(kind, rng, split, corpus)
    if split == "train" and rng.random() < 0.5:  # other throats: pitch and formants move together
        samples = microphone.at_speed(samples.astype(np.float64), rng.uniform(0.86, 1.16)).astype(np.float32)
    if split == "train" and rng.random() < 0.3:
        samples = microphone.through_a_microphone(samples, rng)
    mel = log_mel(level(samples))
    unknown = np.full(mel.shape[1], voices.NO_LABEL, np.uint8)
    return mel, unknown if phonemes is None else stretched(phonemes, mel.shape[1])


def fresh(number: int, corpus: Path) -> list[Labelled]:
    """Batch `number` of new training sounds."""
    kinds = np.random.default_rng((6, number)).choice(list(SHARES), FRESH, p=list(SHARES.values()))
    return [clip((number, i), str(kind), "train", corpus) for i, kind in enumerate(kinds)]


def crops(pool: list[Labelled], seed: int, size: int) -> tuple[Tensor, Tensor]:
    """(size, 80, CROP) and (size, CROP); short sounds joined until they fill a crop."""
    rng = np.random.default_rng((3, seed))
    rows, told = [], []
    for _ in range(size):
        mel, phonemes = pool[rng.integers(len(pool))]
        while mel.shape[1] < CROP:
            more = pool[rng.integers(len(pool))]
            mel, phonemes = np.concatenate([mel, more[0]], 1), np.concatenate([phonemes, more[1]])
        start = int(rng.integers(mel.shape[1] - CROP + 1))
        rows.append(mel[:, start : start + CROP])
        told.append(phonemes[start : start + CROP])
    return torch.from_numpy(np.stack(rows)), torch.from_numpy(np.stack(told).astype(np.int64))


@torch.no_grad()
def evaluate(codec: AudioCodec, reader: Reader, corpus: Path, size: int = 24) -> dict[str, float]:
    """Mel L1 in nat by kind, on held-out voices, speakers and compositions; phonemes told right; codes in use."""
    results, used, right = {}, set(), []
    for kind in SHARES:
        total, frames = 0.0, 0
        for i in range(size):
            known, phonemes = clip((10**9, i), kind, "heldout", corpus)
            mel = torch.from_numpy(known)[None]
            codes = codec.encode(mel)
            used |= set(codes.flatten().tolist())
            total += float((codec.decode(codes) - mel).abs().mean()) * mel.shape[2]
            frames += mel.shape[2]
            told = reader.body(codec.fsq.decode(codes.unsqueeze(1))).argmax(1)[0, 0].numpy()
            right += (told == phonemes)[phonemes != voices.NO_LABEL].tolist()
        results[f"{kind}_nat"] = total / frames
    return results | {"phonemes": float(np.mean(right)), "codes_used": len(used) / codec.fsq.codes}


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
    both = nn.ModuleList([codec, reader := Reader()])
    opt = optimizer(both, args.lr, weight_decay=0.01)
    run = Run(args.folder, args.steps, args.lr)
    run.resume(both, opt)
    sounds = ahead(partial(fresh, corpus=args.corpus), run.step, workers=args.workers)
    pool = list(itertools.chain.from_iterable(itertools.islice(sounds, 32)))
    for made in sounds:
        if run.step >= run.steps:
            break
        pool = (pool + made)[-POOL:]
        mel, phonemes = crops(pool, run.step, args.batch)
        run.set_rate(opt, decay=0.4)
        with torch.autocast("cpu", torch.bfloat16):
            z = codec.fsq(codec.latents(mel))
            result, naming = codec.reconstruct(z), reader.loss(z, phonemes)
        loss = F.l1_loss(result, mel)
        opt.zero_grad(set_to_none=True)
        (loss + LABEL_WEIGHT * naming).backward()
        nn.utils.clip_grad_norm_(both.parameters(), 1.0)
        opt.step()
        run.step += 1
        if run.step % 100 == 0 or run.step == run.steps:
            run.log(loss=loss.item(), naming=naming.item())
        if run.step % 500 == 0 or run.step == run.steps:
            run.log(**evaluate(codec, reader, args.corpus))
            run.save(both, opt)


if __name__ == "__main__":
    main()
