"""How much each group of tensors suffers in each type, measured once and kept.

Job: the value, its JSON file, measuring it, and predicting a group's divergence in any type of its menu.
Ignorance: budgets. Does not see how errors of two groups meet: `budget` corrects the sum by a measurement.

A group's divergence is measured with that group alone in a small type and everything else in f16, at two
anchor types. In between and beyond, it follows the expected squared error of the group's matrix products
(importance x rounding error squared). Near the reference the divergence is a quadratic form of the error, so
it is a straight line: a floor, which the rounding of the activations leaves in every type, and a slope. Where
the anchors leave no floor, it is a power of the error through both.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edge import atomic
from edge.errors import IntegrityError
from quantize import children
from quantize.backend import Backend
from quantize.children import Progress
from quantize.rows import Rows
from quantize.tensor_groups import Group, quantizable

ROWS = 4  # per modality; the bootstrap's spread does not matter: all mixtures read the same ones
# a coarse and a fine one, each: the type, and those for rows that it does not fit; GGUF's, then ONNX's
_ANCHORS = (("Q3_K", "Q4_0", "int4/128", "int4/64", "int4/32", "int4/16"),
            ("Q5_K", "Q5_0", "int8/128", "int8/64", "int8/32", "int8/16"))  # fmt: skip
_VERSION = 1
_MAX_BYTES = 16 << 20

Types = Mapping[str, str]  # tensor name: type
Found = Mapping[str, Mapping[str, float]]  # modality: {"divergence": nats, "agreement": share}


@dataclass(frozen=True)
class Sensitivity:
    """Of one model, on certain rows."""

    source: str  # `digest` of what was measured
    measured: Mapping[str, Mapping[str, Found]]  # group: anchor type: what was found
    errors: Mapping[str, Mapping[str, float]]  # tensor: type: expected squared error

    def error(self, group: Group, kind: str) -> float:
        """Of all of the group's products together."""
        return sum(self.errors[tensor.name][kind] for tensor in group.tensors)

    def divergence(self, group: Group, kind: str) -> float:
        """Predicted nats, mean over modalities, with this group alone in that type."""
        anchors = sorted(
            (self.error(group, anchor), max(mean(found, "divergence"), _FLOOR))
            for anchor, found in self.measured[group.name].items()
        )
        return _through(anchors, self.error(group, kind))

    def to_json(self) -> str:
        """The text of the file."""
        return json.dumps({"version": _VERSION, **asdict(self)}, indent=1) + "\n"


_FLOOR = 1e-9  # nats: below llama.cpp's own noise
_STEEPEST = 1.5  # a steeper curve is noise of a tiny group


@dataclass(frozen=True)
class Bench:
    """A reference whose logits are kept, to measure mixtures of types against on calibrating rows."""

    backend: Backend
    rows: Rows
    work: Path

    def open(self, progress: Progress) -> None:
        """Read the rows with the reference.

        Raises:
            EngineError: llama.cpp cannot run it on this machine.
        """
        self.work.mkdir(exist_ok=True)
        self.rows.save(self.work / "rows.npz")
        source = self.backend.source
        files = source, self.work / "rows.npz", self.work / "reference.npz"
        children.run_model("quantize.native_logits", ["reference", *files, "", "128"], source,
                           lambda _, done, of: progress("sensitivity rows", done, of))  # fmt: skip

    def measure(self, trials: Mapping[str, Types], progress: Progress, label: str) -> dict[str, Found]:
        """Divergence and agreement by trial and modality. Errors as `open`."""
        backend = self.backend
        everything = {tensor.name: backend.untouched for tensor in quantizable(backend.header)}
        asked, out = self.work / "trials.json", self.work / f"{label.replace(' ', '_')}.jsonl"
        full = {name: everything | dict(types) for name, types in trials.items()}
        asked.write_text(json.dumps(full), encoding="utf-8")
        kept = [self.work / "rows.npz", self.work / "reference.npz", asked, out]
        children.run_model(
            "quantize.native_sensitivity", [backend.origin, backend.imatrix, *kept], backend.source,
            lambda what, done, of: progress(label, done, of) if what == "trials" else None,
        )  # fmt: skip
        lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
        found = {line["trial"]: line["found"] for line in lines}
        return {name: found[name] for name in trials}


