"""Converting and quantizing beside llama.cpp's own tools, on one random checkpoint of a known model's shape.

Job: run both ways to Q4_K_M by turns and write results/quantize_peers.json:
    python -m benchmarks.random_checkpoint FOLDER llama-3.2-1b
    python -m benchmarks.quantize_peers FOLDER SOURCE_OF_LLAMA_CPP FOLDER_OF_TOOLS PYTHON_WITH_TORCH
The source lies in vendor/llama.cpp of llama-cpp-python's source package; the tools are built from it.
Compared is what both do: safetensors -> GGUF of the checkpoint's type -> Q4_K_M without an importance matrix.
What only `edge quantize` does (importance matrix, quality against f16, example answers, digests) is left out.
The results are compared too: which metadata keys and which tensors are not the same.
Memory is taken as in `benchmarks.quantize_memory`.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import gguf
import numpy as np

from benchmarks.quantize_memory import memory
from edge import atomic

RESULT = Path(__file__).parent / "results" / "quantize_peers.json"
ROUNDS = 3
_CONVERT = """
import runpy, sys
root, folder, out = sys.argv[1:]
sys.path[:0] = [root, root + "/gguf-py"]
from conversion.base import TextModel
TextModel.get_vocab_base_pre = lambda self, tokenizer: "llama-bpe"
sys.argv = ["convert", folder, "--outtype", "bf16", "--outfile", out]
runpy.run_path(root + "/convert_hf_to_gguf.py", run_name="__main__")
"""
_OURS = """
import sys
from pathlib import Path
from quantize import gguf_export, llama_quantize, recipes
from quantize.checkpoint import open_checkpoint
folder, middle, out = map(Path, sys.argv[1:])
ignore = lambda *_: None
gguf_export.write_float(open_checkpoint(folder), middle, recipes.find("bf16"), ignore)
llama_quantize.write(middle, out, recipes.find("q4_k_m"), ignore, None)
"""


@dataclass(frozen=True)
class Spent:
    """What a command took."""

    seconds: float
    cpu_seconds: float  # of all processors: what another load on the machine changes least
    resident_mb: float  # peak
    anonymous_mb: float  # peak


def spent(command: list[str | Path], environment: dict[str, str] | None = None) -> Spent:
    """Run a command to its end and watch it."""
    started, used, peak, anonymous = time.monotonic(), _cpu(), 0, 0
    with tempfile.TemporaryFile() as log:
        child = subprocess.Popen(command, env=os.environ | (environment or {}), stdout=log, stderr=log)
        while child.poll() is None:
            now, alone = memory(child.pid)
            peak, anonymous = max(peak, now), max(anonymous, alone)
            time.sleep(0.02)
        log.seek(0)
        assert child.returncode == 0, log.read()[-2000:].decode(errors="replace")
    seconds, cpu = time.monotonic() - started, _cpu() - used
    return Spent(round(seconds, 2), round(cpu, 2), round(peak / 1e6, 1), round(anonymous / 1e6, 1))


def _cpu() -> float:
    """Seconds that children which have ended computed."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def theirs(folder: Path, source: Path, tools: Path, python: Path, work: Path) -> dict[str, Spent]:
    """llama.cpp's converter, then its quantizer."""
    middle, result = work / "theirs.gguf", work / "theirs-q4.gguf"
    convert = spent([python, "-c", _CONVERT, source, folder, middle])
    quantize = spent([tools / "llama-quantize", middle, result, "Q4_K_M", str(os.cpu_count())])
    middle.unlink()
    return {"convert": convert, "quantize": quantize}


def ours(folder: Path, work: Path) -> Spent:
    """The same two steps as `edge quantize` takes them."""
    middle, result = work / "ours.gguf", work / "ours-q4.gguf"
    found = spent([sys.executable, "-c", _OURS, folder, middle, result])
    middle.unlink()
    return found


def compare(folder: Path, source: Path, tools: Path, python: Path) -> dict[str, Any]:
    """Both by turns; ratios of the medians."""
    rounds = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory(dir=folder.parent) as work:
            their, our = theirs(folder, source, tools, python, Path(work)), ours(folder, Path(work))
            told = differing(Path(work) / "ours-q4.gguf", Path(work) / "theirs-q4.gguf")
        rounds.append({"theirs": {k: asdict(v) for k, v in their.items()}, "ours": asdict(our)})
        print(json.dumps(rounds[-1]), file=sys.stderr, flush=True)
    ratios = {}
    for name in ("seconds", "cpu_seconds"):
        summed = median(sum(part[name] for part in r["theirs"].values()) for r in rounds)
        ratios[name] = median(r["ours"][name] for r in rounds) / summed
    for name in ("resident_mb", "anonymous_mb"):
        most = median(max(part[name] for part in r["theirs"].values()) for r in rounds)
        ratios[name] = median(r["ours"][name] for r in rounds) / most
    ratios = {k: round(v, 3) for k, v in ratios.items()}
    return {"ratios": ratios, "differing": told, "rounds": rounds}


def differing(ours: Path, theirs: Path) -> dict[str, Any]:
    """What is not the same in two GGUFs: metadata keys, and tensors whose type or bytes are others, with the
    largest relative difference of a value (None: another type or shape, or only one file has it)."""
    files = gguf.GGUFReader(ours), gguf.GGUFReader(theirs)
    keys = [{name: field.contents() for name, field in file.fields.items()} for file in files]
    tensors = [{tensor.name: tensor for tensor in file.tensors} for file in files]
    found: dict[str, float | None] = {}
    for name in sorted(tensors[0] | tensors[1]):
        one, other = (t.get(name) for t in tensors)
        if one is None or other is None or one.tensor_type != other.tensor_type:
            found[name] = None
        elif not np.array_equal(one.data, other.data):
            a, b = (gguf.quants.dequantize(t.data, t.tensor_type) for t in (one, other))
            found[name] = float(f"{np.max(np.abs(a - b) / np.maximum(np.abs(b), 1e-9)):.2g}")
    other_keys = sorted(name for name in keys[0] | keys[1] if keys[0].get(name) != keys[1].get(name))
    return {"tensors": found, "keys": other_keys, "tensors in all": len(tensors[0])}


def main(folder: str, *rest: str) -> None:
    source, tools, python = map(Path, rest)
    found = compare(Path(folder), source, tools, python)
    atomic.write_bytes(RESULT, (json.dumps(found, indent=1) + "\n").encode())


if __name__ == "__main__":
    main(*sys.argv[1:])
