"""Rows of vocabulary ids by modality: what calibrates, and what is judged.

Job: hold them, cut them into two halves that share nothing, hand them to child processes as a file.
Ignorance: where they come from (`samples`), what is computed on them.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import IntegrityError

MAX_ROW = 512  # ids; longer rows are cut
KINDS = ("text", "image", "audio", "video")
_NONE = -1  # fills the end of a shorter row in the file

Ids = NDArray[np.int32]


@dataclass(frozen=True)
class Rows:
    """Sequences of ids, by the modality they are about; each at least two ids long."""

    by_kind: Mapping[str, tuple[Ids, ...]]

    def __bool__(self) -> bool:
        return any(self.by_kind.values())

    def __iter__(self) -> Iterator[tuple[str, Ids]]:
        """(modality, ids) of every row, in a fixed order."""
        for kind, rows in self.by_kind.items():
            for row in rows:
                yield kind, row

    @property
    def tokens(self) -> int:
        """Ids in all rows."""
        return sum(len(row) for _, row in self)

    @property
    def longest(self) -> int:
        """Ids in the longest row; 0 where there is none."""
        return max((len(row) for _, row in self), default=0)

    @property
    def digest(self) -> str:
        """SHA-256 of the ids and their order: the name of this very set."""
        found = hashlib.sha256()
        for kind, row in self:
            found.update(f"{kind} {len(row)} ".encode() + row.astype("<i4").tobytes())
        return found.hexdigest()

    def halves(self) -> tuple[Rows, Rows]:
        """Every second row of each modality from the first on, and the others: no row is in both."""
        first = {kind: rows[::2] for kind, rows in self.by_kind.items()}
        second = {kind: rows[1::2] for kind, rows in self.by_kind.items()}
        return Rows(first), Rows(second)

    def first(self, count: int) -> Rows:
        """At most `count` rows of each modality."""
        return Rows({kind: rows[:count] for kind, rows in self.by_kind.items()})

    def save(self, path: Path) -> None:
        """As an npz: int32 (rows, longest) per modality, filled with -1."""
        arrays: dict[str, Any] = {kind: _padded(rows) for kind, rows in self.by_kind.items() if rows}
        np.savez(path, **arrays)


def load(path: Path, vocabulary_size: int) -> Rows:
    """The inverse of `save`.

    Raises:
        IntegrityError: not such a file, or ids outside of the vocabulary.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays: dict[str, Any] = {name: file[name] for name in file.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise IntegrityError(f"{path.name} is not a file of rows ({error}); run the step again") from error
    for name, array in arrays.items():
        if name not in KINDS or array.dtype != np.int32 or array.ndim != 2:
            raise IntegrityError(f"{path.name} holds {name} as {array.dtype} {array.shape}, expected ids")
        if array.size and not _NONE <= int(array.min()) <= int(array.max()) < vocabulary_size:
            raise IntegrityError(f"{path.name}: {name} has ids beyond the vocabulary of {vocabulary_size}")
    return Rows({name: of_array(array, _NONE) for name, array in arrays.items()})


def of_array(array: NDArray[Any], padding: int | None) -> tuple[Ids, ...]:
    """Rows of a padded array (n, length); rows of fewer than two ids say nothing and are dropped."""
    found = []
    for row in array:
        end = len(row) if padding is None else int(np.max(np.nonzero(row != padding)[0], initial=-1)) + 1
        if end >= 2:
            found.append(row[: min(end, MAX_ROW)].astype(np.int32))
    return tuple(found)


def _padded(rows: tuple[Ids, ...]) -> Ids:
    array = np.full((len(rows), max(len(row) for row in rows)), _NONE, np.int32)
    for place, row in zip(array, rows, strict=True):
        place[: len(row)] = row
    return array
