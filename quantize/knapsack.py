"""One option for each group, at the least cost that a number of bytes allows.

Job: the multiple-choice knapsack, solved for all budgets at once by dynamic programming over a grid of bytes.
Ignorance: what an option is. Sizes are rounded up to the grid, so a choice never exceeds its budget; it is
exact where all sizes are multiples of the grid's step, and else misses at most one step per group.
Source: Kellerer, Pferschy, Pisinger, "Knapsack Problems" (2004), section 11.5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CELLS = 1 << 14  # of the grid, at most: 64 groups of 14 options take about half a second


@dataclass(frozen=True)
class Table:
    """Every group's best option under every budget; ask with `choice`."""

    step: int  # bytes
    sizes: tuple[tuple[int, ...], ...]  # bytes, by group and option
    picks: NDArray[np.int16]  # (groups, cells): the option of a group when it and those before have the cell

    @property
    def smallest(self) -> int:
        """Bytes below which there is no choice, on the grid."""
        return sum(min(_cells(size, self.step) for size in options) for options in self.sizes) * self.step

    def choice(self, limit: int) -> list[int] | None:
        """An option per group, together at most `limit` bytes; None where even the smallest are larger."""
        cell = min(limit // self.step, self.picks.shape[1] - 1)
        found = []
        for options, picks in zip(reversed(self.sizes), reversed(self.picks), strict=True):
            if cell < 0 or picks[cell] < 0:
                return None
            found.append(int(picks[cell]))
            cell -= _cells(options[found[-1]], self.step)
        return found[::-1]


def solve(costs: Sequence[Sequence[float]], sizes: Sequence[Sequence[int]], step: int | None = None) -> Table:
    """The table of all budgets; `step` in bytes, by default the smallest whose grid has at most CELLS."""
    largest = sum(max(options) for options in sizes)
    step = step or -(-largest // (CELLS - len(sizes) - 1))
    count = sum(max(_cells(size, step) for size in options) for options in sizes) + 1
    best = np.zeros(count)
    picks = np.full((len(sizes), count), -1, np.int16)
    for group, (prices, options) in enumerate(zip(costs, sizes, strict=True)):
        found = np.full(count, np.inf)
        for number, (price, size) in enumerate(zip(prices, options, strict=True)):
            width = _cells(size, step)
            total = best[: count - width] + price
            better = total < found[width:]
            found[width:][better] = total[better]
            picks[group, width:][better] = number
        best = found
    return Table(step, tuple(tuple(options) for options in sizes), picks)


def _cells(size: int, step: int) -> int:
    return -(-size // step)
