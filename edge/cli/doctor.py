"""`edge doctor`: is this machine ready, and how will a model run on it.

Job: one line per fact, ok or warn with the cure.
Ignorance: how facts are measured (edge.hardware, edge.store).
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass

from edge import hardware, offline, store
from edge.cli import flags, output
from edge.cli.list import described
from edge.cli.version import versions
from edge.errors import EdgeError

LOW_MEMORY = 1_000_000_000  # bytes; pico itself needs about a quarter of it
SMALL, LARGE = 20_000_000, 2_000_000_000  # bytes of weights: pico at int8, 3B at int4


@dataclass(frozen=True)
class Check:
    """One fact about this machine."""

    name: str
    ok: bool
    found: str


def command(as_json: flags.Json = False) -> None:
    """Check this machine: versions, memory, threads, the native engine."""
    found = [check() for check in CHECKS]
    if as_json:
        output.as_json([asdict(check) for check in found])
    else:
        output.table(["", "check", "found"], [["ok" if c.ok else "warn", c.name, c.found] for c in found])


def python() -> Check:
    """The interpreter and the system."""
    return Check("python", True, f"{platform.python_version()}, {platform.system()} {platform.machine()}")


def processor() -> Check:
    """Processors that this process may use, and what others take of them."""
    cpus, others = hardware.usable_cpus(), hardware.others_now()
    sets = [f for f in ("amx_int8", "avx512f", "avx2", "neon", "asimd") if f in hardware.cpu_flags()]
    return Check(
        "processor",
        True,
        f"{cpus} usable, {others:.1f} busy with others; {' '.join(sets) or 'no vector sets'}",
    )


def memory() -> Check:
    """Main memory, all and free."""
    total, free = hardware.memory()
    cure = "" if free >= LOW_MEMORY else "; close something before you load a model"
    return Check("memory", free >= LOW_MEMORY, f"{output.size(free)} free of {output.size(total)}{cure}")


def libraries() -> Check:
    """What the runtime loads, by version."""
    found = versions()
    missing = [name for name, number in found.items() if number == "missing"]
    cure = f"; missing: {', '.join(missing)} (pip install edge-multimodal)" if missing else ""
    return Check("libraries", not missing, ", ".join(f"{k} {v}" for k, v in found.items()) + cure)


def engine() -> Check:
    """Whether the native engine's fast path survives here; found out once, in a child process."""
    verdict = hardware.probe()
    cure = "" if verdict.ok else f"; Edge runs without it, slower. The cure: {hardware.CURE}"
    return Check("native engine", verdict.ok, f"fast path {verdict.how}{cure}")


def threads() -> Check:
    """The thread counts that would be chosen now."""
    others = hardware.others_now()
    small, large = (hardware.choose_threads(size, others=others) for size in (SMALL, LARGE))
    return Check(
        "threads", True, f"{small} for a model of {output.size(SMALL)}, {large} for {output.size(LARGE)}"
    )


def network() -> Check:
    """Whether the guard of this process is on."""
    on = offline.guarded()
    return Check("network", on, "shut off in this process" if on else "open: the guard is not installed")


def bundles() -> Check:
    """What can be loaded by name."""
    try:
        found = [described(folder) for folder in store.installed()]
    except EdgeError as error:
        return Check("bundles", False, str(error))
    damaged = {bundle["name"] for bundle in found if "problem" in bundle}
    told = [
        f"{b['name']} (damaged: edge verify {b['name']})" if b["name"] in damaged else b["name"]
        for b in found
    ]
    none = f"none; make one: {store.how_to_install()}"
    return Check("bundles", bool(found) and not damaged, ", ".join(told) or none)


CHECKS: tuple[Callable[[], Check], ...] = (
    python,
    processor,
    memory,
    libraries,
    engine,
    threads,
    network,
    bundles,
)
