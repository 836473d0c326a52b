"""Does a model fit? Its weights and its KV cache in bytes, from the header alone.

Job: refuse what cannot fit before native code allocates, so that it is an error and not a killed process.
Ignorance: opens nothing. Counts a full f16 cache for every layer: an upper bound for models with windows.
"""

from __future__ import annotations

from typing import Any

from edge.errors import DoesNotFitError
from edge.formats.gguf import GgufHeader

GIB = 1024**3
_F16 = 2  # bytes of one cached value


def kv_bytes_per_token(header: GgufHeader) -> int:
    """Bytes that one token of one sequence takes; 0 where the header does not say."""

    def fact(name: str) -> Any:
        return header.metadata.get(f"{header.architecture}.{name}")

    layers, width, heads = fact("block_count"), fact("embedding_length"), fact("attention.head_count")
    if not isinstance(layers, int) or not isinstance(width, int) or not isinstance(heads, int) or not heads:
        return 0
    kv_heads = fact("attention.head_count_kv") or heads
    in_all = sum(kv_heads) if isinstance(kv_heads, list | tuple) else kv_heads * layers
    key = fact("attention.key_length") or width // heads
    value = fact("attention.value_length") or width // heads
    return int(in_all * (key + value) * _F16)


def check(header: GgufHeader, context: int, sequences: int, available: int, *, adapters: int = 0) -> None:
    """Nothing, where weights, cache and `adapters` (bytes) fit into `available` bytes (0: unknown).

    Raises:
        DoesNotFitError: they do not; the message holds both numbers.
    """
    cache = kv_bytes_per_token(header) * context * sequences
    require(header.file_size + adapters, cache, context, sequences, available)


def require(weights: int, cache: int, context: int, sequences: int, available: int) -> None:
    """The same, where weights and cache (bytes) are known. Raises as `check`."""
    needed = weights + cache
    if available and needed > available:
        raise DoesNotFitError(
            f"this needs {needed / GIB:.1f} GiB ({weights / GIB:.1f} of weights, {cache / GIB:.1f} "
            f"for {sequences} x {context} tokens of context), and {available / GIB:.1f} GiB are free; "
            "choose a shorter context (-c) or a smaller model"
        )
