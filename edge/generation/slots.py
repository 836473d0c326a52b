"""Which sequence of the engine holds what, and for whom.

Job: lines (what a stream wants held) and slots (the sequences that hold something); give a line the slot that
needs the least to be fed; never more than `sequences` of them. A line without a slot loses only time: it
remembers what it is made of, and is fed again. What a slot loses goes through the prefix cache.
Ignorance: sampling, threads; when a stream may go on (scheduler.py).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from edge.engines.base import Engine, Logits
from edge.errors import EngineError
from edge.generation.prefix_cache import Key, PrefixCache, common_prefix
from edge.segments import EmbeddingSegment, Segment, TokenSegment


class Line:
    """One sequence as a stream wants it: a prompt, and ids that follow; the last logits are asked for."""

    def __init__(self, prompt: Sequence[Segment], *, kept: bool = True) -> None:
        """`kept`: worth a place in the prefix cache."""
        self.keys: list[Key] = [key for segment in prompt for key in _keys(segment)]
        self.prompt_tokens = len(self.keys)
        self.cached_tokens: int | None = None  # of them, in the slot when the line first got one
        self.kept = kept
        self.guesses: tuple[int, ...] = ()  # ids that may follow: their logits are welcome, too
        self.logits: Logits | None = None  # (rows, vocab): after the last id, and after each guess
        self.seconds = 0.0  # of the call that made them
        self.over = False  # nobody asks any more
        self.slot: Slot | None = None
        self._prompt = tuple(prompt)

    def __len__(self) -> int:
        return len(self.keys)

    def append(self, tokens: Sequence[int]) -> None:
        """Go on with ids."""
        self.keys += tokens

    def piece(self, start: int, limit: int) -> Segment:
        """What stands at `start`: at most `limit` ids, or the rest of one run of embeddings."""
        at = 0
        for segment in self._prompt if start < self.prompt_tokens else ():
            if start < at + len(segment):
                return _cut(segment, start - at, start - at + limit)
            at += len(segment)
        stop = start + limit
        return TokenSegment(tuple(key for key in self.keys[start:stop] if isinstance(key, int)))

    def uncut(self, length: int) -> int:
        """`length`, or where the span begins that it would cut and that may not be cut."""
        start = 0
        for segment in self._prompt:
            end = start + len(segment)
            if start < length < end and isinstance(segment, EmbeddingSegment) and segment.whole:
                return start
            start = end
        return length


class Slot:
    """One sequence of the engine."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.held: list[Key] = []
        self.guessed = 0  # of it, how many at the end were guesses
        self.kept = True  # whether what it holds is worth a place in the prefix cache
        self.line: Line | None = None  # whom it serves
        self.used = 0  # the round in which it last did

    @property
    def free(self) -> bool:
        """Nobody needs what it holds."""
        return self.line is None or self.line.over


class Slots:
    """All sequences of one engine."""

    def __init__(self, engine: Engine, cache: PrefixCache) -> None:
        self._engine, self._cache = engine, cache
        self._slots = [Slot(number) for number in range(engine.sequences)]

    def __iter__(self) -> Iterator[Slot]:
        return iter(self._slots)

    def best(self, line: Line, slots: Sequence[Slot]) -> Slot | None:
        """Of some slots that with most of the line, if that is most of what it holds; else that which was
        not used for longest; None of none."""
        kept = {slot.number: common_prefix(slot.held, line.keys) for slot in slots}
        near = [slot for slot in slots if kept[slot.number] > len(slot.held) // 2]
        if near:
            return max(near, key=lambda slot: kept[slot.number])
        return min(slots, key=lambda slot: slot.used, default=None)

    def give(self, slot: Slot, line: Line) -> None:
        """The slot serves this line from now on."""
        if slot.line is not None:
            slot.line.slot = None
        slot.line = None
        try:
            self.prepare(slot, line)
        except BaseException:
            self.cut_back(slot, 0)  # nobody knows what it holds
            raise
        slot.line, line.slot = line, slot
        if line.cached_tokens is None:
            line.cached_tokens = len(slot.held)

    def prepare(self, slot: Slot, line: Line) -> None:
        """Let the slot hold nothing but a beginning of the line, short enough to ask for its logits.

        Raises:
            EngineError: the engine is closed.
        """
        if line.kept:
            held = slot.held if slot.kept else ()
            common = self._cache.prepare(self._engine, held, line.keys, sequence=slot.number, cut=line.uncut)
            slot.held, slot.guessed, slot.kept = line.keys[:common], 0, True
        else:
            if slot.kept:  # what it held may be wanted again
                self._cache.prepare(self._engine, slot.held, line.keys, sequence=slot.number)
            self.cut_back(slot, 0)
            slot.kept = False

    def agree(self, slot: Slot, line: Line) -> None:
        """Forget the guesses that did not come true."""
        if slot.guessed:
            start = len(slot.held) - slot.guessed
            right = common_prefix(slot.held[start:], line.keys[start : len(slot.held)])
            slot.guessed = 0
            if start + right < len(slot.held):
                self.cut_back(slot, start + right)

    def finished(self, line: Line) -> None:
        """A stream is over: what its line held may be wanted by later processes."""
        if line.slot is not None:
            self.agree(line.slot, line)
        if line.kept and line.slot is not None:
            self._cache.finished(self._engine, line.slot.held, sequence=line.slot.number)

    def settle(self, slot: Slot) -> None:
        """After a call that may have failed: hold what the engine holds, and know it."""
        if self._engine.length(slot.number) != len(slot.held):
            self.cut_back(slot, len(slot.held))

    def cut_back(self, slot: Slot, length: int) -> None:
        """Hold at most `length` positions, fewer where the engine cannot go back there."""
        slot.guessed = 0
        with contextlib.suppress(EngineError):  # it says by its length what is left
            self._engine.truncate(length, sequence=slot.number)
        del slot.held[min(length, self._engine.length(slot.number)) :]


def _keys(segment: Segment) -> Iterator[Key]:
    if isinstance(segment, EmbeddingSegment):
        return iter([(segment.key, i) for i in range(len(segment))])
    return iter(segment.ids)


def _cut(segment: Segment, start: int, stop: int) -> Segment:
    """Ids from `start` to before `stop`; embeddings from `start` on, whole: their places belong together."""
    if isinstance(segment, EmbeddingSegment):
        return EmbeddingSegment(segment.embeddings[start:], segment.key) if start else segment
    return TokenSegment(segment.ids[start:stop])
