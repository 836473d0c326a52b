"""How much memory a GGUF takes while it runs, from its header alone.

Job: weights, KV cache, compute buffers in bytes; the file that a limit leaves room for. Ignorance: opens
nothing. Counts what llama.cpp allocates, not the interpreter around it; repacked copies of some types on some
processors (AMX) replace the mapped pages and are not counted twice.

Source: llama.cpp allocates the cache as layers x KV heads x (key + value width) x 2 bytes (f16) per token
(llama-kv-cache.cpp), and one buffer in which the largest moment of the graph fits (ggml-alloc.c). With flash
attention, which llama.cpp chooses on processors, that moment is, per token of a micro-batch and in f32, the
residual stream and its norm (2 x width) beside gate, up and their product (3 x hidden) or beside queries,
keys, values and the attention's output; and the mask in f32 and f16 (6 bytes per token of context).
"""

from __future__ import annotations

from typing import Any

from edge.engines.room import kv_bytes_per_token
from edge.formats.gguf import GgufHeader

MICRO_BATCH = 512  # tokens; llama.cpp's default and an upper bound of what our engine feeds at once
_F32, _MASK = 4, 6  # bytes


def needed(header: GgufHeader, context: int, file_size: int | None = None) -> int:
    """Bytes of a model with this header, as a file of `file_size` bytes (default: its own)."""
    return (header.file_size if file_size is None else file_size) + beside(header, context)


def beside(header: GgufHeader, context: int) -> int:
    """Bytes of everything but the weights."""
    return kv_bytes_per_token(header) * context + _compute(header, context)


def _compute(header: GgufHeader, context: int) -> int:
    width, hidden = _fact(header, "embedding_length"), _fact(header, "feed_forward_length")
    heads = max(_fact(header, "attention.head_count"), 1)
    queries = heads * (_fact(header, "attention.key_length") or width // heads)
    batch = min(MICRO_BATCH, context)
    live = batch * _F32 * (2 * width + max(3 * hidden, 4 * queries))
    return live + batch * context * _MASK + _vocabulary(header) * _F32


def _fact(header: GgufHeader, name: str) -> int:
    value: Any = header.metadata.get(f"{header.architecture}.{name}")
    return max(value) if isinstance(value, list) else value if isinstance(value, int) else 0


def _vocabulary(header: GgufHeader) -> int:
    return next((t.shape[1] for t in header.tensors if t.name == "token_embd.weight"), 0)
