"""What quantization cost, measured: a result against the f16 decoder on rows that calibrated nothing.

Job: keep the reference's logits once, compare any number of results with them, and say how sure the numbers
are: 95 % intervals from a bootstrap by rows, and the noise floor, which is the reference against itself with
another batch split and on one thread. Ignorance: opens no model itself; where the rows come from.
Source of the interval: Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), percentile method.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import EngineError
from quantize import children, reference_logits, resume
from quantize.children import Progress
from quantize.report import Quality
from quantize.rows import Rows

MAX_POSITIONS = 4096  # per modality
RESAMPLES, SEED = 1000, 7
NOISE_ROWS = 8  # per modality: enough for a floor
_CHUNK, _OTHER_CHUNK = 128, 48  # positions per native call
_FIELDS = ("divergence", "agreement", "loss", "reference_loss", "right", "reference_right", "row")

Positions = Mapping[str, NDArray[Any]]  # the fields above, one entry per position


@dataclass(frozen=True)
class Reference:
    """A model whose logits on the judged rows lie on disk."""

    model: Path
    judged: Rows
    work: Path  # folder of the files below
    floor: Mapping[str, Positions]  # the model against itself, by modality

    def quality(self, result: Path, progress: Progress) -> dict[str, Quality]:
        """How far another decoder, a GGUF or an ONNX graph, is from the reference, by modality.

        Raises:
            EngineError: it cannot run on this machine.
        """
        found = self.positions(result, progress)
        return {kind: summary(p, self.floor[kind]) for kind, p in found.items()}

    def positions(self, result: Path, progress: Progress) -> dict[str, Positions]:
        """The same before it is summed up: one entry per judged position. Errors as `quality`."""
        return _compare(self.work, self.judged, result, "judged", progress)


def measure_reference(model: Path, judged: Rows, work: Path, progress: Progress) -> Reference:
    """Read the judged rows with the reference, and once more in another way for the noise floor.

    Raises:
        EngineError: llama.cpp cannot run it on this machine.
    """
    used = _bounded(judged)
    used.save(work / "judged.npz")
    _child("reference", model, work, "judged", used.digest, _CHUNK, None, progress)
    few = _first_rows(used, work)
    floor = _compare(work, few, model, "noise", progress, _OTHER_CHUNK, 1)
    return Reference(model, used, work, floor)


def _first_rows(judged: Rows, work: Path) -> Rows:
    """Rows for the noise floor, on disk with what the reference said of them."""
    few = judged.first(NOISE_ROWS)
    lengths = [len(rows) for rows in judged.by_kind.values()]
    starts = np.cumsum([0, *lengths[:-1]])
    numbers = [n for start, count in zip(starts, lengths, strict=True)
               for n in range(start, start + min(count, NOISE_ROWS))]  # fmt: skip
    said = reference_logits.load(work / "judged_reference.npz", judged.digest, np.iinfo(np.uint32).max)
    few.save(work / "noise.npz")
    reference_logits.save(work / "noise_reference.npz", said.of_rows(numbers), few.digest)
    return few


def summary(positions: Positions, floor: Positions) -> Quality:
    """The numbers of one modality and their 95 % intervals; `floor` is the reference against itself."""
    starts = np.nonzero(np.diff(positions["row"], prepend=-1))[0]
    pieces = [np.split(positions[name], starts[1:]) for name in _FIELDS[:4]]
    values = _measured(*(positions[f] for f in _FIELDS[:4]))
    random = np.random.default_rng(SEED)
    drawn: dict[str, list[float]] = {name: [] for name in values}
    for _ in range(RESAMPLES):
        picked = random.integers(0, len(starts), len(starts))
        for name, value in _measured(*(np.concatenate([rows[i] for i in picked]) for rows in pieces)).items():
            drawn[name].append(value)
    intervals = {
        name: (float(np.quantile(d, 0.025)), float(np.quantile(d, 0.975))) for name, d in drawn.items()
    }
    return Quality(
        tokens=len(positions["row"]), rows=len(starts), loss=float(positions["loss"].mean()),
        reference_loss=float(positions["reference_loss"].mean()), **values, intervals=intervals,
        accuracy=float(positions["right"].mean()),
        reference_accuracy=float(positions["reference_right"].mean()),
        noise={name: float(floor[name].mean()) for name in ("divergence", "agreement")},
    )  # fmt: skip


def _measured(divergence: NDArray[Any], same: NDArray[Any], loss: NDArray[Any],
              base: NDArray[Any]) -> dict[str, float]:  # fmt: skip
    """The fields of `Quality` that have an interval."""
    ordered = np.sort(divergence)
    return {
        "divergence": float(divergence.mean()),
        "divergence_99": _quantile(ordered, 0.99),
        "divergence_999": _quantile(ordered, 0.999),
        "agreement": float(same.mean()),
        "perplexity_ratio": float(np.exp((loss - base).mean(dtype=np.float64))),
    }


def _quantile(ordered: NDArray[Any], share: float) -> float:
    """As np.quantile, which takes thirty times as long on a few hundred numbers that are sorted already."""
    at = share * (len(ordered) - 1)
    low, high = float(ordered[int(at)]), float(ordered[math.ceil(at)])
    return low + (at - int(at)) * (high - low)


def _bounded(judged: Rows) -> Rows:
    """Whole rows until a modality has its share of positions."""
    kept: dict[str, tuple[NDArray[np.int32], ...]] = {}
    for kind, rows in judged.by_kind.items():
        ends = np.cumsum([len(row) - 1 for row in rows])
        kept[kind] = rows[: int(np.searchsorted(ends, MAX_POSITIONS)) + 1]
    return Rows({kind: rows for kind, rows in kept.items() if rows})


def _compare(work: Path, judged: Rows, model: Path, name: str, progress: Progress,
             chunk: int = _CHUNK, threads: int | None = None) -> dict[str, Positions]:  # fmt: skip
    _child("compare", model, work, name, judged.digest, chunk, threads, progress)
    try:
        with np.load(work / f"{name}_compared.npz", allow_pickle=False) as file:
            found = {field: file[field] for field in _FIELDS}
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise EngineError(f"the comparison with {model.name} ended without a result ({error})") from error
    kinds = np.array([kind for kind, _ in judged])[found["row"]]
    return {str(k): {f: v[kinds == k] for f, v in found.items()} for k in dict.fromkeys(kinds)}


def _child(mode: str, model: Path, work: Path, name: str, digest: str, chunk: int, threads: int | None,
           progress: Progress) -> None:  # fmt: skip
    files = [work / f"{name}{end}.npz" for end in ("", "_reference", "_compared")]
    label = {"reference": "reference", "compare": "measure"}[mode] if name == "judged" else "noise floor"
    read = partial(
        children.run_model, "quantize.native_logits", [mode, model, *files, str(chunk)], model,
        lambda _, done, of: progress(label, done, of), threads=threads,
    )  # fmt: skip
    mark = work / f"{name}-{mode}-{digest}-{resume.stamp(model)}.done"
    resume.once(mark, read, files[1] if mode == "reference" else files[2])
