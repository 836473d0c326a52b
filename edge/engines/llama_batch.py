"""A llama_batch over arrays that live as long as it does.

Job: lay out one native call without allocating. Ignorance: contexts; what the rows mean.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Batch:
    """One run of ids or embeddings, or one id for each of several sequences."""

    def __init__(self, native: Any, size: int, axes: int = 1) -> None:
        """`axes`: positions of an embedding; ids have one in any model."""
        self._ids = np.zeros(size, dtype=np.int32)
        self._positions, self._axes = np.zeros(size * axes, dtype=np.int32), axes
        self._counts = np.ones(size, dtype=np.int32)  # sequences per token
        self._sequences = np.zeros(size, dtype=np.int32)
        self._outputs = np.zeros(size, dtype=np.int8)
        base = self._sequences.ctypes.data
        integers = ctypes.POINTER(ctypes.c_int32)
        self._pointers = (integers * size)(*(ctypes.cast(base + 4 * i, integers) for i in range(size)))
        self._rows: NDArray[np.float32] | None = None  # embeddings must outlive the call
        self._by_id, self._by_row = native.llama_batch(), native.llama_batch()
        for batch in (self._by_id, self._by_row):
            batch.pos = self._positions.ctypes.data_as(integers)
            batch.n_seq_id = self._counts.ctypes.data_as(integers)
            batch.seq_id = ctypes.cast(self._pointers, ctypes.POINTER(integers))
            batch.logits = self._outputs.ctypes.data_as(ctypes.POINTER(ctypes.c_int8))
        self._by_id.token = self._ids.ctypes.data_as(integers)

    def tokens(self, ids: Sequence[int], position: int, sequence: int, *, outputs: int) -> Any:
        """A run of one sequence; logits for so many of its last tokens."""
        self._ids[: len(ids)] = ids
        self._positions[: len(ids)] = np.arange(position, position + len(ids))
        return self._placed(self._by_id, len(ids), sequence, outputs)

    def embeddings(
        self, rows: NDArray[np.float32], places: NDArray[np.int32] | int, sequence: int, *, last: bool
    ) -> Any:
        """The same of embeddings (n, width), one after another from a position, or at places (n, 3)."""
        count = len(rows)
        self._rows = np.ascontiguousarray(rows, dtype=np.float32)
        self._by_row.embd = self._rows.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        axes = self._positions[: count * self._axes].reshape(self._axes, count)  # axis by axis
        if isinstance(places, int):
            axes[:] = np.arange(places, places + count)
        else:
            axes[:3], axes[3] = places.T, 0  # the fourth axis is unused
        return self._placed(self._by_row, count, sequence, int(last))

    def step(self, tokens: Sequence[int], positions: Sequence[int], sequences: Sequence[int]) -> Any:
        """One token for each of some sequences, all with logits."""
        for i, token in enumerate(tokens):
            self._ids[i], self._positions[i] = token, positions[i]
            self._sequences[i], self._outputs[i] = sequences[i], 1
        self._by_id.n_tokens = len(tokens)
        return self._by_id

    def _placed(self, batch: Any, count: int, sequence: int, outputs: int) -> Any:
        self._sequences[:count] = sequence
        self._outputs[: count - outputs] = 0
        self._outputs[count - outputs : count] = 1
        batch.n_tokens = count
        return batch
