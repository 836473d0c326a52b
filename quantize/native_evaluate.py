"""The child process that runs two decoders over held-out ids: a GGUF, and a GGUF or an ONNX graph.

Job: loss, top-1 agreement and divergence per modality, both models in lock step.
Arguments: REFERENCE RESULT HELDOUT.npz OUT.json THREADS EXTRA_BUFFERS.
Ignorance: what the numbers are good for. It may abort: its parent expects that.
llama.cpp computes on a thread of its own: onnxruntime would change its processor state (edge's own_thread).
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.engines.own_thread import OwnThread
from quantize.children import die_with_parent
from quantize.onnx_evaluate import OnnxModel, log_softmax

CHUNK = 128  # positions per native call: bounds the logits held at once
MAX_PREDICTIONS = 4096  # per modality


class _Model:
    """One GGUF with one sequence; logits of every position."""

    def __init__(self, path: str, length: int, threads: int, extra: bool) -> None:
        from llama_cpp import llama_cpp as native

        params = native.llama_model_default_params()
        params.use_extra_bufts, params.n_gpu_layers = extra, 0
        self.native = native
        self.model = native.llama_model_load_from_file(os.fsencode(path), params)
        if not self.model:
            sys.exit(f"llama.cpp cannot open {path}")
        settings = native.llama_context_default_params()
        settings.n_ctx, settings.n_batch, settings.n_ubatch = length, CHUNK, CHUNK
        settings.n_threads = settings.n_threads_batch = threads
        self.context = native.llama_init_from_model(self.model, settings)
        if not self.context:
            sys.exit(f"llama.cpp cannot make a context of {length} tokens")
        vocabulary = native.llama_model_get_vocab(self.model)
        self.vocabulary, self.pad = (
            native.llama_vocab_n_tokens(vocabulary),
            native.llama_vocab_pad(vocabulary),
        )
        self.batch = native.llama_batch_init(CHUNK, 0, 1)
        self.thread = OwnThread("llama.cpp")

    def clear(self) -> None:
        self.native.llama_memory_clear(self.native.llama_get_memory(self.context), True)

    def log_probabilities(self, ids: NDArray[np.uint16], start: int) -> NDArray[np.float32]:
        """(n, vocab) for the ids at positions start …"""
        batch = self.batch
        batch.n_tokens = len(ids)
        for i, token in enumerate(ids):
            batch.token[i], batch.pos[i], batch.logits[i] = int(token), start + i, 1
            batch.n_seq_id[i], batch.seq_id[i][0] = 1, 0
        if self.thread.call(self.native.llama_decode, self.context, batch) != 0:
            sys.exit(f"llama.cpp failed at position {start}")
        pointer = self.native.llama_get_logits(self.context)
        logits = np.ctypeslib.as_array(pointer, (len(ids), self.vocabulary)).astype(np.float32)
        return log_softmax(logits)


def _compare(
    models: tuple[_Model, _Model | OnnxModel], rows: NDArray[np.uint16], name: str
) -> dict[str, Any]:
    sums = np.zeros(5)  # tokens, loss, reference loss, agreement, divergence
    for done, row in enumerate(rows, 1):
        for model in models:
            model.clear()
        for start in range(0, len(row) - 1, CHUNK):
            ids, targets = row[start : start + CHUNK], row[start + 1 : start + CHUNK + 1]
            p, q = (m.log_probabilities(ids[: len(targets)], start) for m in models)
            sums += _sums(p, q, targets, models[0].pad)
        print(f"progress {name} {done} {len(rows)}", flush=True)
        if sums[0] >= MAX_PREDICTIONS:
            break
    tokens = max(sums[0], 1)
    names = ("loss", "reference_loss", "agreement", "divergence")
    return {"tokens": int(sums[0])} | dict(zip(names, (sums[1:] / tokens).tolist(), strict=True))


def _sums(
    p: NDArray[np.float32], q: NDArray[np.float32], targets: NDArray[np.uint16], pad: int
) -> NDArray[Any]:
    """Sums over the positions whose target is not padding; p is the reference, q the result."""
    keep = targets != pad
    p, q, targets = p[keep], q[keep], targets[keep]
    at = np.arange(len(targets)), targets.astype(np.int64)
    divergence = (np.exp(p) * (p - q)).sum(-1)
    return np.array(
        [len(targets), -q[at].sum(), -p[at].sum(), (p.argmax(-1) == q.argmax(-1)).sum(), divergence.sum()]
    )


def main(reference: str, result: str, heldout: str, out: str, threads: str, extra: str) -> int:
    """Exit code 0 when the numbers are in OUT.json."""
    from llama_cpp import llama_cpp

    llama_cpp.llama_backend_init()
    with np.load(heldout) as file:
        arrays = {name: file[name] for name in file.files if file[name].ndim == 2}
    length = max(array.shape[1] for array in arrays.values())
    first = _Model(reference, length, int(threads), extra == "1")
    is_graph = result.endswith(".onnx")
    second = (
        OnnxModel(result, int(threads)) if is_graph else _Model(result, length, int(threads), extra == "1")
    )
    models = first, second
    measured = {name: _compare(models, rows, name) for name, rows in arrays.items()}
    Path(out).write_text(json.dumps(measured))
    return 0


if __name__ == "__main__":
    die_with_parent()
    sys.exit(main(*sys.argv[1:]))
