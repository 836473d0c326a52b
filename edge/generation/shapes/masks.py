"""Which ids of a vocabulary may come next, so that the text stays within a language.

Job: the vocabulary's byte pieces in order, the mask of a state over them, a matcher that follows one reply.
A piece that ends inside of the terminal being read fits whatever comes after it: that part is computed once
per terminal state, over all pieces at once; only pieces that reach beyond are followed byte by byte. What a
character limit allows beyond the longest piece makes no difference: such states share their mask.
Ignorance: where the language comes from, logits, chat.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from edge.errors import UsageError
from edge.generation.shapes.automaton import Automaton
from edge.generation.shapes.pushdown import DONE, Frame, Head, Machine, State, Terminal

Ids = NDArray[np.int32]
_OPEN = 1 << 30
_NONE: Ids = np.zeros(0, dtype=np.int32)
_CACHE_BYTES = 64 << 20  # of all masks of one language, and of what its vocabulary shares; then: anew
_MAX_STATES = 50_000
# Of a terminal: its automaton, the state between two characters (or -1), the state; and of a counted string:
# characters that may still come (None = any number), and that must.
Place = tuple[Automaton, int, int, int | None, int]


class Pieces:
    """The text ids of one vocabulary, sorted by their bytes."""

    def __init__(self, piece: Callable[[int], bytes], ids: Iterable[int]) -> None:
        """`piece` gives an id's bytes; ids without any are left out."""
        known = sorted((data, token) for token in ids if (data := piece(token)))
        self.bytes = {token: data for data, token in known}
        self.ids: Ids = np.array([token for _, token in known], dtype=np.int32)
        self.lengths = np.array([len(data) for data, _ in known], dtype=np.int32)
        self.longest = int(self.lengths.max(initial=0))
        self._flat = np.frombuffer(b"".join(data for data, _ in known), dtype=np.uint8)
        self._offsets = np.concatenate(([0], np.cumsum(self.lengths)[:-1])).astype(np.int64)
        first = self._flat[self._offsets] if len(known) else np.zeros(0, np.uint8)
        self._starts = np.searchsorted(first, np.arange(257))
        self._within: dict[Place, Within] = {}
        self._held = 0

    def within(self, place: Place) -> Within:
        """What fits into a terminal from one of its states on; remembered."""
        found = self._within.get(place)
        if found is None:
            *rest, left, needed = place
            free: Place = (*rest, None, 0)
            found = self._walked(place) if place == free else self.within(free).limited(left, needed)
            self._held += found.inside.nbytes * 3 + 200 * len(found.beyond)
            if self._held > _CACHE_BYTES:
                self._within.clear()
                self._held = 0
            self._within[place] = found
        return found

    def _walked(self, place: Place) -> Within:
        """All pieces through the table at once, one byte after the other."""
        automaton, body, state, _, _ = place
        table, accepts = automaton.table, automaton.accepts
        heads = [np.arange(self._starts[b], self._starts[b + 1]) for b in np.flatnonzero(table[state])]
        rows = np.concatenate([np.zeros(0, dtype=np.intp), *heads])
        states = np.full(len(rows), state, dtype=np.int32)
        counts, room, closed = (np.zeros(len(rows), dtype=np.int32) for _ in range(3))
        closed += _OPEN
        inside, beyond = [(rows[:0], room[:0], closed[:0])], []
        for at in range(self.longest):
            if not len(rows):
                break
            data = self._flat[self._offsets[rows] + at]
            targets = table[states, data]
            if body >= 0:
                inner, quotes = states == body, data == 0x22
                room = np.where(inner & ~quotes, counts + 1, room)
                closed = np.where(inner & quotes, counts, closed)
                counts = counts + ((targets == body) & (states != automaton.start))
            alive, ended = targets != 0, self.lengths[rows] == at + 1
            inside.append(tuple(part[alive & ended] for part in (rows, room, closed)))  # type: ignore[arg-type]
            on = alive & ~ended
            rows, states, counts, room, closed = (part[on] for part in (rows, targets, counts, room, closed))
            for i in np.flatnonzero(accepts[states]).tolist():
                token = int(self.ids[rows[i]])
                beyond.append(Beyond(self.bytes[token][at + 1 :], token, int(room[i]), int(closed[i])))
        rows, room, closed = (np.concatenate(parts) for parts in zip(*inside, strict=True))
        order = np.argsort(self.ids[rows])
        return Within(self.ids[rows][order], room[order], closed[order], tuple(beyond))


