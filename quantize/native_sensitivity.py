"""The child process that measures mixtures of types: quantize, read the rows, compare, next.

Job: for each trial in TRIALS.json, {name: {tensor: type}}, one line in OUT.jsonl with the divergence by
modality and by trial. Trials that OUT.jsonl already holds are skipped, so a killed run goes on.
Arguments: SOURCE IMATRIX ROWS.npz REFERENCE.npz TRIALS.json OUT.jsonl THREADS EXTRA_BUFFERS.
SOURCE is a GGUF, quantized by llama.cpp, or the folder of a checkpoint, written as an ONNX graph.
Ignorance: why these mixtures. It may abort: its parent expects that.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from edge.children import die_with_parent
from quantize import importance, native_logits, onnx_export, rows
from quantize.checkpoint import open_checkpoint
from quantize.importance import Importance
from quantize.native_decoder import open_decoder
from quantize.native_quantize import convert
from quantize.rows import Rows

_BASE = 7  # LLAMA_FTYPE_MOSTLY_Q8_0: every tensor is named, so none takes it


def _by_modality(found: dict[str, Any], judged: Rows) -> dict[str, dict[str, float]]:
    kinds = np.array([kind for kind, _ in judged])[found["row"]]
    return {
        str(kind): {name: float(found[name][kinds == kind].mean()) for name in ("divergence", "agreement")}
        for kind in dict.fromkeys(kinds)
    }


def _write_graph(source: str, path: Path, weights: Importance, types: dict[str, str]) -> None:
    recipe = onnx_export.mixed("trial", types)
    onnx_export.write(open_checkpoint(source), path, recipe, lambda *_: None, weights)


def main(source: str, imatrix: str, given: str, kept: str, trials: str, out: str, threads: str,
         extra: str) -> int:  # fmt: skip
    """Exit code 0 when OUT holds every trial."""
    from llama_cpp import llama_cpp

    llama_cpp.llama_backend_init()
    judged, weights = rows.load(Path(given), np.iinfo(np.int32).max), importance.read(Path(imatrix))
    asked, lines = json.loads(Path(trials).read_bytes()), Path(out)
    mixed = lines.with_suffix(".onnx" if Path(source).is_dir() else ".gguf")
    known = (
        {json.loads(line)["trial"] for line in lines.read_text().splitlines()} if lines.exists() else set()
    )
    for done, (name, types) in enumerate(asked.items(), 1):
        if name not in known:
            if mixed.suffix == ".onnx":
                _write_graph(source, mixed, weights, types)
            elif not convert(source, mixed, _BASE, int(threads), weights, types):
                sys.exit(f"llama.cpp cannot write {name}")
            model = open_decoder(str(mixed), judged.longest, threads=int(threads), extra_buffers=extra == "1")
            found = native_logits.compared(model, judged, Path(kept))
            model.close()
            with lines.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"trial": name, "found": _by_modality(found, judged)}) + "\n")
        print(f"progress trials {done} {len(asked)}", flush=True)
    for path in mixed.parent.glob(f"{mixed.name}*"):
        path.unlink()
    return 0


if __name__ == "__main__":
    die_with_parent()
    sys.exit(main(*sys.argv[1:]))
