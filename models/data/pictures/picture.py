"""What every kind of training picture offers, whatever it shows.

Job: the one shape that codecs, banks and documents handle: pixels on demand, labels per cell, words.
Ignorance: how a kind is sampled or drawn (scenes, emoji, lettering, charts know), tokens, codecs.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

GRID = 8  # cells a side: one picture code each
GROUND = ("", "")


class Asked(NamedTuple):
    """A question about a picture with its one right answer."""

    kind: str  # "colour", "shape", "count", "position", "relation", "ocr" ...
    question: str
    answer: str


class Picture(Protocol):
    """Something that can be drawn and talked about. Frozen; equal items draw equal pixels from equal generators."""

    def draw(self, rng: np.random.Generator, side: int = 64) -> NDArray[np.uint8]:
        """Pixels (side, side, 3) RGB, antialiased. The same generator state gives the same picture at every side."""

    def cells(self) -> list[tuple[str, str]]:
        """GRID * GRID pairs, row by row: (what the middle of the cell shows, its colour); GROUND where nothing is."""

    def caption(self) -> str:
        """What is to be seen, as a noun phrase: no capital, no full stop. It is also what follows "Draw"."""

    def questions(self, rng: np.random.Generator) -> list[Asked]:
        """Questions in random order and phrasing; answers are short and capitalised, with a full stop."""
