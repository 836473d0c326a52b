"""Stage 1: train the picture codec. `python -m models.train_image_codec --steps 6000 --corpus ../shared/corpus`

Job: pictures of every kind on the fly, drawn at 128 pixels, read at 64 and made at 128; L1 + MSE + gradient L1, heavier where the
picture has detail (strokes of letters are few pixels on a large ground), and a small head that names what each code shows (the
labels are free), because codes that only reconstruct read badly. Resumable; writes runs/image_codec.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from models.data.ahead import ahead
from models.data.pictures import kinds
from models.data.pictures.drawing import through_a_camera
from models.image_codec import ImageCodec
from models.training import Run, optimizer, seed_everything

SIDE, SCALE = 64, 2  # pixels read; pixels made per pixel read
LABEL_WEIGHT, DETAIL_WEIGHT = 0.1, 20.0
Batch = tuple[NDArray[np.uint8], NDArray[np.int64]]


class Reader(nn.Module):
    """The throw-away head: what each code shows, and its colour."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(4, 128, 3, padding=1), nn.SiLU(), nn.Conv2d(128, 128, 3, padding=1), nn.SiLU(),
            nn.Conv2d(128, len(kinds.WHATS) + len(kinds.COLOURS), 1),
        )  # fmt: skip

    def loss(self, z: Tensor, labels: Tensor) -> Tensor:
        """Cross entropy per cell; labels (batch, 2, 8, 8)."""
        what, colour = self.body(z).float().split([len(kinds.WHATS), len(kinds.COLOURS)], 1)
        return F.cross_entropy(what, labels[:, 0]) + F.cross_entropy(colour, labels[:, 1])


def batch(number: int, size: int, corpus: Path) -> Batch:
    """Pixels (size, 128, 128, 3) uint8 and labels (size, 2, 8, 8) of training pictures."""
    rng = np.random.default_rng((1, number))
    pictures = [kinds.sample(rng, "train", corpus) for _ in range(size)]
    drawn = [p.draw(rng, SIDE * SCALE) for p in pictures]
    return np.stack(drawn), np.stack([kinds.labels(p) for p in pictures])


def tensors(drawn: NDArray[np.uint8]) -> tuple[Tensor, Tensor]:
    """What is read (n, 3, 64, 64) and what is to be made (n, 3, 128, 128), in [0, 1]."""
    made = torch.from_numpy(drawn).permute(0, 3, 1, 2).float() / 255
    made = made.contiguous(memory_format=torch.channels_last)
    return F.avg_pool2d(made, SCALE), made


def photographed(read: Tensor, number: int) -> Tensor:
    """One in seven of the pictures as a JPEG or slightly out of focus; what is to be made stays clean."""
    rng = np.random.default_rng((4, number))
    for i in np.flatnonzero(rng.random(len(read)) < 1 / 7):
        pixels = (read[i].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
        read[i] = torch.from_numpy(through_a_camera(pixels, rng).copy()).permute(2, 0, 1).float() / 255
    return read


def edges(pixels: Tensor) -> tuple[Tensor, Tensor]:
    return pixels[..., 1:, :] - pixels[..., :-1, :], pixels[..., 1:] - pixels[..., :-1]


def emphasis(truth: Tensor) -> Tensor:
    """(n, 1, side, side) with mean 1: more where a pixel differs from its surroundings, and around it."""
    detail = (truth - F.avg_pool2d(truth, 9, 1, 4, count_include_pad=False)).abs().mean(1, keepdim=True)
    weight = 1 + DETAIL_WEIGHT * F.avg_pool2d(detail, 5, 1, 2)
    return weight / weight.mean()


def loss_of(
    codec: ImageCodec, reader: Reader, read: Tensor, truth: Tensor, labels: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The training loss, the plain mean squared error, and the labels' cross entropy."""
    with torch.autocast("cpu", torch.bfloat16):
        made, z = codec(read)
        naming = reader.loss(z, labels)
    error, weight = made - truth, emphasis(truth)
    gradient = sum(F.l1_loss(a, b) for a, b in zip(edges(made), edges(truth), strict=True))
    loss = (error.abs() * weight).mean() + 4 * (error**2 * weight).mean() + gradient + LABEL_WEIGHT * naming
    return loss, (error.detach() ** 2).mean(), naming.detach()


@torch.no_grad()
def evaluate(codec: ImageCodec, corpus: Path, size: int = 64) -> dict[str, float]:
    """PSNR in dB by kind on held-out pictures, at the side that is read; the share of codes in use."""
    results, used = {}, set()
    for name in kinds.KINDS:
        rng = np.random.default_rng((5, 0))
        drawn = [kinds.sample(rng, "heldout", corpus, name).draw(rng, SIDE * SCALE) for _ in range(size)]
        read, _ = tensors(np.stack(drawn))
        codes = codec.encode(read)
        used |= set(codes.flatten().tolist())
        mse = ((F.avg_pool2d(codec.decode(codes), SCALE) - read) ** 2).mean((1, 2, 3)).clamp_min(1e-7)
        results[f"{name}_db"] = float((-10 * mse.log10()).mean())
    return results | {"codes_used": len(used) / codec.fsq.codes}


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("--corpus", type=Path, required=True)
    parse.add_argument("--folder", type=Path, default=Path("runs/image_codec"))
    parse.add_argument("--steps", type=int, default=6000)
    parse.add_argument("--batch", type=int, default=48)
    parse.add_argument("--width", type=int, default=160)
    parse.add_argument("--lr", type=float, default=1.5e-3)
    parse.add_argument("--threads", type=int, default=torch.get_num_threads())
    parse.add_argument("--workers", type=int, default=1, help="processes that draw")
    args = parse.parse_args()
    torch.set_num_threads(args.threads)
    seed_everything(0)
    codec = ImageCodec(args.width, SCALE).to(memory_format=torch.channels_last)
    both = nn.ModuleList([codec, reader := Reader()])
    opt = optimizer(both, args.lr, weight_decay=0.01)
    run = Run(args.folder, args.steps, args.lr)
    run.resume(both, opt)
    make = partial(batch, size=args.batch, corpus=args.corpus)
    for drawn, labels in ahead(make, run.step, workers=args.workers):
        if run.step >= run.steps:
            break
        read, truth = tensors(drawn)
        run.set_rate(opt, decay=0.4)
        loss, mse, naming = loss_of(
            codec, reader, photographed(read, run.step), truth, torch.from_numpy(labels)
        )
        opt.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(both.parameters(), 1.0)
        opt.step()
        run.step += 1
        if run.step % 50 == 0 or run.step == run.steps:
            run.log(loss=loss.item(), batch_psnr_db=float(-10 * mse.log10()), naming=naming.item())
        if run.step % 500 == 0 or run.step == run.steps:
            run.log(**evaluate(codec, args.corpus))
            run.save(both, opt)


if __name__ == "__main__":
    main()
