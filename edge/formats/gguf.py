"""Reads a GGUF header and refuses every header that lies, before native code sees a byte.

Job: metadata and tensor table as Python values, each count, size and offset proven against the file's length.
Ignorance: never reads weights, knows no engine. Does not protect against weights that are merely wrong (NaN,
random); the bundle's SHA-256 does.
Source of the format: ggml docs/gguf.md and gguf.cpp (llama.cpp, as bundled in llama-cpp-python 0.3.36).
"""

from __future__ import annotations

import contextlib
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from edge.errors import IntegrityError, NotFoundError

MAX_KEY, MAX_NAME, MAX_DIMS = 65535, 63, 4  # bytes, bytes (GGML_MAX_NAME - 1), dimensions
MAX_LAYERS, MAX_EXPERTS = 512, 512  # LLAMA_MAX_LAYERS, LLAMA_MAX_EXPERTS: beyond them llama.cpp aborts
MIN_ENTRY, MIN_ROW = 8 + 1 + 4 + 1, 8 + 1 + 4 + 8 + 4 + 8  # bytes of the smallest metadata entry, tensor row

# id: (name, elements per block, bytes per block); ggml.h, same table as gguf.GGML_QUANT_SIZES
TENSOR_TYPES: dict[int, tuple[str, int, int]] = {
    0: ("F32", 1, 4),        1: ("F16", 1, 2),        30: ("BF16", 1, 2),      28: ("F64", 1, 8),
    24: ("I8", 1, 1),        25: ("I16", 1, 2),       26: ("I32", 1, 4),       27: ("I64", 1, 8),
    2: ("Q4_0", 32, 18),     3: ("Q4_1", 32, 20),     6: ("Q5_0", 32, 22),     7: ("Q5_1", 32, 24),
    8: ("Q8_0", 32, 34),     9: ("Q8_1", 32, 40),     10: ("Q2_K", 256, 84),   11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144),  13: ("Q5_K", 256, 176),  14: ("Q6_K", 256, 210),  15: ("Q8_K", 256, 292),
    16: ("IQ2_XXS", 256, 66), 17: ("IQ2_XS", 256, 74), 18: ("IQ3_XXS", 256, 98), 19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18),  21: ("IQ3_S", 256, 110), 22: ("IQ2_S", 256, 82),  23: ("IQ4_XS", 256, 136),
    29: ("IQ1_M", 256, 56),  34: ("TQ1_0", 256, 54),  35: ("TQ2_0", 256, 66),  39: ("MXFP4", 32, 17),
    40: ("NVFP4", 64, 36),   41: ("Q1_0", 128, 18),
}  # fmt: skip

# id: (name, struct code); 8 is a string and 9 an array
_SCALARS: dict[int, tuple[str, str]] = {
    0: ("u8", "B"), 1: ("i8", "b"), 2: ("u16", "H"), 3: ("i16", "h"), 4: ("u32", "I"), 5: ("i32", "i"),
    6: ("f32", "f"), 7: ("bool", "B"), 10: ("u64", "Q"), 11: ("i64", "q"), 12: ("f64", "d"),
}  # fmt: skip
_STRING, _ARRAY = 8, 9
_WINDOW = 1 << 18  # bytes that are read at once of an array of strings
_BYTE_TOKEN = re.compile(r"<0x[0-9A-Fa-f]{2}>")


@dataclass(frozen=True)
class GgufTensor:
    """One row of the tensor table."""

    name: str
    shape: tuple[int, ...]  # ggml order: the fastest dimension first
    type: str  # "Q4_K"
    offset: int  # bytes from the start of the file
    size: int  # bytes


@dataclass(frozen=True)
class GgufHeader:
    """What a GGUF file says about itself, proven consistent."""

    version: int
    metadata: Mapping[str, Any]  # arrays are lists
    tensors: tuple[GgufTensor, ...]
    data_start: int  # bytes
    file_size: int  # bytes
    types: Mapping[str, str] = field(default_factory=dict)  # metadata key: "f32", "string", "array" ...
    spans: Mapping[str, tuple[int, int]] = field(
        default_factory=dict
    )  # metadata key: its bytes, start and end
    table_end: int = 0  # bytes; where the tensor table ends

    @property
    def architecture(self) -> str:
        return str(self.metadata.get("general.architecture", ""))


