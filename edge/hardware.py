"""What this machine has and what it survives.

Job: processors we may use, memory, what other processes take, how many threads suit a model; the
once-per-machine probe that finds out, in a child process, whether the native engine's fast path kills it.
Ignorance: any engine's API: it starts `edge.engines.probe` and reads how that ended. Linux is
read closely; elsewhere the plain answers of the operating system are taken.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import json
import os
import platform
import signal
import subprocess
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from edge import children, control_groups
from edge.atomic import write_bytes
from edge.control_groups import lines
from edge.errors import EdgeError

ENGINE_PACKAGE = "llama_cpp_python"
PROBE = "edge.engines.probe"  # the module whose child may die
PROBE_SECONDS = 120
CURE = 'CXXFLAGS="-fno-tree-dse -fno-dse" pip install --no-cache-dir --force-reinstall llama-cpp-python'
_CRASHES = (signal.SIGSEGV, signal.SIGILL, signal.SIGABRT, signal.SIGFPE)  # SIGKILL: out of memory
_PER_THREAD = 16 << 20  # bytes of weights that pay for one more thread (8 MB models are fastest on one)


def home() -> Path:
    """Where bundles and verdicts live: $EDGE_HOME, else ~/.local/share/edge. Not created here."""
    return Path(os.environ.get("EDGE_HOME") or Path.home() / ".local" / "share" / "edge")


# --- processors -----------------------------------------------------------------------------------


def affinity() -> frozenset[int]:
    """Processors this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(os.cpu_count() or 1))


def usable_cpus() -> int:
    """How many threads can really run at once: the affinity mask, cut by the quota; at least 1."""
    share = control_groups.processors()
    count = len(affinity())
    return max(1, count if share is None else min(count, int(share + 0.5)))


@cache
def cpu_flags() -> frozenset[str]:
    """Instruction sets as /proc/cpuinfo names them; elsewhere only the architecture."""
    for line in lines(Path("/proc/cpuinfo")):
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return frozenset(value.split())
    return frozenset((platform.machine(),))


def memory() -> tuple[int, int]:
    """Bytes of RAM in all, and available now, as the machine and the control groups grant; (0, 0) where the
    system does not say."""
    total, free = _machine_memory()
    granted = control_groups.memory()
    if granted is None:
        return total, free
    return min(total or granted[0], granted[0]), min(free or granted[1], granted[1])


def _machine_memory() -> tuple[int, int]:
    fields = {}
    for line in lines(Path("/proc/meminfo")):
        name, _, value = line.partition(":")
        fields[name] = int(value.split()[0]) * 1024 if value.split()[0].isdigit() else 0
    if "MemTotal" in fields:
        return fields["MemTotal"], fields.get("MemAvailable", fields["MemTotal"])
    try:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return 0, 0
    return total, total


def give_memory_back() -> None:
    """Return what was freed to the system: an allocator keeps it for later (glibc; elsewhere nothing)."""
    with contextlib.suppress(AttributeError, OSError, TypeError):  # another library of C
        ctypes.CDLL(None).malloc_trim(0)


# --- what others take -----------------------------------------------------------------------------


@dataclass
class LoadMeter:
    """Processors that other processes keep busy, between two readings."""

    _before: tuple[float, float, float] | None = None  # moment, busy seconds of all, of us

    def others(self) -> float | None:
        """Processors' worth taken by others since the last call; None on the first, and where unknown."""
        now = _busy_seconds(affinity())
        if now is None:
            return None
        moment, own = time.monotonic(), time.process_time()
        before, self._before = self._before, (moment, now, own)
        if before is None or moment - before[0] < 0.05:  # shorter than five ticks of /proc/stat
            return None
        spent = (now - before[1]) - (own - before[2])
        return min(max(spent / (moment - before[0]), 0.0), float(len(affinity())))


def others_now(seconds: float = 0.1) -> float:
    """Processors' worth that other processes take right now; blocks for `seconds`."""
    meter = LoadMeter()
    meter.others()
    time.sleep(seconds)
    measured = meter.others()
    if measured is not None:
        return measured
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return min(max(load - 1.0, 0.0), float(usable_cpus()))  # we count as one of the runnable


