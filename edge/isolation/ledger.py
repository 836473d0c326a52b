"""One conversation's history, known at both ends, told once.

Job: give messages numbers, so that a history is a row of numbers and only new messages travel; media are sent
once. Each end has its own `Ledger` of the same conversation, and they number by turns, odd and even.
Ignorance: pipes, models. Messages are told apart by identity: an edited one is a new one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from edge.isolation.protocol import History, Turn
from edge.messages import Message


class Ledger:
    """What this end knows that the other end knows."""

    def __init__(self, first: int) -> None:
        """`first`: 0 or 1, another one at each end."""
        self._next = first
        self._known: dict[int, Turn] = {}

    def told(self, turns: Iterable[Turn], shown: Callable[[Turn], Turn] = lambda turn: turn) -> History:
        """A history for the other end; `shown`: what of a new turn travels."""
        numbers = {id(turn.message): number for number, turn in self._known.items()}
        history: list[tuple[int, Turn | None]] = []
        known: dict[int, Turn] = {}
        for turn in turns:
            number = numbers.get(id(turn.message))
            if number is None:
                number, self._next = self._next, self._next + 2
                numbers[id(turn.message)] = number
                history.append((number, shown(turn)))
            else:
                history.append((number, None))
            known[number] = turn
        self._known = known
        return tuple(history)

    def heard(self, history: History, said: Message | None = None) -> list[Turn]:
        """The turns of a history from the other end; `said`: the message that it left out."""
        known: dict[int, Turn] = {}
        for number, turn in history:
            if turn is None:
                known[number] = known.get(number) or self._known[number]
            else:
                known[number] = turn if turn.message is not None else Turn(said, turn.ids)
        self._known = known
        return [known[number] for number, _ in history]
