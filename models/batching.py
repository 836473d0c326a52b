"""Rows of ids into batches of like lengths.

Job: how much room a row takes, where a sorted list is cut. Ignorance: what rows hold beside ids, models, losses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Sized
from typing import Protocol, TypeVar


class Tokens(Protocol):
    """What has ids."""

    @property
    def ids(self) -> Sized: ...


Row = TypeVar("Row", bound=Tokens)


def width(row: Tokens, step: int) -> int:
    """Ids with their padding: widths are multiples of `step`, so that kernels and graphs are compiled rarely."""
    return -(-len(row.ids) // step) * step


def cut(rows: Sequence[Row], tokens: int, *, step: int, fewest: int = 1) -> Iterator[list[Row]]:
    """Rows, shortest first, into batches of at most `tokens` ids with their padding but `fewest` rows at least; a
    last batch of less is dropped."""
    some: list[Row] = []
    for row in rows:
        if len(some) >= fewest and width(row, step) * (len(some) + 1) > tokens:
            yield some
            some = []
        some.append(row)
    if len(some) >= fewest:
        yield some
