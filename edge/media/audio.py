"""Sounds: bytes to samples and back."""

from __future__ import annotations

from edge.media.spectrum import griffin_lim, log_mel

__all__ = ["griffin_lim", "log_mel"]
