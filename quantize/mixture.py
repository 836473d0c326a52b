"""The mixture of types that meets a goal: sensitivities, a plan, and the plan's own measurement.

Job: the order of these steps; sensitivities are remembered under `hardware.home()`, so that a second goal for
the same model costs one measurement. Ignorance: how any of them works; writes no bundle.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from math import prod
from pathlib import Path

from edge import hardware
from edge.errors import DoesNotFitError, EdgeError
from edge.formats.gguf import GgufHeader
from quantize import budget, children, kernel_speed, sensitivity
from quantize.backend import Backend
from quantize.budget import Goal, Market, Plan
from quantize.children import Progress
from quantize.rows import Rows
from quantize.sensitivity import Bench, Sensitivity
from quantize.tensor_groups import Group

EFFORT = 1e14  # weights x tokens x measurements: about half an hour of a 1 B model on two cores
MIN_BANDS, ROLES = 2, 5  # bands of layers at least; roles in a block, about
ROUNDS = 4  # measured mixtures until a divergence is met
_AIM = (
    0.85  # of the divergence that is allowed: other rows diverge more than those that calibrated (pico: 13 %)
)
_NEAR = 0.93  # of the aim: near enough


@dataclass(frozen=True)
class Mixture:
    """A plan and what carries it out."""

    plan: Plan
    types: Mapping[str, str]  # by tensor
    most: str  # the type with the most bytes
    bits: float  # per weight
    known: Sensitivity


def choose(goal: Goal, backend: Backend, rows: Rows, work: Path, progress: Progress) -> Mixture:
    """The mixture for one runtime; `rows` are those that calibrated, `work` a folder for files.

    Raises:
        DoesNotFitError: no mixture meets the goal; the message holds the nearest number.
        EngineError: llama.cpp cannot run the model on this machine.
    """
    few, header = rows.first(sensitivity.ROWS), backend.header
    groups = backend.groups(bands(header, few))
    fixed, beside = backend.fixed(groups), backend.beside(goal.context)
    budget.check_room(fixed + sum(min(map(g.size, g.menu)) for g in groups), goal, beside)
    bench = Bench(backend, few, work / f"sensitivity_{backend.runtime}")
    bench.open(progress)
    known = remembered(bench, groups, progress)
    speed = kernel_speed.measured(backend.runtime, children.threads_for(backend.source), progress)
    options = budget.market(header, groups, fixed, known, speed)
    picks, correction = _corrected(bench, options, goal, beside, progress)
    most, bits = budget.bits(options, picks)
    return Mixture(budget.plan(options, goal, picks, correction), options.types(picks), most, bits, known)


def bands(header: GgufHeader, rows: Rows) -> int:
    """Into how many bands the layers are cut, so that measuring takes a bounded time."""
    weights = sum(prod(tensor.shape) for tensor in header.tensors)
    return max(MIN_BANDS, int(EFFORT / max(weights * rows.tokens * ROLES * 2, 1)))


def remembered(bench: Bench, groups: list[Group], progress: Progress) -> Sensitivity:
    """Measured now, or by an earlier run on the same model and rows. Errors as `choose`."""
    name = sensitivity.digest(bench, groups)
    path = hardware.home() / "sensitivity" / f"{name}.json"
    found = sensitivity.load(path, name, groups)
    if found is None:
        found = sensitivity.measure(bench, groups, name, progress)
        with suppress(OSError, EdgeError):  # where home cannot be written, the next run measures again
            sensitivity.keep(path, found)
    return found


def _corrected(bench: Bench, options: Market, goal: Goal, beside: int,
               progress: Progress) -> tuple[list[int], float]:  # fmt: skip
    """The choice, and its measured divergence over the summed one.

    Where a divergence is the goal, the smallest choice that meets it in ROUNDS measurements.
    """
    best: tuple[list[int], float] | None = None
    aim, expected = _AIM * (goal.max_kl or 0), 1 / _AIM
    for number in range(ROUNDS if goal.max_kl is not None else 1):
        try:
            picks = budget.pick(options, goal, beside, expected if goal.max_kl else 1.0)
        except DoesNotFitError:
            if number == 0:
                raise
            picks = budget.finest(options)  # one measured mixture says little of another: try the last one
        name = f"mixture {number + 1}"
        found = bench.measure({name: options.types(picks)}, progress, name)[name]
        summed = options.total(picks, options.divergences)
        tried = picks, sensitivity.mean(found, "divergence") / max(summed, 1e-12)
        if goal.max_kl is None:
            return tried
        met = sensitivity.worst(found) <= aim
        if met and (best is None or options.point(picks).bytes < options.point(best[0]).bytes):
            best = tried
        if met and sensitivity.worst(found) > _NEAR * aim:
            break
        expected = sensitivity.worst(found) / max(summed, 1e-12) / _AIM * 1.02
    if best is None:
        raise DoesNotFitError(
            f"{goal} was not met: {ROUNDS} mixtures came no nearer than {sensitivity.worst(found):.2g} nats; "
            "give a larger limit, or use the recipe int8"
        )
    return best
