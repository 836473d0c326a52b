"""The importance matrix: how strongly each input column of each matrix is driven by real prompts.

Job: the value, gathering it, llama.cpp's GGUF file of it, merging, and the weights that the quantizer takes.
Ignorance: what the child sees in the graph (`native_importance`). Does not protect against activations of
another model of the same shape.
Source of the form: llama.cpp tools/imatrix/imatrix.cpp and common/imatrix-loader.cpp.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray

from edge.errors import IntegrityError
from edge.formats.gguf import GgufHeader, GgufTensor, read_header
from quantize import children
from quantize.children import Progress
from quantize.rows import Rows

FILE_NAME = "imatrix.gguf"
CHUNK_SIZE = 128  # tokens; llama.cpp counts its data in chunks of this many
_SUMS, _COUNTS = ".in_sum2", ".counts"
_CURE = "gather it again with `edge quantize --calibration`, or use llama.cpp's llama-imatrix"


@dataclass(frozen=True, eq=False)
class Entry:
    """One matrix, or one stack of experts."""

    sums: NDArray[np.float32]  # (matrices, columns): sum of squared inputs over tokens
    counts: NDArray[np.float32]  # (matrices,): tokens that each matrix has seen, whole numbers

    def weights(self) -> NDArray[np.float32]:
        """Mean squares (matrices, columns); 1 for an expert that no token reached, as llama-quantize does."""
        seen = self.counts[:, None] > 0
        return np.where(seen, self.sums / np.maximum(self.counts[:, None], 1), 1).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Importance:
    """Every matrix by its GGUF tensor name, and what was read to know it."""

    entries: Mapping[str, Entry]
    datasets: tuple[str, ...]

    @property
    def chunks(self) -> int:
        """Tokens seen by the busiest matrix, in chunks; at least 1."""
        most = max((int(entry.counts.max()) for entry in self.entries.values()), default=0)
        return max(1, most // CHUNK_SIZE)


def write(path: Path, importance: Importance) -> None:
    """Put it at `path` in llama.cpp's form; the old file or the new one, never half."""
    partial = path.with_name(f"{path.name}.part")
    writer = _Writer(None, "")
    writer.add_type("imatrix")
    writer.add_array("imatrix.datasets", list(importance.datasets))
    writer.add_uint32("imatrix.chunk_count", importance.chunks)
    writer.add_uint32("imatrix.chunk_size", CHUNK_SIZE)
    for name, entry in sorted(importance.entries.items()):
        single = len(entry.counts) == 1  # ggml writes no dimension of 1
        writer.add_tensor(name + _SUMS, entry.sums[0] if single else entry.sums)
        writer.add_tensor(name + _COUNTS, entry.counts if single else entry.counts[:, None])
    try:
        writer.write_header_to_file(partial)
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def read(path: Path) -> Importance:
    """An importance matrix in llama.cpp's GGUF form.

    Raises:
        NotFoundError: no such file.
        IntegrityError: not that form, or numbers that no activations can have.
    """
    if path.is_file():
        _refuse_legacy(path)
    header = read_header(path)
    datasets = _facts(path, header)
    rows = {tensor.name: tensor for tensor in header.tensors}
    names = {name.removesuffix(_SUMS) for name in rows if name.endswith(_SUMS)}
    expected = {name + end for name in names for end in (_SUMS, _COUNTS)}
    if odd := sorted(set(rows) ^ expected):
        raise _bad(path, f"{odd[0]} has no partner: each matrix needs {_SUMS} and {_COUNTS}")
    if not names:
        raise _bad(path, "it holds no matrix")
    entries = {name: _entry(path, rows[name + _SUMS], rows[name + _COUNTS]) for name in sorted(names)}
    return Importance(entries, datasets)


def gather(model: Path, rows: Rows, dataset: str, work: Path, progress: Progress) -> Importance:
    """Let a model read the rows in a child process and watch it; `dataset` is the rows' name in the file.

    Raises:
        EngineError: llama.cpp cannot run the model, or has another inner layout than this version knows.
    """
    given, out = work / "calibrating.npz", work / FILE_NAME
    rows.save(given)
    children.run_model("quantize.native_importance", [model, given, out, dataset], model, progress)
    return read(out)


