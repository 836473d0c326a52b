"""What the Tab key offers: commands, settings and their values, paths.

Job: from the text before the cursor to the words that may stand there. Ignorance: keys, menus, models.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from edge.cli.settings import NAMES, NUMBERS, SWITCHES
from edge.media import endings
from edge.store import at_home

MOST = 200  # names of a folder that are offered
_WORD = re.compile(r"(?:\\.|[^\s\\])*$")  # the last word, as a shell escapes spaces
_QUOTED = re.compile(r"""(?:^|\s)(['"])([^'"]*)$""")  # a quote that is still open


@dataclass(frozen=True)
class Offer:
    """A word that may replace the last `length` characters before the cursor."""

    text: str
    length: int
    note: str = ""


def offers(before: str, commands: Mapping[str, str], files: Mapping[str, tuple[str, ...]]) -> Iterator[Offer]:
    """What may stand at the end of a text.

    Args:
        before: the text before the cursor.
        commands: what a command does, by its name without the slash.
        files: the endings of what a command takes, by its name; () = any file.
    """
    name, blank, rest = before[1:].partition(" ")
    if before.startswith("/") and not blank and "/" not in name:
        yield from (Offer(f"/{c} ", len(before), told) for c, told in commands.items() if c.startswith(name))
    elif before.startswith("/") and blank and name == "set":
        yield from _settings(rest)
    else:
        known = before.startswith("/") and blank and name in files
        yield from _paths(before, files[name] if known else endings.ALL, listing=bool(known))


def _settings(rest: str) -> Iterator[Offer]:
    name, blank, value = rest.partition(" ")
    if not blank:
        notes = {"system": "a text", **dict.fromkeys(NUMBERS, "a number"), **SWITCHES}
        yield from (Offer(f"{n} ", len(name), notes[n]) for n in NAMES if n.startswith(name))
    elif name in SWITCHES:
        yield from (Offer(choice, len(value)) for choice in ("on", "off") if choice.startswith(value))


def _paths(before: str, wanted: tuple[str, ...], *, listing: bool) -> Iterator[Offer]:
    """Folders, and files by their endings, that continue the last word in the form it was begun.

    Where no word was begun, everything that is there is offered only where `listing`.
    """
    if quoted := _QUOTED.search(before):
        quote, begun = quoted.groups()
        yield from _named(begun, begun, wanted, lambda path: path, quote)
    elif (word := _last_word(before)) or listing:
        yield from _named(re.sub(r"\\(.)", r"\1", word), word, wanted, _escaped, " ")


def _last_word(before: str) -> str:
    found = _WORD.search(before)
    return found[0] if found else ""


def _named(
    path: str, written: str, wanted: tuple[str, ...], form: Callable[[str], str], end: str
) -> Iterator[Offer]:
    """The entries of the folder that a path stands in, which begin as it does."""
    head, tail = os.path.split(path)
    for entry, is_folder in _listed(at_home(head or "."), tail):
        if is_folder or not wanted or entry.lower().endswith(wanted):
            whole = form(os.path.join(head, entry)) + ("/" if is_folder else end)
            yield Offer(whole, len(written), "" if is_folder else Path(entry).suffix[1:])


def _listed(folder: Path, begin: str) -> list[tuple[str, bool]]:
    """Names that begin so, and whether they are folders; hidden ones only where a dot was typed."""
    try:
        with os.scandir(folder) as entries:
            found = [(e.name, e.is_dir()) for e in entries if e.name.startswith(begin)]
    except OSError:
        return []
    return sorted(one for one in found if begin.startswith(".") or not one[0].startswith("."))[:MOST]


def _escaped(path: str) -> str:
    return re.sub(r"([\s'\"\\])", r"\\\1", path)
