"""Puts a finished bundle in its place: the old one or the new one, never half.

Job: a partial folder beside the target, fsync, one atomic exchange; leftovers swept; the disk asked first.
The folder is named by the run's key, so that the same run, started again after a kill, goes on in it.
Ignorance: what a bundle holds, which of its steps are done (`resume`).
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from glob import escape
from pathlib import Path

from edge.errors import DoesNotFitError, EngineError, NotFoundError, UsageError
from edge.formats.manifest import FILE_NAME

WORK = ".work"  # subfolder for intermediate files; never part of the bundle
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NUMPY_FULL = "requested and"  # numpy's tofile: "8 requested and 3 written", without a number
_LLAMA_FULL = "iostream error"  # llama.cpp's words for a failed write
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # fcntl.h, linux/fs.h


@contextmanager
def building(output: Path, key: str = "run") -> Iterator[Path]:
    """A folder that becomes `output` when the block ends well, and vanishes when it fails. A kill leaves it,
    and the next run with the same `key` gets it as it lies.

    Raises:
        UsageError: `output` exists and is not a bundle, or the same run is at work on it.
        NotFoundError: its parent does not exist. DoesNotFitError: the disk is full.
    """
    with scratch(output, key) as partial:
        yield partial
        shutil.rmtree(partial / WORK)
        _sync(partial)
        _place(partial, output.resolve())


@contextmanager
def scratch(output: Path, key: str = "run") -> Iterator[Path]:
    """A folder beside `output`, with its WORK, that vanishes with the block: what failed or makes no bundle,
    or the bundle that was replaced. A kill leaves it, as in `building`.

    Errors as `building`.
    """
    output = output.resolve()
    check_target(output)
    partial = output.with_name(f"{output.name}.partial-{key}")
    sweep(output, keep=partial)
    with full_disk_named(output):
        (partial / WORK).mkdir(parents=True, exist_ok=True)
        with _locked(partial, output):
            try:
                yield partial
            finally:
                shutil.rmtree(partial, ignore_errors=True)


def check_target(output: Path) -> None:
    """Refuse to build over anything but an old bundle or an empty folder."""
    if not output.parent.is_dir():
        raise NotFoundError(f"the folder {output.parent} does not exist; make it, or choose another output")
    replaceable = output.is_dir() and ((output / FILE_NAME).is_file() or not any(output.iterdir()))
    if output.exists() and not replaceable:
        raise UsageError(f"{output} exists and is not a bundle; choose another output, nothing was touched")


def require_disk(output: Path, needed: int) -> None:
    """Refuse before work starts when the disk cannot hold the run.

    Raises:
        DoesNotFitError: with both numbers.
    """
    parent = output.resolve().parent
    free = shutil.disk_usage(parent).free
    if free < needed:
        raise DoesNotFitError(
            f"quantizing needs about {needed / 1e6:.1f} MB in {parent}, but {free / 1e6:.1f} MB are free; "
            "make room or choose another output"
        )


@contextmanager
def full_disk_named(output: Path) -> Iterator[None]:
    """Translate a full disk, in our code or in a child's, into one sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL or _NUMPY_FULL in str(error):
            raise _full(output) from error
        raise
    except EngineError as error:
        if _LLAMA_FULL in str(error):
            raise _full(output) from error
        raise


def sweep(output: Path, keep: Path | None = None) -> None:
    """Remove what killed runs left beside `output`, but for `keep`; finish a replacement cut between two
    renames."""
    old = sorted(output.parent.glob(f"{escape(output.name)}.old-*"))
    if old and not output.exists():
        old.pop().rename(output)
    for path in old:
        shutil.rmtree(path, ignore_errors=True)
    for path in output.parent.glob(f"{escape(output.name)}.partial-*"):
        if path != keep and (handle := _lock(path)) is not None:
            shutil.rmtree(path, ignore_errors=True)
            os.close(handle)


@contextmanager
def _locked(partial: Path, output: Path) -> Iterator[None]:
    """While a run works, nobody else takes or sweeps its folder; the kernel ends a killed run's lock."""
    handle = _lock(partial)
    if handle is None:
        raise UsageError(f"the same run is at work on {output.name}; wait for it, or choose another output")
    try:
        yield
    finally:
        os.close(handle)


def _lock(partial: Path) -> int | None:
    """A handle that holds the folder; None where another process holds it, or it is gone."""
    try:
        handle = os.open(partial, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


def _full(output: Path) -> DoesNotFitError:
    return DoesNotFitError(
        f"the disk of {output.parent} is full or the file size is limited; {output.name} is as it was "
        "before: make room and run it again"
    )


def _sync(folder: Path) -> None:
    for path in [*folder.rglob("*"), folder]:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _place(partial: Path, output: Path) -> None:
    if not output.exists():
        partial.rename(output)
    elif not _exchange(partial, output):
        old = output.with_name(f"{output.name}.old-{os.getpid()}")
        output.rename(old)
        partial.rename(output)  # a kill between the two is mended by the next `sweep`
        shutil.rmtree(old, ignore_errors=True)
    parent = os.open(output.parent, os.O_RDONLY)
    try:
        os.fsync(parent)
    finally:
        os.close(parent)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two folders in one step; False where the system cannot (renameat2, Linux 3.15)."""
    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    if rename is None:
        return False
    return bool(rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0)
