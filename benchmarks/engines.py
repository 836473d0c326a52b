"""llama.cpp and onnxruntime on one checkpoint: bytes, divergence, processor time, side by side.

    python -m benchmarks.engines models/weights/pico [--rows 4] [--json benchmarks/results/engines.json]

Each decoder is led over the same held-out ids, one step per id, on one thread. Times are processor seconds
of this process, so that what else runs on the machine shifts them little; compare them as ratios. The
reference of every divergence is the float32 ONNX graph.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.engines.base import Engine
from edge.engines.llama_cpp import LlamaCppEngine
from edge.engines.onnx_engine import OnnxEngine
from edge.options import EngineOptions
from edge.segments import TokenSegment
from quantize import gguf_export, llama_quantize, onnx_export, recipes, vocabulary_export
from quantize.checkpoint import Checkpoint, open_checkpoint
from quantize.native_decoder import log_softmax

ONE = EngineOptions(context_length=512, threads=1, sequences=1)
GRAPHS, GGUFS = ("f32", "int8", "int4"), ("f32", "q8_0", "q4_k_m", "q4_0")
PROMPT, LONGEST = 128, 128  # ids fed at once; ids of a row that are stepped through
Open = Callable[[], Engine]


def quiet(*_: object) -> None:
    """No progress."""


def decoders(checkpoint: Checkpoint, folder: Path) -> dict[str, tuple[int, Open]]:
    """Bytes, and how to open each; the reference first."""
    vocabulary = folder / "vocabulary.gguf"
    vocabulary_export.write(checkpoint, vocabulary)
    made: dict[str, tuple[int, Open]] = {}
    for name in GRAPHS:
        path = folder / f"{name}.onnx"
        onnx_export.write(checkpoint, path, onnx_export.find(name), quiet)
        size = sum(file.stat().st_size for file in onnx_export.files(path))
        made[f"onnx {name}"] = size, lambda path=path: OnnxEngine(path, vocabulary, ONE)
    for name in GGUFS:
        path = folder / f"{name}.gguf"
        recipe = recipes.find(name)
        if recipe.streamed:
            gguf_export.write_float(checkpoint, path, recipe, quiet)
        else:
            llama_quantize.write(folder / "f32.gguf", path, recipe, quiet, None)
        made[f"gguf {name}"] = path.stat().st_size, lambda path=path: LlamaCppEngine(path, ONE)
    return made


def led(engine: Engine, row: list[int]) -> tuple[NDArray[np.float32], float]:
    """Log-probabilities after each id (n, vocab), and processor seconds per step."""
    engine.truncate(0)
    logits = [engine.feed([TokenSegment(tuple(row[:1]))])]
    began = time.process_time()
    logits += [engine.step([token])[0] for token in row[1:]]
    seconds = (time.process_time() - began) / (len(row) - 1)
    return log_softmax(np.stack(logits)), seconds


def fed(engine: Engine) -> float:
    """Processor seconds per id of a prompt fed at once, the best of three."""
    ids, times = TokenSegment(tuple(range(PROMPT))), []
    for _ in range(3):
        engine.truncate(0)
        began = time.process_time()
        engine.feed([ids])
        times.append((time.process_time() - began) / PROMPT)
    return min(times)


def rows_of(path: Path, count: int) -> list[list[int]]:
    """Held-out ids, `count` rows of each modality, padding cut off."""
    with np.load(path) as file:
        kinds = [file[name][:count] for name in ("text", "image", "audio") if name in file.files]
    pad = 8192
    return [[int(i) for i in row if i != pad][:LONGEST] for rows in kinds for row in rows]


def measure(folder: Path, count: int) -> dict[str, dict[str, Any]]:
    """One row of numbers per decoder."""
    checkpoint, results = open_checkpoint(folder), {}
    rows, reference = rows_of(folder / "heldout.npz", count), []
    with tempfile.TemporaryDirectory() as work:
        for name, (size, opened) in decoders(checkpoint, Path(work)).items():
            engine = opened()
            found = [led(engine, row) for row in rows]
            reference = reference or [p for p, _ in found]
            p, q = np.concatenate(reference), np.concatenate([q for q, _ in found])
            results[name] = {
                "bytes": size,
                "kl": float((np.exp(p) * (p - q)).sum(-1).mean()),
                "top1": float((p.argmax(-1) == q.argmax(-1)).mean()),
                "decode_ms": 1000 * float(np.median([seconds for _, seconds in found])),
                "prefill_ms": 1000 * fed(engine),
            }
            engine.close()
            print(name, {k: float(f"{v:.4g}") for k, v in results[name].items()}, flush=True)
    return results


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("checkpoint", type=Path)
    parse.add_argument("--rows", type=int, default=4, help="held-out rows per modality")
    parse.add_argument("--json", type=Path)
    given = parse.parse_args()
    results = measure(given.checkpoint, given.rows)
    if given.json:
        given.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
