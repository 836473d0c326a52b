"""How fast llama.cpp multiplies a vector by weights of each type here: measured once per machine and build.

Job: run the timing child, remember its numbers under `hardware.home()`. Ignorance: budgets.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Mapping
from pathlib import Path

from edge import hardware
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
    known, key = hardware.remembered(path), f"{hardware.machine_key()} {threads} threads"
    if _sound(known.get(key)):
        return dict(known[key])
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "speed.json"
        children.run_computing("quantize.native_speed", [out], threads, progress)
        found: dict[str, float] = json.loads(out.read_bytes())
    hardware.remember(path, known | {key: found})
    return found


def _sound(found: object) -> bool:
    return isinstance(found, dict) and all(
        isinstance(found.get(kind), float) and math.isfinite(found[kind]) and found[kind] > 0 for kind in MENU
    )
