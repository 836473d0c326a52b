"""How the table is shown: text for the terminal, Markdown for the model card, JSON, a chart; and two bundles side by side.

Job: pure functions of rows, and files. Ignorance: how anything was measured.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from models.evaluation.goals import MOST_DROP
from models.evaluation.rows import Row, difference, written
from models.evaluation.tasks import Result

HEAD = ("task (held out)", "measured", "95 %", "items", "2 cores", "GPU", "s")
MISSING = "not made by this bundle"
_SOLID: Literal["solid"] = "solid"
_DOTTED: Literal["dotted"] = "dotted"


def interval(row: Row) -> str:
    if math.isnan(row.low):
        return ""
    scale, digits = (100, 1) if row.unit == "%" else (1, 2)
    return f"{row.low * scale:.{digits}f}-{row.high * scale:.{digits}f}"


def cells(row: Row) -> tuple[str, ...]:
    """One line of the table; a goal that is met has a mark."""
    goals = [
        f"{goal.written}{' ✓' if goal.met(row.value) else ''}" if goal else ""
        for _, goal in row.goals.named()
    ]
    return (row.task, row.written, interval(row), str(row.items), *goals, f"{row.seconds:.1f}")


def text(result: Result) -> str:
    """Columns for a terminal."""
    lines = [HEAD, *map(cells, result.rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEAD))]
    shown = [
        "  ".join(
            c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    ]
    return "\n".join([*shown, *(f"{name}: {MISSING} ({why})" for name, why in result.skipped)])


def markdown(result: Result, about: Mapping[str, Any]) -> str:
    """The table of the model card. ✓: the goal is met."""
    lines = [
        "| " + " | ".join(HEAD) + " |",
        "|---" + "|---:" * (len(HEAD) - 1) + "|",
        *("| " + " | ".join(cells(row)) + " |" for row in result.rows),
    ]
    if result.skipped:
        lines += [
            "",
            f"{MISSING.capitalize()}: " + "; ".join(f"{n} ({why})" for n, why in result.skipped) + ".",
        ]
    told = ", ".join(f"{name} {value}" for name, value in about.items())
    return "\n".join([*lines, "", f"{told}, {result.seconds:.0f} s.", ""])


def to_dict(result: Result, about: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **about,
        "seconds": round(result.seconds, 1),
        "rows": [row.to_dict() for row in result.rows],
        "skipped": [{"task": name, "why": f"{MISSING}: {why}"} for name, why in result.skipped],
    }


def chart(result: Result, path: Path, title: str) -> None:
    """Every share as a bar with its interval; goals as lines across it: solid for 2 cores, dotted for a GPU."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    rows = [row for row in result.rows if row.unit == "%"][::-1]
    figure, axis = plt.subplots(figsize=(9, 0.9 + 0.24 * len(rows)))
    for at, row in enumerate(rows):
        axis.barh(at, row.value * 100, color="#d08770" if row.better == "less" else "#5e81ac", height=0.7)
        if not math.isnan(row.low):
            axis.plot([row.low * 100, row.high * 100], [at, at], color="#2e3440", linewidth=1)
        for goal, style in ((row.goals.cores, _SOLID), (row.goals.gpu, _DOTTED)):
            bounds = [b * 100 for b in (goal.least, goal.most) if b is not None] if goal else []
            axis.vlines(bounds, at - 0.45, at + 0.45, "#bf2020", linestyles=style, linewidth=1.6)
    axis.set_yticks(range(len(rows)), [row.task for row in rows], fontsize=8)
    axis.set(xlim=(0, 105), ylim=(-0.7, len(rows) - 0.3), xlabel="%; red: goals, solid 2 cores, dotted GPU; orange bars: less is better")  # fmt: skip
    axis.set_title(title, fontsize=10)
    axis.grid(axis="x", alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    plt.close(figure)


# ---- two bundles ----


def compared(result: Result, reference: Result) -> list[dict[str, Any]]:
    """Per row of both: values, difference with interval, and whether it is a drop of more than 2 points."""
    known = {row.task: row for row in reference.rows}
    found = []
    for row in result.rows:
        if (other := known.get(row.task)) is None:
            continue
        value, low, high = difference(row, other)
        worse = {"more": -value, "less": value}.get(row.better, 0.0)
        found.append(
            {"task": row.task, "unit": row.unit, "value": row.value, "reference": other.value, "difference": value,
             "interval_95": None if math.isnan(low) else [low, high],
             "drop": row.unit == "%" and worse > MOST_DROP}
        )  # fmt: skip
    return found


def compared_markdown(differences: Sequence[Mapping[str, Any]], name: str, reference: str) -> str:
    """Differences in points where shares; bold: a drop of more than 2 points."""
    lines = [f"| task | {reference} | {name} | difference | 95 % |", "|---|---:|---:|---:|---:|"]
    for d in differences:
        scale, unit = (100, "points") if d["unit"] == "%" else (1, d["unit"])
        change = f"{d['difference'] * scale:+.2f} {unit}"
        low_high = d["interval_95"]
        span = f"{low_high[0] * scale:+.2f} to {low_high[1] * scale:+.2f}" if low_high else ""
        lines.append(
            f"| {d['task']} | {written(d['reference'], d['unit'])} | {written(d['value'], d['unit'])} | "
            f"{f'**{change}**' if d['drop'] else change} | {span} |"
        )
    drops = sum(bool(d["drop"]) for d in differences)
    return "\n".join([*lines, "", f"{drops} of {len(differences)} rows drop by more than {MOST_DROP * 100:g} points.", ""])  # fmt: skip
