"""Stage 2: train the sound codec. `python -m models.train_audio_codec --steps 4000`

Job: speech and sounds on the fly into a growing pool of mel spectrograms, random crops of 2 s, mel L1. Resumable; writes runs/audio_codec.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from edge.media.spectrum import level, log_mel
from models.audio_codec import AudioCodec
from models.data import sounds, speech
from models.data.pictures import Split
from models.training import Run, optimizer, seed_everything

CROP = 96  # frames of 20 ms
SILENCE = float(np.log(1e-5))


def clip(seed: int, split: Split = "train") -> NDArray[np.float32]:
    """The log-mel (80, T) of one random sentence (or, one time in eight, sound), as a microphone hears it."""
    rng = np.random.default_rng((2, seed))
    if rng.random() < 0.125:
        _, samples = sounds.sample(rng)
    else:
        samples = speech.say(speech.sample_sentence(rng), speech.sample_delivery(rng, split))
    if split == "train" and rng.random() < 0.3:
        samples = speech.through_a_microphone(samples, rng)
    return log_mel(level(samples))


def crops(pool: list[NDArray[np.float32]], seed: int, size: int) -> Tensor:
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
def evaluate(codec: AudioCodec, size: int = 48) -> dict[str, float]:
    """Mel L1 in nat on held-out voices."""
    total, frames, used = 0.0, 0, set()
    for i in range(size):
        mel = torch.from_numpy(clip(10**9 + i, "heldout"))[None]
        codes = codec.encode(mel)
        used |= set(codes.flatten().tolist())
        total += float((codec.decode(codes) - mel).abs().mean()) * mel.shape[2]
        frames += mel.shape[2]
    return {"mel_l1_nat": total / frames, "codes_used": len(used) / codec.fsq.codes}


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("--folder", type=Path, default=Path("runs/audio_codec"))
    parse.add_argument("--steps", type=int, default=4000)
    parse.add_argument("--batch", type=int, default=32)
    parse.add_argument("--width", type=int, default=256)
    parse.add_argument("--lr", type=float, default=1.5e-3)
    parse.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = parse.parse_args()
    torch.set_num_threads(args.threads)
    seed_everything(0)
    codec = AudioCodec(args.width).to(memory_format=torch.channels_last)
    opt = optimizer(codec, args.lr, weight_decay=0.01)
    run = Run(args.folder, args.steps, args.lr)
    run.resume(codec, opt)
    pool = [clip(i) for i in range(256 + 4 * run.step)]
    while run.step < run.steps:
        pool += [clip(256 + 4 * run.step + i) for i in range(4)]
        mel = crops(pool[-4000:], run.step, args.batch)
        run.set_rate(opt, decay=0.4)
        with torch.autocast("cpu", torch.bfloat16):
            made = codec(mel)
        loss = F.l1_loss(made, mel)
        opt.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(codec.parameters(), 1.0)
        opt.step()
        run.step += 1
        if run.step % 100 == 0 or run.step == run.steps:
            run.log(loss=loss.item())
        if run.step % 500 == 0 or run.step == run.steps:
            run.log(**evaluate(codec))
            run.save(codec, opt)


if __name__ == "__main__":
    main()
