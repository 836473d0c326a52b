"""What sequences held, kept for prompts that begin the same: in memory first, then in files.

Job: before a sequence serves a prompt, keep what it would lose, and bring back what was kept where that saves
more than it costs; after a reply, put what grew into a file. A state that comes back is trusted only when its
last token scores as it did when it was kept; whatever fails means computing again, with the same answer.
Ignorance: what a state is made of (engines), what a key stands for, who may read the files (cache_store).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import mmap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge.cache_store import CacheStore, Recent
from edge.engines.base import Engine, Logits
from edge.errors import EdgeError, EngineError
from edge.segments import TokenSegment

Key = int | tuple[str, int]  # what one position of a sequence holds: an id, or a row of named embeddings

RAM_BYTES = 256 << 20  # of kept sequences, where nobody says otherwise
LOST = 16  # tokens that a sequence must be about to lose to be kept in memory
GAINED = 32  # tokens that must be saved for a state to be brought back
GREW = 128  # tokens that must be new for a file to be written
_FORM = 1  # of what is written; another number finds nothing of this one
_OF_A_KEY, _BESIDE = 40, 4096  # bytes in memory beside a state: an int or more; name, proof, half a page
_PROVEN = 8  # ids whose logits prove a state
_TOLERANCE = 0.02  # of their spread: batches of other sizes round differently


@dataclass(frozen=True)
class Saved:
    """One sequence: its keys, its state as the engine wrote it, and what its last token scored."""

    keys: tuple[Key, ...]
    state: memoryview
    proof: tuple[tuple[int, float], ...]  # the likeliest ids and their logits, the likeliest first

    @property
    def name(self) -> str:
        """One for equal keys."""
        return hashlib.sha256(json.dumps(self.keys).encode()).hexdigest()[:32]

    @property
    def bytes(self) -> int:
        """In memory, about."""
        return len(self.state) + _OF_A_KEY * len(self.keys) + _BESIDE


def in_own_pages(state: bytes) -> memoryview:
    """A copy that goes back to the system whole: on the heap, large values that come and go leave holes."""
    pages = mmap.mmap(-1, max(1, len(state)), access=mmap.ACCESS_COPY)
    pages[: len(state)] = state
    return memoryview(pages)[: len(state)].toreadonly()


class PrefixCache:
    """The kept sequences of one model. Not thread-safe: whoever may call the engine may call this."""

    def __init__(self, model: str = "", *, limit: int = 0, store: CacheStore | None = None) -> None:
        """`model`: all that a state depends on. `limit`: bytes in memory; 0 and no store: nothing is kept."""
        self._recent: Recent[Saved] = Recent(limit)
        self._store = store
        self._start = f"prefix-{hashlib.sha256(f'{_FORM} {model}'.encode()).hexdigest()[:16]}-"
        self._files: dict[str, tuple[Key, ...]] = {}  # what lies there, by the store's names
        self._coming: set[str] = set()  # of them, those that may not be written yet
        self._goes_back = True  # models that cannot forget a part of a sequence are not for us

    def prepare(
        self,
        engine: Engine,
        held: Sequence[Key],
        wanted: Sequence[Key],
        *,
        sequence: int = 0,
        cut: Callable[[int], int] = lambda length: length,
    ) -> int:
        """Let a sequence hold as much of `wanted` as is known, and nothing else; how many keys that is.

        Always fewer than `wanted`, so that there is something to feed. `held` is what the sequence holds now.
        `cut` gives a length that an engine can go back to, not more than the one it is given.

        Raises:
            EngineError: the engine is closed, where a kept state was to come back.
        """
        held = held[: engine.length(sequence)]  # less, where a call failed
        common = common_prefix(held, wanted)
        if len(held) - common >= LOST:
            self._keep(engine, held, sequence)
            common = min(common, engine.length(sequence))
        found = self._best(wanted, common + GAINED)
        if found is not None:
            common = common_prefix(found.keys, wanted) if self._restored(engine, found, sequence) else 0
        common = cut(min(common, len(wanted) - 1))
        with contextlib.suppress(EngineError):  # it says by its length what is left
            engine.truncate(common, sequence=sequence)
        return min(common, engine.length(sequence))

    def finished(self, engine: Engine, held: Sequence[Key], *, sequence: int = 0) -> None:
        """A reply is over: write what a sequence holds, where enough of it is new."""
        if self._store is None or len(held) < GREW:
            return
        self._look()
        before, known = self._longest(held)
        if len(held) - known < GREW or (saved := self._saved(engine, held, sequence)) is None:
            return
        name = self._start + saved.name
        replaced = before if before is not None and known == len(self._files[before]) else None
        head = json.dumps({"keys": saved.keys, "proof": saved.proof}).encode()
        if self._store.write(name, head, saved.state, instead_of=replaced):
            self._files[name] = saved.keys
            self._coming.add(name)
            self._forget_file(replaced or "")
        self._remember(saved)

    # --- keeping ----------------------------------------------------------------------------------

    def _keep(self, engine: Engine, held: Sequence[Key], sequence: int) -> None:
        known = max((common_prefix(saved.keys, held) for _, saved in self._recent.items()), default=0)
        if self._recent.limit and len(held) - known >= LOST:
            saved = self._saved(engine, held, sequence)
            if saved is not None:
                self._remember(saved)

    def _remember(self, saved: Saved) -> None:
        """In memory; what is only a beginning of it goes."""
        for name, other in list(self._recent.items()):
            if len(other.keys) < len(saved.keys) and saved.keys[: len(other.keys)] == other.keys:
                self._recent.drop(name)
        self._recent.put(saved.name, saved, saved.bytes)

    def _saved(self, engine: Engine, held: Sequence[Key], sequence: int) -> Saved | None:
        """The sequence as it is; None where it is not what it should be, or cannot be proven later."""
        if not self._goes_back or not isinstance(held[-1], int) or engine.length(sequence) != len(held):
            return None
        try:
            logits = _scored_again(engine, held, sequence)
            state = engine.save(sequence=sequence)
        except EdgeError:  # that it was interrupted says nothing about the model
            self._goes_back = engine.length(sequence) > 0
            return None
        best = np.argsort(-logits, kind="stable")[:_PROVEN]
        proof = tuple((int(i), float(logits[i])) for i in best)
        return Saved(tuple(held), in_own_pages(state), proof) if np.isfinite(logits[best]).all() else None

    # --- bringing back ----------------------------------------------------------------------------

    def _best(self, wanted: Sequence[Key], least: int) -> Saved | None:
        """What shares the most with a prompt, and at least so much; from memory where both have it."""
        shared = {name: common_prefix(saved.keys, wanted) for name, saved in self._recent.items()}
        near = max(shared, key=lambda name: shared[name], default=None)
        most = 0 if near is None else shared[near]
        if self._store is not None and self._goes_back:
            self._look()
            name, far = self._longest(wanted)
            if name is not None and far > most and far >= least and (saved := self._read(name)) is not None:
                self._remember(saved)
                return saved
        return self._recent.get(near) if near is not None and most >= least else None

    def _restored(self, engine: Engine, saved: Saved, sequence: int) -> bool:
        """Whether the sequence now holds what was saved; else it is empty, and that is forgotten."""
        try:
            engine.restore(saved.state, sequence=sequence)
            whole = engine.length(sequence) == len(saved.keys)
            if whole and _proves(saved.proof, _scored_again(engine, saved.keys, sequence)):
                return True
        except EdgeError:
            pass
        self._recent.drop(saved.name)
        if self._store is not None:
            self._store.drop(self._start + saved.name)
            self._forget_file(self._start + saved.name)
        engine.truncate(0, sequence=sequence)
        return False

    # --- files ------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Learn what lies in files now: other processes write and remove, too."""
        assert self._store is not None
        there = set(self._store.names(self._start))
        self._coming -= there
        for name in set(self._files) - there - self._coming:
            del self._files[name]
        for name in there - set(self._files):
            head = self._store.head(name)
            if head is not None:
                self._files[name] = _unpacked(json.loads(head)["keys"])

    def _longest(self, keys: Sequence[Key]) -> tuple[str | None, int]:
        """The file that shares the most with some keys, and how much."""
        shared = {name: common_prefix(known, keys) for name, known in self._files.items()}
        name = max(shared, key=lambda name: shared[name], default=None)
        return name, 0 if name is None else shared[name]

    def _read(self, name: str) -> Saved | None:
        """What a file holds; it was authenticated before it is parsed here."""
        assert self._store is not None
        found = self._store.read(name)
        if found is None:
            self._forget_file(name)
            return None
        facts: dict[str, Any] = json.loads(found[0])
        proof = tuple((int(i), float(value)) for i, value in facts["proof"])
        return Saved(_unpacked(facts["keys"]), in_own_pages(found[1]), proof)

    def _forget_file(self, name: str) -> None:
        self._files.pop(name, None)
        self._coming.discard(name)


