"""What a model was taught, as rows of ids in one file beside its weights, so that fine-tuning can replay it.

Job: write and read the file. Ignorance: what the rows are about. An .npz of
    ids      uint16 (n,)  all rows, one after another
    weights  uint8 (n,)   loss weights in twentieths; 0 = read only
    lengths  int32 (rows,)
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.errors import IntegrityError

FILE = "replay.npz"
_SCALE = 20
Taught = tuple[NDArray[np.int64], NDArray[np.float32]]  # ids, loss weights


def write(path: Path, ids: Sequence[Sequence[int]], weights: Sequence[Sequence[float]]) -> None:
    np.savez_compressed(
        path,
        ids=np.concatenate([np.array(row, np.uint16) for row in ids]),
        weights=np.concatenate([np.rint(np.array(row) * _SCALE).astype(np.uint8) for row in weights]),
        lengths=np.array([len(row) for row in ids], np.int32),
    )


def read(path: Path, vocabulary: int) -> list[Taught]:
    """All rows.

    Raises:
        IntegrityError: not such a file, or ids that the vocabulary does not have.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            ids, weights, lengths = file["ids"], file["weights"], file["lengths"]
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise IntegrityError(
            f"{path} is not a file of taught rows ({error}); copy it anew from the checkpoint"
        ) from error
    kinds = [(a.dtype, a.ndim) for a in (ids, weights, lengths)]
    whole = kinds == [(np.uint16, 1), (np.uint8, 1), (np.int32, 1)] and len(ids) == len(weights)
    if not whole or not len(lengths) or lengths.min() < 1 or lengths.sum() != len(ids):
        raise IntegrityError(f"{path}: its rows do not fit together; copy it anew from the checkpoint")
    if int(ids.max()) >= vocabulary:
        raise IntegrityError(
            f"{path} holds the id {int(ids.max())}, and the vocabulary has {vocabulary}; it belongs to another model"
        )
    ends = np.cumsum(lengths)[:-1]
    loss = np.split(weights.astype(np.float32) / _SCALE, ends)
    return list(zip(np.split(ids.astype(np.int64), ends), loss, strict=True))
