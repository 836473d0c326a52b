"""What a model takes while it runs, in bytes by purpose, from headers alone: the one model of memory.

Job: weights, caches, buffers and tables of both engines for any context and number of sequences; the largest
context that fits; the refusal before native code allocates, so that it is an error and no killed process.
Ignorance: opens nothing, measures nothing. Counts a full cache for every layer: an upper bound for models
with windows. Temporary moments of loading are left out: with 128,000 tokens the tables take 30 MB more then.

Sources: llama-kv-cache.cpp (layers x KV heads x (key + value width) x 2 bytes per token, each sequence padded
to 256); the compute buffer is the largest moment of the graph (ggml-alloc.c): with flash attention, which
llama.cpp chooses on processors, four times the width and three times the hidden width in f32 for each token
of a micro-batch, and the mask in f16. Constants and what onnxruntime takes: `python -m benchmarks.fit`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

from edge.errors import DoesNotFitError
from edge.formats.gguf import GgufHeader

GIB = 1024**3
DEFAULT_CONTEXT = 2048  # tokens per sequence
BATCH = 512  # tokens fed at once where nothing else is said (EngineOptions.batch)
_F32, _F16 = 4, 2  # bytes
_CELLS = 256  # tokens; llama.cpp pads a sequence to a multiple of it
_PYTHON, _ONNXRUNTIME = 51_000_000, 27_000_000  # bytes: interpreter, numpy, llama.cpp; the other library
_LIBRARY, _TOKEN, _MERGE = 3_000_000, 200, 150  # bytes of the tokenizer: at all, per token, per merge
_ARENA = 8_000_000  # bytes that onnxruntime's arena keeps beside one batch
_SCALES = 0.25  # bytes per weight: onnxruntime packs scales and block sums of int4 and int8 again
_CODEC, _CODEC_WEIGHTS = 4_000_000, 2  # bytes per open codec graph, and times its file


@dataclass(frozen=True)
class Room:
    """Bytes by purpose."""

    weights: int  # the file's, and what an engine packs again
    cache: int  # keys and values of all sequences
    compute: int  # buffers of one batch, and the logits
    tables: int  # tokenizer and vocabulary
    codecs: int = 0  # of pictures and sounds, once all are open
    runtime: int = _PYTHON  # interpreter and libraries

    @property
    def total(self) -> int:
        """The largest resident size of the process."""
        return self.own + self.runtime

    @property
    def own(self) -> int:
        """What the model adds to a process that has the libraries loaded."""
        return self.weights + self.cache + self.compute + self.tables + self.codecs


Need = Callable[[int], Room]  # what a context of so many tokens takes


def kv_bytes_per_token(header: GgufHeader, value: int = _F16) -> int:
    """Bytes of one token of one sequence, `value` bytes per number; 0 where the header does not say."""
    layers, width, heads = (
        _fact(header, name) for name in ("block_count", "embedding_length", "attention.head_count")
    )
    if not layers or not width or not heads:
        return 0
    kv_heads = header.metadata.get(f"{header.architecture}.attention.head_count_kv") or heads
    in_all = sum(kv_heads) if isinstance(kv_heads, list | tuple) else kv_heads * layers
    key = _fact(header, "attention.key_length") or width // heads
    return int(in_all * (key + (_fact(header, "attention.value_length") or width // heads)) * value)


def context_of(header: GgufHeader, asked: int | None, *, at_most_trained: bool = False) -> int:
    """Tokens per sequence: as asked, else 2048 or what the model was trained with, if that is less."""
    trained = _fact(header, "context_length") or asked or DEFAULT_CONTEXT
    return min(asked, trained) if asked and at_most_trained else asked or min(DEFAULT_CONTEXT, trained)


def llama_cpp(
    header: GgufHeader,
    context: int,
    sequences: int = 1,
    *,
    batch: int = BATCH,
    unified: bool = False,
    size: int | None = None,
    adapters: int = 0,
) -> Room:
    """What a GGUF takes in llama.cpp.

    Args:
        context: tokens per sequence.
        batch: tokens fed at once.
        unified: all sequences share one cache, whose length the mask then has.
        size: bytes of the file, where they are not the header's.
        adapters: bytes of LoRA adapters.
    """
    stream = _padded(context * sequences if unified else context)
    cells = stream if unified else stream * sequences
    tokens = max(sequences, min(batch, context))
    logits = sequences * _tokens(header) * _F32
    return Room(
        weights=(header.file_size if size is None else size) + adapters,
        cache=kv_bytes_per_token(header) * cells,
        compute=max(tokens * (_activations(header) + _F16 * stream), logits) + logits,
        tables=_tables(header),
    )


def onnx(header: GgufHeader, context: int, sequences: int = 1, *, size: int, batch: int = BATCH) -> Room:
    """What a decoder graph of `size` bytes takes in onnxruntime; its sizes and tokens are the header's."""
    weights = parameters(header)
    packed = _F32 * _fact(header, "embedding_length") * _tokens(header)  # f32: a tied head, again
    return Room(
        weights=size + (packed if size > 3 * weights else int(_SCALES * weights)),
        cache=kv_bytes_per_token(header, _F32) * context * sequences,
        compute=min(batch, context) * _activations(header) + _ARENA,
        tables=_tables(header),
        runtime=_PYTHON + _ONNXRUNTIME,
    )


