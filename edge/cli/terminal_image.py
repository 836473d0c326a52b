"""A picture in the terminal: Kitty, iTerm2 or Sixel graphics where the environment names them, half blocks
elsewhere.

Job: choose by environment variables, write escape codes. The terminal is never asked anything: an
unanswered query would block. Ignorance: where pictures come from. Writes nothing where nobody looks (no
TTY, TERM=dumb).
"""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Iterator, Mapping
from typing import Any, Literal, TextIO

import numpy as np
from numpy.typing import NDArray

from edge.media.image import Picture

Protocol = Literal["kitty", "iterm", "sixel", "blocks"]
Pixels = NDArray[np.uint8]

COLUMNS = 64  # a native picture is 64 pixels wide
_KITTY_CHUNK = 4096  # base64 bytes per escape code; sw.kovidgoyal.net/kitty/graphics-protocol
_SIXEL_COLOURS, _SIXEL_SIDE = 256, 320  # registers; pixels a small picture is enlarged to
_NAMES: tuple[Protocol, ...] = ("kitty", "iterm", "sixel", "blocks")


def show(pixels: Pixels, out: TextIO) -> bool:
    """Draw (height, width, 3) uint8 to a terminal; whether anything was drawn."""
    chosen = way(out)
    if chosen is None:
        return False
    columns = min(COLUMNS, max(2, shutil.get_terminal_size().columns - 1))
    out.write(encode(pixels, chosen, columns, truecolor=truecolor()) + "\n")
    out.flush()
    return True


def way(out: TextIO) -> Protocol | None:
    """How pictures can be shown there; None: not at all."""
    found = protocol(os.environ) if out.isatty() else None
    blocks = "utf" in (getattr(out, "encoding", None) or "").lower()
    return None if found == "blocks" and not blocks else found


def protocol(environment: Mapping[str, str]) -> Protocol | None:
    """How this terminal shows pictures; None: not at all. `EDGE_IMAGES` = kitty, iterm, sixel, blocks, off
    overrules."""
    asked = environment.get("EDGE_IMAGES", "").lower()
    if asked == "off":
        return None
    for name in _NAMES:
        if asked == name:
            return name
    term, program = environment.get("TERM", ""), environment.get("TERM_PROGRAM", "")
    if term in ("", "dumb"):
        return None
    if "TMUX" not in environment and not term.startswith(("screen", "tmux")):  # multiplexers swallow graphics
        if "KITTY_WINDOW_ID" in environment or "kitty" in term or "ghostty" in (term + program).lower():
            return "kitty"
        if program in ("iTerm.app", "WezTerm", "mintty"):
            return "iterm"
        if term.startswith(("foot", "mlterm", "contour")) or "sixel" in term:
            return "sixel"
    return None if environment.get("NO_COLOR") else "blocks"


def encode(pixels: Pixels, way: Protocol, columns: int, *, truecolor: bool = True) -> str:
    """The escape codes of a picture, at most `columns` cells wide."""
    if way == "kitty":
        return _kitty(Picture(pixels).png(), columns)
    if way == "iterm":
        return _iterm(Picture(pixels).png(), columns)
    if way == "sixel":
        return _sixel(pixels)
    return "\n".join(_half_blocks(pixels, columns, truecolor))


def truecolor() -> bool:
    """Whether the terminal says that it knows all colours."""
    return os.environ.get("COLORTERM", "") in ("truecolor", "24bit") or "direct" in os.environ.get("TERM", "")


def _half_blocks(pixels: Pixels, columns: int, truecolor: bool) -> Iterator[str]:
    """Two pixels per cell: the upper one is the colour of the block, the lower one its background."""
    wide = min(columns, pixels.shape[1])
    high = 2 * max(1, round(pixels.shape[0] * wide / pixels.shape[1] / 2))
    small = _resize(pixels, wide, high)
    colour = _rgb if truecolor else _cube
    for upper, lower in zip(small[::2].tolist(), small[1::2].tolist(), strict=True):
        cells, last = [], ""
        for above, below in zip(upper, lower, strict=True):
            code = f"\x1b[38;{colour(above)};48;{colour(below)}m"
            cells.append(("" if code == last else code) + "▀")
            last = code
        yield "".join(cells) + "\x1b[0m"


def _rgb(colour: list[int]) -> str:
    return "2;{};{};{}".format(*colour)


def _cube(colour: list[int]) -> str:
    """The 6 x 6 x 6 colours every 256-colour terminal has; its steps are 0, 95, 135, 175, 215, 255."""
    red, green, blue = (0 if c < 48 else 1 if c < 115 else (c - 35) // 40 for c in colour)
    return f"5;{16 + 36 * red + 6 * green + blue}"


def _kitty(png: bytes, columns: int) -> str:
    data = base64.standard_b64encode(png).decode()
    pieces = [data[i : i + _KITTY_CHUNK] for i in range(0, len(data), _KITTY_CHUNK)]
    first = f"a=T,f=100,q=2,c={columns // 2},"  # q=2: the terminal must not answer
    return "".join(
        f"\x1b_G{first if i == 0 else ''}m={int(i < len(pieces) - 1)};{piece}\x1b\\"
        for i, piece in enumerate(pieces)
    )


def _iterm(png: bytes, columns: int) -> str:
    """iterm2.com/documentation-images.html"""
    data = base64.standard_b64encode(png).decode()
    return f"\x1b]1337;File=inline=1;size={len(png)};width={columns // 2};preserveAspectRatio=1:{data}\a"


def _sixel(pixels: Pixels) -> str:
    """DEC VT330/VT340 Programmer Reference Manual, volume 2, chapter 14: bands of six rows, one pass per
    colour."""
    from PIL import Image

    factor = max(1, _SIXEL_SIDE // max(pixels.shape[:2]))
    palette = Image.fromarray(pixels).quantize(_SIXEL_COLOURS)
    indexed = np.asarray(palette).repeat(factor, axis=0).repeat(factor, axis=1)
    colours = np.asarray(palette.getpalette(), dtype=np.int64).reshape(-1, 3)
    used = np.unique(indexed).tolist()
    registers = "".join("#{};2;{};{};{}".format(i, *_percent(colours[i])) for i in used)
    bands = "-".join(_band(indexed[top : top + 6]) for top in range(0, len(indexed), 6))
    height, width = indexed.shape
    return f'\x1bPq"1;1;{width};{height}{registers}{bands}\x1b\\'


def _percent(colour: NDArray[Any]) -> list[int]:
    return [round(int(c) * 100 / 255) for c in colour]


def _band(rows: NDArray[Any]) -> str:
    weights = (1 << np.arange(len(rows)))[:, None]
    passes = (f"#{c}" + _runs(((rows == c) * weights).sum(axis=0) + 63) for c in np.unique(rows).tolist())
    return "$".join(passes)


def _runs(codes: NDArray[Any]) -> str:
    """Run-length coding: `!5~` is five times `~`."""
    starts = np.flatnonzero(np.diff(codes, prepend=-1))
    lengths = np.diff(starts, append=len(codes)).tolist()
    letters = [chr(c) for c in codes[starts].tolist()]
    return "".join(
        f"!{n}{letter}" if n > 3 else letter * n for n, letter in zip(lengths, letters, strict=True)
    )


def _resize(pixels: Pixels, width: int, height: int) -> Pixels:
    from PIL import Image

    if pixels.shape[:2] == (height, width):
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS))
