"""What a run cost in memory.

Job: read and reset the peak resident size of this process, and read that of its children.
Ignorance: what ran. Linux resets the peak; elsewhere it only grows.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

_SELF = Path("/proc/self")


def peak_memory() -> int:
    """The largest resident size in bytes since the last reset, else since the process began."""
    try:
        found = re.search(r"^VmHWM:\s+(\d+) kB", (_SELF / "status").read_text(), re.MULTILINE)
    except OSError:
        found = None
    if found is not None:
        return int(found[1]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # macOS counts bytes, others kB


def peak_of_children() -> int:
    """The largest resident size in bytes that any ended child process ever had; 0 before the first."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def reset_peak_memory() -> bool:
    """Start a new peak from what is resident now; False where the system cannot."""
    try:
        (_SELF / "clear_refs").write_text("5")  # proc(5): resets VmHWM
    except OSError:
        return False
    return True
