"""The child process that rounds a sample of rows to every type and says how large the error is.

Job: for each tensor and type, the expected squared error of the matrix product, sum over rows and columns of
importance x (weight - rounded)^2, from rows evenly spread over the tensor. Written as JSON:
{tensor: {type: error}}.
Arguments: SOURCE IMATRIX ASKED.json OUT.json, where ASKED is {tensor: [type, …]}.
Ignorance: what an error does to the model. It may abort: its parent expects that.
Source of the rounding: ggml_quantize_chunk, ggml.h of llama-cpp-python 0.3.36; back to floats by gguf.quants;
ONNX types by `onnx_blocks`.
"""

from __future__ import annotations

import ctypes
import json
import sys
from functools import cache
from math import prod
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray

from edge.children import die_with_parent
from edge.formats.gguf import GgufTensor, read_header
from quantize import importance, onnx_blocks

SAMPLE = 1 << 14  # weights per tensor that are rounded
_FLOATS: dict[str, np.dtype[Any]] = {"F16": np.dtype("<f2"), "F32": np.dtype("<f4")}

Floats = NDArray[np.float32]


def _rows(source: Path, tensor: GgufTensor) -> tuple[Floats, NDArray[np.int64]]:
    """Some rows (n, columns) and their numbers."""
    columns, count = tensor.shape[0], prod(tensor.shape[1:])
    chosen = np.linspace(0, count - 1, min(count, max(4, SAMPLE // columns))).astype(np.int64)
    whole = np.memmap(source, _FLOATS[tensor.type], "r", tensor.offset, (count, columns))
    return np.ascontiguousarray(whole[chosen], np.float32), chosen


def stored(values: Floats, weights: Floats, kind: str) -> NDArray[np.uint8]:
    """Rows (n, columns) in ggml's own form (n, bytes); `weights` (n, columns) say which columns matter."""
    number = gguf.GGMLQuantizationType[kind]
    block, size = gguf.GGML_QUANT_SIZES[number]
    rows, columns = values.shape
    found = np.zeros((rows, columns // block * size), np.uint8)
    for row in range(rows):
        written = _library().ggml_quantize_chunk(
            number, values[row].ctypes.data, found[row].ctypes.data, 0, 1, columns, weights[row].ctypes.data
        )
        if written != found.shape[1]:
            sys.exit(f"ggml wrote {written} bytes of {found.shape[1]}")
    return found


@cache
def _library() -> Any:
    from llama_cpp._ggml import libggml

    pointer, number = ctypes.c_void_p, ctypes.c_int64
    libggml.ggml_quantize_chunk.argtypes = [ctypes.c_int, pointer, pointer, number, number, number, pointer]
    libggml.ggml_quantize_chunk.restype = ctypes.c_size_t
    return libggml


def _rounded(values: Floats, weights: Floats, kind: str) -> Floats:
    if kind in onnx_blocks.KINDS:
        return onnx_blocks.KINDS[kind].quantize(values, weights[0]).values()
    found: Floats = gguf.quants.dequantize(stored(values, weights, kind), gguf.GGMLQuantizationType[kind])
    return found


def _error(values: Floats, weights: Floats, kind: str) -> float:
    rounded = _rounded(values, weights, kind)
    return float((weights * (values - rounded) ** 2).sum(dtype=np.float64))


def main(source: str, imatrix: str, asked: str, out: str) -> int:
    """Exit code 0 when OUT is written."""
    wanted, entries = json.loads(Path(asked).read_bytes()), importance.read(Path(imatrix)).entries
    tensors = {tensor.name: tensor for tensor in read_header(source).tensors}
    errors: dict[str, dict[str, float]] = {}
    for done, (name, kinds) in enumerate(wanted.items(), 1):
        tensor = tensors[name]
        values, chosen = _rows(Path(source), tensor)
        known = entries[name].weights() if name in entries else np.ones((1, tensor.shape[0]), np.float32)
        weights = np.ascontiguousarray(known[chosen // tensor.shape[1] % len(known)])
        scale = prod(tensor.shape[1:]) / len(chosen)
        errors[name] = {kind: scale * _error(values, weights, kind) for kind in kinds}
        print(f"progress rounding {done} {len(wanted)}", flush=True)
    Path(out).write_text(json.dumps(errors), encoding="utf-8")
    return 0


if __name__ == "__main__":
    die_with_parent()
    sys.exit(main(*sys.argv[1:]))
