"""ONNX files, looked into before native code opens them.

Job: the metadata of a graph and every outside file it names, by walking the protobuf with each length
checked; no allocation follows a number from the file. Ignorance: operators, types, weights. Does not prove
that a graph is valid. Source: onnx/onnx.proto (field numbers), protobuf encoding guide (wire types).
"""

from __future__ import annotations

import mmap
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge.errors import IntegrityError, NotFoundError

# message -> field number -> message inside; only the paths on which a tensor or metadata can sit
_INSIDE = {
    "model": {7: "graph", 14: "metadata", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "external"},
}
_DATA_LOCATION, _EXTERNAL = 14, 1  # TensorProto.data_location = EXTERNAL
_KEY, _VALUE = 1, 2  # StringStringEntryProto
_DEPTH = 64  # graphs inside graphs; protobuf's own limit is 100
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MAX_METADATA = 1 << 20


@dataclass(frozen=True)
class ExternalData:
    """Where a tensor outside of the graph file claims to lie."""

    location: str
    offset: int
    length: int | None  # None: to the end of the file


@dataclass(frozen=True)
class OnnxFile:
    """What a graph file says about itself."""

    path: Path
    metadata: dict[str, str]
    external: tuple[ExternalData, ...]

    def require_plain(self) -> None:
        """Every outside file is an ordinary file next to the graph, reached by no link, and long enough.

        Raises:
            IntegrityError: a name with a folder part, a link, a second hard link, a range past the end.
        """
        for data in self.external:
            _require_plain(self.path, data)

    def require_only(self, name: str) -> None:
        """Every tensor outside of the graph lies in this file.

        Raises:
            IntegrityError: one lies elsewhere; the message names where.
        """
        for data in self.external:
            if data.location != name:
                raise IntegrityError(
                    f"{self.path} keeps weights in {data.location!r}, but its bundle lists {name!r}; "
                    "build the bundle again"
                )


def look(path: str | Path) -> OnnxFile:
    """Walk a graph file.

    Raises:
        NotFoundError: no such file.
        IntegrityError: not an ONNX graph, cut short, or nested absurdly.
    """
    file_path = Path(path).resolve()
    try:
        with file_path.open("rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode) or not os.fstat(file.fileno()).st_size:
                raise IntegrityError(f"{file_path} is empty or no plain file; an ONNX graph was expected")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return _Walk(file_path, data).result()
    except FileNotFoundError as error:
        raise NotFoundError(f"no such file: {file_path}") from error
    except OSError as error:
        raise IntegrityError(f"cannot read {file_path}: {error.strerror or error}") from error


class _Walk:
    """One pass over one file."""

    def __init__(self, path: Path, data: mmap.mmap) -> None:
        self._path, self._data = path, data
        self._metadata: dict[str, str] = {}
        self._external: list[ExternalData] = []
        self._graphs = 0

    def result(self) -> OnnxFile:
        self._visit("model", 0, len(self._data), 0)
        if not self._graphs:
            raise self._bad("it holds no graph")
        return OnnxFile(self._path, self._metadata, tuple(self._external))

    def _visit(self, message: str, start: int, end: int, depth: int) -> None:
        if depth > _DEPTH:
            raise self._bad(f"it nests deeper than {_DEPTH} levels")
        inside = _INSIDE[message]
        entries: dict[str, str] = {}
        outside = False
        for field, wire, first, last in self._fields(start, end):
            kind = inside.get(field)
            if message == "tensor" and field == _DATA_LOCATION and wire == _VARINT:
                outside = self._varint(first, last)[0] == _EXTERNAL
            elif kind is None or wire != _BYTES:
                continue
            elif kind == "metadata":
                self._metadata.update([self._entry(first, last)])
            elif kind == "external":
                entries.update([self._entry(first, last)])
            else:
                self._graphs += kind == "graph"
                self._visit(kind, first, last, depth + 1)
        if outside or entries:
            self._external.append(self._external_data(entries))

    def _external_data(self, entries: dict[str, str]) -> ExternalData:
        numbers = {key: entries.get(key, "") for key in ("offset", "length")}
        if any(
            text and not (text.isascii() and text.isdecimal() and len(text) < 20) for text in numbers.values()
        ):
            raise self._bad(f"external data claims {numbers}, whole numbers were expected")
        length = int(numbers["length"]) if numbers["length"] else None
        return ExternalData(entries.get("location", ""), int(numbers["offset"] or 0), length)

    def _entry(self, start: int, end: int) -> tuple[str, str]:
        if end - start > _MAX_METADATA:
            raise self._bad(f"one metadata entry holds {end - start:,} bytes, the limit is {_MAX_METADATA:,}")
        parts = {_KEY: b"", _VALUE: b""}
        for field, wire, first, last in self._fields(start, end):
            if field in parts and wire == _BYTES:
                parts[field] = self._data[first:last]
        return parts[_KEY].decode("utf-8", "replace"), parts[_VALUE].decode("utf-8", "replace")

    def _fields(self, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
        """(field, wire type, start, end) of each value between two offsets."""
        at = start
        while at < end:
            tag, at = self._varint(at, end)
            field, wire = tag >> 3, tag & 7
            if wire == _VARINT:
                last = self._varint(at, end)[1]
            elif wire == _BYTES:
                size, at = self._varint(at, end)
                last = at + size
            elif wire in (_FIXED32, _FIXED64):
                last = at + (4 if wire == _FIXED32 else 8)
            else:
                raise self._bad(f"wire type {wire} at byte {at:,}")
            if not field or last > end:
                raise self._bad(f"a value at byte {at:,} ends at {last:,}, its frame at {end:,}")
            yield field, wire, at, last
            at = last

    def _varint(self, at: int, end: int) -> tuple[int, int]:
        value = 0
        for shift in range(0, 70, 7):
            if at >= end:
                break
            byte = self._data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value, at
        raise self._bad(f"a number is cut short at byte {at:,}")

    def _bad(self, what: str) -> IntegrityError:
        return IntegrityError(f"{self._path} is not a sound ONNX file: {what}; copy or export it again")


def _require_plain(graph: Path, data: ExternalData) -> None:
    name = data.location
    if not name or name in (".", "..") or any(c in name for c in "/\\:\0"):
        raise IntegrityError(
            f"{graph} names outside data {name!r}; only a plain file name next to the graph is allowed"
        )
    try:
        facts = (graph.parent / name).lstat()
    except OSError as error:
        raise IntegrityError(f"{graph} needs {name!r} beside it: {error.strerror or error}") from error
    if not stat.S_ISREG(facts.st_mode) or facts.st_nlink != 1:
        raise IntegrityError(f"{graph.parent / name} is a link or no plain file; put a copy in its place")
    needed = data.offset + (data.length or 0)
    if needed > facts.st_size:
        raise IntegrityError(
            f"{graph.parent / name} holds {facts.st_size:,} bytes, the graph reads up to {needed:,}; "
            "copy it again"
        )
