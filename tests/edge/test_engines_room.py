"""What a model takes is predicted from headers; what cannot fit is refused before native code allocates."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from edge import hardware
from edge.engines import room
from edge.engines.llama_cpp import LlamaCppEngine
from edge.engines.onnx_engine import OnnxEngine
from edge.engines.repacking import packs_again
from edge.errors import DoesNotFitError
from edge.formats.gguf import GgufHeader, GgufTensor, read_header
from edge.options import EngineOptions

OPENS = """
import sys
from edge.engines import llama_native
said = []
llama_native._hear = lambda level, text, data: said.append(text.decode("utf-8", "replace"))
from edge.engines.llama_cpp import LlamaCppEngine
from edge.options import EngineOptions
context, sequences = int(sys.argv[2]), int(sys.argv[3])
LlamaCppEngine(sys.argv[1], EngineOptions(context_length=context, sequences=sequences, threads=1))
print("".join(said))
"""  # the engine itself; llama.cpp's log names what it reserves


@pytest.fixture(scope="module")
def header(tiny_bundle: Path) -> GgufHeader:
    return read_header(tiny_bundle / "decoder.gguf")


def test_the_cache_of_the_tiny_model_is_counted(header: GgufHeader) -> None:
    layers, width = header.metadata["llama.block_count"], header.metadata["llama.embedding_length"]
    heads, kv = (
        header.metadata["llama.attention.head_count"],
        header.metadata["llama.attention.head_count_kv"],
    )
    assert room.kv_bytes_per_token(header) == layers * kv * (width // heads) * 2 * 2


@pytest.mark.parametrize(("context", "sequences"), [(256, 1), (300, 2), (2048, 3)])
def test_predicted_is_what_our_engine_makes_llama_cpp_reserve(
    tiny_bundle: Path, header: GgufHeader, context: int, sequences: int
) -> None:
    path = tiny_bundle / "decoder.gguf"
    done = subprocess.run(
        [sys.executable, "-c", OPENS, path, str(context), str(sequences)],
        capture_output=True,
        text=True,
        check=True,
    )
    sizes = {
        kind: float(re.findall(rf"{kind} buffer size = +([\d.]+) MiB", done.stdout)[-1]) * 2**20
        for kind in ("output", "KV", "compute")
    }
    predicted = room.llama_cpp(header, context, sequences)
    assert predicted.cache == pytest.approx(sizes["KV"], abs=0.006 * 2**20)  # the log rounds
    reserved = sizes["output"] + sizes["compute"]
    assert 0.99 * reserved < predicted.compute < 1.6 * reserved  # narrow: an upper bound (see the source)


def test_one_cache_for_all_sequences_has_a_longer_mask_and_less_padding(header: GgufHeader) -> None:
    apart, together = (room.llama_cpp(header, 300, 8, unified=unified) for unified in (False, True))
    assert apart.cache == 8 * 512 * room.kv_bytes_per_token(header)
    assert together.cache == 2560 * room.kv_bytes_per_token(header)
    assert together.compute - apart.compute == 300 * 2 * (2560 - 512)


def test_memory_that_just_suffices_is_enough_and_a_byte_less_is_not(header: GgufHeader) -> None:
    need = partial(room.llama_cpp, header, sequences=2)
    needed = need(100).own
    room.require(need, 100, 2, needed)
    with pytest.raises(DoesNotFitError, match=r"for 2 x 100 tokens.*a context of (\d+)"):
        room.require(need, 100, 2, needed - 1)
    room.require(partial(need, adapters=50), 100, 2, needed + 50)
    with pytest.raises(DoesNotFitError):
        room.require(partial(need, adapters=50), 100, 2, needed + 49)
    room.require(need, 100, 2, 0)  # unknown memory refuses nothing


def test_the_largest_context_fits_and_one_more_token_does_not(header: GgufHeader) -> None:
    need = partial(room.llama_cpp, header, sequences=2)
    available = need(5000).own
    largest = room.largest_context(need, available, 100_000)
    assert need(largest).own <= available < need(largest + 1).own
    assert room.largest_context(need, available, 300) == 300
    assert room.largest_context(need, header.file_size, 300) == 0


def test_an_absurd_context_is_refused_with_one_that_fits(tiny_bundle: Path) -> None:
    with pytest.raises(DoesNotFitError, match=r"choose a context of \d+ \(-c\)"):
        LlamaCppEngine(tiny_bundle / "decoder.gguf", EngineOptions(context_length=2**34))


def test_a_graph_is_refused_before_onnxruntime_opens_it(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = tmp_path / "decoder.onnx"
    graph.write_bytes(b"no graph: opening it would be an IntegrityError")
    monkeypatch.setattr(hardware, "memory", lambda: (1000, 1000))
    with pytest.raises(DoesNotFitError, match="choose a smaller model"):
        OnnxEngine(graph, tiny_bundle / "decoder.gguf", EngineOptions(context_length=64))


def test_a_file_is_read_where_its_layers_are_packed_again_and_mapped_elsewhere() -> None:
    def of(name: str, kind: str) -> GgufHeader:
        return GgufHeader(3, {}, (GgufTensor(name, (256, 256), kind, 0, 0),), 0, 0)

    assert packs_again(of("blk.0.attn_q.weight", "Q4_K"), {"avx2", "sse2"})
    assert not packs_again(of("blk.0.attn_q.weight", "Q6_K"), {"avx2", "sse2"})
    assert packs_again(of("blk.0.attn_q.weight", "Q6_K"), {"asimddp"})
    assert not packs_again(of("token_embd.weight", "Q4_K"), {"avx2"})
    assert not packs_again(of("blk.0.attn_q.weight", "Q4_K"), {"sse2"})
