"""One decoder in a child process, a GGUF or an ONNX graph: ids in, log-probabilities of every position out.

Job: open what a file's name says it is, read rows piece by piece.
Ignorance: how either computes (`native_model`, `onnx_model`), what the numbers are for.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from quantize.native_model import CHUNK, NativeModel
from quantize.onnx_model import OnnxModel
from quantize.rows import Ids

STEP = 32  # positions per piece of log-probabilities: bounds what is computed from them (128,000 ids: 16 MB)


class Decoder(Protocol):
    """One sequence; every position gives logits."""

    vocabulary: int

    def feed(self, ids: Ids, start: int) -> NDArray[np.float32]:
        """Logits (n, vocabulary) of the piece at `start`, valid until the next call; 0 begins a sequence."""

    def close(self) -> None:
        """Free native memory."""


def open_decoder(path: str, length: int, *, threads: int, extra_buffers: bool, chunk: int = CHUNK) -> Decoder:
    """`length` in tokens, `chunk` in positions per native call; an .onnx file is a graph, all else a GGUF."""
    if Path(path).suffix == ".onnx":
        return OnnxModel(path, threads=threads, chunk=chunk)
    return NativeModel(path, length, threads=threads, extra_buffers=extra_buffers, chunk=chunk)


def log_probabilities(decoder: Decoder, ids: Ids) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """(start, log-probabilities (n, vocabulary)) of the ids of one sequence, piece by piece; nats."""
    start = 0
    while start < len(ids):
        logits = decoder.feed(ids, start)
        for i in range(0, len(logits), STEP):
            yield start + i, log_softmax(logits[i : i + STEP])
        start += len(logits)


def log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Over the last axis."""
    shifted = logits - logits.max(-1, keepdims=True)
    total = np.exp(shifted).sum(-1, keepdims=True, dtype=np.float64)
    return np.asarray(shifted - np.log(total).astype(np.float32), np.float32)
