"""Measures what quantization cost: the result against the f16 decoder on held-out ids.

Job: run the comparison in a child process, once more without llama.cpp's special buffers when it dies.
Ignorance: opens no model itself. Held-out ids come from the checkpoint's heldout.npz (see calibration).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

from edge.errors import EngineError
from quantize import children
from quantize.report import Quality

Progress = Callable[[str, int, int], None]
_SMALL = 200_000_000  # bytes; below, a second thread mostly spins (52 M: 131 tokens/s on 1, 44 on 2)


def compare(
    reference: Path, result: Path, heldout: Path, work: Path, progress: Progress
) -> dict[str, Quality]:
    """Loss, agreement and divergence by modality.

    Raises:
        EngineError: llama.cpp cannot run one of the two decoders on this machine.
    """

    def watch(line: str) -> None:
        words = line.split()
        if len(words) == 4 and words[0] == "progress":
            progress(f"measure {words[1]}", int(words[2]), int(words[3]))

    out = work / "quality.json"
    arguments = [str(reference), str(result), str(heldout), str(out), str(_threads(result))]
    try:
        children.run("quantize.native_evaluate", [*arguments, "1"], watch)
    except children.ChildDied:
        children.run("quantize.native_evaluate", [*arguments, "0"], watch)
    if not out.is_file():
        raise EngineError(f"the comparison of {reference.name} and {result.name} ended without a result")
    return {name: Quality(**values) for name, values in json.loads(out.read_text()).items()}


def _threads(model: Path) -> int:
    size = sum(file.stat().st_size for file in model.parent.glob(f"{model.name}*"))  # a graph's weights too
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return 1 if size < _SMALL else cores
