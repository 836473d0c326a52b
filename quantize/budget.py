"""Which type each group of tensors gets, so that a limit of bytes, divergence or memory is met at least cost.

Job: the goal a user names, the plan that meets it, the front of what is possible.
Ignorance: measures nothing itself; whoever asks for a plan brings sensitivities and kernel speeds.

The divergence of a mixture is predicted as the sum over its groups times a correction, which is measured on
the mixture itself. What the knapsack minimizes is that sum plus a price on time: one percent of the time of a
token is worth WORTH percent of the divergence.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, prod

from edge.errors import DoesNotFitError, UsageError
from edge.formats.gguf import GgufHeader
from quantize import knapsack
from quantize.knapsack import Table
from quantize.rotation import Kept
from quantize.sensitivity import Sensitivity
from quantize.tensor_groups import Group

WORTH = 0.5  # a token that takes 2 % longer must buy at least 1 % less divergence
FRONT = 24  # points of the front
_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)")


@dataclass(frozen=True)
class Goal:
    """What the user limits: exactly one of the three."""

    max_size: int | None = None  # bytes of a decoder
    max_kl: float | None = None  # nats, the worst modality's mean
    max_ram: int | None = None  # bytes while it runs with `context`
    context: int = 4096  # tokens; counts for max_ram alone

    def __post_init__(self) -> None:
        given = [v for v in (self.max_size, self.max_kl, self.max_ram) if v is not None]
        if len(given) != 1:
            raise UsageError("give exactly one of --max-size, --max-kl, --max-ram and --recipe")
        if not (given[0] > 0 and isfinite(given[0])) or self.context < 1:
            raise UsageError(
                f"the limit is {given[0]} with a context of {self.context}; both must be above 0"
            )

    def __str__(self) -> str:
        if self.max_size is not None:
            return f"max-size {self.max_size / 1e6:.1f} MB"
        if self.max_kl is not None:
            return f"max-kl {self.max_kl:g}"
        return f"max-ram {(self.max_ram or 0) / 1e6:.1f} MB with a context of {self.context}"

    def file_limit(self, beside: int) -> int | None:
        """Bytes of the file that memory of `beside` bytes beside it leaves; None: no limit of bytes."""
        if self.max_ram is not None:
            return self.max_ram - beside
        return self.max_size


@dataclass(frozen=True)
class Choice:
    """One group's part of a plan."""

    group: str
    type: str
    bytes: int
    divergence: float  # nats, expected share of the whole


@dataclass(frozen=True)
class Point:
    """One mixture among all."""

    bytes: int  # of the file
    divergence: float  # nats, expected mean over modalities
    tokens_per_second: float  # expected from the kernels alone


@dataclass(frozen=True)
class Plan:
    """A mixture that meets a goal."""

    goal: str
    choices: tuple[Choice, ...]
    point: Point
    front: tuple[Point, ...]  # the least divergence by size, without a price on time
    correction: float  # measured over summed divergence of this mixture; 1 before it is measured
    rotation: Kept | None = None  # what was tried before, and whether these weights are rotated


@dataclass(frozen=True)
class Market:
    """Every group's options with their bytes, divergence and time."""

    groups: tuple[Group, ...]
    fixed: int  # bytes of the file that no choice changes
    sizes: tuple[tuple[int, ...], ...]
    divergences: tuple[tuple[float, ...], ...]  # nats
    seconds: tuple[tuple[float, ...], ...]  # per token

    def total(self, picks: Sequence[int], values: Sequence[Sequence[float]]) -> float:
        """The sum of one of the tables above over a choice."""
        return sum(options[pick] for options, pick in zip(values, picks, strict=True))

    def types(self, picks: Sequence[int]) -> dict[str, str]:
        """The type of each tensor."""
        return {t.name: g.menu[pick] for g, pick in zip(self.groups, picks, strict=True) for t in g.tensors}

    def point(self, picks: Sequence[int], correction: float = 1.0) -> Point:
        """Where a choice lies."""
        size = self.fixed + int(self.total(picks, self.sizes))
        divergence = correction * self.total(picks, self.divergences)
        return Point(size, divergence, 1 / max(self.total(picks, self.seconds), 1e-12))

    def table(self, price: float = 0.0) -> Table:
        """The knapsack with a price of `price` nats per second."""
        costs = [
            [d + price * s for d, s in zip(ds, ss, strict=True)]
            for ds, ss in zip(self.divergences, self.seconds, strict=True)
        ]
        return knapsack.solve(costs, self.sizes)

    @property
    def smallest(self) -> int:
        """Bytes of the smallest file."""
        return self.fixed + sum(min(options) for options in self.sizes)


def market(header: GgufHeader, groups: Sequence[Group], fixed: int, known: Sensitivity,
           speed: Mapping[str, float]) -> Market:  # fmt: skip
    """All options of a model whose f16 header is given; `fixed` bytes of its file no choice changes."""
    used = {group.name: group.weights * _share_read(header, group) for group in groups}
    return Market(
        tuple(groups), fixed,
        tuple(tuple(g.size(kind) for kind in g.menu) for g in groups),
        tuple(tuple(known.divergence(g, kind) for kind in g.menu) for g in groups),
        tuple(tuple(used[g.name] * speed[kind] for kind in g.menu) for g in groups),
    )  # fmt: skip


