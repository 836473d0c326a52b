"""How fast llama.cpp multiplies a vector by weights of each type here: measured once per machine and build.

Job: run the timing child, remember its numbers under `hardware.home()`. Ignorance: budgets.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge import atomic, hardware
from edge.errors import EdgeError
from quantize import children
from quantize.children import Progress
from quantize.tensor_groups import MENU

FILE_NAME = "kernel_speed.json"


def measured(threads: int, progress: Progress) -> Mapping[str, float]:
    """Seconds per weight by type of the menu, for one token on `threads` threads.

    Raises:
        EngineError: llama.cpp cannot run on this machine.
    """
    path = hardware.home() / FILE_NAME
    known, key = _remembered(path), f"{hardware.machine_key()} {threads} threads"
    if _sound(known.get(key)):
        return dict(known[key])
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "speed.json"
        found = _run(out, threads, progress)
    _remember(path, known | {key: found})
    return found


def _run(out: Path, threads: int, progress: Progress) -> dict[str, float]:
    try:
        children.run_plain("quantize.native_speed", [out, str(threads), "1"], progress)
    except children.ChildDied:  # AMX code built by GCC 12
        children.run_plain("quantize.native_speed", [out, str(threads), "0"], progress)
    found: dict[str, float] = json.loads(out.read_bytes())
    return found


def _remembered(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def _sound(found: object) -> bool:
    return isinstance(found, dict) and all(
        isinstance(found.get(kind), float) and math.isfinite(found[kind]) and found[kind] > 0 for kind in MENU
    )


def _remember(path: Path, data: Mapping[str, Any]) -> None:
    """A home that cannot be written is no failure: the next run measures again."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_bytes(path, json.dumps(data, indent=1).encode())
    except (OSError, EdgeError):
        return