def common_prefix(held: Sequence[Key], wanted: Sequence[Key]) -> int:
    """How many positions agree from the first on. Whole slices are compared: that runs in C."""
    held, wanted = tuple(held), tuple(wanted)
    low, high = 0, min(len(held), len(wanted))
    while low < high:  # the first `low` agree, and not more than `high`
        middle = (low + high + 1) // 2
        if held[low:middle] == wanted[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _scored_again(engine: Engine, keys: Sequence[Key], sequence: int) -> Logits:
    """The logits of the last token, computed alone from what stands before it."""
    last = keys[-1]
    assert isinstance(last, int)
    engine.truncate(len(keys) - 1, sequence=sequence)
    return engine.feed([TokenSegment((last,))], sequence=sequence)


def _proves(proof: Sequence[tuple[int, float]], logits: Logits) -> bool:
    """Whether logits are those of the proof, but for rounding."""
    ids = [i for i, _ in proof]
    if not ids or not 0 <= min(ids) <= max(ids) < len(logits):
        return False
    then, now = np.array([value for _, value in proof]), logits[ids].astype(np.float64)
    spread = max(1e-3, float(then[0] - np.median(logits)))
    return bool(np.isfinite(now).all() and np.abs(now - then).max() <= _TOLERANCE * spread)


def _unpacked(keys: Sequence[Any]) -> tuple[Key, ...]:
    """Keys as JSON gives them: ids as numbers, rows of embeddings as [name, row]."""
    return tuple(key if isinstance(key, int) else (str(key[0]), int(key[1])) for key in keys)
