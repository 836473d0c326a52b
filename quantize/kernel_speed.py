"""How fast a runtime multiplies a vector by weights of each type here: measured once per machine and build.

Job: run the timing child, remember its numbers under `hardware.home()`. Ignorance: budgets.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from edge import hardware
from quantize import children
from quantize.children import Progress
from quantize.onnx_blocks import KINDS
from quantize.tensor_groups import MENU

FILE_NAME = "kernel_speed.json"
_RUNTIMES = {  # name: the child that times it, its types, what its key is called beside the machine
    "gguf": ("quantize.native_speed", MENU, ""),
    "onnx": ("quantize.native_onnx_speed", tuple(KINDS), " onnxruntime"),
}


def measured(runtime: str, threads: int, progress: Progress) -> Mapping[str, float]:
    """Seconds per weight by type, for one token on `threads` threads; `runtime`: gguf or onnx.

    Raises:
        EngineError: it cannot run on this machine.
    """
    module, kinds, suffix = _RUNTIMES[runtime]
    path = hardware.home() / FILE_NAME
    known, key = hardware.remembered(path), f"{hardware.machine_key()} {threads} threads{suffix}"
    if _sound(known.get(key), kinds):
        return dict(known[key])
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "speed.json"
        children.run_computing(module, [out], threads, progress)
        found: dict[str, float] = json.loads(out.read_bytes())
    hardware.remember(path, known | {key: found})
    return found


def _sound(found: object, kinds: Sequence[str]) -> bool:
    return isinstance(found, dict) and all(
        isinstance(found.get(kind), float) and math.isfinite(found[kind]) and found[kind] > 0
        for kind in kinds
    )
