"""Finite scalar quantization (Mentzer et al. 2023): a codebook that cannot collapse.

Job: bound each latent dimension, round it to a few levels with a straight-through gradient, number the combinations.
All levels are odd, so rounding needs no half-step shift and the ONNX graph stays plain.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

LEVELS = (9, 7, 7, 9)  # 3,969 codes of a block of 4,096


class FSQ(nn.Module):
    """Latents (batch, 4, ...) to codes (batch, ...) and back."""

    def __init__(self, levels: tuple[int, ...] = LEVELS) -> None:
        super().__init__()
        self.levels = levels
        self.codes = 1
        place = []
        for n in levels:
            place.append(self.codes)
            self.codes *= n
        self.register_buffer("bound", torch.tensor([(n - 1) / 2 for n in levels]), persistent=False)
        self.register_buffer("stride", torch.tensor(place, dtype=torch.float32), persistent=False)

    def _column(self, row: Tensor, like: Tensor) -> Tensor:
        return row.view(1, -1, *([1] * (like.dim() - 2)))

    def forward(self, z: Tensor) -> Tensor:
        """Quantized latents in [-1, 1], straight-through."""
        half = self._column(self.bound, z)
        bounded = torch.tanh(z.float()) * half
        return (bounded + (bounded.round() - bounded).detach()) / half

    def encode(self, z: Tensor) -> Tensor:
        """Codes int64; the first dimension counts fastest."""
        half = self._column(self.bound, z)
        digits = (torch.tanh(z.float()) * half).round() + half
        return (digits * self._column(self.stride, z)).sum(1).to(torch.int64)

    def decode(self, codes: Tensor) -> Tensor:
        """Latents in [-1, 1] of codes (batch, ...)."""
        digits, rest = [], codes
        for n in self.levels:
            digits.append(rest % n)
            rest = rest // n
        z = torch.stack(digits, 1).float()
        half = self._column(self.bound, z)
        return (z - half) / half
