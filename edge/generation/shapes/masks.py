"""Which ids of a vocabulary may come next, so that the text stays within a language.

Job: the vocabulary's byte pieces in order, the mask of a state over them, a matcher that follows one reply.
A piece that ends inside of the terminal being read fits whatever comes after it: that part is computed once
per terminal state, over all pieces at once; only pieces that reach beyond are followed byte by byte. What a
character limit allows beyond the longest piece makes no difference: such states share their mask.
Ignorance: where the language comes from, logits, chat.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from edge.errors import UsageError
from edge.generation.shapes.automaton import Automaton
from edge.generation.shapes.pushdown import DONE, Head, Machine, Rest, State, Terminal

Ids = NDArray[np.int32]
_OPEN = 1 << 30
_NONE: Ids = np.zeros(0, dtype=np.int32)
_CACHE_BYTES = 64 << 20  # of all masks of one language, and of what its vocabulary shares; then: anew
_MAX_STATES = 50_000
# Of a terminal: its automaton, the state between two characters (or -1), the state; and of a counted string:
# characters that may still come (None = any number), and that must.
Place = tuple[Automaton, int, int, int | None, int]
Inside = tuple[int, int, int | None, int]  # the same, of a known automaton


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
        # By automaton, then by the rest of a place: what the last language with it leaves, goes with it.
        self._within: WeakKeyDictionary[Automaton, dict[Inside, Within]] = WeakKeyDictionary()
        self._held = 0  # bytes that came since all was forgotten

    def within(self, place: Place) -> Within:
        """What fits into a terminal from one of its states on; remembered as long as its automaton lives."""
        automaton, body, state, left, needed = place
        found = self._within.get(automaton, {}).get(place[1:])
        if found is None:
            free = (automaton, body, state, None, 0)
            found = self._walked(place) if place == free else self.within(free).limited(left, needed)
            self._held += 12 * len(found.inside.ids) + 100 * len(found.which)
            if self._held > _CACHE_BYTES:
                self._within.clear()
                self._held = 0
            self._within.setdefault(automaton, {})[place[1:]] = found
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
        inside, beyond = [(rows[:0], room[:0], closed[:0])], [(rows[:0], room[:0], closed[:0])]
        rests: dict[bytes, int] = {}
        which: list[int] = []
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
            inside.append((rows[alive & ended], room[alive & ended], closed[alive & ended]))
            on = alive & ~ended
            rows, states, counts, room, closed = rows[on], targets[on], counts[on], room[on], closed[on]
            split = accepts[states]
            beyond.append((rows[split], room[split], closed[split]))
            tails = (self.bytes[token][at + 1 :] for token in self.ids[rows[split]].tolist())
            which += [rests.setdefault(tail, len(rests)) for tail in tails]
        return Within(
            self._gathered(inside), self._gathered(beyond), tuple(rests), np.array(which, dtype=np.int32)
        )

    def _gathered(self, parts: list[tuple[Ids, Ids, Ids]]) -> Fit:
        rows, room, closed = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        return Fit(self.ids[rows], room, closed)


@dataclass(frozen=True)
class Fit:
    """Ids that fit; and of a counted string, by id: the characters that must still be free for it (`room`),
    and how many it wrote before it closed the string (`closed`, `_OPEN` where it did not)."""

    ids: Ids
    room: Ids
    closed: Ids

    def within(self, left: int | None, needed: int) -> NDArray[np.bool_]:
        """Which fit where `left` characters may still come (None = any number) and `needed` must."""
        return (self.room <= (_OPEN if left is None else left)) & (self.closed >= needed)

    def only(self, kept: NDArray[np.bool_]) -> Fit:
        """Some of them."""
        return Fit(self.ids[kept], self.room[kept], self.closed[kept])


@dataclass(frozen=True)
class Within:
    """Ids that end inside of a terminal, and those that reach beyond it: there they say `rests[which]`."""

    inside: Fit
    beyond: Fit
    rests: tuple[bytes, ...]
    which: Ids

    def limited(self, left: int | None, needed: int) -> Within:
        """Those that fit a counted string with these limits."""
        kept = self.beyond.within(left, needed)
        inside = self.inside.only(self.inside.within(left, needed))
        return Within(inside, self.beyond.only(kept), self.rests, self.which[kept])


@dataclass(frozen=True)
class Mask:
    """The ids that may come, each once, and whether the text may end here."""

    ids: Ids
    complete: bool


class Language:
    """A machine over a vocabulary. Serves one reply at a time; its caches serve the next ones too."""

    def __init__(self, machine: Machine, pieces: Pieces) -> None:
        self.machine, self.pieces = machine, pieces
        self._masks: dict[tuple[frozenset[tuple[Place, Rest]], bool], Mask] = {}
        self._fits: dict[tuple[int, Rest], tuple[tuple[bytes, ...], NDArray[np.bool_]]] = {}
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
            reaching = within.beyond.ids[self._fitting(within.rests, head.rest)[within.which]]
            parts.append(np.concatenate((within.inside.ids, reaching)))
        ids = parts[0] if len(parts) == 1 else np.unique(np.concatenate([_NONE, *parts]))
        if not len(ids) and not state.complete:
            raise UsageError(
                "this model's vocabulary cannot write what the schema, pattern or grammar needs; change it"
            )
        return Mask(ids, state.complete)

    def _fitting(self, rests: tuple[bytes, ...], after: Rest) -> NDArray[np.bool_]:
        """Which of the rests of pieces can be said after a terminal."""
        key = (id(rests), after)
        if key not in self._fits or self._fits[key][0] is not rests:
            state = self.machine.after(after)
            fits = np.array([self.machine.run(state, rest) is not None for rest in rests], dtype=np.bool_)
            self._fits[key] = (rests, fits)
        return self._fits[key][1]

    def _place(self, terminal: Terminal, head: Head) -> Place:
        """Where a head stands; characters further away than the longest piece reaches are as good as many."""
        automaton, body, longest = terminal.automaton, terminal.body, self.pieces.longest + 1
        if body < 0:
            return automaton, body, head.state, None, 0
        left = None if terminal.most is None else min(longest, terminal.most - head.count)
        return automaton, body, head.state, left, min(longest, max(0, terminal.least - head.count))

    def _forget(self) -> None:
        self._masks.clear()
        self._fits.clear()
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
