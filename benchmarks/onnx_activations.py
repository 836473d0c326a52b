"""8-bit activations in the ONNX decoder: what they cost in divergence, and what they gain in time.

Job: products of 1024 x 4096 and back as onnxruntime stores them, with 8-bit and with float activations, for
one row and for 128; then pico's graphs with 8-bit and float activations inside of MatMulNBits, and with 8-bit
matrices by DynamicQuantizeMatMul (one scale per row, activations with one scale per call), against f16.
`python -m benchmarks.onnx_activations [CHECKPOINT] [ROWS]` writes results/onnx_activations.json.
Ignorance: other processors. Times are the processor's on one thread, the shortest of several runs.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from benchmarks.budget import show, told
from edge import atomic, hardware
from edge.onnx_session import OnnxSession
from quantize import calibration, datasets, gguf_export, native_onnx_speed, onnx_export, quality, recipes
from quantize.checkpoint import Checkpoint, open_checkpoint
from quantize.native_onnx_speed import HIDDEN, LAYERS, WIDTH
from quantize.onnx_writer import GraphWriter

RESULT = Path(__file__).parent / "results" / "onnx_activations.json"
WAYS = {"8-bit": 4, "float": 0}  # activations: MatMulNBits' accuracy_level
TIMED = ("int4/32", "int4/128", "int8/32", "int8/128")
PREFILL = 128  # rows at once
SETS = {"avx2", "avx512f", "avx512_vnni", "amx_int8"}  # what the products depend on
PER_ROW = "int8 per row, DynamicQuantizeMatMul"


def stack(path: Path) -> None:
    """The stack of `native_onnx_speed` in DynamicQuantizeMatMul."""
    random, x = np.random.default_rng(0), "x0"
    with GraphWriter(path) as graph:
        graph.input(x, TensorProto.FLOAT, ["rows", WIDTH])
        for i in range(2 * LAYERS):
            shape = ((HIDDEN, WIDTH), (WIDTH, HIDDEN))[i % 2]
            parts = rounded(random.normal(0, 0.02, shape).astype(np.float32))
            names = [graph.weight(f"{part}{i}", values) for part, values in zip("wsz", parts, strict=True)]
            x = graph.contrib("DynamicQuantizeMatMul", [x, *names], f"x{i + 1}")
        graph.output(x, TensorProto.FLOAT, ["rows", WIDTH])
        graph.save("stack", {})


def rounded(weight: Any) -> tuple[Any, Any, Any]:
    """(columns, rows) in 8 bits, scales and zero points by row of the matrix."""
    scales = (np.abs(weight).max(1) / 127).astype(np.float32)
    codes = np.clip(np.rint(weight / scales[:, None]) + 128, 0, 255).astype(np.uint8)
    return np.ascontiguousarray(codes.T), scales, np.full(len(weight), 128, np.uint8)


def kernels(path: Path) -> dict[str, Any]:
    """Nanoseconds per weight and row, by way: one row (decode) and many (prefill)."""
    found: dict[str, Any] = {}
    for name, way in [(kind, way) for kind in TIMED for way in WAYS] + [(PER_ROW, "8-bit")]:
        if name == PER_ROW:
            stack(path)
        else:
            native_onnx_speed.write(path, name, WAYS[way])
        weights = 2 * LAYERS * WIDTH * HIDDEN
        times = {"decode": processor(path, 1, 30), "prefill": processor(path, PREFILL, 5)}
        entry = {what: round(1e9 * seconds / weights, 4) for what, seconds in times.items()}
        found[f"{name}, {way} activations"] = entry
        print(name, way, entry, flush=True)
    return found


def processor(path: Path, rows: int, runs: int) -> float:
    """Seconds of one row."""
    session, found = OnnxSession(path, threads=1, external=True, patterns=False), []
    feeds = {"x0": np.random.default_rng(1).normal(size=(rows, WIDTH)).astype(np.float32)}
    for _ in range(runs):
        begun = time.process_time()
        session.run(feeds)
        found.append((time.process_time() - begun) / rows)
    session.close()
    return min(found)


def by_row(checkpoint: Checkpoint, path: Path) -> None:
    """The f32 graph with the products of its layers in 8 bits per row; embedding and head stay f32."""
    onnx_export.write(checkpoint, path, onnx_export.find("f32"), show)
    model = onnx.load(path)
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "FusedMatMul" and node.input[1].startswith("blk."):
            name = node.input[1]
            parts = rounded(numpy_helper.to_array(weights[name]))
            names = [f"{name}{end}" for end in (".codes", ".s", ".z")]
            model.graph.initializer.extend(
                numpy_helper.from_array(v, n) for v, n in zip(parts, names, strict=True)
            )
            inputs, outputs, kind = [node.input[0], *names], list(node.output), "DynamicQuantizeMatMul"
            node.CopyFrom(helper.make_node(kind, inputs, outputs, name=node.name, domain="com.microsoft"))
    path.with_name(f"{path.name}.data").unlink()
    onnx.save(model, path)


def divergences(folder: Path, count: int, work: Path) -> dict[str, Any]:
    checkpoint, source = open_checkpoint(folder), work / "f16.gguf"
    gguf_export.write_float(checkpoint, source, recipes.find("f16"), show)
    heldout = calibration.read_heldout(folder / "heldout.npz", int(checkpoint.config["vocab_size"]))
    judged = datasets.choose(source, heldout, None, {}, work, show).judged.first(count)
    reference, path = quality.measure_reference(source, judged, work, show), work / "decoder.onnx"
    found = {}
    for name in ("int4", "int8"):
        for way, accuracy in WAYS.items():
            onnx_export.write(checkpoint, path, replace(onnx_export.find(name), accuracy=accuracy), show)
            found[f"{name}, {way} activations"] = told(reference.quality(path, show), path)
    by_row(checkpoint, path)
    found[PER_ROW] = told(reference.quality(path, show), path)
    for name, entry in found.items():
        print("\n", name, entry["divergence"])
    return found


def main(folder: Path, count: int, work: Path) -> None:
    result = {
        "machine": sorted(SETS & hardware.cpu_flags()), "model": folder.name, "rows_per_modality": count,
        "nanoseconds_per_weight_and_row": kernels(work / "stack.onnx"),
        "decoders": divergences(folder, count, work),
    }  # fmt: skip
    atomic.write_bytes(RESULT, (json.dumps(result, indent=1) + "\n").encode())


if __name__ == "__main__":
    named = Path(sys.argv[1] if len(sys.argv) > 1 else "models/weights/pico")
    rows_each = int(sys.argv[2]) if len(sys.argv) > 2 else 8
    with tempfile.TemporaryDirectory() as place:
        main(named, rows_each, Path(place))
