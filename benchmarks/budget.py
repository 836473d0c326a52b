"""Mixtures that the budget chooses against stock recipes, on one checkpoint with one importance matrix.

Job: for each stock recipe, its size and measured divergence; then the mixture of the same bytes, and smaller
ones until the divergence is no longer below the stock's; `python -m benchmarks.budget [CHECKPOINT] [ROWS]
[FORMAT]` writes results/budget.json, for FORMAT onnx (else gguf) results/budget_onnx.json. ROWS of each
modality are judged (default: all).
Ignorance: speed; everything runs beside whatever else the machine does.

Nothing that chose a mixture is judged: the importance matrix, the sensitivities and the correction see the
calibrating half of the held-out rows, the numbers below come from the other half.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from edge import atomic
from quantize import (
    budget,
    calibration,
    children,
    datasets,
    gguf_export,
    importance,
    kernel_speed,
    llama_quantize,
    mixture,
    onnx_export,
    quality,
    recipes,
    sensitivity,
)
from quantize.backend import Backend, GgufBackend
from quantize.budget import Goal, Market
from quantize.checkpoint import Checkpoint, open_checkpoint
from quantize.onnx_backend import OnnxBackend
from quantize.report import Quality

RESULTS = Path(__file__).parent / "results"
STOCK = {"gguf": ("q3_k_m", "q4_k_m", "q5_k_m"), "onnx": ("int4", "int8")}
SMALLER = (1.0, 0.92, 0.9)  # of the stock's bytes
Write = Callable[[str | Mapping[str, str]], Path]  # a stock recipe, or a mixture's types


def show(what: str, done: int, of: int) -> None:
    print(f"\r{what} {done}/{of}   ", end="", file=sys.stderr, flush=True)


def mean(found: dict[str, Quality], field: str) -> float:
    return sum(getattr(q, field) for q in found.values()) / len(found)


def told(found: dict[str, Quality], path: Path) -> dict[str, Any]:
    """Of a decoder's file, and of the weights beside a graph."""
    kinds = {kind: {"divergence": q.divergence, "interval": q.intervals["divergence"], "top1": q.agreement}
             for kind, q in found.items()}  # fmt: skip
    size = sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*"))
    return {"bytes": size, "divergence": mean(found, "divergence"),
            "top1": mean(found, "agreement"), "modalities": kinds}  # fmt: skip


def compare(name: str, write: Write, options: Market, reference: quality.Reference) -> dict[str, Any]:
    """The stock file, the mixture of its size, and the smallest that is still as good."""
    path = write(name)
    result: dict[str, Any] = {"stock": told(reference.quality(path, show), path), "mixtures": []}
    for share in SMALLER:
        picks = budget.pick(options, Goal(max_size=int(share * result["stock"]["bytes"])), 0)
        path = write(options.types(picks))
        entry = told(reference.quality(path, show), path)
        entry["expected"] = options.point(picks).divergence
        entry["types"] = {g.name: g.menu[i] for g, i in zip(options.groups, picks, strict=True)}
        result["mixtures"].append(entry)
        print("\n", name, share, entry["bytes"], entry["divergence"], result["stock"]["divergence"])
        if entry["divergence"] > result["stock"]["divergence"]:
            break
    first, better = result["mixtures"][0], [
        m for m in result["mixtures"] if m["divergence"] <= result["stock"]["divergence"]
    ]  # fmt: skip
    result["divergence_lower_by"] = 1 - first["divergence"] / result["stock"]["divergence"]
    result["top1_higher_by"] = first["top1"] - result["stock"]["top1"]
    result["fewer_bytes_at_equal_divergence"] = (
        1 - min(m["bytes"] for m in better) / result["stock"]["bytes"] if better else 0.0
    )
    return result


def writer(checkpoint: Checkpoint, source: Path, imatrix: Path, format: str) -> Write:
    """How a stock recipe or a mixture becomes a file; the one before is overwritten."""

    def gguf(asked: str | Mapping[str, str]) -> Path:
        path, types = source.with_name("decoder.gguf"), None if isinstance(asked, str) else asked
        recipe = recipes.find(asked if isinstance(asked, str) else "q8_0")  # a mixture names every matrix
        llama_quantize.write(source, path, recipe, show, imatrix, types)
        return path

    def onnx(asked: str | Mapping[str, str]) -> Path:
        path = source.with_name("decoder.onnx")
        recipe = onnx_export.find(asked) if isinstance(asked, str) else onnx_export.mixed("mixture", asked)
        onnx_export.write(checkpoint, path, recipe, show, importance.read(imatrix))
        return path

    return onnx if format == "onnx" else gguf


def main(folder: Path, count: int, format: str, work: Path) -> None:
    checkpoint, source = open_checkpoint(folder), work / "f16.gguf"
    gguf_export.write_float(checkpoint, source, recipes.find("f16"), show)
    heldout = calibration.read_heldout(folder / "heldout.npz", int(checkpoint.config["vocab_size"]))
    chosen = datasets.choose(source, heldout, None, {}, work, show)
    imatrix = work / importance.FILE_NAME
    importance.write(imatrix, importance.gather(source, chosen.calibrating, chosen.calibrated_on, work, show))
    backend: Backend = GgufBackend(source, imatrix)
    if format == "onnx":
        backend = OnnxBackend(source, imatrix, folder)
    few = chosen.calibrating.first(sensitivity.ROWS)
    groups = backend.groups(mixture.bands(backend.header, few))
    bench = sensitivity.Bench(backend, few, work / "sensitivity")
    bench.open(show)
    known = mixture.remembered(bench, groups, show)
    speed = kernel_speed.measured(backend.runtime, children.threads_for(source), show)
    options = budget.market(backend.header, groups, backend.fixed(groups), known, speed)
    judged = chosen.judged.first(count)
    reference = quality.measure_reference(source, judged, work, show)
    result: dict[str, Any] = {
        "model": folder.name, "judged": {"rows_per_modality": count, "tokens": judged.tokens},
        "sensitivity": {"rows_per_modality": sensitivity.ROWS, "groups": len(groups), "tokens": few.tokens},
        "note": "measured beside a training on the same two cores: divergences do not depend on it",
        "nanoseconds_per_weight": {kind: round(1e9 * s, 4) for kind, s in speed.items()}, "recipes": {},
    }  # fmt: skip
    write, out = writer(checkpoint, source, imatrix, format), "budget_onnx" if format == "onnx" else "budget"
    for name in STOCK[format]:
        result["recipes"][name] = compare(name, write, options, reference)
        atomic.write_bytes(RESULTS / f"{out}.json", (json.dumps(result, indent=1) + "\n").encode())


if __name__ == "__main__":
    named = Path(sys.argv[1] if len(sys.argv) > 1 else "models/weights/pico")
    rows_each = int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
    with tempfile.TemporaryDirectory() as place:
        main(named, rows_each, sys.argv[3] if len(sys.argv) > 3 else "gguf", Path(place))
