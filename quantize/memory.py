"""How much memory a GGUF takes while it runs, from its header alone.

Job: weights, KV cache, compute buffer and the engine's own tables in bytes. Ignorance: opens nothing. Counts
what llama.cpp takes, not the interpreter around it; weights that are repacked for a processor (AMX) replace
pages of the file and are not counted twice.

Source: llama-kv-cache.cpp: layers x KV heads x (key + value width) x 2 bytes (f16) per token. The compute
buffer holds the largest moment of the graph (ggml-alloc.c): with flash attention, which llama.cpp chooses on
processors, per token of a micro-batch in f32 four times the width and three times the hidden width, and the
mask in f16. This is what llama.cpp reserves, to 0.1 %, where hidden is at least 4 x width (pico; 2 layers of
256 and 2048, of 1024 and 4096), and an upper bound for narrower ones. The engine's tables: measured, 4 MB for
the library and 400 bytes per token of the vocabulary (pico).
"""

from __future__ import annotations

from typing import Any

from edge.engines.room import kv_bytes_per_token
from edge.formats.gguf import GgufHeader

MICRO_BATCH = 512  # tokens; llama.cpp's default and an upper bound of what our engine feeds at once
_F32, _F16 = 4, 2  # bytes
_LIBRARY, _TOKEN = 4_000_000, 400  # bytes


def needed(header: GgufHeader, context: int, file_size: int | None = None) -> int:
    """Bytes of a model with this header, as a file of `file_size` bytes (default: its own)."""
    return (header.file_size if file_size is None else file_size) + beside(header, context)


def beside(header: GgufHeader, context: int) -> int:
    """Bytes of everything but the weights."""
    tables = _LIBRARY + _TOKEN * len(header.metadata.get("tokenizer.ggml.tokens", ()))
    return kv_bytes_per_token(header) * context + compute(header, context) + tables


def compute(header: GgufHeader, context: int) -> int:
    """Bytes of the compute buffer."""
    width, hidden = _fact(header, "embedding_length"), _fact(header, "feed_forward_length")
    heads = max(_fact(header, "attention.head_count"), 1)
    queries = heads * (_fact(header, "attention.key_length") or width // heads)
    batch = min(MICRO_BATCH, context)
    return batch * (_F32 * (4 * width + max(3 * hidden, 3 * queries)) + _F16 * context)


def _fact(header: GgufHeader, name: str) -> int:
    value: Any = header.metadata.get(f"{header.architecture}.{name}")
    return max(value) if isinstance(value, list) else value if isinstance(value, int) else 0
