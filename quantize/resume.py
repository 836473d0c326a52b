"""What a killed run had finished is not made again.

Job: a name for a run by all it starts from, and a mark for each finished step of it, with the sizes of what
the step made. Ignorance: what the steps do, where their files lie. Does not protect against files that were
changed on purpose: size and time tell a changed input, and a mark says only that a step ended.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

_TOOLS = ("llama-cpp-python", "numpy", "onnxruntime")


def key(facts: Iterable[object], inputs: Iterable[Path]) -> str:
    """Twelve hex digits: the same for the same facts, files (by size and time) and versions."""
    code = max(path.stat().st_mtime_ns for path in Path(__file__).parent.glob("*.py"))
    parts = [*map(repr, facts), *(f"{tool} {version(tool)}" for tool in _TOOLS), f"code {code}"]
    for path in sorted(set(inputs)):
        found = path.stat()
        parts.append(f"{path.resolve()} {found.st_size} {found.st_mtime_ns}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def once(mark: Path, make: Callable[[], object], *made: Path) -> None:
    """Run `make`, which writes the files `made`, unless `mark` says that it has ended and they still stand.

    Raises: what `make` raises; then there is no mark.
    """
    if _stands(mark, made):
        return
    mark.unlink(missing_ok=True)
    make()
    _synced(made)  # a mark must not outlive its files when the power goes
    partial = mark.with_name(f"{mark.name}.part")
    partial.write_text(json.dumps(_sizes(made)), encoding="utf-8")
    os.replace(partial, mark)


def stamp(path: Path) -> str:
    """What a mark's name says of a file that its step read."""
    found = path.stat()
    return f"{path.name}-{found.st_size}-{found.st_mtime_ns}"


def sweep(folder: Path, marks: Path) -> None:
    """Remove the files in `folder` that no mark of `marks` names: a step was killed while it wrote them."""
    finished: set[str] = set()
    for mark in marks.glob("*.done"):
        with suppress(OSError, ValueError):
            finished |= set(json.loads(mark.read_bytes()))
    for path in folder.iterdir():
        if path.is_file() and path.name not in finished:
            path.unlink()


def _stands(mark: Path, made: Iterable[Path]) -> bool:
    try:
        return bool(json.loads(mark.read_bytes()) == _sizes(made))
    except (OSError, ValueError):
        return False


def _sizes(made: Iterable[Path]) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in made}


def _synced(made: Iterable[Path]) -> None:
    for path in made:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
