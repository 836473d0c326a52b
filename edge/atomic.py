"""Crash-safe files: the old one or the new one, never half.

Job: temp file in the same folder, fsync, rename. Ignorance: what is written.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from edge.errors import EdgeError, NotFoundError


def write_bytes(path: str | Path, *pieces: bytes | memoryview, mode: int | None = None) -> Path:
    """Put the pieces, one after another, at `path`; a kill or a full disk leaves what was there before.

    `mode`: its permissions; None = those of the file that is replaced, else of any new one.

    Raises:
        NotFoundError: the folder does not exist.
        EdgeError: the disk refused.
    """
    target = Path(path)
    try:
        return _replace(target, pieces, mode)
    except FileNotFoundError as error:
        raise NotFoundError(
            f"cannot save {target}: the folder {target.parent} does not exist; make it first"
        ) from error
    except OSError as error:
        raise EdgeError(
            f"cannot save {target}: {error.strerror or error}; the old file, if any, is untouched"
        ) from error


def _replace(target: Path, pieces: Sequence[bytes | memoryview], mode: int | None) -> Path:
    handle, name = tempfile.mkstemp(prefix=f".{target.name[:80]}.", suffix=".part", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, _mode(target) if mode is None else mode)
        os.replace(name, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
    _sync_folder(target.parent)
    return target


def _mode(target: Path) -> int:
    """The permissions of the file that is replaced, else what an ordinary `open` would give."""
    with contextlib.suppress(OSError):
        return target.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _sync_folder(folder: Path) -> None:
    """The rename itself must survive a power cut; some systems cannot open a folder."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
