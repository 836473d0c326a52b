"""Mixtures that the budget chooses against llama.cpp's own, on one checkpoint with one importance matrix.

Job: for each stock recipe, its size and measured divergence; then the mixture of the same tensors' bytes, and
smaller ones until the divergence is no longer below the stock's; `python -m benchmarks.budget [CHECKPOINT]
[ROWS]` writes results/budget.json. ROWS of each modality are judged (default: all).
Ignorance: speed; everything runs beside whatever else the machine does.

Nothing that chose a mixture is judged: the importance matrix, the sensitivities and the correction see the
calibrating half of the held-out rows, the numbers below come from the other half.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from edge import atomic
from edge.formats.gguf import read_header
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
    quality,
    recipes,
    sensitivity,
    tensor_groups,
)
from quantize.budget import Goal, Market
from quantize.checkpoint import open_checkpoint
from quantize.report import Quality
from quantize.rows import Rows

RESULT = Path(__file__).parent / "results" / "budget.json"
STOCK = ("q3_k_m", "q4_k_m", "q5_k_m")
SMALLER = (1.0, 0.92, 0.9)  # of the stock's bytes


def show(what: str, done: int, of: int) -> None:
    print(f"\r{what} {done}/{of}   ", end="", file=sys.stderr, flush=True)


def mean(found: dict[str, Quality], field: str) -> float:
    return sum(getattr(q, field) for q in found.values()) / len(found)


def told(found: dict[str, Quality], path: Path) -> dict[str, Any]:
    kinds = {kind: {"divergence": q.divergence, "interval": q.intervals["divergence"], "top1": q.agreement}
             for kind, q in found.items()}  # fmt: skip
    return {"bytes": path.stat().st_size, "divergence": mean(found, "divergence"),
            "top1": mean(found, "agreement"), "modalities": kinds}  # fmt: skip


def compare(stock: Path, options: Market, reference: quality.Reference, imatrix: Path) -> dict[str, Any]:
    """The stock file, the mixture of its size, and the smallest that is still as good."""
    header, path = read_header(reference.model), stock.with_name("mixture.gguf")
    result: dict[str, Any] = {"stock": told(reference.quality(stock, show), stock), "mixtures": []}
    for share in SMALLER:
        goal = Goal(max_size=int(share * stock.stat().st_size))
        picks = budget.pick(options, goal, header)
        made = budget.recipe(goal, options, picks)
        llama_quantize.write(reference.model, path, made, show, imatrix, options.types(picks))
        entry = told(reference.quality(path, show), path)
        entry["expected"] = options.point(picks).divergence
        entry["types"] = {g.name: g.menu[i] for g, i in zip(options.groups, picks, strict=True)}
        result["mixtures"].append(entry)
        print("\n", stock.stem, share, entry["bytes"], entry["divergence"], result["stock"]["divergence"])
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


def main(folder: Path, count: int, work: Path) -> None:
    checkpoint, source = open_checkpoint(folder), work / "f16.gguf"
    gguf_export.write_float(checkpoint, source, recipes.find("f16"), show)
    heldout = calibration.read_heldout(folder / "heldout.npz", int(checkpoint.config["vocab_size"]))
    chosen = datasets.choose(source, heldout, None, {}, work, show)
    imatrix = work / importance.FILE_NAME
    if not imatrix.is_file():
        importance.gather(source, chosen.calibrating, chosen.calibrated_on, work, show)
    header, few = read_header(source), chosen.calibrating.first(sensitivity.ROWS)
    entries = importance.read(imatrix).entries
    groups = tensor_groups.groups(header, mixture.bands(header, few), entries)
    bench = sensitivity.Bench(source, imatrix, few, work / "sensitivity")
    bench.open(show)
    known = mixture.remembered(bench, groups, show)
    speed = kernel_speed.measured(children.threads_for(source), show)
    options = budget.market(header, groups, known, speed)
    judged: Rows = chosen.judged.first(count)
    reference = quality.measure_reference(source, judged, work, show)
    result: dict[str, Any] = {
        "model": folder.name, "judged": {"rows_per_modality": count, "tokens": judged.tokens},
        "sensitivity": {"rows_per_modality": sensitivity.ROWS, "groups": len(groups), "tokens": few.tokens},
        "note": "measured beside a training on the same two cores: divergences do not depend on it",
        "nanoseconds_per_weight": {kind: round(1e9 * s, 4) for kind, s in speed.items()}, "recipes": {},
    }  # fmt: skip
    for name in STOCK:
        stock = work / f"{name}.gguf"
        llama_quantize.write(source, stock, recipes.find(name), show, imatrix)
        result["recipes"][name] = compare(stock, options, reference, imatrix)
        atomic.write_bytes(RESULT, (json.dumps(result, indent=1) + "\n").encode())


if __name__ == "__main__":
    named = Path(sys.argv[1] if len(sys.argv) > 1 else "models/weights/pico")
    rows_each = int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
    with tempfile.TemporaryDirectory() as place:
        main(named, rows_each, Path(sys.argv[3] if len(sys.argv) > 3 else place))