def _busy_seconds(cpus: frozenset[int], path: Path = Path("/proc/stat")) -> float | None:
    """Seconds that the given processors were not idle: user, nice, system, irq, softirq, steal."""
    ticks, found = 0, False
    for line in lines(path):
        name, *values = line.split()
        if name.startswith("cpu") and name[3:].isdigit() and int(name[3:]) in cpus and len(values) >= 8:
            found = True
            ticks += sum(int(v) for v in (*values[:3], *values[5:8]))
    return ticks / os.sysconf("SC_CLK_TCK") if found else None


def choose_threads(model_bytes: int, *, cpus: int | None = None, others: float = 0.0) -> int:
    """Decode threads for a model of this size on a machine where others take `others` processors.

    The engine's threads wait for each other by spinning, so one too many collapses the speed (measured:
    14 M parameters made 994 tokens/s on 1 thread and 205 on 2 while another process held a core).
    """
    free = max(1, round((cpus or usable_cpus()) - others))
    return max(1, min(free, 1 + model_bytes // _PER_THREAD))


# --- the probe ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Verdict:
    """How the probe ended."""

    ok: bool
    how: str  # "ok", "died by signal 11 (SIGSEGV)"
    lasting: bool = True  # false: a full machine or a broken install may end it so; worth another try


def probe(command: Sequence[str] = (), *, path: Path | None = None) -> Verdict:
    """Whether the native engine survives its fast path here: remembered, else found out in a child process.

    Args:
        command: the child to run, default `PROBE`; it must exit 0 where all is well.
        path: where verdicts are kept; default `home()/probe.json`.
    """
    where = path or home() / "probe.json"
    known = remembered(where)
    key = machine_key()
    entry = known.get(key)
    if isinstance(entry, dict) and isinstance(entry.get("ok"), bool):
        return Verdict(entry["ok"], str(entry.get("how", "")))
    verdict = _run(command or children.command(PROBE))
    if verdict.lasting:
        remember(where, {**known, key: {"ok": verdict.ok, "how": verdict.how}})
    return verdict


def fast_path_is_safe(command: Sequence[str] = (), *, path: Path | None = None) -> bool:
    """The verdict of `probe`, with a one-line warning that names the cure where it is bad."""
    verdict = probe(command, path=path)
    if not verdict.ok:
        warnings.warn(
            f"the native engine's fast path {verdict.how} on this processor, so Edge runs without it, "
            f"slower; to cure it: {CURE}",
            RuntimeWarning,
            stacklevel=2,
        )
    return verdict.ok


def _run(command: Sequence[str]) -> Verdict:
    try:
        child = subprocess.run(
            list(command), stdin=subprocess.DEVNULL, capture_output=True, timeout=PROBE_SECONDS, check=False,
            env=children.environment(PROBE),
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Verdict(False, f"did not end within {PROBE_SECONDS} s", lasting=False)
    except OSError as error:
        return Verdict(False, f"could not be started ({error})", lasting=False)
    if child.returncode == 0:
        return Verdict(True, "ok")
    if child.returncode > 0:
        return Verdict(False, f"failed with exit code {child.returncode}", lasting=False)
    number = -child.returncode
    names = {int(s): s.name for s in signal.Signals}
    how = f"died by signal {number} ({names.get(number, 'unknown')})"
    return Verdict(False, how, lasting=number in _CRASHES)


def machine_key() -> str:
    """The engine's build and a hash of the processor's flags: a new build or machine is probed anew."""
    flags = hashlib.sha256(" ".join(sorted(cpu_flags())).encode()).hexdigest()[:16]
    return f"{_engine_version()} {flags}"


def _engine_version() -> str:
    from importlib.metadata import PackageNotFoundError, version  # heavy: only where an engine is looked at

    try:
        return f"{version(ENGINE_PACKAGE)} {_build_stamp()}"
    except PackageNotFoundError:
        return "absent"


def _build_stamp() -> str:
    """Hash of the installed engine's RECORD: a rebuild of the same version is another engine."""
    from importlib.metadata import distribution

    record = distribution(ENGINE_PACKAGE).read_text("RECORD") or ""
    return hashlib.sha256(record.encode()).hexdigest()[:16]


def remembered(path: Path) -> dict[str, Any]:
    """What `remember` wrote; nothing where there is no sound file."""
    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def remember(path: Path, data: Mapping[str, Any]) -> None:
    """Keep what was found out about this machine; a home that cannot be written is no failure."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, (json.dumps(data, indent=2) + "\n").encode())
    except (OSError, EdgeError):
        pass  # a read-only home costs one measurement per start, no more
