"""A picture that grows where it stands, and a clip that plays there: half blocks over half blocks.

Job: draw, draw over it, wipe; never more rows than the window has. Ignorance: where pixels come from.
Text can be drawn over, the graphics protocols cannot: a picture grows in half blocks everywhere.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from edge.cli import terminal_image

Pixels = NDArray[np.uint8]


class LivePicture:
    """What stands right above the cursor, and can be drawn over."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._rows = 0  # that stand there
        self._window = shutil.get_terminal_size()

    def draw(self, pixels: Pixels, height: int) -> bool:
        """(rows, width, 3) uint8, the upper part of a picture `height` pixels high; whether it was drawn."""
        if not terminal_image.way(self._out):
            return False
        back = self._back()
        self._window = shutil.get_terminal_size()
        columns = fitting(height, pixels.shape[1], self._window)
        drawn = terminal_image.encode(pixels, "blocks", columns, truecolor=terminal_image.truecolor())
        self._rows = drawn.count("\n") + 1
        self._out.write(f"{back}{drawn}\n\x1b[J")
        self._out.flush()
        return True

    def wipe(self) -> None:
        """Take it away."""
        if back := self._back():
            self._out.write(back + "\x1b[J")
            self._out.flush()
        self._rows = 0

    def _back(self) -> str:
        """To its first row; where the window changed meanwhile nobody knows where that is, and it stays."""
        known = self._rows and shutil.get_terminal_size() == self._window
        return f"\x1b[{self._rows}A\r" if known else ""


def fitting(height: int, width: int, window: os.terminal_size) -> int:
    """Columns of a picture that is seen as a whole, with a row below it."""
    by_rows = 2 * max(1, window.lines - 2) * width // max(1, height)
    return max(2, min(terminal_image.COLUMNS, window.columns - 1, by_rows))


def play(frames: Pixels, seconds: float, out: TextIO, *, wait: Callable[[float], None] = time.sleep) -> bool:
    """Draw (n, height, width, 3) uint8 one over the other, once; the first alone where pixels stay."""
    if terminal_image.way(out) != "blocks":
        return terminal_image.show(frames[0], out)
    screen = LivePicture(out)
    for number, frame in enumerate(frames):
        if number:
            wait(seconds)
        screen.draw(frame, frame.shape[0])
    return True