def pick(options: Market, goal: Goal, beside: int, correction: float = 1.0) -> list[int]:
    """The option of each group that meets the goal; `beside`: bytes of memory beside the file.

    Raises:
        DoesNotFitError: no mixture does; the message holds the nearest number that one can reach.
    """
    free = options.table()
    limit = goal.file_limit(beside)
    check_room(options.smallest, goal, beside)
    if limit is None:
        target = (goal.max_kl or 0) / correction
        limit = _smallest_limit(options, free, target, correction)
        table = options.table(_price(options, free.choice(limit - options.fixed) or [], target))
        return table.choice(_smallest_limit(options, table, target, correction) - options.fixed) or []
    first = free.choice(limit - options.fixed)
    if first is None:  # the grid's rounding
        raise _too_small(goal, beside, options.fixed + free.smallest)
    price = _price(options, first, options.total(first, options.divergences))
    return options.table(price).choice(limit - options.fixed) or first


def finest(options: Market) -> list[int]:
    """The types that diverge least, whatever they weigh."""
    return [min(range(len(values)), key=values.__getitem__) for values in options.divergences]


def check_room(smallest: int, goal: Goal, beside: int) -> None:
    """Refuse a limit below the smallest file.

    Raises:
        DoesNotFitError: with the least that is needed.
    """
    limit = goal.file_limit(beside)
    if limit is not None and limit < smallest:
        raise _too_small(goal, beside, smallest)


def plan(options: Market, goal: Goal, picks: Sequence[int], correction: float) -> Plan:
    """What is told about a choice."""
    rows = zip(options.groups, picks, options.sizes, options.divergences, strict=True)
    choices = tuple(Choice(g.name, g.menu[i], sizes[i], correction * ds[i]) for g, i, sizes, ds in rows)
    return Plan(str(goal), choices, options.point(picks, correction), _front(options, correction), correction)


def bits(options: Market, picks: Sequence[int]) -> tuple[str, float]:
    """The type with the most bytes, and bits per weight."""
    by_type: dict[str, int] = {}
    for group, i, sizes in zip(options.groups, picks, options.sizes, strict=True):
        by_type[group.menu[i]] = by_type.get(group.menu[i], 0) + sizes[i]
    weights = sum(group.weights for group in options.groups)
    return max(by_type, key=lambda kind: by_type[kind]), 8 * options.total(picks, options.sizes) / weights


def check_possible(goal: Goal, shapes: Sequence[Sequence[int]]) -> None:
    """Refuse before work what no mixture of matrices of these shapes can reach.

    Raises:
        DoesNotFitError: with the nearest number.
    """
    limit = goal.max_size if goal.max_size is not None else goal.max_ram
    least = sum(_least(shape) for shape in shapes)
    if limit is not None and limit < least:
        raise DoesNotFitError(
            f"{goal} cannot be met: the smallest mixture of this model has about {least / 1e6:.1f} MB of "
            "weights; give a larger limit, or choose a smaller model"
        )


def bytes_of(text: str) -> int:
    """700MB, 1.5GB (powers of ten), 512MiB (powers of two).

    Raises:
        UsageError: another form.
    """
    match = _SIZE.fullmatch(text.strip())
    unit = _UNITS.get(match[2].upper()) if match else None
    if match is None or unit is None:
        raise UsageError(f"{text!r} is no size; write it as 700MB, 1.5GB or 512MiB")
    return int(float(match[1]) * unit)


def _price(options: Market, picks: Sequence[int], divergence: float) -> float:
    """Nats per second at which WORTH holds for a choice."""
    return WORTH * divergence / max(options.total(picks, options.seconds), 1e-12)


def _smallest_limit(options: Market, table: Table, target: float, correction: float) -> int:
    """Bytes of the file from which on the table's choice diverges at most by `target`."""
    largest = options.fixed + table.step * table.picks.shape[1]

    def reached(limit: int) -> bool:
        picks = table.choice(limit - options.fixed)
        return picks is not None and options.total(picks, options.divergences) <= target

    cells = range(options.fixed + table.smallest, largest + table.step, table.step)
    found = bisect_left(cells, True, key=reached)
    if found == len(cells):
        best = correction * sum(min(values) for values in options.divergences)
        raise DoesNotFitError(
            f"a divergence of at most {target * correction:.2g} nats cannot be met: about {best:.2g} can; "
            "give that, or use the recipe f16"
        )
    return cells[found]


def _front(options: Market, correction: float) -> tuple[Point, ...]:
    """From the smallest to the largest, evenly in the logarithm of bytes."""
    table, low = options.table(), options.smallest
    high = options.fixed + sum(max(sizes) for sizes in options.sizes)
    found: dict[int, Point] = {}
    for i in range(FRONT):
        limit = round(low * (high / low) ** (i / (FRONT - 1))) + len(options.groups) * table.step
        picks = table.choice(limit - options.fixed)
        if picks is not None:
            point = options.point(picks, correction)
            found[point.bytes] = point
    return tuple(found[size] for size in sorted(found))


def _too_small(goal: Goal, beside: int, smallest: int) -> DoesNotFitError:
    least = smallest if goal.max_size is not None else smallest + beside
    return DoesNotFitError(
        f"{goal} cannot be met: the least that this model needs is {least / 1e6:.1f} MB; give at least that"
        + ("" if goal.max_size is not None else ", or a shorter --context")
    )


def _least(shape: Sequence[int]) -> float:
    """Bytes of a Hugging Face tensor (out, in) in the smallest type."""
    bits = 32.0 if len(shape) < 2 else 2.0625 if shape[-1] % 256 == 0 else 4.5
    return prod(shape) * bits / 8


def _share_read(header: GgufHeader, group: Group) -> float:
    """Which part of a group's weights one token meets: a looked-up embedding none, experts some."""
    if group.role == "token_embd" and any(t.name == "output.weight" for t in header.tensors):
        return 0.0
    used = header.metadata.get(f"{header.architecture}.expert_used_count")
    count = header.metadata.get(f"{header.architecture}.expert_count")
    return used / count if group.role.endswith("_exps") and used and count else 1.0
