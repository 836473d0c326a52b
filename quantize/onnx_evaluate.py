"""One ONNX decoder with one sequence, for the comparison of `native_evaluate`.

Job: log-probabilities of every position, piece by piece. Ignorance: what they are compared with.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.onnx_session import OnnxSession

_PAST, _PRESENT = "past_key_values.", "present."


class OnnxModel:
    """A graph as `onnx_export` writes it."""

    def __init__(self, path: str, threads: int) -> None:
        """Raises: as `OnnxSession`."""
        self._session = OnnxSession(Path(path), threads=threads, external=True, patterns=False)
        sizes = {n: (s[1], s[3]) for n, s in self._session.shapes().items() if n.startswith(_PAST)}
        self._empty = {n: np.zeros((1, int(h), 0, int(w)), np.float32) for n, (h, w) in sizes.items()}
        self._past: dict[str, NDArray[Any]] = {}
        self._outputs = ["logits", *(name.replace(_PAST, _PRESENT) for name in self._empty)]
        self.clear()

    def clear(self) -> None:
        self._past = self._empty

    def log_probabilities(self, ids: NDArray[np.uint16], start: int) -> NDArray[np.float32]:
        """(n, vocab) for the ids at positions start …"""
        mask = np.ones((1, start + len(ids)), np.int64)
        feeds = {
            "input_ids": ids[None].astype(np.int64),
            "attention_mask": mask,
            "logits_from": np.array([0]),
        }
        logits, *present = self._session.run(feeds | self._past, self._outputs)
        self._past = dict(zip(self._empty, present, strict=True))
        return log_softmax(logits[0])


def log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Over the last axis; the argument is overwritten."""
    logits -= logits.max(-1, keepdims=True)
    return np.asarray(logits - np.log(np.exp(logits).sum(-1, keepdims=True)), np.float32)
