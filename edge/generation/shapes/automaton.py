"""Regular languages over bytes: from an expression of characters to a table.

Job: build the smallest useful automaton (byte ranges, subsets, trimming), so that every state that is left
can still reach an end. Ignorance: JSON, patterns as people write them, tokens.
Characters become bytes as UTF-8, or as JSON writes them inside of a string (`json_bytes`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from edge.errors import UsageError

MAX_STATES = 4000  # of one automaton
_SMALL = 256  # states up to which equal ones are merged
_TOP = 0x10FFFF

Range = tuple[int, int]  # first and last, both inside
Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Chars:
    """One character out of ranges of code points."""

    ranges: tuple[Range, ...]

    def but(self) -> Chars:
        """Every other character; surrogates are none."""
        gaps, at = [], 0
        for low, high in sorted(self.ranges):
            gaps.append((at, low - 1))
            at = max(at, high + 1)
        return Chars(tuple(gap for gap in (*gaps, (at, _TOP)) if gap[0] <= gap[1]))


@dataclass(frozen=True)
class Raw:
    """Bytes as they are, one range each."""

    ranges: tuple[Range, ...]


@dataclass(frozen=True)
class Cat:
    """One after the other."""

    items: tuple[Expression, ...]


@dataclass(frozen=True)
class Or:
    """Any of them."""

    items: tuple[Expression, ...]


@dataclass(frozen=True)
class Many:
    """`least` to `most` times; most None = without end."""

    item: Expression
    least: int
    most: int | None


Expression = Chars | Raw | Cat | Or | Many
ANY = Chars(((0, _TOP),))


@dataclass(frozen=True, eq=False)
class Automaton:
    """A deterministic automaton; state 0 is dead, and no other state is."""

    table: NDArray[np.int32]  # (states, 256) -> state
    accepts: NDArray[np.bool_]  # (states,)
    start: int


def raw(text: str | bytes) -> Raw:
    """The very bytes of a text."""
    data = text.encode() if isinstance(text, str) else text
    return Raw(tuple((byte, byte) for byte in data))


def utf8(low: int, high: int) -> Iterator[tuple[Range, ...]]:
    """Code points low to high as runs of byte ranges."""
    for first, last in ((0, 0x7F), (0x80, 0x7FF), (0x800, 0xD7FF), (0xE000, 0xFFFF), (0x10000, _TOP)):
        lowest, highest = max(low, first), min(high, last)
        if lowest <= highest:
            yield from spread(chr(lowest).encode(), chr(highest).encode(), (0x80, 0xBF))


def json_bytes(low: int, high: int) -> Iterator[tuple[Range, ...]]:
    """The same as they stand in a JSON string: one way to write each, quotes and controls escaped."""
    for code in range(low, min(high, 0x5C) + 1):
        if code < 0x20 or code in (0x22, 0x5C):
            yield raw(_ESCAPES.get(code, f"\\u{code:04x}")).ranges
    for first, last in ((0x20, 0x21), (0x23, 0x5B), (0x5D, _TOP)):
        yield from utf8(max(low, first), min(high, last))


_ESCAPES = {8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r", 34: '\\"', 92: "\\\\"}


def spread(low: bytes, high: bytes, digits: Range) -> Iterator[tuple[Range, ...]]:
    """Strings of one length from low to high, where all but the first byte run over `digits`."""
    if len(low) == 1 or low[0] == high[0]:
        head = (low[0], high[0])
        yield from ((head, *rest) for rest in spread(low[1:], high[1:], digits)) if low[1:] else ((head,),)
        return
    least, most = bytes([digits[0]]) * (len(low) - 1), bytes([digits[1]]) * (len(low) - 1)
    first, last = low[0] + (low[1:] != least), high[0] - (high[1:] != most)
    if first > low[0]:
        yield from spread(low, low[:1] + most, digits)
    if first <= last:
        yield ((first, last), *[digits] * len(least))
    if last < high[0]:
        yield from spread(high[:1] + least, high, digits)


def integers(low: int, high: int) -> Expression:
    """The decimal forms of whole numbers from low to high."""
    forms: list[Expression] = []
    if low < 0:
        forms.append(Cat((raw("-"), integers(max(1, -high), -low))))
    for size in range(len(str(max(0, low))), len(str(max(0, high))) + 1):
        least, most = max(low, 10 ** (size - 1) if size > 1 else 0), min(high, 10**size - 1)
        if least <= most:
            forms += [Raw(form) for form in spread(b"%d" % least, b"%d" % most, (0x30, 0x39))]
    return Or(tuple(forms))


def compiled(
    expression: Expression,
    encoding: Callable[[int, int], Iterable[tuple[Range, ...]]] = utf8,
    most: int = MAX_STATES,
) -> Automaton:
    """The automaton of an expression.

    Raises:
        UsageError: it needs more than `most` states, or matches nothing.
    """
    builder = _Builder(encoding)
    first, last = builder.fresh(), builder.fresh()
    builder.add(expression, first, last)
    cuts = sorted(
        {0, 256, *(cut for run in builder.edges for low, high, _ in run for cut in (low, high + 1))}
    )
    place = {cut: i for i, cut in enumerate(cuts)}

    def moves(held: frozenset[int]) -> Iterator[tuple[int, int, frozenset[int]]]:
        reached = defaultdict(list)
        for low, high, target in (edge for state in held for edge in builder.edges[state]):
            for span in range(place[low], place[high + 1]):
                reached[span].append(target)
        for span, targets in reached.items():
            yield cuts[span], cuts[span + 1] - 1, builder.closure(targets)

    return merged(explored(builder.closure([first]), moves, lambda held: last in held, most))


def both(one: Automaton, other: Automaton, *, but: bool = False) -> Automaton:
    """What both match; with `but`, what the first matches and the other does not.

    Raises:
        UsageError: it is too large, or nothing is left.
    """

    def moves(held: tuple[int, int]) -> Iterator[tuple[int, int, tuple[int, int]]]:
        pairs = zip(one.table[held[0]].tolist(), other.table[held[1]].tolist(), strict=True)
        for byte, pair in enumerate(pairs):
            if pair[0] and (pair[1] or but):
                yield byte, byte, pair

    def ends(held: tuple[int, int]) -> bool:
        return bool(one.accepts[held[0]] and other.accepts[held[1]] != but)

    return explored((one.start, other.start), moves, ends)


def explored(
    start: Key,
    moves: Callable[[Key], Iterable[tuple[int, int, Key]]],
    ends: Callable[[Key], bool],
    most: int = MAX_STATES,
) -> Automaton:
    """The automaton of all that can be reached from `start` and can reach an end."""
    number: dict[Key, int] = {start: 1}
    waiting, rows = [start], [[0] * 256]
    for key in waiting:
        row = [0] * 256
        for low, high, target in moves(key):
            if target not in number:
                number[target] = len(number) + 1
                waiting.append(target)
            row[low : high + 1] = [number[target]] * (high + 1 - low)
        rows.append(row)
        if len(rows) > most:
            raise UsageError(f"a pattern or length needs more than {most} states; make it simpler")
    table = np.array(rows, dtype=np.int32)
    accepts = np.array([False, *(ends(key) for key in waiting)])
    alive = _reaching(rows, accepts)
    if not alive[1]:
        raise UsageError("a pattern, length or range in the schema matches nothing")
    table[~alive[table]] = 0
    kept = np.flatnonzero(alive)
    renamed = np.zeros(len(alive), dtype=np.int32)
    renamed[kept] = np.arange(1, len(kept) + 1)
    kept = np.concatenate(([0], kept))
    return Automaton(renamed[table[kept]], accepts[kept], 1)


def _reaching(rows: list[list[int]], ends: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which states can reach an end."""
    sources = defaultdict(list)
    for state, row in enumerate(rows):
        for target in set(row):
            sources[target].append(state)
    found = ends.copy()
    waiting = np.flatnonzero(ends).tolist()
    while waiting:
        for state in sources[waiting.pop()]:
            if not found[state]:
                found[state] = True
                waiting.append(state)
    return found


