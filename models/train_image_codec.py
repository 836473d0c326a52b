"""Stage 1: train the picture codec. `python -m models.train_image_codec --steps 6000`

Job: scenes and clutter on the fly; L1 + MSE + gradient L1, and a small semantic head on the quantized latents (colours, shapes,
number: the labels are free), because codes that only reconstruct read badly. Resumable; writes runs/image_codec.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from models.data import pictures
from models.image_codec import ImageCodec
from models.training import Run, optimizer, seed_everything


class Reader(nn.Module):
    """The semantic head: which colours and shapes are there, and how many things."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(4, 64, 3, padding=1), nn.SiLU(), nn.Conv2d(64, 64, 3, padding=1), nn.SiLU(), nn.AvgPool2d(2),
            nn.Flatten(), nn.Linear(64 * 16, len(pictures.COLOURS) + len(pictures.SHAPES) + 5),
        )  # fmt: skip

    def forward(self, z: Tensor) -> Tensor:
        scores: Tensor = self.body(z)
        return scores


def labels(scene: pictures.Scene) -> NDArray[np.float32]:
    """(colours + shapes + 5,) multi-hot."""
    hot = [float(any(t.colour == c for t in scene.things)) for c in pictures.COLOURS]
    hot += [float(any(t.shape == s for t in scene.things)) for s in pictures.SHAPES]
    return np.array(hot + [float(len(scene.things) == n) for n in range(1, 6)], np.float32)


def batch(seed: int, size: int, split: pictures.Split = "train") -> tuple[Tensor, Tensor, int]:
    """Pixels (size, 3, 64, 64) in [0, 1], labels of the first `n` that are scenes, and n."""
    rng = np.random.default_rng((1, seed))
    n = size if split == "heldout" else size * 3 // 4
    scenes = [pictures.sample(rng, split) for _ in range(n)]
    drawn = [pictures.draw(s, rng) for s in scenes] + [pictures.clutter(rng) for _ in range(size - n)]
    if split == "train":
        drawn = [pictures.through_a_camera(p, rng) if rng.random() < 0.15 else p for p in drawn]
    pixels = torch.from_numpy(np.stack(drawn)).permute(0, 3, 1, 2).float() / 255
    return (
        pixels.contiguous(memory_format=torch.channels_last),
        torch.from_numpy(np.stack([labels(s) for s in scenes])),
        n,
    )


def edges(pixels: Tensor) -> tuple[Tensor, Tensor]:
    return pixels[..., 1:, :] - pixels[..., :-1, :], pixels[..., 1:] - pixels[..., :-1]


def loss_of(
    codec: ImageCodec, reader: Reader, pixels: Tensor, truth: Tensor, n: int
) -> tuple[Tensor, Tensor]:
    """The training loss and the plain mean squared error."""
    with torch.autocast("cpu", torch.bfloat16):
        made, z = codec(pixels)
        scores = reader(z[:n])
    mse = F.mse_loss(made, pixels)
    gradient = sum(F.l1_loss(a, b) for a, b in zip(edges(made), edges(pixels), strict=True))
    semantic = F.binary_cross_entropy_with_logits(scores.float(), truth)
    return F.l1_loss(made, pixels) + 4 * mse + 0.5 * gradient + 0.05 * semantic, mse.detach()


@torch.no_grad()
def evaluate(codec: ImageCodec, size: int = 256) -> dict[str, float]:
    """PSNR in dB on held-out scenes (mean over pictures) and the share of codes in use."""
    pixels, _, _ = batch(10**9, size, "heldout")
    codes = codec.encode(pixels)
    mse = ((codec.decode(codes) - pixels) ** 2).mean((1, 2, 3)).clamp_min(1e-7)
    return {"psnr_db": float((-10 * mse.log10()).mean()), "codes_used": len(codes.unique()) / codec.fsq.codes}


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("--folder", type=Path, default=Path("runs/image_codec"))
    parse.add_argument("--steps", type=int, default=6000)
    parse.add_argument("--batch", type=int, default=64)
    parse.add_argument("--width", type=int, default=192)
    parse.add_argument("--lr", type=float, default=2e-3)
    parse.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = parse.parse_args()
    torch.set_num_threads(args.threads)
    seed_everything(0)
    codec = ImageCodec(args.width).to(memory_format=torch.channels_last)
    both = nn.ModuleList([codec, reader := Reader()])
    opt = optimizer(both, args.lr, weight_decay=0.01)
    run = Run(args.folder, args.steps, args.lr)
    run.resume(both, opt)
    while run.step < run.steps:
        pixels, truth, n = batch(run.step, args.batch)
        run.set_rate(opt, decay=0.4)
        loss, mse = loss_of(codec, reader, pixels, truth, n)
        opt.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(both.parameters(), 1.0)
        opt.step()
        run.step += 1
        if run.step % 100 == 0 or run.step == run.steps:
            run.log(loss=loss.item(), batch_psnr_db=float(-10 * mse.log10()))
        if run.step % 500 == 0 or run.step == run.steps:
            run.log(**evaluate(codec))
            run.save(both, opt)


if __name__ == "__main__":
    main()
