"""Stop strings, found across the borders of tokens.

Job: let bytes through as soon as they cannot be a part of a stop string. Ignorance: tokens, characters.
"""

from __future__ import annotations

from collections.abc import Sequence


class StopFilter:
    """The bytes of one reply. `met` once a stop string stood in them: it and what follows are `cut`."""

    def __init__(self, stops: Sequence[str] = ()) -> None:
        self._stops = [stop.encode() for stop in stops]
        self._held = b""
        self.cut = 0  # bytes that came and are not shown: the stop string and what followed it
        self.met = False

    def __call__(self, data: bytes, *, final: bool = False) -> bytes:
        """The bytes that may be shown now; with `final`, all that were held back."""
        held = self._held + data
        places = [at for stop in self._stops if (at := held.find(stop)) >= 0]
        if places:
            at = min(places)
            self.cut, self.met, self._held = len(held) - at, True, b""
            return held[:at]
        waiting = 0 if final else max((_overlap(held, stop) for stop in self._stops), default=0)
        self._held = held[len(held) - waiting :]
        return held[: len(held) - waiting]


def _overlap(held: bytes, stop: bytes) -> int:
    """How much of the end of `held` may be the beginning of `stop`."""
    longest = min(len(held), len(stop) - 1)
    return next((size for size in range(longest, 0, -1) if held.endswith(stop[:size])), 0)
