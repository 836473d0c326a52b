"""What was expensive to compute, kept for later: in memory, and in files for later processes.

Job: both bounded in bytes, the least recently used goes first. Files lie in one folder that only this user
enters, each sealed with a key that only this user has, and are checked before anybody parses them. They are
written on a thread of their own. A disk that is full, read-only, damaged or shared with other processes means
that less is found again; it is never an error.
Ignorance: what the bytes mean. Sealed is not encrypted: who reads this user's files reads these, too.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
import shutil
import stat
import struct
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, Generic, TypeVar

from edge.atomic import write_bytes
from edge.errors import EdgeError

ENDING, KEY_FILE = ".kept", "key"
MOST_BYTES = 1 << 30  # of all files, where nobody says otherwise
DAYS = 30  # what was not used for so long goes with the next write
_FILES = 8192  # in one folder, at most
_SPARE = 512 << 20  # bytes of the disk that are left to others
_KEY_BYTES = 32
_STALE = 3600  # seconds after which a file that was never finished is rubbish
_MAGIC = b"edgekpt1"
_FRONT = struct.Struct("<8sQQ32s32s")  # magic, lengths of head and body, seals of head and body

V = TypeVar("V")


class Recent(Generic[V]):
    """Values by name; what was not used for longest goes where they are over the limit. Any thread."""

    def __init__(self, limit: int) -> None:
        """`limit`: bytes of all values."""
        self.limit, self.bytes = limit, 0
        self._values: OrderedDict[str, tuple[V, int]] = OrderedDict()
        self._lock = threading.RLock()

    def get(self, name: str) -> V | None:
        """The value, as the latest used."""
        with self._lock:
            if name not in self._values:
                return None
            self._values.move_to_end(name)
            return self._values[name][0]

    def put(self, name: str, value: V, size: int) -> None:
        """Keep a value of so many bytes; not one that is larger than the limit."""
        with self._lock:
            self.drop(name)
            if size > self.limit:
                return
            self._values[name] = value, size
            self.bytes += size
            while self.bytes > self.limit:
                self.drop(next(iter(self._values)))

    def drop(self, name: str) -> None:
        """Forget a value, where there is one."""
        with self._lock:
            self.bytes -= self._values.pop(name, (None, 0))[1]

    def items(self) -> Iterator[tuple[str, V]]:
        """Names and values; none of them counts as used."""
        with self._lock:
            return iter([(name, value) for name, (value, _) in self._values.items()])


class CacheStore:
    """The files of one folder. Any thread, any number of processes."""

    def __init__(self, folder: Path, limit: int = MOST_BYTES) -> None:
        """Nothing is touched before the first use. `limit`: bytes of all files."""
        self.folder, self.limit = folder, limit
        self._key: bytes | None = None
        self._lock = threading.Lock()
        self._waiting = 0  # bytes that are not written yet
        self._unseen = limit  # bytes written since the folder was tidied
        self._writer = ThreadPoolExecutor(1, "edge cache")

    def names(self, start: str) -> list[str]:
        """What is kept under names that begin so."""
        with contextlib.suppress(OSError), os.scandir(self.folder) as entries:
            return [e.name.removesuffix(ENDING) for e in entries if e.name.startswith(start)
                    and e.name.endswith(ENDING)]  # fmt: skip
        return []

    def head(self, name: str) -> bytes | None:
        """What was written as head; None where nothing sound has that name."""
        found = self._read(name, whole=False)
        return None if found is None else found[0]

    def read(self, name: str) -> tuple[bytes, bytes] | None:
        """Head and body, which now count as the latest used; None where nothing sound has that name."""
        found = self._read(name, whole=True)
        if found is not None:
            with contextlib.suppress(OSError):
                os.utime(self._path(name))
        return found

    def write(
        self, name: str, head: bytes, body: bytes | memoryview, *, instead_of: str | None = None
    ) -> bool:
        """Keep it, soon: another thread writes. False where it is not kept: too large, or too much waits."""
        size = _FRONT.size + len(head) + len(body)
        with self._lock:
            if size > self.limit // 2 or self._waiting + size > self.limit // 2:
                return False
            self._waiting += size
        try:
            self._writer.submit(self._write, name, head, body, size, instead_of)
        except RuntimeError:  # closed, or the interpreter ends
            return False
        return True

    def drop(self, name: str) -> None:
        """Forget it."""
        with contextlib.suppress(OSError):
            self._path(name).unlink()

    def close(self) -> None:
        """Wait until everything is written."""
        self._writer.shutdown(wait=True)

    # --- files ------------------------------------------------------------------------------------

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}{ENDING}"

    def _read(self, name: str, *, whole: bool) -> tuple[bytes, bytes] | None:
        key = self._own_key(make=False)
        if key is None:
            return None
        try:
            with _plain_file(self._path(name)) as file:
                magic, head_size, body_size, head_seal, body_seal = _FRONT.unpack(file.read(_FRONT.size))
                size = os.fstat(file.fileno()).st_size
                if magic != _MAGIC or _FRONT.size + head_size + body_size != size or size > self.limit:
                    raise ValueError("not of our making")
                head, body = file.read(head_size), file.read(body_size) if whole else b""
            if not hmac.compare_digest(head_seal, _seal(key, name.encode(), head)):
                raise ValueError("not sealed by this user, or damaged")
            if whole and not hmac.compare_digest(body_seal, _seal(key, head_seal, body)):
                raise ValueError("not sealed by this user, or damaged")
        except (OSError, EOFError):
            return None
        except (ValueError, struct.error):
            self.drop(name)
            return None
        return head, body

    def _write(
        self, name: str, head: bytes, body: bytes | memoryview, size: int, instead_of: str | None
    ) -> None:
        try:
            key = self._own_key(make=True)
            if key is None or shutil.disk_usage(self.folder).free < size + _SPARE:
                return
            head_seal = _seal(key, name.encode(), head)
            front = _FRONT.pack(_MAGIC, len(head), len(body), head_seal, _seal(key, head_seal, body))
            write_bytes(self._path(name), front, head, body, mode=0o600)
            if instead_of not in (None, name):
                self.drop(str(instead_of))
            self._unseen += max(size, self.limit // _FILES)
            if self._unseen > self.limit // 64:
                self._make_room()
        except (OSError, EdgeError, MemoryError):
            pass  # a cache that cannot be written costs time, no more
        finally:
            with self._lock:
                self._waiting -= size

    def _make_room(self) -> None:
        """Remove what is old, what was never finished, and what was not used for longest above the limit."""
        now, kept, self._unseen = time.time(), [], 0
        for entry in os.scandir(self.folder):
            with contextlib.suppress(OSError):  # another process may be as tidy
                facts = entry.stat(follow_symlinks=False)
                if entry.name.endswith(ENDING):
                    kept.append((facts.st_mtime, facts.st_size, entry.path))
                elif entry.name.endswith(".part") and now - facts.st_mtime > _STALE:
                    os.unlink(entry.path)
        room = self.limit
        for used, size, path in sorted(kept, reverse=True):
            room -= max(size, self.limit // _FILES)
            if room < 0 or now - used > DAYS * 86400:
                with contextlib.suppress(OSError):
                    os.unlink(path)

    # --- the key ----------------------------------------------------------------------------------

    def _own_key(self, *, make: bool) -> bytes | None:
        """This user's key; None where there is none, and none can be kept."""
        if self._key is None:
            try:
                self._key = self._known_key()
                if self._key is None and make:
                    self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                    os.chmod(self.folder, 0o700)
                    _place(self.folder / KEY_FILE, secrets.token_bytes(_KEY_BYTES))
                    self._key = self._known_key()
            except OSError:
                return None
        return self._key

    def _known_key(self) -> bytes | None:
        """The key that is there; one that others can read, or that is damaged, is thrown away."""
        path = self.folder / KEY_FILE
        try:
            with _plain_file(path) as file:
                facts, key = os.fstat(file.fileno()), file.read(_KEY_BYTES + 1)
        except FileNotFoundError:
            return None
        if len(key) == _KEY_BYTES and (os.name != "posix" or not facts.st_mode & 0o077):
            return key
        path.unlink()
        return None


def allowed(limit: int | None) -> int:
    """Bytes that files may take in all. None means the house's own limit, and 0 with $EDGE_NO_CACHE."""
    if limit is not None:
        return max(0, limit)
    return 0 if os.environ.get("EDGE_NO_CACHE", "0") not in ("", "0") else MOST_BYTES


def _seal(key: bytes, about: bytes, data: bytes | memoryview) -> bytes:
    """HMAC-SHA-256 of data that belongs to something (RFC 2104)."""
    made = hmac.new(key, len(about).to_bytes(8, "little") + about, hashlib.sha256)
    made.update(data)
    return made.digest()


def _plain_file(path: Path) -> BinaryIO:
    """Open a file to read; no link and no pipe."""
    flags = (
        os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    )
    file = os.fdopen(os.open(path, flags), "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(f"{path} is no plain file")
    return file


def _place(path: Path, data: bytes) -> None:
    """A new private file, whole or not at all; one that another process placed first stays."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(name, path)
    finally:
        os.unlink(name)
