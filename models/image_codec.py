"""The picture codec: 64 x 64 RGB to 8 x 8 FSQ codes, and back to 64 x 64 or, sharper, to 128 x 128.

Job: plain convolutions with residuals (no norm, no attention, no GAN), fully convolutional, ONNX-clean.
Ignorance: data, losses, token ids.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.fsq import FSQ

STRIDE = 8  # pixels per code, each way


class Residual(nn.Module):
    """x + gain * conv(silu(conv(silu(x)))); the gain starts small, so that depth costs no stability."""

    def __init__(self, width: int, kernel: tuple[int, int] = (3, 3)) -> None:
        super().__init__()
        padding = (kernel[0] // 2, kernel[1] // 2)
        self.first = nn.Conv2d(width, width, kernel, padding=padding)
        self.second = nn.Conv2d(width, width, kernel, padding=padding)
        self.gain = nn.Parameter(torch.full((1, width, 1, 1), 0.2))
        self.silu = nn.SiLU()

    def forward(self, x: Tensor) -> Tensor:
        return x + self.gain * self.second(self.silu(self.first(self.silu(x))))


class ImageEncoder(nn.Module):
    """(batch, 3, H, W) in [0, 1] -> latents (batch, 4, H/8, W/8)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, width // 2, 4, 4),  # (w/2, 16, 16): one patch of 4 x 4 pixels each
            Residual(width // 2),
            Residual(width // 2),
            nn.Conv2d(width // 2, width, 2, 2),  # (w, 8, 8)
            *(Residual(width) for _ in range(4)),
        )
        self.head = nn.Conv2d(width, 4, 1)

    def forward(self, pixels: Tensor) -> Tensor:
        latents: Tensor = self.head(self.body(pixels * 2 - 1).float())
        return latents


class ImageDecoder(nn.Module):
    """Quantized latents (batch, 4, h, w) -> pixels (batch, 3, 8h, 8w), times `scale`."""

    def __init__(self, width: int, scale: int) -> None:
        super().__init__()
        half, quarter, eighth = width // 2, width // 4, width // 8
        finer = [
            nn.Conv2d(quarter, eighth * 4, 3, padding=1),
            nn.PixelShuffle(2),
            Residual(eighth),
            nn.SiLU(),
        ]
        last = eighth if scale == 2 else quarter
        self.body = nn.Sequential(
            nn.Conv2d(4, width, 3, padding=1),
            *(Residual(width) for _ in range(4)),
            nn.Conv2d(width, half * 4, 1),
            nn.PixelShuffle(2),  # (w/2, 16, 16)
            *(Residual(half) for _ in range(3)),
            nn.Conv2d(half, quarter * 4, 1),
            nn.PixelShuffle(2),  # (w/4, 32, 32)
            Residual(quarter),
            nn.SiLU(),
            *(finer if scale == 2 else ()),  # (w/8, 64, 64)
            nn.Conv2d(last, 12, 3, padding=1),
            nn.PixelShuffle(2),
        )

    def forward(self, z: Tensor) -> Tensor:
        pixels: Tensor = self.body(z).float()
        return pixels * 0.5 + 0.5


class ImageCodec(nn.Module):
    """Encoder, quantizer, decoder; `width` is the dial of size, `scale` (1 or 2) the pixels made per pixel read."""

    def __init__(self, width: int = 192, scale: int = 1) -> None:
        super().__init__()
        self.width, self.scale = width, scale
        self.encoder, self.fsq, self.decoder = ImageEncoder(width), FSQ(), ImageDecoder(width, scale)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Reconstruction (not clipped) and quantized latents."""
        z = self.fsq(self.encoder(pixels))
        return self.decoder(z), z

    @torch.no_grad()
    def encode(self, pixels: Tensor) -> Tensor:
        """Codes (batch, H/8 * W/8) int64, row by row."""
        return self.fsq.encode(self.encoder(pixels)).flatten(1)

    @torch.no_grad()
    def decode(self, codes: Tensor) -> Tensor:
        """Pixels (batch, 3, 8n, 8n), times the scale, in [0, 1] of codes (batch, n * n)."""
        n = int(codes.shape[1] ** 0.5)
        pixels: Tensor = self.decoder(self.fsq.decode(codes.view(-1, n, n))).clamp(0, 1)
        return pixels
