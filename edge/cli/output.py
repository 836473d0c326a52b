"""How verbs print: JSON, tables, notes.

Job: stdout for the answer, stderr for the rest; no colour and no wrapping where nobody looks.
Ignorance: what is printed. `NO_COLOR` is honoured by rich.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console

PIPE_WIDTH = 200  # columns where stdout is no terminal: a path must stay on its line
_SIGNS = {  # of control characters: U+2400 and following picture them; C1 have no pictures
    **{code: 0x2400 + code for code in range(0x20) if chr(code) not in "\n\t"},
    0x7F: 0x2421,
    **dict.fromkeys(range(0x80, 0xA0), 0xFFFD),
}


def as_json(value: Any) -> None:
    """One JSON document on stdout."""
    print(harmless(json.dumps(value, indent=2, ensure_ascii=False, default=str), sys.stdout))


def console(*, stderr: bool = False) -> Console:
    """A rich console on stdout or stderr."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(file=stream, width=None if stream.isatty() else PIPE_WIDTH, highlight=False)


def harmless(text: str, stream: TextIO) -> str:
    """What a model or a file says, for a stream: to a terminal, characters that would command it are shown as
    signs; pipes and files get the text as it is. Line feeds and tabs stay."""
    return text.translate(_SIGNS) if stream.isatty() else text


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A plain table on stdout."""
    from rich.table import Table

    drawn = Table(*headings, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        drawn.add_row(*(harmless(cell, sys.stdout) for cell in row))
    console().print(drawn)


def note(message: str) -> None:
    """A line for the person at the terminal, never part of the answer."""
    print(harmless(message, sys.stderr), file=sys.stderr, flush=True)


def watched(stream: TextIO) -> bool:
    """Whether a stream is a terminal that can move its cursor."""
    return stream.isatty() and os.environ.get("TERM", "dumb") not in ("", "dumb", "unknown")


def aside(message: str) -> None:
    """A note that should not catch the eye: dim where the terminal can."""
    dim = watched(sys.stderr) and not os.environ.get("NO_COLOR")
    told = harmless(message, sys.stderr)
    print(f"\x1b[2m{told}\x1b[0m" if dim else told, file=sys.stderr, flush=True)


def size(count: float) -> str:
    """Bytes for people: 17.3 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError
