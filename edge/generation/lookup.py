"""What may come next, looked up in what is there already: texts are quoted, code is repeated.

Job: guess the ids that followed when the newest ids last stood together (prompt lookup, A. Saxena 2023), and
stop where checking them at once takes longer than it saves. Ignorance: engines, grammar, sampling.
A guess changes no choice; but a processor rounds a call with several ids otherwise than one by one.
"""

from __future__ import annotations

from collections.abc import Sequence

from edge.generation.prefix_cache import Key

_TOGETHER = 3  # ids that must stand together
_LATELY = 0.8  # what the past weighs against one more call
_GAIN = 0.95  # of the seconds per id without guesses: more is no gain
_TRIES = 3  # calls with guesses before they are judged
_REST, _LONGEST_REST = 32, 4096  # ids without guesses after a loss, doubled each time


class Pace:
    """Seconds per id with guesses and without: whether they pay on this machine. One for all replies."""

    def __init__(self, most: int) -> None:
        """`most` ids are guessed at once; 0 = none ever."""
        self.most = most
        self._plain = self._guessed = 0.0  # seconds per id
        self._tries = 0
        self._rest, self._left = _REST, 1  # one id alone comes first, to compare with

    @property
    def pays(self) -> bool:
        """Whether to guess now."""
        return self.most > 0 and self._left <= 0

    def stepped(self, seconds: float) -> None:
        """An id was computed alone."""
        self._left -= 1
        self._plain = _blend(self._plain, seconds)

    def verified(self, seconds: float, ids: int) -> None:
        """One call with guesses brought so many ids."""
        self._guessed = _blend(self._guessed, seconds / ids)
        self._tries += 1
        if self._tries < _TRIES:
            return
        if self._guessed < _GAIN * self._plain:
            self._rest = _REST
        else:
            self._left, self._rest = self._rest, min(2 * self._rest, _LONGEST_REST)
            self._guessed, self._tries = 0.0, 0


class Lookup:
    """The ids of one reply and its prompt."""

    def __init__(self, keys: Sequence[Key]) -> None:
        self._ids: list[Key] = []
        self._seen: dict[tuple[Key, ...], int] = {}  # where the next id after these stands, last time
        self.append(keys)

    def append(self, ids: Sequence[Key]) -> None:
        """More ids."""
        for key in ids:
            if len(self._ids) >= _TOGETHER:
                self._seen[tuple(self._ids[-_TOGETHER:])] = len(self._ids)
            self._ids.append(key)

    def guesses(self, most: int) -> tuple[int, ...]:
        """At most so many ids that came next the last time; none where the newest ids are new together."""
        at = self._seen.get(tuple(self._ids[-_TOGETHER:]), len(self._ids))
        found: list[int] = []
        for key in self._ids[at : at + most]:
            if not isinstance(key, int):
                break
            found.append(key)
        return tuple(found)


def _blend(before: float, now: float) -> float:
    return _LATELY * before + (1 - _LATELY) * now if before else now