def with_codecs(decoder: Room, sizes: Sequence[int]) -> Room:
    """The same beside codec graphs with files of these sizes (bytes), once all of them are open."""
    if not sizes:
        return decoder
    needed = sum(_CODEC + _CODEC_WEIGHTS * size for size in sizes)
    return replace(decoder, codecs=needed, runtime=_PYTHON + _ONNXRUNTIME)


def parameters(header: GgufHeader) -> int:
    """Weights of a decoder, from its tensors, else from its sizes (a plain Llama with a tied head)."""
    if header.tensors:
        return sum(prod(tensor.shape) for tensor in header.tensors)
    width, hidden = _fact(header, "embedding_length"), _fact(header, "feed_forward_length")
    layers, kv = _fact(header, "block_count"), kv_bytes_per_token(header, 1)
    return layers * width * (2 * width + 3 * hidden) + kv * width + width * _tokens(header)


def largest_context(need: Need, available: int, most: int) -> int:
    """The longest context, up to `most` tokens, whose own bytes fit into `available`; 0 where none does."""
    least, beyond = 0, most + 1
    while beyond - least > 1:
        middle = (least + beyond) // 2
        least, beyond = (middle, beyond) if need(middle).own <= available else (least, middle)
    return least


def require(need: Need, context: int, sequences: int, available: int) -> None:
    """Nothing, where what `context` takes fits into `available` bytes (0: unknown).

    Raises:
        DoesNotFitError: it does not; the message holds both numbers and the largest context that fits.
    """
    room = need(context)
    if not available or room.own <= available:
        return
    largest = largest_context(need, available, context)
    cure = f"choose a context of {largest} (-c)" if largest >= 16 else "choose a smaller model"
    raise DoesNotFitError(
        f"this needs {room.own / GIB:.2f} GiB ({room.weights / GIB:.2f} of weights, {room.cache / GIB:.2f} "
        f"for {sequences} x {context} tokens of context), and {available / GIB:.2f} GiB are free; {cure}"
    )


def _activations(header: GgufHeader) -> int:
    """Bytes per token of a batch at the largest moment of the graph."""
    width, heads = _fact(header, "embedding_length"), max(_fact(header, "attention.head_count"), 1)
    experts = _fact(header, "expert_feed_forward_length") * _fact(header, "expert_used_count")
    hidden = max(_fact(header, "feed_forward_length"), experts)
    queries = heads * (_fact(header, "attention.key_length") or width // heads)
    return _F32 * (4 * width + 3 * max(hidden, queries))


def _tables(header: GgufHeader) -> int:
    merges = header.metadata.get("tokenizer.ggml.merges", ())
    return _LIBRARY + _TOKEN * _tokens(header) + _MERGE * len(merges)


def _tokens(header: GgufHeader) -> int:
    return _fact(header, "vocab_size") or len(header.metadata.get("tokenizer.ggml.tokens", ()))


def _padded(count: int) -> int:
    return -(-count // _CELLS) * _CELLS


def _fact(header: GgufHeader, name: str) -> int:
    value: Any = header.metadata.get(f"{header.architecture}.{name}")
    return max(value, default=0) if isinstance(value, list) else value if isinstance(value, int) else 0
