"""What the control groups grant this process (Linux, containers): processors and memory, version 2 and 1.

Job: the tightest limit of its own group and of all groups around it. Ignorance: what the machine itself has.
The numbers' sources: Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst of the kernel.
"""

from __future__ import annotations

from pathlib import Path

ROOT, OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
_NO_LIMIT = 1 << 60  # version 1 writes a number near 2^63 where there is none


def processors(root: Path = ROOT, own: Path = OWN) -> float | None:
    """Processors' worth of time (v2 cpu.max, v1 cfs quota); None = no limit."""
    shares = [share for folder in _groups("cpu", root, own) if (share := _share(folder)) is not None]
    return min(shares, default=None)


def memory(root: Path = ROOT, own: Path = OWN) -> tuple[int, int] | None:
    """Bytes in all, and those still free; None = no limit. Pages of files are free, as in MemAvailable."""
    granted = [grant for folder in _groups("memory", root, own) if (grant := _grant(folder)) is not None]
    if not granted:
        return None
    return min(limit for limit, _ in granted), min(free for _, free in granted)


def lines(path: Path) -> list[str]:
    """Of a file of the system; none where there is no such file."""
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


def _groups(controller: str, root: Path, own: Path) -> list[Path]:
    """This process's group folders with all their parents, v2 and v1."""
    folders: list[Path] = []
    for line in lines(own):
        _, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if controllers and controller not in controllers.split(","):
            continue
        base = next((b for b in (root / controllers, root / controller) if controllers and b.is_dir()), root)
        inner = base / group.strip("/")
        folders += [folder for folder in (inner, *inner.parents) if folder.is_relative_to(base)]
    return folders or [root, root / controller]


def _share(folder: Path) -> float | None:
    limit = lines(folder / "cpu.max")  # v2: "200000 100000" or "max 100000"
    v1 = [*lines(folder / "cpu.cfs_quota_us"), *lines(folder / "cpu.cfs_period_us")]  # "-1" or "200000"
    words = limit[0].split() if limit else v1
    if len(words) != 2 or not words[0].isdigit() or not words[1].isdigit() or int(words[1]) == 0:
        return None
    return int(words[0]) / int(words[1])


def _grant(folder: Path) -> tuple[int, int] | None:
    """One group's limit, and what is left of it."""
    limit = _number(folder / "memory.max")  # v2: a number or "max"
    used, prefix = _number(folder / "memory.current"), ""
    if limit is None:
        limit, used = _number(folder / "memory.limit_in_bytes"), _number(folder / "memory.usage_in_bytes")
        prefix = "total_"
    if limit is None or limit >= _NO_LIMIT:
        return None
    facts = dict(line.split()[:2] for line in lines(folder / "memory.stat") if len(line.split()) > 1)
    files = sum(int(facts.get(f"{prefix}{state}_file", 0)) for state in ("active", "inactive"))
    return limit, min(limit, max(0, limit - max(0, (used or 0) - files)))


def _number(path: Path) -> int | None:
    found = lines(path)
    return int(found[0]) if found and found[0].strip().isdigit() else None
