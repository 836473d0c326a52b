"""What rotations R1 and R2 are worth: rotated and plain weights, rounded alike, on two checkpoints.

Job: pico, and the same function with outliers: its residual stream and its values in the basis of their
principal components, where few channels are large. Each in llama.cpp's Q4_K_M with an importance matrix of
its own and as an ONNX int4 graph with 8-bit activations; KL to the unrotated f16 file on the judged half of
the held-out rows. `python -m benchmarks.rotations [CHECKPOINT] [ROWS]` writes results/rotations.json; ROWS of
each modality are judged (12).
Ignorance: speed: a rotated file is computed exactly as a plain one.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.budget import show, told
from edge import atomic
from quantize import (
    calibration,
    datasets,
    gguf_export,
    importance,
    llama_quantize,
    onnx_export,
    quality,
    recipes,
    rotation,
)
from quantize.checkpoint import Checkpoint, open_checkpoint
from quantize.datasets import Datasets
from quantize.rotation import Rotation, Turn

RESULT = Path(__file__).parent / "results" / "rotations.json"
TRIED = (Rotation(), Rotation(values=True), Rotation(stream=True), Rotation(stream=True, values=True))
GGUF, ONNX = "q4_k_m", "int4"


def principal(checkpoint: Checkpoint, folder: Path) -> Checkpoint:
    """The same function with outliers: untied, in a basis in which few channels are large."""

    def axes(size: int, seed: Sequence[int]) -> Turn:
        if len(seed) == 2:
            weight = checkpoint.read("model.embed_tokens.weight").astype(np.float64)
        else:
            rows = checkpoint.read(f"model.layers.{seed[2]}.self_attn.v_proj.weight").astype(np.float64)
            weight = rows[seed[3] * size :][:size].T
        return Turn(np.ones(size, np.float32), (np.linalg.eigh(weight.T @ weight)[1].astype(np.float32),))

    return rotation.write(checkpoint, folder, Rotation(stream=True, values=True), show, axes)


def measured(plain: Checkpoint, chosen: Datasets, reference: quality.Reference, work: Path) -> dict[str, Any]:
    """Both decoders under every rotation; a rotation of the stream unties, so the bytes are told too."""
    found: dict[str, Any] = {}
    for turned in TRIED:
        place = work / turned.name.replace(" ", "_")
        stored = rotation.write(plain, place / plain.name, turned, show)
        source, imatrix = place / "f16.gguf", place / importance.FILE_NAME
        gguf_export.write_float(stored, source, recipes.find("f16"), show)
        importance.write(imatrix, importance.gather(source, chosen.calibrating, "calibrating", place, show))
        llama_quantize.write(source, place / "q.gguf", recipes.find(GGUF), show, imatrix)
        weights = importance.read(imatrix)
        onnx_export.write(stored, place / "q.onnx", onnx_export.find(ONNX), show, weights)
        found[turned.name] = {
            "f16": told(reference.quality(source, show), source),
            GGUF: told(reference.quality(place / "q.gguf", show), place / "q.gguf"),
            f"onnx {ONNX}": told(reference.quality(place / "q.onnx", show), place / "q.onnx"),
        }
        said = {kind: (n["bytes"], round(n["divergence"], 6)) for kind, n in found[turned.name].items()}
        print("\n", plain.name, turned.name, said)
    return found


def main(folder: Path, count: int, work: Path) -> None:
    checkpoint, first = open_checkpoint(folder), work / "f16.gguf"
    gguf_export.write_float(checkpoint, first, recipes.find("f16"), show)
    heldout = calibration.read_heldout(folder / "heldout.npz", int(checkpoint.config["vocab_size"]))
    chosen = datasets.choose(first, heldout, None, {}, work, show)
    judged = chosen.judged.first(count)
    reference = quality.measure_reference(first, judged, work, show)
    result: dict[str, Any] = {
        "model": folder.name,
        "judged": {"rows_per_modality": count, "tokens": judged.tokens},
    }
    for name, make in (
        ("plain", lambda: checkpoint),
        ("outliers", lambda: principal(checkpoint, work / "outliers")),
    ):
        result[name] = measured(make(), chosen, reference, work / f"tried_{name}")
        atomic.write_bytes(RESULT, (json.dumps(result, indent=1) + "\n").encode())


if __name__ == "__main__":
    named = Path(sys.argv[1] if len(sys.argv) > 1 else "models/weights/pico")
    rows_each = int(sys.argv[2]) if len(sys.argv) > 2 else 12
    with tempfile.TemporaryDirectory() as place:
        main(named, rows_each, Path(place))
