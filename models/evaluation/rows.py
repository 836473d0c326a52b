"""One measured number, its 95 % interval, and what was to be reached.

Job: the frozen `Row` and how one comes from the scores of single items: a share, a ratio of sums, a mean, a median.
Ignorance: tasks, models, how rows are shown. Items count as independent: several questions about one picture are not
quite, so the intervals of such rows are a little too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from models.evaluation.goals import GOALS, NO_GOAL, Goals

Better = Literal["more", "less", ""]  # "": neither
Floats = NDArray[np.float64]
_Z = 1.96  # of a two-sided 95 % interval
_RESAMPLES = 1000
_RARE = 3.0  # rule of three: none in n says "at most 3 / n", at 95 %


@dataclass(frozen=True)
class Row:
    """A task and its number. `unit` "%" means a share: value, low and high are then 0.93 for 93 %."""

    task: str
    value: float
    unit: str
    items: int
    low: float  # 95 % interval; nan where there is none
    high: float
    better: Better = "more"
    seconds: float = 0.0  # of its group's time, shared by items
    tops: tuple[float, ...] = field(default=(), repr=False, compare=False)  # per item; value = sum / sum
    bottoms: tuple[float, ...] = field(default=(), repr=False, compare=False)

    @property
    def goals(self) -> Goals:
        return GOALS.get(self.task, NO_GOAL)

    @property
    def written(self) -> str:
        return written(self.value, self.unit)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: no nan, no scores of single items."""
        interval = None if math.isnan(self.low) else [round(self.low, 5), round(self.high, 5)]
        return {
            "task": self.task,
            "value": round(self.value, 5),
            "unit": self.unit,
            "items": self.items,
            "interval_95": interval,
            "better": self.better,
            **{f"goal_{where}": goal.to_dict() for where, goal in self.goals.named() if goal},
            **{f"met_{where}": goal.met(self.value) for where, goal in self.goals.named() if goal},
            "seconds": round(self.seconds, 2),
        }


def written(value: float, unit: str) -> str:
    if math.isnan(value):
        return "-"
    if unit == "%":
        return f"{value * 100:.1f} %"
    return f"{value:.0f} {unit}" if unit == "codes" else f"{value:.3g} {unit}" if unit == "nat" else f"{value:.2f} {unit}"  # fmt: skip


# ---- rows from scores ----


def share(task: str, hits: Sequence[bool], weights: Sequence[float] = ()) -> Row:
    """How many are right; the interval is Wilson's (with weights, for the effective number of items)."""
    scores, heavy = np.array(hits, float), np.array(weights or [1.0] * len(hits))
    if not len(scores):
        return _nothing(task, "%")
    value = float((scores * heavy).sum() / heavy.sum())
    low, high = wilson(value, float(heavy.sum() ** 2 / (heavy**2).sum()))
    return Row(task, value, "%", len(scores), low, high, tops=tuple(scores * heavy), bottoms=tuple(heavy))


def share_of_types(task: str, types: Sequence[Sequence[bool]]) -> Row:
    """The mean of the types' shares, however many items each has."""
    known = [hits for hits in types if hits]
    weights = [1 / len(hits) for hits in known for _ in hits]
    return share(task, [hit for hits in known for hit in hits], weights)


def ratio(
    task: str, tops: Sequence[float], bottoms: Sequence[float], unit: str = "%", better: Better = "more"
) -> Row:
    """The sum of the tops over the sum of the bottoms: errors over words, bits over bytes."""
    above, below = np.array(tops, float), np.array(bottoms, float)
    if not below.sum():
        return _nothing(task, unit, better)
    value = float(above.sum() / below.sum())
    low, high = _bootstrap(len(above), lambda pick: above[pick].sum(1) / below[pick].sum(1))
    if unit == "%" and value in (0.0, 1.0):  # resampling cannot see what did not happen
        rare = min(1.0, _RARE / float(below.sum()))
        low, high = (0.0, rare) if value == 0.0 else (1 - rare, 1.0)
    return Row(task, value, unit, len(above), low, high, better, tops=tuple(above), bottoms=tuple(below))


def ratio_of_pairs(task: str, scored: Sequence[tuple[float, float]], better: Better = "more") -> Row:
    """As `ratio`, from (top, bottom) of each item: (errors, words), (twice the hits, slots of both)."""
    return ratio(task, [top for top, _ in scored], [bottom for _, bottom in scored], better=better)


def mean(task: str, values: Sequence[float], unit: str, better: Better = "more") -> Row:
    return ratio(task, values, [1.0] * len(values), unit, better)


def median(task: str, values: Sequence[float], unit: str, better: Better = "more") -> Row:
    scores = np.array(values, float)
    if not len(scores):
        return _nothing(task, unit, better)
    low, high = _bootstrap(len(scores), lambda pick: np.median(scores[pick], axis=1))
    return Row(task, float(np.median(scores)), unit, len(scores), low, high, better)


def number(task: str, value: float, unit: str, items: int, better: Better = "more") -> Row:
    """A number without an interval."""
    return Row(task, value, unit, items, math.nan, math.nan, better)


def wilson(value: float, items: float) -> tuple[float, float]:
    """Wilson's score interval of a share (E. B. Wilson, 1927)."""
    spread = _Z * math.sqrt(value * (1 - value) / items + (_Z / items) ** 2 / 4)
    centre, scale = value + _Z**2 / (2 * items), 1 + _Z**2 / items
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def difference(one: Row, other: Row) -> tuple[float, float, float]:
    """`one` minus `other` with its 95 % interval, item by item where both measured the same items."""
    value = one.value - other.value
    if one.bottoms and len(one.bottoms) == len(other.bottoms):
        parts = [np.array(scores) for scores in (one.tops, one.bottoms, other.tops, other.bottoms)]

        def apart(pick: NDArray[np.int64]) -> Floats:
            a, b, c, d = (part[pick].sum(1) for part in parts)
            return np.asarray(a / np.maximum(b, 1e-12) - c / np.maximum(d, 1e-12))

        return (value, *_bootstrap(len(one.bottoms), apart))
    spread = math.hypot((one.high - one.low) / 2, (other.high - other.low) / 2)
    return value, value - spread, value + spread


def _bootstrap(count: int, statistic: Callable[[NDArray[np.int64]], Floats]) -> tuple[float, float]:
    """The middle 95 % over resampled items; `statistic` gets indices (resamples, count)."""
    pick = np.random.default_rng(0).integers(count, size=(_RESAMPLES, count))
    low, high = np.quantile(statistic(pick), [0.025, 0.975])
    return float(low), float(high)


def _nothing(task: str, unit: str, better: Better = "more") -> Row:
    return Row(task, math.nan, unit, 0, math.nan, math.nan, better)
