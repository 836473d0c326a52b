"""The child process that watches a model read calibration rows; writes what each matrix was fed.

Job: sums of squared inputs per column of every matrix product with a weight, through llama.cpp's callback.
Arguments: MODEL ROWS.npz OUT.gguf DATASET THREADS EXTRA_BUFFERS.
Ignorance: what the numbers are good for. It may abort: its parent expects that.
Source: IMatrixCollector::collect_imatrix, llama.cpp tools/imatrix/imatrix.cpp.
"""

from __future__ import annotations

import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.children import die_with_parent
from edge.formats.gguf import read_header
from quantize import importance, rows
from quantize.ggml_tensor import Tensors
from quantize.importance import CHUNK_SIZE, Entry, Importance
from quantize.native_model import NativeModel


class Collector:
    """Adds up squared inputs by the name of the matrix they meet."""

    def __init__(self, matrices: Collection[str]) -> None:
        self._matrices = frozenset(matrices)
        self._tensors = Tensors()
        self._sums: dict[str, NDArray[np.float64]] = {}  # (matrices, columns)
        self._counts: dict[str, NDArray[np.int64]] = {}
        self.failure: BaseException | None = None  # an exception cannot cross native code

    def __call__(self, pointer: int, ask: bool, _: Any) -> bool:
        """llama.cpp's callback: with `ask`, whether the node is wanted; without, it was computed."""
        try:
            return self._wanted(pointer) if ask else self._add(pointer)
        except BaseException as error:
            self.failure = error
            return False

    def result(self, dataset: str) -> Importance:
        """What was seen so far."""
        entries = {
            name: Entry(sums.astype(np.float32), self._counts[name].astype(np.float32))
            for name, sums in self._sums.items()
        }
        return Importance(entries, (dataset,))

    def _wanted(self, pointer: int) -> bool:
        kind = self._tensors.operation(pointer)
        return kind in ("MUL_MAT", "MUL_MAT_ID") and self._tensors.source_name(pointer, 0) in self._matrices

    def _add(self, pointer: int) -> bool:
        tensors = self._tensors
        name, inputs = tensors.source_name(pointer, 0), tensors.source(pointer, 1)  # (…, columns)
        count = tensors.source_shape(pointer, 0)[1]  # matrices in the stack
        squares = np.square(inputs, dtype=np.float64)
        if name not in self._sums:
            self._sums[name] = np.zeros((count, inputs.shape[-1]))
            self._counts[name] = np.zeros(count, np.int64)
        if tensors.operation(pointer) == "MUL_MAT_ID":
            self._add_experts(name, squares[0], tensors.source(pointer, 2)[0, 0])
        else:
            self._sums[name] += squares.reshape(count, -1, inputs.shape[-1]).sum(1)
            self._counts[name] += squares[..., 0].size // count
        return True

    def _add_experts(self, name: str, squares: NDArray[np.float64], chosen: NDArray[np.int32]) -> None:
        """`squares` (tokens, 1 or experts used, columns); `chosen` (tokens, experts used)."""
        spread = np.broadcast_to(squares, (*chosen.shape, squares.shape[-1]))
        for expert in np.unique(chosen):
            took = chosen == expert
            self._sums[name][expert] += spread[took].sum(0)
            self._counts[name][expert] += int(took.sum())


def main(model: str, rows_path: str, out: str, dataset: str, threads: str, extra: str) -> int:
    """Exit code 0 when the matrix is in OUT."""
    from llama_cpp import llama_cpp

    matrices = [tensor.name for tensor in read_header(model).tensors if len(tensor.shape) > 1]
    collector = Collector(matrices)
    watch = llama_cpp.ggml_backend_sched_eval_callback(collector)
    given = rows.load(Path(rows_path), np.iinfo(np.int32).max)
    opened = NativeModel(model, given.longest, threads=int(threads), extra_buffers=extra == "1",
                         chunk=CHUNK_SIZE, watch=watch)  # fmt: skip
    every = list(given)
    for done, (_, ids) in enumerate(every, 1):
        for start in range(0, len(ids), CHUNK_SIZE):
            opened.feed(ids, start)
            if collector.failure is not None:
                raise collector.failure
        print(f"progress calibrate {done} {len(every)}", flush=True)
    importance.write(Path(out), collector.result(dataset))
    return 0


if __name__ == "__main__":
    die_with_parent()
    sys.exit(main(*sys.argv[1:]))
