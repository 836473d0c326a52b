"""Pictures inside of an HTML page: PNG as data, bars as SVG.

Job: pixels, log-mels and numbers into markup. Ignorance: what they mean.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from html import escape

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_INK, _SPAN = "#5e81ac", "#2e3440"
_WIDE, _HIGH, _LABEL = 420, 22, 90


def picture(pixels: NDArray[np.uint8], name: str) -> str:
    """(height, width, 3) uint8 as an <img>."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", optimize=True)
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<img alt="{escape(name)}" src="data:image/png;base64,{data}">'


def spectrogram(mel: NDArray[np.float32]) -> str:
    """A log-mel (bands, frames) as an <img>: low tones below, loud is bright."""
    low, high = np.quantile(mel, [0.02, 0.995]) if mel.size else (0.0, 1.0)
    level = np.clip((mel[::-1] - low) / max(1e-6, high - low), 0, 1)
    colours = np.stack([level, level**2, 0.25 + 0.5 * level - 0.55 * level**2], -1)
    pixels = (np.clip(colours, 0, 1) * 255).astype(np.uint8)
    return picture(np.repeat(pixels, 2, axis=1), f"spectrogram of {mel.shape[1] / 50:.1f} s")


def bars(values: Mapping[str, tuple[float, tuple[float, float]]], title: str) -> str:
    """Horizontal bars (value, (low, high) of its interval) as an <svg>."""
    most = max((high for _, (_, high) in values.values()), default=0.0) or 1.0
    scale = (_WIDE - _LABEL - 70) / most
    rows = []
    for i, (name, (value, (low, high))) in enumerate(values.items()):
        top, middle = i * _HIGH + 4, i * _HIGH + 11
        rows.append(
            f'<text x="0" y="{middle + 5}" font-size="13" fill="currentColor">{escape(name)}</text>'
            f'<rect x="{_LABEL}" y="{top}" width="{value * scale:.1f}" height="14" fill="{_INK}"/>'
            f'<line x1="{_LABEL + low * scale:.1f}" x2="{_LABEL + high * scale:.1f}" y1="{middle}" '
            f'y2="{middle}" stroke="{_SPAN}" stroke-width="2"/>'
            f'<text x="{_LABEL + high * scale + 6:.1f}" y="{middle + 5}" font-size="12" '
            f'fill="currentColor">{value:.4f}</text>'
        )
    height = len(values) * _HIGH + 6
    label = f'role="img" aria-label="{escape(title)}" width="{_WIDE}" height="{height}"'
    return f"<svg {label}>{''.join(rows)}</svg>"
