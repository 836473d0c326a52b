"""The child process that reads judged rows with one model: as the reference, or against a kept reference.

Job: `reference` writes ReferenceLogits; `compare` writes each position's divergence, agreement, loss, and
which of the two had the right token.
Arguments: MODE MODEL ROWS.npz REFERENCE.npz OUT.npz CHUNK THREADS EXTRA_BUFFERS.
MODEL is a GGUF or an ONNX graph.
Ignorance: modalities, statistics. It may abort: its parent expects that.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.children import die_with_parent
from quantize import reference_logits, rows
from quantize.native_decoder import Decoder, log_probabilities, open_decoder
from quantize.rows import Ids, Rows

Piece = tuple[int, int, NDArray[np.float32], Ids]  # row, start, log-probabilities, the ids that followed


def _pieces(model: Decoder, judged: Rows) -> Iterator[Piece]:
    every = list(judged)
    for number, (_, ids) in enumerate(every):
        for start, logs in log_probabilities(model, ids[:-1]):
            yield number, start, logs, ids[start + 1 : start + 1 + len(logs)]
        print(f"progress measure {number + 1} {len(every)}", flush=True)


def _reference(model: Decoder, judged: Rows, path: Path) -> None:
    parts = [
        reference_logits.of_logs(logs, targets, row, start)
        for row, start, logs, targets in _pieces(model, judged)
    ]
    reference_logits.save(path, reference_logits.join(parts), judged.digest)


def compared(model: Decoder, judged: Rows, path: Path) -> dict[str, NDArray[Any]]:
    """Divergence, agreement, losses, hits and row of every position; the reference's logits lie at `path`."""
    kept = reference_logits.load(path, judged.digest, model.vocabulary)
    names = ("divergence", "agreement", "loss", "right", "reference_right")
    found: dict[str, list[NDArray[np.float32]]] = {name: [] for name in names}
    done = 0
    for _, _, logs, targets in _pieces(model, judged):
        reference = kept.part(done, len(logs))
        divergence, same = reference_logits.compare(reference, logs)
        found["divergence"].append(divergence.astype(np.float32))
        found["agreement"].append(same.astype(np.float32))
        found["loss"].append(-logs[np.arange(len(logs)), targets])
        found["right"].append((logs.argmax(-1) == targets).astype(np.float32))
        found["reference_right"].append((reference.ids[:, 0] == targets).astype(np.float32))
        done += len(logs)
    arrays: dict[str, NDArray[Any]] = {name: np.concatenate(values) for name, values in found.items()}
    return arrays | {"reference_loss": kept.losses, "row": kept.rows}


def main(mode: str, path: str, given: str, kept: str, out: str, chunk: str, threads: str, extra: str) -> int:
    """Exit code 0 when the numbers are in REFERENCE or OUT."""
    judged = rows.load(Path(given), np.iinfo(np.int32).max)
    model = open_decoder(
        path, judged.longest, threads=int(threads), extra_buffers=extra == "1", chunk=int(chunk)
    )
    if mode == "reference":
        _reference(model, judged, Path(kept))
    else:
        np.savez(out, **compared(model, judged, Path(kept)))  # type: ignore[arg-type]
    return 0


if __name__ == "__main__":
    die_with_parent()
    sys.exit(main(*sys.argv[1:]))
