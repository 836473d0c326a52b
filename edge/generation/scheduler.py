"""Many streams, one engine: who computes what next, together.

Job: every stream is a small routine that asks for logits; whoever needs a result computes one round for all
streams that wait, and samples for them, too (leader and followers: there is no thread of our own). A stream
may run a few steps ahead of its listener, so that listeners of one thread share rounds as well. Oldest first,
and a long prompt goes in pieces between the others' steps. Threads may come as they like.
Ignorance: what a routine does with its logits; which engine it is.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from edge.engines.base import Engine, Interrupted, Logits, Verifies
from edge.errors import CLOSED, EngineError
from edge.generation.prefix_cache import PrefixCache
from edge.generation.slots import Line, Slot, Slots
from edge.segments import Segment, TokenSegment

AHEAD = 3  # items that a stream may be ahead of its listener
_CHUNK = 128  # positions of prompts in one round, while others step
_IDLE = 0.25  # seconds without a question after which a waiting stream may take a slot
_LOOK = 0.05  # seconds between two looks of who waits

Item = TypeVar("Item")
Need = tuple[Line, ...]  # lines whose logits a routine asks for
Routine = Generator[Item | Need, list[Logits], None]  # (rows, vocab) for each line, one row without guesses


class Task(Generic[Item]):
    """One stream: its routine, and what it made that nobody took yet."""

    def __init__(self, routine: Routine[Item], cancelled: Callable[[], bool]) -> None:
        self.cancelled = cancelled
        self.items: deque[Item] = deque()
        self.need: Need = ()  # empty: not begun, or over
        self.error: BaseException | None = None
        self.over = False  # the routine ended, failed, or nobody listens
        self.asking, self._asked = False, 0.0  # whether somebody waits for an item, and until when
        self.alone = False  # a round with others failed: who is to blame?
        self.ready: threading.Condition | None = None
        self._routine = routine

    def advance(self, logits: list[Logits] | None) -> None:
        """Let the routine make items until it asks for more logits."""
        try:
            made = next(self._routine) if logits is None else self._routine.send(logits)
            while not isinstance(made, tuple):
                self.items.append(made)
                made = next(self._routine)
            self.need = made
        except StopIteration:
            self.end()
        except BaseException as error:
            interrupted = EngineError("the reply was interrupted; ask again")
            self.end(error if isinstance(error, Exception) else interrupted)
            if not isinstance(error, Exception):
                raise

    def end(self, error: BaseException | None = None) -> None:
        """Nothing more is computed."""
        self.over, self.error = True, error
        for line in self.need:
            line.over = True

    def ask(self, asking: bool) -> None:
        """Somebody begins or ends to wait for an item."""
        self.asking, self._asked = asking, time.monotonic()

    @property
    def last(self) -> float:
        """When somebody last waited for an item, in seconds of the monotonic clock."""
        return time.monotonic() if self.asking else self._asked

    @property
    def wants(self) -> list[Line]:
        """The lines whose logits are missing."""
        return [line for line in self.need if line.logits is None]


@dataclass
class _Part:
    """What one line gets in a round."""

    task: Task[object]
    line: Line
    slot: Slot
    segment: Segment
    last: bool  # whether the line's logits come with it
    guesses: int = 0  # ids at its end that may be wrong

    @property
    def step(self) -> bool:
        """One id, which goes together with those of other lines."""
        return len(self.segment) == 1 and isinstance(self.segment, TokenSegment)


class Scheduler:
    """One per engine; its methods may be called from any thread."""

    def __init__(self, engine: Engine, cache: PrefixCache) -> None:
        self._engine = engine
        self._slots = Slots(engine, cache)
        self._lock = threading.RLock()  # a signal handler may come in again
        self._tasks: list[Task[object]] = []  # oldest first
        self._running: tuple[Task[object], ...] = ()  # in the native call of now
        self._leading = self._closed = False
        self._rounds = 0

    # --- for the listeners ------------------------------------------------------------------------

    def take(self, task: Task[Item]) -> Item | None:
        """The next item, computed by this thread or another one; None where there are no more.

        Raises:
            EngineError: the engine failed, or is closed. What the routine raises.
        """
        self._join(task)
        task.ask(True)
        try:
            while True:
                with self._lock:
                    if self._at_hand(task):
                        break
                    if self._leading:
                        self._wait(task)
                        continue
                    self._leading = True
                if not self._lead(task):
                    with self._lock:
                        self._wait(task)
        finally:
            task.ask(False)
        if task.items and not task.cancelled():
            return task.items.popleft()
        if task.error is not None:
            raise task.error
        return None

    def leave(self, task: Task[Item]) -> None:
        """Nobody listens any more. Safe wherever a collector may call it."""
        task.end()
        task.items.clear()

    def tidy(self) -> None:
        """Keep what streams held that were left, unless somebody computes: who does will see to it."""
        if not self._taken():
            return
        try:
            self._retired()
        finally:
            self._given_back()

    def wake(self) -> None:
        """Somebody was cancelled: stop computing for them. Safe in a signal handler."""
        if any(task.cancelled() for task in self._running):
            self._engine.interrupt()
        with self._lock:
            self._notify(self._tasks)

    def close(self) -> None:
        """End all streams, wait for the running call, close the engine; listeners get an EngineError."""
        self._closed = True
        while not self._taken(even_closed=True):
            self._engine.interrupt()
            time.sleep(_LOOK / 10)
        try:
            self._engine.close()
        finally:
            self._given_back()

    def _taken(self, *, even_closed: bool = False) -> bool:
        """Whether this thread is the one that may call the engine now."""
        with self._lock:
            if self._leading or (self._closed and not even_closed):
                return False
            self._leading = True
            return True

    def _given_back(self, task: Task[Item] | None = None) -> None:
        with self._lock:
            self._leading, self._running = False, ()
            waiting = [one for one in self._tasks if one.asking and one is not task and not one.items]
            self._notify(self._tasks if self._closed else waiting[:1])

    def _join(self, task: Task[Item]) -> None:
        if task.ready is None:
            task.ready = threading.Condition(self._lock)
            task.advance(None)
            with self._lock:
                self._tasks.append(task)  # type: ignore[arg-type]

    def _at_hand(self, task: Task[Item]) -> bool:
        """Whether there is something to tell the listener."""
        if self._closed:
            raise EngineError(CLOSED)
        return bool(task.items) or task.over or task.cancelled()

    def _wait(self, task: Task[Item]) -> None:
        if task.ready is not None and not self._at_hand(task):
            task.ready.wait(_LOOK)

    def _notify(self, tasks: Sequence[Task[object]]) -> None:
        for task in tasks:
            if task.asking and task.ready is not None:
                task.ready.notify_all()

    # --- for the leader ---------------------------------------------------------------------------

    def _lead(self, task: Task[Item]) -> bool:
        """Rounds until there is something for this task; False where it cannot go on now."""
        moved = True
        try:
            while moved and not self._at_hand(task):
                moved = self._round()
        finally:
            self._given_back(task)
        return moved

    def _round(self) -> bool:
        """One call of the engine for everybody who can go on; False where nobody can."""
        parts = self._planned()
        self._running = tasks = tuple({id(part.task): part.task for part in parts}.values())
        if parts and not any(task.cancelled() for task in tasks):  # their listeners end them
            try:
                self._computed(parts)
            except Interrupted:
                pass  # as if it had not happened: who was cancelled is not planned again
            except Exception as error:
                for part in parts:  # a half-done call must not poison the next answer
                    self._slots.cut_back(part.slot, 0)
                self._blame(tasks, error)
            finally:
                for part in parts:
                    self._slots.settle(part.slot)
        return self._advanced() or bool(parts)

    def _computed(self, parts: Sequence[_Part]) -> None:
        """All steps in one call, then the pieces of prompts, each in its own."""
        steps = [part for part in parts if part.step]
        if steps:
            ids = [part.segment.ids[0] for part in steps if isinstance(part.segment, TokenSegment)]
            began = time.perf_counter()
            rows = self._engine.step(ids, sequences=[part.slot.number for part in steps])
            each = (time.perf_counter() - began) / len(steps)
            for i, part in enumerate(steps):
                self._accepted(part, rows[i : i + 1], each)
        for part in parts:
            if not part.step:
                began = time.perf_counter()
                logits = self._verified(part) if part.guesses else self._fed(part)
                self._accepted(part, logits, time.perf_counter() - began)

    def _fed(self, part: _Part) -> Logits:
        return self._engine.feed([part.segment], sequence=part.slot.number)[None]

    def _verified(self, part: _Part) -> Logits:
        assert isinstance(self._engine, Verifies)
        assert isinstance(part.segment, TokenSegment)
        return self._engine.verify(part.segment.ids, sequence=part.slot.number)

    def _accepted(self, part: _Part, logits: Logits, seconds: float) -> None:
        slot, start = part.slot, len(part.slot.held)
        slot.held += part.line.keys[start : start + len(part.segment) - part.guesses]
        if part.guesses:
            slot.held += part.line.guesses
            slot.guessed = part.guesses
        part.task.alone = False
        if part.last:
            part.line.logits, part.line.seconds = logits, seconds

    def _retired(self) -> None:
        """Streams that are over leave, and what they held is kept for later."""
        with self._lock:
            gone = [task for task in self._tasks if task.over]
            self._tasks = [task for task in self._tasks if not task.over]
        for task in gone:
            for line in task.need:
                self._slots.finished(line)

    def _advanced(self) -> bool:
        """Whether somebody had all logits that were asked for; they are passed on."""
        ready = [task for task in self._tasks if not task.over and not task.wants]
        for task in ready:
            logits = [line.logits for line in task.need if line.logits is not None]
            for line in task.need:
                line.logits = None
            task.advance(logits)
        with self._lock:
            self._notify([task for task in self._tasks if task.items or task.over])
        return bool(ready)

    def _blame(self, tasks: Sequence[Task[object]], error: Exception) -> None:
        """A lone task failed; of several, each is tried alone."""
        for task in tasks:
            if len(tasks) == 1:
                task.end(error)
            task.alone = True

    # --- planning ---------------------------------------------------------------------------------

    def _planned(self) -> list[_Part]:
        """What the next round computes: all steps, and pieces of prompts as far as there is room."""
        self._rounds += 1
        self._retired()
        with self._lock:
            able = [task for task in self._tasks if len(task.items) < AHEAD and not task.cancelled()]
        suspects = [task for task in able if task.alone]
        seated: list[tuple[Task[object], Line, Slot]] = []
        for task in suspects[:1] or able:
            seated += self._seated(task, [slot for _, _, slot in seated])
        steps = [one for one in seated if len(one[1]) - len(one[2].held) == 1]
        parts = [self._step(*one, alone=len(able) == 1) for one in steps]
        room = min(_CHUNK, self._engine.batch) if steps else self._engine.batch
        for one in seated:
            if one not in steps and room > 0:
                parts.append(self._part(*one, limit=room))
                room -= len(parts[-1].segment)
        return parts

    def _step(self, task: Task[object], line: Line, slot: Slot, *, alone: bool) -> _Part:
        """The line's last id; with what may follow it where nobody else wants to compute."""
        if not (alone and line.guesses):
            return self._part(task, line, slot, limit=1)
        last = line.piece(len(slot.held), 1)
        assert isinstance(last, TokenSegment)
        run = TokenSegment((*last.ids, *line.guesses))
        return _Part(task, line, slot, run, last=True, guesses=len(line.guesses))

    def _part(self, task: Task[object], line: Line, slot: Slot, *, limit: int) -> _Part:
        start = len(slot.held)
        segment = line.piece(start, limit)
        return _Part(task, line, slot, segment, start + len(segment) == len(line))

    def _seated(self, task: Task[object], taken: Sequence[Slot]) -> list[tuple[Task[object], Line, Slot]]:
        """The task's lines with their slots; none, where one of them gets no slot now."""
        seats: list[tuple[Task[object], Line, Slot]] = []
        for line in task.wants:
            others = [*taken, *(slot for _, _, slot in seats)]
            if line.slot is None and task.asking and (slot := self._slot(task, line, others)) is not None:
                try:
                    self._slots.give(slot, line)
                except EngineError as error:
                    task.end(error)  # its own, not that of whoever computes
            if line.slot is None:
                return []
            line.slot.used = self._rounds
            self._slots.agree(line.slot, line)
            if len(line.slot.held) >= len(line):  # after a failure; one id must be fed to get logits
                self._slots.prepare(line.slot, line)
            seats.append((task, line, line.slot))
        return seats

    def _slot(self, task: Task[object], line: Line, taken: Sequence[Slot]) -> Slot | None:
        """A free slot, else one of a stream that nobody listens to now, else that of the youngest one."""
        left = [slot for slot in self._slots if slot not in taken]
        found = self._slots.best(line, [slot for slot in left if slot.free])
        if found is not None or not left:
            return found
        owners = {line.slot: i for i, one in enumerate(self._tasks) for line in one.need}
        youngest = max(left, key=lambda slot: owners[slot])
        idle = min(left, key=lambda slot: self._tasks[owners[slot]].last)
        if time.monotonic() - self._tasks[owners[idle]].last > _IDLE:
            return idle
        return youngest if owners[youngest] > self._tasks.index(task) else None
