"""The child process that times one token of a small random Llama in every type of the menu.

Job: for each type, a GGUF whose matrices all have it (a few quantized rows, repeated), and the shortest of
some single-token steps; written as JSON: {type: seconds per weight}.
Arguments: OUT.json THREADS EXTRA_BUFFERS.
Ignorance: which types suit a model. It may abort: its parent expects that.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from math import prod
from pathlib import Path

import gguf
import numpy as np
from numpy.typing import NDArray

from edge.children import die_with_parent
from quantize.native_errors import stored
from quantize.native_model import NativeModel
from quantize.tensor_groups import MENU

WIDTH, HIDDEN, LAYERS, SIZE = 1024, 4096, 2, 64  # 34 M weights: beyond the caches of a core
ROWS, STEPS = 16, 40  # quantized rows that are repeated; timed tokens
_SHAPES = {
    **{f"blk.{i}.attn_{n}": (WIDTH, WIDTH) for i in range(LAYERS) for n in ("q", "k", "v", "output")},
    **{f"blk.{i}.ffn_{n}": (HIDDEN, WIDTH) for i in range(LAYERS) for n in ("gate", "up")},
    **{f"blk.{i}.ffn_down": (WIDTH, HIDDEN) for i in range(LAYERS)},
}
_NORMS = ("output_norm", *(f"blk.{i}.{n}_norm" for i in range(LAYERS) for n in ("attn", "ffn")))
_FACTS = {"vocab_size": SIZE, "context_length": 64, "embedding_length": WIDTH, "block_count": LAYERS,
          "feed_forward_length": HIDDEN, "attention.head_count": 16}  # fmt: skip


def write(path: Path, kind: str) -> None:
    """The model in one type."""
    random, writer = np.random.default_rng(0), gguf.GGUFWriter(path, "llama")
    for name, value in _FACTS.items():
        writer.add_uint32(f"llama.{name}", value)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("no_vocab")
    writer.add_tensor("token_embd.weight", random.normal(0, 0.02, (SIZE, WIDTH)).astype(np.float32))
    for name in _NORMS:
        writer.add_tensor(f"{name}.weight", np.ones(WIDTH, np.float32))
    number, pool = gguf.GGMLQuantizationType[kind], {n: _pool(random, n, kind) for n in (WIDTH, HIDDEN)}
    for name, (rows, columns) in _SHAPES.items():
        whole = np.tile(pool[columns], (rows // ROWS, 1))
        writer.add_tensor(f"{name}.weight", whole, raw_dtype=number)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _pool(random: np.random.Generator, columns: int, kind: str) -> NDArray[np.uint8]:
    values = random.normal(0, 0.02, (ROWS, columns)).astype(np.float32)
    return stored(values, np.ones_like(values), kind)


def seconds(path: Path, threads: int, extra: bool) -> float:
    """The shortest time of one token: others on the machine only ever add to it."""
    model = NativeModel(path, STEPS, threads=threads, extra_buffers=extra, chunk=1)
    ids, found = np.arange(STEPS, dtype=np.int32), []
    for start in range(STEPS):
        begun = time.perf_counter()
        model.feed(ids, start)
        found.append(time.perf_counter() - begun)
    model.close()
    return min(found)


def main(out: str, threads: str, extra: str) -> int:
    """Exit code 0 when OUT is written."""
    weights = sum(prod(shape) for shape in _SHAPES.values())
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speed.gguf"
        for done, kind in enumerate(MENU, 1):
            write(path, kind)
            found[kind] = seconds(path, int(threads), extra == "1") / weights
            print(f"progress speed {done} {len(MENU)}", flush=True)
    Path(out).write_text(json.dumps(found), encoding="utf-8")
    return 0


if __name__ == "__main__":
    die_with_parent()
    sys.exit(main(*sys.argv[1:]))