def measure(bench: Bench, groups: Sequence[Group], source: str, progress: Progress) -> Sensitivity:
    """One measurement per group and anchor. Errors as `Bench.open`."""
    trials = {
        f"{group.name} as {kind}": {tensor.name: kind for tensor in group.tensors}
        for group in groups
        for kind in anchors(group)
    }
    found = bench.measure(trials, progress, "sensitivity")
    measured = {g.name: {kind: found[f"{g.name} as {kind}"] for kind in anchors(g)} for g in groups}
    return Sensitivity(source, measured, _errors(bench, groups, progress))


def anchors(group: Group) -> list[str]:
    """The types that a group is measured in."""
    return [next(kind for kind in kinds if kind in group.menu) for kinds in _ANCHORS]


def mean(found: Found, field: str) -> float:
    """Over modalities, each counted once."""
    return sum(values[field] for values in found.values()) / len(found)


def worst(found: Found) -> float:
    """The largest divergence of a modality."""
    return max(values["divergence"] for values in found.values())


def digest(bench: Bench, groups: Sequence[Group]) -> str:
    """What a sensitivity belongs to: the bytes of model and importance matrix, the rows, the groups."""
    menus = [(group.name, group.menu) for group in groups]
    found = hashlib.sha256(f"{_VERSION} {bench.rows.digest} {menus}".encode())
    for path in (bench.backend.source, bench.backend.imatrix):
        with path.open("rb") as file:
            while piece := file.read(1 << 22):
                found.update(piece)
    return found.hexdigest()


def keep(path: Path, known: Sensitivity) -> None:
    """Write it; the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic.write_bytes(path, known.to_json().encode())


def load(path: Path, source: str, groups: Sequence[Group]) -> Sensitivity | None:
    """The one of this source; None where there is no file or it is of another source.

    Raises:
        IntegrityError: the file is damaged.
    """
    if not path.is_file():
        return None
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ValueError(f"it has {path.stat().st_size} bytes")
        data: dict[str, Any] = json.loads(path.read_bytes())
        if data.pop("version") != _VERSION or data["source"] != source:
            return None
        known = Sensitivity(**data)
        for group in groups:
            for kind in group.menu:
                numbers = known.error(group, kind), known.divergence(group, kind)
                if not all(math.isfinite(number) and number >= 0 for number in numbers):
                    raise ValueError(f"{group.name} in {kind} has no sound number")
    except (ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError) as error:
        raise IntegrityError(f"{path} is damaged ({error!r}); remove it, it is measured again") from error
    return known


def _errors(bench: Bench, groups: Sequence[Group], progress: Progress) -> dict[str, dict[str, float]]:
    asked, out = bench.work / "kinds.json", bench.work / "errors.json"
    kinds = {tensor.name: group.menu for group in groups for tensor in group.tensors}
    asked.write_text(json.dumps(kinds), encoding="utf-8")
    children.run_plain(
        "quantize.native_errors", [bench.backend.source, bench.backend.imatrix, asked, out], progress
    )
    errors: dict[str, dict[str, float]] = json.loads(out.read_bytes())
    return errors


def _through(points: Sequence[tuple[float, float]], error: float) -> float:
    """Divergence at `error` on the curve through two (error, divergence) points."""
    (left, low), (right, high) = points[0], points[-1]
    if not 0 < left < right:
        return high * error / right if right > 0 else 0.0
    steepness = math.log(high / low) / math.log(right / left)
    if steepness <= 1:
        slope = max(high - low, 0.0) / (right - left)
        return max(low - slope * left, 0.0) + slope * error
    near, at = (left, low) if error < math.sqrt(left * right) else (right, high)
    return float(at * (error / near) ** min(steepness, _STEEPEST))