def read_header(path: str | Path, *, part: bool = False) -> GgufHeader:
    """The checked header of a GGUF file.

    Args:
        part: the file may be the beginning of a download; the size is then what its tensors need.

    Raises:
        NotFoundError: there is no such file.
        IntegrityError: the header lies; the message names the two numbers that disagree.
    """
    path = Path(path)
    if not path.is_file():
        raise NotFoundError(f"{path} does not exist or is not a file; check the path")
    with path.open("rb") as file:
        cursor = _Cursor(file, path.stat().st_size, path.name, part=part)
        version, tensor_count = _preamble(cursor)
        metadata, types, spans = _metadata(cursor, cursor.number("Q", "the metadata count"))
        alignment = _alignment(cursor, metadata)
        rows = [_tensor_row(cursor) for _ in range(cursor.fits(tensor_count, MIN_ROW, "tensors"))]
        table_end = cursor.at
        tensors, start = _place(cursor, rows, alignment)
        size = max((cursor.size, *(t.offset + t.size for t in tensors)))
        header = GgufHeader(version, metadata, tensors, start, size, types, spans, table_end)
        _check_tokenizer(cursor, header)
        _check_shape_of_model(cursor, header)
    return header


class _Cursor:
    """Reads forward; every read is first proven to lie inside of the file."""

    def __init__(self, file: BinaryIO, size: int, name: str, *, part: bool = False) -> None:
        self.file, self.size, self.name, self.part, self.at = file, size, name, part, 0

    def fail(self, reason: str) -> NoReturn:
        raise IntegrityError(f"{self.name} is not a valid GGUF file: {reason}; get or build the file again")

    def ends(self, reason: str) -> NoReturn:
        """It is too short for what it says."""
        if not self.part:
            self.fail(reason)
        raise IntegrityError(
            f"{self.name} ends inside of the GGUF header ({reason}); get more of its beginning: headers with "
            "large vocabularies have up to 20 MB"
        )

    def take(self, count: int, what: str) -> bytes:
        left = self.size - self.at
        if count > left:
            self.ends(f"{what} needs {count} bytes at offset {self.at}, but only {left} are left")
        self.at += count
        data = self.file.read(count)
        if len(data) != count:
            self.fail(f"{what} needs {count} bytes, but the disk gave {len(data)}")
        return data

    def fits(self, count: int, smallest: int, what: str) -> int:
        """`count`, once `count` items of at least `smallest` bytes can still follow."""
        left = self.size - self.at
        if count * smallest > left:
            self.ends(f"{count} {what} need at least {count * smallest} bytes, but only {left} are left")
        return count

    def number(self, code: str, what: str) -> Any:
        return struct.unpack("<" + code, self.take(struct.calcsize("<" + code), what))[0]

    def string(self, limit: int, what: str) -> str:
        length = self.number("Q", f"the length of {what}")
        if length > limit:
            self.fail(f"{what} claims {length} bytes, more than the {limit} allowed")
        try:
            return self.take(length, what).decode()
        except UnicodeDecodeError as error:
            self.fail(f"{what} is not UTF-8 ({error.reason} at byte {error.start} of {length})")

    def strings(self, count: int, what: str) -> list[str]:
        """As many calls of `string`, a window of bytes at a time: vocabularies have hundreds of thousands."""
        length_at, found = struct.Struct("<Q").unpack_from, list[str]()
        self.fits(count, 8, f"strings of {what}")
        while len(found) < count:
            window, at = self.file.read(_WINDOW), 0
            # What ends the window, and what is wrong, is read once more below.
            with contextlib.suppress(struct.error, UnicodeDecodeError):
                while len(found) < count:
                    end = at + 8 + length_at(window, at)[0]
                    if end > len(window):
                        break
                    found.append(window[at + 8 : end].decode())
                    at = end
            self.at += at
            self.file.seek(self.at)
            if not at and len(found) < count:  # longer than a window, or wrong
                found.append(self.string(self.size, what))
        return found


def _preamble(cursor: _Cursor) -> tuple[int, int]:
    magic = cursor.take(4, "the magic number")
    if magic != b"GGUF":
        cursor.fail(f"it starts with {magic!r}, not with b'GGUF'")
    version = cursor.number("I", "the version")
    if version not in (2, 3):
        cursor.fail(f"version {version} is not 2 or 3 (a big-endian file is not supported)")
    return version, cursor.number("Q", "the tensor count")


