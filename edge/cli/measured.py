"""What a bundle's report says of its quality, for people.

Job: the numbers of report.json as a table, and a warning where they are missing or bad.
Ignorance: how they were measured; a report is somebody's file, so nothing in it is taken for granted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge import store
from edge.cli import output
from edge.formats import gguf, manifest, quality_keys

NOTICEABLE = 0.05  # of the next tokens that the float model gets right
HEADINGS = ("modality", "KL (nats)", "same top token", "right token", "before")
_FIELDS = ("divergence", "agreement", "accuracy", "reference_accuracy")


def report(folder: Path, known: manifest.Manifest) -> Any:
    """The report that travels with a bundle; None where there is none, or none that can be read."""
    if "report" not in known.files:
        return None
    try:
        return json.loads(known.path(folder, "report").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def quality(told: Any) -> dict[str, Mapping[str, float]]:
    """The measured numbers by modality; empty where nothing was measured."""
    found = told.get("quality") if isinstance(told, dict) else None
    if not isinstance(found, dict):
        return {}
    return {
        str(kind): {f: v for f in _FIELDS if isinstance(v := numbers.get(f), int | float)}
        for kind, numbers in found.items()
        if isinstance(numbers, dict)
    }


def rows(told: Any) -> list[list[str]]:
    """One row per modality, under HEADINGS."""
    forms = dict(zip(_FIELDS, ("{:.4f}", "{:.1%}", "{:.1%}", "{:.1%}"), strict=True))
    return [
        [kind, *(form.format(numbers[field]) if field in numbers else "" for field, form in forms.items())]
        for kind, numbers in quality(told).items()
    ]


def concern(told: Any) -> str | None:
    """What a user should know before trusting the answers; None where there is nothing."""
    found = quality(told)
    if not found:
        return "its quality was never measured; `edge quantize` measures where there are held-out rows"
    lost = {k: n.get("reference_accuracy", 0.0) - n.get("accuracy", 0.0) for k, n in found.items()}
    bad = [f"{kind} ({100 * loss:.0f} points)" for kind, loss in lost.items() if loss > NOTICEABLE]
    if not bad:
        return None
    return f"its float original predicts {', '.join(bad)} better; quantize it with a larger type"


def warn(model: str) -> None:
    """A note for the person at the terminal where a model gives reason for one; a .gguf that was not made by
    `edge quantize` gives none."""
    path = store.find(model)
    if path.is_dir():
        found = concern(report(path, manifest.load(path, hashes=False)))
    else:
        told = of_gguf(path)
        found = concern(told) if told else None
    if found:
        output.note(f"note: {path.name}: {found}")


def of_gguf(path: Path) -> dict[str, Any] | None:
    """What the header of a .gguf says of its quality; None where it says nothing."""
    return quality_keys.read(gguf.read_header(path).metadata) if path.suffix == ".gguf" else None
