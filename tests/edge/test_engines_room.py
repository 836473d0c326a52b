"""What cannot fit is refused from the header, with both numbers, before native code allocates."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.engines import room
from edge.engines.llama_cpp import LlamaCppEngine
from edge.errors import DoesNotFitError
from edge.formats.gguf import read_header
from edge.options import EngineOptions


def test_the_cache_of_the_tiny_model_is_counted(tiny_bundle: Path) -> None:
    header = read_header(tiny_bundle / "decoder.gguf")
    layers, width = header.metadata["llama.block_count"], header.metadata["llama.embedding_length"]
    heads, kv = (
        header.metadata["llama.attention.head_count"],
        header.metadata["llama.attention.head_count_kv"],
    )
    assert room.kv_bytes_per_token(header) == layers * kv * (width // heads) * 2 * 2


def test_memory_that_just_suffices_is_enough_and_a_byte_less_is_not(tiny_bundle: Path) -> None:
    header = read_header(tiny_bundle / "decoder.gguf")
    needed = header.file_size + room.kv_bytes_per_token(header) * 100 * 2
    room.check(header, 100, 2, needed)
    with pytest.raises(DoesNotFitError, match="for 2 x 100 tokens"):
        room.check(header, 100, 2, needed - 1)
    room.check(header, 100, 2, needed + 50, adapters=50)
    with pytest.raises(DoesNotFitError):
        room.check(header, 100, 2, needed + 49, adapters=50)
    room.check(header, 100, 2, 0)  # unknown memory refuses nothing


def test_an_absurd_context_is_an_error_message_and_not_a_killed_process(tiny_bundle: Path) -> None:
    with pytest.raises(DoesNotFitError, match="shorter context"):
        LlamaCppEngine(tiny_bundle / "decoder.gguf", EngineOptions(context_length=2**34))