def merge(parts: Iterable[Importance]) -> Importance:
    """All tokens of all parts together, as if they had been read in one run.

    Raises:
        IntegrityError: two parts have one matrix in different shapes.
    """
    entries: dict[str, Entry] = {}
    datasets: dict[str, None] = {}
    for part in parts:
        datasets |= dict.fromkeys(part.datasets)
        for name, new in part.entries.items():
            old = entries.get(name)
            if old is not None and old.sums.shape != new.sums.shape:
                raise IntegrityError(
                    f"{name} has {old.sums.shape} columns in one importance matrix and {new.sums.shape} in "
                    "another; merge only matrices of one model"
                )
            entries[name] = new if old is None else Entry(old.sums + new.sums, old.counts + new.counts)
    return Importance(entries, tuple(datasets))


def check(importance: Importance, model: GgufHeader, name: str, *, complete: bool) -> None:
    """Prove that it is of this model; with `complete`, that no matrix of a block is left out.

    Raises:
        IntegrityError: other tensor names or sizes, or matrices missing.
    """
    tensors = {tensor.name: tensor for tensor in model.tensors if len(tensor.shape) > 1}
    known = [entry for entry in importance.entries if entry in tensors]
    if not known:
        raise IntegrityError(f"{name} names no matrix of this model; it belongs to another one: {_CURE}")
    for entry in known:
        shape = tensors[entry].shape
        matrices, columns = importance.entries[entry].sums.shape
        if (columns, matrices) != (shape[0], shape[2] if len(shape) > 2 else 1):
            raise IntegrityError(
                f"{name} has {matrices} x {columns} values for {entry}, but the model's is {shape}; "
                f"it belongs to another model: {_CURE}"
            )
    missing = sorted(t for t in tensors if t.startswith("blk.") and t not in importance.entries)
    if complete and missing:
        raise IntegrityError(
            f"{name} lacks {len(missing)} of {len(tensors)} matrices, first {missing[0]}: {_CURE}"
        )


class _Writer(gguf.GGUFWriter):
    """llama.cpp's files of this kind name no architecture."""

    def add_architecture(self) -> None:
        """Nothing: see the class."""


def _facts(path: Path, header: GgufHeader) -> tuple[str, ...]:
    """The datasets, once all four facts of such a file are sound."""
    facts = header.metadata
    if facts.get("general.type") != "imatrix":
        raise _bad(path, f"general.type is {facts.get('general.type')!r}, not 'imatrix'")
    for key in ("imatrix.chunk_count", "imatrix.chunk_size"):
        if header.types.get(key) != "u32" or facts[key] < 1:
            raise _bad(path, f"{key} is {facts.get(key)!r}, not a number from 1 on")
    datasets = facts.get("imatrix.datasets")
    if not isinstance(datasets, list) or not all(isinstance(name, str) for name in datasets):
        raise _bad(path, "imatrix.datasets is no list of names")
    return tuple(datasets)


def _entry(path: Path, sums: GgufTensor, counts: GgufTensor) -> Entry:
    columns, matrices = sums.shape[0], int(np.prod(sums.shape[1:], dtype=np.int64))
    if sums.type != "F32" or counts.type != "F32" or int(np.prod(counts.shape)) != matrices:
        raise _bad(path, f"{sums.name} is {sums.type} {sums.shape} with {counts.type} {counts.shape} counts")
    found, seen = _floats(path, sums), _floats(path, counts)
    if not (np.isfinite(found).all() and (found >= 0).all()):
        raise _bad(path, f"{sums.name} has values that no sum of squares can have")
    if not (np.isfinite(seen).all() and (seen >= 0).all() and (seen == np.round(seen)).all() and seen.any()):
        raise _bad(path, f"{counts.name} has values that no count can have")
    return Entry(found.reshape(matrices, columns), seen)


def _floats(path: Path, tensor: GgufTensor) -> NDArray[np.float32]:
    with path.open("rb") as file:
        file.seek(tensor.offset)
        return np.fromfile(file, np.dtype("<f4"), tensor.size // 4)


def _refuse_legacy(path: Path) -> None:
    with path.open("rb") as file:
        start = file.read(4)
    if path.suffix == ".dat" and start != b"GGUF":
        raise _bad(
            path, "it is llama.cpp's old form; convert it: llama-imatrix --in-file FILE -o imatrix.gguf"
        )


def _bad(path: Path, why: Any) -> IntegrityError:
    return IntegrityError(f"{path.name} is not a sound importance matrix: {why}; {_CURE}")
