"""One ONNX decoder in a child process: ids in, logits of every position out.

Job: open a graph as `onnx_export` writes it, feed rows in pieces. Ignorance: what is measured.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.engines.onnx_engine import PAST, PRESENT
from edge.onnx_session import OnnxSession
from quantize.rows import Ids


class OnnxModel:
    """One graph, one sequence; every position gives logits."""

    def __init__(self, path: str | Path, *, threads: int, chunk: int) -> None:
        """`chunk` positions per call. Raises: as `OnnxSession`."""
        self._session = OnnxSession(path, threads=threads, external=True, patterns=False)
        shapes, self._chunk = self._session.shapes(), chunk
        sizes = {name: (shape[1], shape[3]) for name, shape in shapes.items() if name.startswith(PAST)}
        self._empty = {n: np.zeros((1, int(h), 0, int(w)), np.float32) for n, (h, w) in sizes.items()}
        self._past: dict[str, NDArray[Any]] = self._empty
        self._outputs = ["logits", *(name.replace(PAST, PRESENT) for name in self._empty)]
        self.vocabulary = int(shapes["logits"][2])

    def feed(self, ids: Ids, start: int) -> NDArray[np.float32]:
        """Logits (n, vocabulary) of the piece at `start`; 0 begins a sequence."""
        piece = ids[start : start + self._chunk]
        feeds = {
            "input_ids": piece[None].astype(np.int64),
            "attention_mask": np.ones((1, start + len(piece)), np.int64),
            "logits_from": np.array([0]),
        }
        past = self._past if start else self._empty
        logits, *present = self._session.run(feeds | past, self._outputs)
        self._past = dict(zip(self._empty, present, strict=True))
        return np.asarray(logits[0], np.float32)

    def close(self) -> None:
        """Free it; for children that open one graph after another."""
        self._session.close()