@dataclass(frozen=True)
class Beyond:
    """An id whose piece reaches beyond a terminal."""

    rest: bytes  # what it says there
    token: int
    room: int
    closed: int


@dataclass(frozen=True)
class Within:
    """Ids that end inside of a terminal, and those that reach beyond it.

    Of a counted string: `room`, the characters that must still be free for an id, and `closed`, those that it
    wrote when it closed the string (`_OPEN` where it did not).
    """

    inside: Ids
    room: Ids
    closed: Ids
    beyond: tuple[Beyond, ...]

    def limited(self, left: int | None, needed: int) -> Within:
        """Those that fit where `left` characters may still come (None = any number) and `needed` must."""
        most = _OPEN if left is None else left
        fit = (self.room <= most) & (self.closed >= needed)
        beyond = tuple(one for one in self.beyond if one.room <= most and one.closed >= needed)
        return Within(self.inside[fit], self.room[fit], self.closed[fit], beyond)

    @cached_property
    def by_rest(self) -> dict[bytes, list[int]]:
        """The ids beyond, by what they say there."""
        found = defaultdict(list)
        for one in self.beyond:
            found[one.rest].append(one.token)
        return dict(found)


@dataclass(frozen=True)
class Mask:
    """The ids that may come, in order, and whether the text may end here."""

    ids: Ids
    complete: bool


class Language:
    """A machine over a vocabulary. Serves one reply at a time; its caches serve the next ones too."""

    def __init__(self, machine: Machine, pieces: Pieces) -> None:
        self.machine, self.pieces = machine, pieces
        self._masks: dict[tuple[frozenset[tuple[Place, Frame | None]], bool], Mask] = {}
        self._bytes = 0

    def mask(self, state: State) -> Mask:
        """What may come in a state."""
        key = frozenset(
            (self._place(head.terminal, head), head.rest) for head in state.heads if head.terminal
        )
        found = self._masks.get((key, state.complete))
        if found is None:
            found = self._made(state)
            self._bytes += found.ids.nbytes
            if self._bytes > _CACHE_BYTES or len(self.machine) > _MAX_STATES:
                self._forget()
            self._masks[key, state.complete] = found
        return found

    def _made(self, state: State) -> Mask:
        parts = []
        for head in state.heads - {DONE}:
            assert head.terminal is not None
            within = self.pieces.within(self._place(head.terminal, head))
            parts += [part for part in (within.inside, self._reaching(within, head.rest)) if len(part)]
        if not parts and not state.complete:
            raise UsageError(
                "this model's vocabulary cannot write what the schema or pattern needs next; change it"
            )
        ids = parts[0] if len(parts) == 1 else np.unique(np.concatenate([_NONE, *parts]))
        return Mask(ids, state.complete)

    def _reaching(self, within: Within, rest: Frame | None) -> Ids:
        """The ids of pieces that go on after the terminal, and fit there."""
        if not within.beyond:
            return _NONE
        after, found = self.machine.after(rest), []
        for data, tokens in within.by_rest.items():
            if self.machine.run(after, data) is not None:
                found += tokens
        return np.array(sorted(found), dtype=np.int32)

    def _place(self, terminal: Terminal, head: Head) -> Place:
        """Where a head stands; characters further away than the longest piece reaches are as good as many."""
        automaton, body, longest = terminal.automaton, terminal.body, self.pieces.longest + 1
        if body < 0:
            return automaton, body, head.state, None, 0
        left = None if terminal.most is None else min(longest, terminal.most - head.count)
        return automaton, body, head.state, left, min(longest, max(0, terminal.least - head.count))

    def _forget(self) -> None:
        self._masks.clear()
        self.machine.forget()
        self._bytes = 0


class Matcher:
    """One reply inside of a language."""

    def __init__(self, language: Language) -> None:
        self._language = language
        self._state = language.machine.start

    @property
    def mask(self) -> Mask:
        """What may come next."""
        return self._language.mask(self._state)

    @property
    def final(self) -> bool:
        """Whether nothing can follow."""
        return self._state.final

    def accept(self, token: int) -> None:
        """Take an id.

        Raises:
            ValueError: it cannot come here.
        """
        data = self._language.pieces.bytes.get(token)
        following = self._language.machine.run(self._state, data) if data else None
        if following is None:
            raise ValueError(f"id {token} ({data!r}) leaves the language")
        self._state = following
