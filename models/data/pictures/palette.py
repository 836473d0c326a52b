"""Named colours for text, charts and backgrounds, and how well one is seen on another.

Job: names to RGB and back, small variations, contrast. Ignorance: what is drawn with them.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

RGB = tuple[int, int, int]

# The first ten keep their order: it decides which colour x shape pairs are held out.
COLOURS: dict[str, RGB] = {
    "red": (220, 40, 40),
    "orange": (245, 140, 30),
    "yellow": (240, 215, 40),
    "green": (50, 165, 75),
    "blue": (45, 90, 215),
    "purple": (135, 60, 175),
    "pink": (245, 130, 185),
    "brown": (125, 80, 45),
    "black": (25, 25, 25),
    "gray": (135, 135, 135),
    "white": (250, 250, 250),
    "turquoise": (60, 205, 200),
}
PAPERS: dict[str, RGB] = {
    "white": (255, 255, 255),
    "cream": (255, 246, 214),
    "light blue": (214, 234, 250),
    "light green": (220, 245, 222),
    "light pink": (252, 224, 234),
    "light gray": (222, 224, 228),
    "sand": (226, 205, 165),
    "sky": (135, 195, 240),
    "grass": (120, 185, 95),
    "gray": (128, 132, 138),
    "dark blue": (28, 40, 84),
    "dark green": (20, 66, 46),
    "dark red": (96, 22, 30),
    "black": (18, 18, 20),
}


def vary(colour: RGB, rng: np.random.Generator, spread: int) -> RGB:
    """The colour with each channel moved by at most `spread`."""
    r, g, b = np.clip(np.array(colour) + rng.integers(-spread, spread + 1, 3), 0, 255)
    return int(r), int(g), int(b)


@cache
def contrast(a: RGB, b: RGB) -> float:
    """The contrast ratio of WCAG 2, 1 to 21; large text needs 3."""
    high, low = sorted((_luminance(a), _luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: RGB) -> float:
    linear = [c / 3294.6 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def nearest(pixels: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Index into COLOURS for each pixel (..., 3): a weighted distance that follows the eye ("redmean")."""
    table = np.array(list(COLOURS.values()), float)
    given = pixels.astype(float)[..., None, :]
    red = (given[..., 0] + table[:, 0]) / 2
    square = (given - table) ** 2
    distance = (2 + red / 256) * square[..., 0] + 4 * square[..., 1] + (3 - red / 256) * square[..., 2]
    index: NDArray[np.intp] = distance.argmin(axis=-1)
    return index
