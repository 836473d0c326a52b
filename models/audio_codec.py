"""The sound codec: log-mel frames to one FSQ code per 20 ms and back.

Job: residual convolutions over time, ONNX-clean; the STFT and Griffin-Lim stay outside (edge.media.spectrum).
Convolutions are written as Conv2d (1, k): bf16 Conv1d is an order of magnitude slower on CPUs.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.fsq import FSQ
from models.image_codec import Residual

BANDS = 80
_MEAN, _SPREAD = -4.5, 2.5  # of log-mel speech, in nat


class AudioCodec(nn.Module):
    """(batch, 80, T) log-mel <-> (batch, T) codes; `width` is the dial of size."""

    def __init__(self, width: int = 256) -> None:
        super().__init__()
        self.width = width
        kernel = (1, 3)
        self.encoder = nn.Sequential(
            nn.Conv2d(BANDS, width, (1, 3), padding=(0, 1)),
            *(Residual(width, kernel) for _ in range(3)),
            nn.SiLU(),
        )
        self.head = nn.Conv2d(width, 4, 1)
        self.fsq = FSQ()
        self.decoder = nn.Sequential(
            nn.Conv2d(4, width, (1, 5), padding=(0, 2)),
            *(Residual(width, kernel) for _ in range(4)),
            nn.SiLU(),
            nn.Conv2d(width, BANDS, 1),
        )

    def latents(self, mel: Tensor) -> Tensor:
        """(batch, 80, T) -> (batch, 4, 1, T) before the quantizer."""
        z: Tensor = self.head(self.encoder(((mel - _MEAN) / _SPREAD).unsqueeze(2)).float())
        return z

    def reconstruct(self, z: Tensor) -> Tensor:
        """Quantized latents -> (batch, 80, T) log-mel."""
        mel: Tensor = self.decoder(z).squeeze(2).float()
        return mel * _SPREAD + _MEAN

    def forward(self, mel: Tensor) -> Tensor:
        return self.reconstruct(self.fsq(self.latents(mel)))

    @torch.no_grad()
    def encode(self, mel: Tensor) -> Tensor:
        """Codes (batch, T) int64."""
        return self.fsq.encode(self.latents(mel)).squeeze(1)

    @torch.no_grad()
    def decode(self, codes: Tensor) -> Tensor:
        """Log-mel (batch, 80, T)."""
        return self.reconstruct(self.fsq.decode(codes.unsqueeze(1)))
