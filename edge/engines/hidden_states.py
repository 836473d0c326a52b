"""What a decoder thinks of each token: the hidden states before its head, from llama.cpp.

Job: a small context of its own, opened for one call and freed after it, in which every token is an output.
Ignorance: text, pooling; what the engine's own context holds stays as it is.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.engines.llama_native import complaint
from edge.errors import DoesNotFitError, EngineError

_BATCH = 32  # tokens at once: each has its row of logits, too, and those are large


def hidden_states(
    native: Any,
    model: Any,
    runs: Sequence[Sequence[int]],
    *,
    threads: int,
    prepare: Callable[[Any], None],
    call: Callable[..., Any],
) -> list[NDArray[np.float32]]:
    """One (n, width) array for each run of n ids, each run by itself.

    Args:
        prepare: gets the new context before it computes (adapters).
        call: where native code computes (own_thread).

    Raises:
        DoesNotFitError: the context cannot be opened.
        EngineError: the native call failed.
    """
    context = _opened(native, model, max(map(len, runs), default=1), threads)
    batch = native.llama_batch_init(_BATCH, 0, 1)
    try:
        prepare(context)
        return [_run(native, context, batch, ids, native.llama_model_n_embd(model), call) for ids in runs]
    finally:
        native.llama_batch_free(batch)
        native.llama_free(context)


def _opened(native: Any, model: Any, length: int, threads: int) -> Any:
    params = native.llama_context_default_params()
    params.n_ctx, params.n_seq_max = length, 1
    params.n_batch = params.n_ubatch = params.n_outputs_max = _BATCH
    params.embeddings = True
    params.pooling_type = native.LLAMA_POOLING_TYPE_NONE
    params.no_perf = True
    params.n_threads = params.n_threads_batch = threads
    context = native.llama_init_from_model(model, params)
    if not context:
        raise DoesNotFitError(
            f"llama.cpp cannot open a context of {length} tokens for embeddings "
            f"({complaint() or 'no reason given'}); embed shorter texts"
        )
    return context


def _run(
    native: Any, context: Any, batch: Any, ids: Sequence[int], width: int, call: Callable[..., Any]
) -> NDArray[np.float32]:
    native.llama_memory_clear(native.llama_get_memory(context), True)
    rows = np.empty((len(ids), width), dtype=np.float32)
    row_type = ctypes.c_float * width
    for start in range(0, len(ids), _BATCH):
        piece = ids[start : start + _BATCH]
        for i, token in enumerate(piece):
            batch.token[i], batch.pos[i], batch.n_seq_id[i] = token, start + i, 1
            batch.seq_id[i][0], batch.logits[i] = 0, 1
        batch.n_tokens = len(piece)
        if (code := call(native.llama_decode, context, batch)) != 0:
            raise EngineError(f"llama.cpp failed to embed (code {code}): {complaint() or 'no reason given'}")
        for i in range(len(piece)):
            pointer = native.llama_get_embeddings_ith(context, i)
            if not pointer:
                raise EngineError("llama.cpp has no hidden state for a token of this model")
            rows[start + i] = memoryview(row_type.from_address(ctypes.addressof(pointer.contents)))
    return rows