def _metadata(
    cursor: _Cursor, count: int
) -> tuple[dict[str, Any], dict[str, str], dict[str, tuple[int, int]]]:
    """Values by key, the names of their types, and where they lie."""
    values: dict[str, Any] = {}
    types: dict[str, str] = {}
    spans: dict[str, tuple[int, int]] = {}
    for index in range(cursor.fits(count, MIN_ENTRY, "metadata entries")):
        start = cursor.at
        key = cursor.string(MAX_KEY, f"metadata key {index}")
        if not key or key in values:
            cursor.fail(f"metadata key {index} {key!r} is {'given twice' if key else 'empty'}")
        kind = cursor.number("I", f"the type of {key}")
        values[key] = _value(cursor, kind, key)
        types[key] = {_STRING: "string", _ARRAY: "array"}.get(kind) or _SCALARS[kind][0]
        spans[key] = start, cursor.at
    return values, types, spans


def _value(cursor: _Cursor, kind: int, key: str) -> Any:
    if kind == _STRING:
        return cursor.string(cursor.size, key)
    if kind == _ARRAY:
        return _array(cursor, key)
    if kind not in _SCALARS:
        cursor.fail(f"{key} has type {kind}, and the types known are 0 to 12")
    name, code = _SCALARS[kind]
    value = cursor.number(code, key)
    return _bool(cursor, value, key) if name == "bool" else value


def _bool(cursor: _Cursor, value: int, key: str) -> bool:
    if value not in (0, 1):
        cursor.fail(f"{key} is a bool with the value {value}, not 0 or 1")
    return bool(value)


def _array(cursor: _Cursor, key: str) -> list[Any]:
    kind, count = cursor.number("I", f"the element type of {key}"), cursor.number("Q", f"the length of {key}")
    if kind == _ARRAY:
        cursor.fail(f"{key} is an array of arrays (depth 2), and llama.cpp reads depth 1 only")
    if kind == _STRING:
        return cursor.strings(count, key)
    if kind not in _SCALARS:
        cursor.fail(f"{key} has elements of type {kind}, and the types known are 0 to 12")
    name, code = _SCALARS[kind]
    width = struct.calcsize("<" + code)
    data = cursor.take(cursor.fits(count, width, f"values of {key}") * width, key)
    values = list(struct.unpack(f"<{count}{code}", data))
    return [_bool(cursor, v, key) for v in values] if name == "bool" else values


def _alignment(cursor: _Cursor, metadata: Mapping[str, Any]) -> int:
    alignment = metadata.get("general.alignment", 32)
    if type(alignment) is not int or not 8 <= alignment <= 4096 or alignment & (alignment - 1):
        cursor.fail(f"general.alignment is {alignment!r}, not a power of two from 8 to 4096")
    return alignment


def _tensor_row(cursor: _Cursor) -> GgufTensor:
    """One entry of the table; `offset` is still relative to the data."""
    name = cursor.string(MAX_NAME, "a tensor name")
    dims = cursor.number("I", f"the dimension count of {name}")
    if not name or not 1 <= dims <= MAX_DIMS:
        cursor.fail(f"tensor {name!r} has {dims} dimensions, not 1 to {MAX_DIMS}, or no name")
    shape = tuple(cursor.number("Q", f"the shape of {name}") for _ in range(dims))
    kind = cursor.number("I", f"the type of {name}")
    if kind not in TENSOR_TYPES:
        cursor.fail(f"tensor {name} has type {kind}, and the highest type known is {max(TENSOR_TYPES)}")
    type_name, block, block_bytes = TENSOR_TYPES[kind]
    elements = prod(shape)
    if not 0 < elements < 2**63:
        cursor.fail(f"tensor {name} has {elements} elements, not 1 to {2**63 - 1}")
    if shape[0] % block:
        cursor.fail(f"tensor {name} has rows of {shape[0]}, not a multiple of {type_name}'s block of {block}")
    size = elements // block * block_bytes
    return GgufTensor(name, shape, type_name, cursor.number("Q", f"the offset of {name}"), size)


