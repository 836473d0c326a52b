"""Markdown while it arrives: what is finished stays, the block that grows is drawn over itself.

Job: split a growing text into blocks, render them, rewrite only lines that changed.
Ignorance: events, models.
Only for a terminal. No line is cleared before it is written anew, so that nothing flickers; what has left
the window is never touched again.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console
    from rich.markdown import Markdown

INTERVAL = 0.05  # seconds between two drawings of one block
_FENCE = re.compile(r" {0,3}(```|~~~)")
_ITEM = re.compile(r"([-*+]|\d{1,9}[.)])\s")


class LiveMarkdown:
    """One run of text on a terminal, from a fresh line to a fresh line."""

    def __init__(self, out: TextIO, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._out, self._clock = out, clock
        self._text = ""  # of the block that is not finished
        self._drawn: list[str] = []  # its lines on the screen; the cursor stands after the last
        self._width = 0
        self._began = False  # a block stands above
        self._last = float("-inf")

    def add(self, text: str) -> None:
        """More text; shown at once, or with the next within the interval."""
        self._text += text
        while (end := end_of_block(self._text)) is not None:
            self._finish(self._text[:end])
            self._text = self._text[end:].lstrip("\n")
        if self._clock() - self._last >= INTERVAL:
            self._draw(self._text)
            self._last = self._clock()

    def close(self) -> None:
        """Show the rest; the next text begins anew."""
        if self._text.strip():
            self._finish(self._text)
        self._text, self._began, self._last = "", False, float("-inf")

    def _finish(self, block: str) -> None:
        self._draw(block)
        if self._drawn:
            self._out.write("\r\n")
            self._out.flush()
            self._drawn, self._began = [], True

    def _draw(self, block: str) -> None:
        size = shutil.get_terminal_size()
        if self._drawn and size.columns != self._width:  # terminals disagree on what they did to old lines
            self._out.write("\r\n")
            self._drawn = []
        self._width = size.columns
        lines = rendered(block, size.columns - 1, self._out)
        if self._began and lines:
            lines = ["", *lines]
        if lines != self._drawn:
            self._out.write(rewritten(self._drawn, lines, reach=size.lines - 1))
            self._out.flush()
            self._drawn = lines


def rewritten(old: list[str], new: list[str], *, reach: int) -> str:
    """What turns the old lines into the new ones, the cursor after the last line before and after.

    Args:
        reach: lines of the window that the cursor can go back to, its own included.
    """
    same = next((i for i, pair in enumerate(zip(old, new, strict=False)) if pair[0] != pair[1]), len(old))
    first = max(0, min(same, len(old) - 1, len(new) - 1), len(old) - reach)
    up = len(old) - 1 - first
    moved = "\r" + (f"\x1b[{up}A" if up > 0 else "") if old else ""
    return (
        moved
        + "\r\n".join(f"{line}\x1b[K" for line in new[first:])
        + ("\x1b[J" if len(new) < len(old) else "")
    )


def end_of_block(text: str) -> int | None:
    """Where the first block ends that no later text can change; None where there is none yet.

    A block ends at an empty line outside of a fence, once a line follows that is neither indented nor one
    more item of a list.
    """
    at, fence, blank, items = 0, "", None, False
    for line in text.splitlines(keepends=True):
        if (found := _FENCE.match(line)) and fence in ("", found[1]):
            fence = "" if fence else found[1]
        elif not fence and not line.strip():
            blank = at if text[:at].strip() else None
        if blank is not None and line.strip() and at > blank:
            goes_on = line[0] in " \t" or (items and (_ITEM.match(line) or not line.endswith("\n")))
            if not goes_on:
                return blank
            blank = None
        items = items or bool(_ITEM.match(line))
        at += len(line)
    return None


def rendered(text: str, width: int, out: TextIO) -> list[str]:
    """Markdown as lines of at most `width` cells, with escape codes where `out` is a terminal."""
    if not text.strip():
        return []
    console = _console(width, out)
    with console.capture() as captured:
        console.print(_parsed(text))
    lines = captured.get().rstrip("\n").split("\n")
    return [line.rstrip() for line in lines]


def _console(width: int, out: TextIO) -> Console:
    from rich.console import Console

    return Console(file=out, width=max(8, width), highlight=False)


def _parsed(text: str) -> Markdown:
    """Nothing is lost and nothing is hidden: HTML stays as it was written, a link tells its address, and the
    end of a line is one."""
    from markdown_it import MarkdownIt
    from rich.markdown import Markdown

    markdown = Markdown("", hyperlinks=False, code_theme="ansi_dark")
    parser = MarkdownIt("commonmark", {"html": False}).enable(["strikethrough", "table"])
    markdown.parsed = parser.parse(text)
    for token in markdown.parsed:
        for child in token.children or ():
            if child.type == "softbreak":
                child.type = "hardbreak"
    return markdown
