"""The child process that may die: a tiny random Q4_0 Llama through the engine's fastest path.

Job: write a minimal GGUF of its own, decode a few tokens with extra buffers on, exit 0. Run as
`python -m edge.engines.probe`; `edge.hardware.probe` reads how it ended.
Ignorance: quantize, the gguf package, bundles. It trusts the file, because it wrote it.
"""

from __future__ import annotations

import os
import struct
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

WIDTH, HIDDEN, VOCAB, HEADS = (
    256,
    512,
    320,
    4,
)  # rows are multiples of 32, so that every repacked kernel applies
_F32, _Q4_0 = 0, 2  # ggml_type
_ALIGNMENT = 32


def tiny_gguf() -> bytes:
    """A one-layer Llama with random Q4_0 weights and no tokenizer."""
    matrices = {
        "token_embd.weight": (WIDTH, VOCAB),
        "blk.0.attn_q.weight": (WIDTH, WIDTH), "blk.0.attn_k.weight": (WIDTH, WIDTH),
        "blk.0.attn_v.weight": (WIDTH, WIDTH), "blk.0.attn_output.weight": (WIDTH, WIDTH),
        "blk.0.ffn_gate.weight": (WIDTH, HIDDEN), "blk.0.ffn_up.weight": (WIDTH, HIDDEN),
        "blk.0.ffn_down.weight": (HIDDEN, WIDTH),
    }  # fmt: skip
    generator = np.random.default_rng(0)
    tensors: list[tuple[str, tuple[int, ...], int, bytes]]
    tensors = [(name, shape, _Q4_0, _q4_0(generator, shape)) for name, shape in matrices.items()]
    ones = np.ones(WIDTH, dtype="<f4").tobytes()
    norms = ("output_norm.weight", "blk.0.attn_norm.weight", "blk.0.ffn_norm.weight")
    tensors += [(name, (WIDTH,), _F32, ones) for name in norms]
    values: Mapping[str, str | int | float] = {
        "general.architecture": "llama", "llama.block_count": 1, "llama.context_length": 64,
        "llama.embedding_length": WIDTH, "llama.feed_forward_length": HIDDEN,
        "llama.attention.head_count": HEADS, "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "llama.vocab_size": VOCAB, "tokenizer.ggml.model": "no_vocab",
    }  # fmt: skip
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(values))
    head += b"".join(_text(key) + _value(value) for key, value in values.items())
    data = b""
    for name, shape, kind, raw in tensors:
        head += _text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, len(data))
        data += _padded(raw)
    return _padded(head) + data


def decode_once(path: Path) -> None:
    """Load with extra buffers on, decode a batch of 32 tokens, then one token."""
    from llama_cpp import llama_cpp as native

    quiet = native.llama_log_callback(lambda level, text, data: None)
    native.llama_log_set(quiet, None)
    native.llama_backend_init()
    model_params = native.llama_model_default_params()
    model_params.use_extra_bufts = True
    model = native.llama_model_load_from_file(os.fsencode(path), model_params)
    if not model:
        raise SystemExit("the engine refused the probe's model")
    params = native.llama_context_default_params()
    params.n_ctx, params.n_batch, params.n_threads, params.n_threads_batch = 64, 32, 2, 2
    context = native.llama_init_from_model(model, params)
    if not context:
        raise SystemExit("the engine refused the probe's context")
    for count in (32, 1):
        tokens = (native.llama_token * count)(*range(count))
        if native.llama_decode(context, native.llama_batch_get_one(tokens, count)) != 0:
            raise SystemExit("the engine failed to decode")
    native.llama_free(context)
    native.llama_model_free(model)


def _q4_0(generator: np.random.Generator, shape: tuple[int, int]) -> bytes:
    """Blocks of 32 weights: an f16 scale, 16 bytes of nibbles."""
    blocks = shape[0] * shape[1] // 32
    raw = np.empty((blocks, 18), dtype=np.uint8)
    raw[:, :2] = np.frombuffer(np.float16(0.01).tobytes(), dtype=np.uint8)
    raw[:, 2:] = generator.integers(0, 256, (blocks, 16), dtype=np.uint8)
    return raw.tobytes()


def _text(text: str) -> bytes:
    return struct.pack("<Q", len(text)) + text.encode()


def _value(value: str | int | float) -> bytes:
    if isinstance(value, str):
        return struct.pack("<I", 8) + _text(value)
    return struct.pack("<If", 6, value) if isinstance(value, float) else struct.pack("<II", 4, value)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % _ALIGNMENT)


def main() -> int:
    """Exit code 0: the fast path works here."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "probe.gguf"
        path.write_bytes(tiny_gguf())
        decode_once(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
