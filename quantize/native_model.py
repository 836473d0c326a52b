"""One GGUF in a child process: ids in, logits of every position out.

Job: open a model for measuring, feed rows in pieces, let a callback watch the graph.
Ignorance: what is measured. It may abort or exit: only children (`native_*`) import it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantize.rows import Ids

CHUNK = 128  # positions per native call: bounds the logits held at once


class NativeModel:
    """One model, one context, one sequence; every position gives logits."""

    def __init__(self, path: str | Path, length: int, *, threads: int, extra_buffers: bool,
                 chunk: int = CHUNK, watch: Any = None) -> None:  # fmt: skip
        """`length` in tokens; `watch` is a `ggml_backend_sched_eval_callback` that the caller keeps alive."""
        from llama_cpp import llama_cpp as native

        native.llama_backend_init()
        self._native, self._chunk = native, chunk
        params = native.llama_model_default_params()
        params.use_extra_bufts, params.n_gpu_layers = extra_buffers, 0
        self._model = native.llama_model_load_from_file(os.fsencode(path), params)
        if not self._model:
            sys.exit(f"llama.cpp cannot open {path}")
        self._context = native.llama_init_from_model(self._model, self._settings(length, threads, watch))
        if not self._context:
            sys.exit(f"llama.cpp cannot make a context of {length} tokens")
        self.vocabulary = int(native.llama_vocab_n_tokens(native.llama_model_get_vocab(self._model)))
        self._batch = native.llama_batch_init(chunk, 0, 1)

    def feed(self, ids: Ids, start: int) -> NDArray[np.float32]:
        """Logits (n, vocabulary) of the piece at `start`, valid until the next call; 0 begins a sequence."""
        native, batch, piece = self._native, self._batch, ids[start : start + self._chunk]
        if start == 0:
            native.llama_memory_clear(native.llama_get_memory(self._context), True)
        batch.n_tokens = len(piece)
        for i, token in enumerate(piece):
            batch.token[i], batch.pos[i], batch.logits[i] = int(token), start + i, 1
            batch.n_seq_id[i], batch.seq_id[i][0] = 1, 0
        if native.llama_decode(self._context, batch) != 0:
            sys.exit(f"llama.cpp failed at position {start}")
        return np.ctypeslib.as_array(native.llama_get_logits(self._context), (len(piece), self.vocabulary))

    def close(self) -> None:
        """Free it; for children that open one model after another."""
        self._native.llama_batch_free(self._batch)
        self._native.llama_free(self._context)
        self._native.llama_model_free(self._model)

    def _settings(self, length: int, threads: int, watch: Any) -> Any:
        settings = self._native.llama_context_default_params()
        settings.n_ctx = length
        settings.n_batch = settings.n_ubatch = self._chunk
        settings.n_threads = settings.n_threads_batch = threads
        if watch is not None:
            settings.cb_eval = watch
        return settings
