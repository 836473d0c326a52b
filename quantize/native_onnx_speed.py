"""The child process that times one token of a stack of products in every kind that onnxruntime can store.

Job: for each kind, a graph of matrices (a few quantized rows, repeated), and the shortest of some single-row
runs; written as JSON: {kind: seconds per weight}.
Arguments: OUT.json THREADS EXTRA_BUFFERS (llama.cpp's; unused).
Ignorance: which kinds suit a model. It may abort: its parent expects that.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from onnx import TensorProto

from edge.children import die_with_parent
from edge.onnx_session import OnnxSession
from quantize.onnx_blocks import KINDS
from quantize.onnx_export import INT8_ACTIVATIONS
from quantize.onnx_writer import GraphWriter

WIDTH, HIDDEN, LAYERS = 1024, 4096, 4  # 34 M weights: beyond the caches of a core
ROWS, STEPS = 16, 40  # quantized rows that are repeated; timed runs


def write(path: Path, name: str, accuracy: int = INT8_ACTIVATIONS) -> None:
    """The stack in one kind: up, down, up, down …; `accuracy` is MatMulNBits' accuracy_level."""
    kind, random, x = KINDS[name], np.random.default_rng(0), "x0"
    with GraphWriter(path) as graph:
        graph.input(x, TensorProto.FLOAT, ["rows", WIDTH])
        for i in range(2 * LAYERS):
            rows, columns = ((HIDDEN, WIDTH), (WIDTH, HIDDEN))[i % 2]
            blocks = kind.quantize(random.normal(0, 0.02, (ROWS, columns)).astype(np.float32))
            whole = blocks.stacked((blocks,) * (rows // ROWS - 1))
            inputs = [x, graph.weight(f"w{i}", whole.codes), graph.weight(f"s{i}", whole.scales)]
            if whole.zeros is not None:
                inputs.append(graph.weight(f"z{i}", whole.zeros))
            x = graph.contrib("MatMulNBits", inputs, f"x{i + 1}", K=columns, N=rows, bits=kind.bits,
                              block_size=kind.block, accuracy_level=accuracy)  # fmt: skip
        graph.output(x, TensorProto.FLOAT, ["rows", WIDTH])
        graph.save("speed", {})


def seconds(path: Path, threads: int) -> float:
    """The shortest time of one row: others on the machine only ever add to it."""
    session = OnnxSession(path, threads=threads, external=True, patterns=False)
    feeds, found = {"x0": np.random.default_rng(1).normal(size=(1, WIDTH)).astype(np.float32)}, []
    for _ in range(STEPS):
        begun = time.perf_counter()
        session.run(feeds)
        found.append(time.perf_counter() - begun)
    session.close()
    return min(found)


def main(out: str, threads: str, _extra: str) -> int:
    """Exit code 0 when OUT is written."""
    weights, found = 2 * LAYERS * WIDTH * HIDDEN, {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speed.onnx"
        for done, name in enumerate(KINDS, 1):
            write(path, name)
            found[name] = seconds(path, int(threads)) / weights
            print(f"progress speed {done} {len(KINDS)}", flush=True)
    Path(out).write_text(json.dumps(found), encoding="utf-8")
    return 0


if __name__ == "__main__":
    die_with_parent()
    sys.exit(main(*sys.argv[1:]))