def _place(cursor: _Cursor, rows: list[GgufTensor], alignment: int) -> tuple[tuple[GgufTensor, ...], int]:
    """Tensors with offsets from the start of the file, proven inside of it, aligned and apart."""
    start = -(-cursor.at // alignment) * alignment
    seen: set[str] = set()
    placed = []
    for row in rows:
        if row.name in seen:
            cursor.fail(f"two tensors are named {row.name}, and a name may stand once")
        seen.add(row.name)
        if row.offset % alignment:
            cursor.fail(f"tensor {row.name} starts at {row.offset}, not a multiple of {alignment}")
        end = start + row.offset + row.size
        if end > cursor.size and not cursor.part:
            cursor.fail(f"tensor {row.name} ends at byte {end}, but the file has {cursor.size}")
        placed.append(GgufTensor(row.name, row.shape, row.type, start + row.offset, row.size))
    for before, after in pairwise(sorted(placed, key=lambda t: t.offset)):
        if before.offset + before.size > after.offset:
            cursor.fail(
                f"tensor {before.name} ends at byte {before.offset + before.size}, "
                f"but {after.name} starts at {after.offset}: they overlap"
            )
    return tuple(placed), start


def _check_tokenizer(cursor: _Cursor, header: GgufHeader) -> None:
    metadata = header.metadata
    tokens = metadata.get("tokenizer.ggml.tokens")
    if tokens is None:
        return
    if not _array_of(tokens, str):
        cursor.fail("tokenizer.ggml.tokens is not an array of strings")
    for name, kind in (("scores", float), ("token_type", int)):
        values = metadata.get(f"tokenizer.ggml.{name}")
        if values is None:
            continue
        if not _array_of(values, kind):
            cursor.fail(f"tokenizer.ggml.{name} is not an array of {kind.__name__}")
        if len(values) != len(tokens):
            cursor.fail(f"there are {len(tokens)} tokens but {len(values)} entries in tokenizer.ggml.{name}")
    _check_token_values(cursor, metadata, tokens)
    for tensor in header.tensors:
        if tensor.name == "token_embd.weight" and tensor.shape[-1] != len(tokens):
            cursor.fail(f"there are {len(tokens)} tokens but token_embd.weight has {tensor.shape[-1]} rows")


def _check_token_values(cursor: _Cursor, metadata: Mapping[str, Any], tokens: list[str]) -> None:
    types = metadata.get("tokenizer.ggml.token_type") or []
    for index, kind in enumerate(types):
        if 0 <= kind < 6:
            continue
        if kind != 6:
            cursor.fail(f"token {tokens[index]!r} has type {kind}, not 0 to 6")
        if not _BYTE_TOKEN.fullmatch(tokens[index]):
            cursor.fail(f"byte token {tokens[index]!r} is not written <0xHH>")
    for key, value in metadata.items():
        if not re.fullmatch(r"tokenizer\.ggml\.\w+_token_id", key) or value == 0xFFFFFFFF:  # -1: none
            continue
        if type(value) is not int or not 0 <= value < len(tokens):
            cursor.fail(f"{key} is {value}, but there are {len(tokens)} tokens")
    merges = metadata.get("tokenizer.ggml.merges", [])
    if not _array_of(merges, str) or not all(" " in m[1:] for m in merges):
        cursor.fail("tokenizer.ggml.merges is not an array of pairs written 'left right'")


def _array_of(values: Any, kind: type) -> bool:
    """Whether it is an array of that type: all values of one array have the same."""
    return isinstance(values, list) and (not values or type(values[0]) is kind)


def _check_shape_of_model(cursor: _Cursor, header: GgufHeader) -> None:
    """The numbers llama.cpp divides by or sizes fixed arrays with (it ends the process on bad ones)."""
    heads = f"{header.architecture}.attention.head_count"
    limits = {
        "block_count": MAX_LAYERS,
        "embedding_length": 2**30,
        "context_length": 2**31 - 1,
        "attention.head_count": 2**20,
        "attention.head_count_kv": 2**20,
        "expert_count": MAX_EXPERTS,
    }
    for name, limit in limits.items():
        value = header.metadata.get(f"{header.architecture}.{name}")
        values = value if isinstance(value, list) else [] if value is None else [value]
        low = 0 if isinstance(value, list) or name == "expert_count" else 1
        for v in values:
            if type(v) is not int or not low <= v <= limit:
                cursor.fail(f"{header.architecture}.{name} is {v!r}, not {low} to {limit}")
    count, width = header.metadata.get(heads), header.metadata.get(f"{header.architecture}.embedding_length")
    if isinstance(count, int) and isinstance(width, int) and count > width:
        cursor.fail(f"{heads} is {count}, more than the embedding length {width}")