def merged(automaton: Automaton) -> Automaton:
    """The same with equal states made one (Moore), where it is small."""
    table, accepts = automaton.table, automaton.accepts
    if len(table) > _SMALL:
        return automaton
    columns = np.unique(table, axis=1)
    groups = np.where(np.arange(len(table)) == 0, 0, 1 + accepts).astype(np.int32)
    before = 0
    while (count := len(np.unique(groups))) != before:
        before = count
        rows = np.column_stack((groups, groups[columns]))
        groups = np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int32)
    groups = np.where(groups == groups[0], 0, 1 + groups)  # the dead one comes first again
    names, first = np.unique(groups, return_index=True)
    groups = np.searchsorted(names, groups).astype(np.int32)
    return Automaton(groups[table[first]], accepts[first], int(groups[automaton.start]))


class _Builder:
    """Thompson's construction: edges by byte range, and free moves."""

    def __init__(self, encoding: Callable[[int, int], Iterable[tuple[Range, ...]]]) -> None:
        self.edges: list[list[tuple[int, int, int]]] = []
        self.free: list[list[int]] = []
        self._encoding = encoding

    def fresh(self) -> int:
        if len(self.edges) > 40 * MAX_STATES:
            raise UsageError("a pattern or length in the schema is too large; make it simpler")
        self.edges.append([])
        self.free.append([])
        return len(self.edges) - 1

    def add(self, expression: Expression, first: int, last: int) -> None:
        """Lead from `first` to `last` by what the expression matches."""
        match expression:
            case Chars():
                for low, high in expression.ranges:
                    for run in self._encoding(low, high):
                        self._run(run, first, last)
            case Raw():
                self._run(expression.ranges, first, last)
            case Cat():
                for item in expression.items:
                    self.add(item, first, first := self.fresh())
                self.free[first].append(last)
            case Or():
                for item in expression.items:
                    self.add(item, first, last)
            case Many():
                self._many(expression, first, last)

    def _many(self, expression: Many, first: int, last: int) -> None:
        for _ in range(expression.least):
            self.add(expression.item, first, first := self.fresh())
        if expression.most is None:
            self.free[first].append(loop := self.fresh())
            self.add(expression.item, loop, loop)
            first = loop
        for _ in range((expression.most or expression.least) - expression.least):
            self.free[first].append(last)
            self.add(expression.item, first, first := self.fresh())
        self.free[first].append(last)

    def _run(self, run: tuple[Range, ...], first: int, last: int) -> None:
        for low, high in run[:-1]:
            self.edges[first].append((low, high, first := self.fresh()))
        if run:
            self.edges[first].append((*run[-1], last))
        else:
            self.free[first].append(last)

    def closure(self, states: Iterable[int]) -> frozenset[int]:
        """The states and all that free moves reach."""
        held = set(states)
        waiting = list(held)
        while waiting:
            for target in self.free[waiting.pop()]:
                if target not in held:
                    held.add(target)
                    waiting.append(target)
        return frozenset(held)
