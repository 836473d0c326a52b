"""Which turns of a conversation a model still reads, once they no longer all fit.

Job: leave out the oldest turns, whole ones, until the rest and an answer fit; say what was left out.
A turn is a question and all that followed it: answers, calls of tools, their results. Its media go with it.
Ignorance: tokens (the caller counts), templates, engines. The history itself is never changed.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence

from edge.events import TurnsDropped
from edge.messages import Message, Text

_FULL = (
    0.75  # of the context, once turns were left out: the next turns find the window, and its cache, in place
)


class Window:
    """Where the prompts of one conversation begin. It moves rarely, and not at all while everything fits."""

    def __init__(self) -> None:
        self._first: Message | None = None  # that the last prompt read, of those that did not all fit

    def fit(
        self, history: Sequence[Message], tokens: Callable[[int], int], room: int, *, running: bool = False
    ) -> tuple[int, TurnsDropped | None]:
        """The index of the first message to read (`len(history)`: none of them), and what is newly left out.

        Args:
            tokens: how long prompt and answer are where the prompt begins with that message.
            room: tokens of the context. What fits least is returned even where it does not fit.
            running: the last turn of the history goes on (a tool was called), so it stays.
        """
        if tokens(0) <= room:
            return 0, None
        begins = [i for i, message in enumerate(history) if message.role == "user"]
        begins += [] if running else [len(history)]
        known = next((i for i in begins[:-1] if history[i] is self._first), 0)
        if known and tokens(known) <= room:
            return known, None
        start = next(
            (
                found
                for most in (int(room * _FULL), room)
                if (found := _first(begins, tokens, most)) is not None
            ),
            begins[-1] if begins else 0,
        )
        self._first = history[start] if start < len(history) else None
        return start, _dropped(history[known:start], tokens(known) - tokens(start))


def _first(begins: Sequence[int], tokens: Callable[[int], int], most: int) -> int | None:
    """The earliest begin whose prompt has at most so many tokens; later ones are shorter."""
    at = bisect_left(begins, True, key=lambda begin: tokens(begin) <= most)
    return begins[at] if at < len(begins) else None


def _dropped(messages: Sequence[Message], tokens: int) -> TurnsDropped | None:
    if not messages:
        return None
    media = sum(not isinstance(part, Text) for message in messages for part in message.parts)
    return TurnsDropped(sum(message.role == "user" for message in messages), media, tokens)
