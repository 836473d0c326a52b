"""Peak memory of `edge quantize`, step by step, on a large random checkpoint.

Job: quantize a folder made by `benchmarks.random_checkpoint` to Q4_K_M with everything that the command
measures, watch the process and its children, write results/quantize_memory.json:
    python -m benchmarks.quantize_memory FOLDER
Memory is the sum over a process and all below it, sampled every 20 ms: resident pages, and of these the
anonymous ones. The others are pages of files, which the kernel takes back whenever it needs them. A forward
pass maps its whole model, and llama.cpp asks Linux to fill the mapping at once: there the resident number
says how large the model is, and the anonymous one what a machine must have.
Ignorance: time.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from edge import atomic
from quantize import builtin_text
from quantize.checkpoint import open_checkpoint

RESULT = Path(__file__).parent / "results" / "quantize_memory.json"
EXAMPLES = 8  # texts of 120 characters: more of them take longer, not more memory


def measure(folder: Path) -> dict[str, Any]:
    """Peaks of the whole command, by step."""
    sizes = [tensor.size for tensor in open_checkpoint(folder).tensors.values()]
    largest = max(sizes) / 1e6
    with tempfile.TemporaryDirectory(dir=folder.parent) as work:
        examples = Path(work) / "examples.jsonl"
        lines = [json.dumps({"text": text[:120]}) for text in builtin_text.passages(EXAMPLES)]
        examples.write_text("\n".join(lines))
        found = peaks([sys.executable, "-m", "edge.cli.main", "quantize", folder, "-o",
                       Path(work) / "bundle", "--recipe", "q4_k_m", "--calibration", examples])  # fmt: skip
    told = {
        step: {
            "resident_mb": round(resident / 1e6, 1), "anonymous_mb": round(alone / 1e6, 1),
            "resident beyond the largest tensor_mb": round(resident / 1e6 - largest, 1),
        }
        for step, (resident, alone) in found.items()
    }  # fmt: skip
    return {"checkpoint_mb": round(sum(sizes) / 1e6, 1), "largest_tensor_mb": round(largest, 1),
            "examples": EXAMPLES, "steps": told}  # fmt: skip


def peaks(command: list[str | Path]) -> dict[str, tuple[int, int]]:
    """Run a command; the most bytes, resident and anonymous, while each of its children ran, and alone."""
    found: dict[str, tuple[int, int]] = {}
    with tempfile.TemporaryFile() as log:
        child = subprocess.Popen(command, stdout=log, stderr=log)
        while child.poll() is None:
            step, now = _step(child.pid), memory(child.pid)
            before = found.get(step, (0, 0))
            found[step] = max(before[0], now[0]), max(before[1], now[1])
            time.sleep(0.02)
        log.seek(0)
        assert child.returncode == 0, log.read()[-2000:].decode(errors="replace")
    return found


def _step(pid: int) -> str:
    """The module that a child of a process runs; "the command itself" where there is none."""
    try:
        below = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        words = Path(f"/proc/{below[0]}/cmdline").read_bytes().decode().split("\0") if below else []
    except (OSError, IndexError):
        words = []
    module = next((word for word in words if word.startswith("quantize.native_")), "")
    mode = [word for word in words if word in ("reference", "compare")]
    return " ".join([module, *mode]) if module else "the command itself"


def memory(pid: int) -> tuple[int, int]:
    """Bytes of a process and all below it: resident, and of these anonymous."""
    try:
        pages = [int(n) for n in Path(f"/proc/{pid}/statm").read_text().split()]
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (OSError, ValueError):
        return 0, 0
    below = [memory(int(child)) for child in children]
    page = os.sysconf("SC_PAGE_SIZE")
    resident, alone = page * pages[1], page * (pages[1] - pages[2])
    return resident + sum(b[0] for b in below), alone + sum(b[1] for b in below)


def main(folder: Path) -> None:
    told = json.loads(RESULT.read_text()) if RESULT.is_file() else {}
    told[folder.name] = measure(folder)
    atomic.write_bytes(RESULT, (json.dumps(told, indent=1) + "\n").encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
