"""Media to calibrate and to judge the codecs on, and held-out ids to judge the decoder on.

Job: read heldout.npz strictly; split its media into two halves that share nothing.
Ignorance: quantizes nothing. heldout.npz may hold
    text, image, audio  uint16 (n, length)      whole held-out sequences of vocabulary ids, padded with pad
    pixels              uint8 (n, 3, h, w)      held-out pictures
    mel                 float16 (n, 80, t)      held-out sounds
Where pictures or sounds are missing, the float decoder renders them from the held-out ids.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import IntegrityError
from edge.onnx_session import OnnxSession
from edge.vocabulary import MediaBlock

IDS = ("text", "image", "audio")
MAX_MEDIA = 256  # pictures or sounds used
_SOURCES = {"image": ("pixels", 4, np.uint8), "audio": ("mel", 3, np.float16)}
_SPAN = {"image": 64, "audio": 50}  # codes of one rendered picture, one rendered second

Array = NDArray[Any]


@dataclass(frozen=True)
class Media:
    """Inputs of one encoder, float32, in two halves that share no item."""

    calibration: Array  # (n, 3, h, w) in [0, 1], or (n, 80, t) log-mel
    judged: Array
    origin: str  # where they come from, for the report


def read_heldout(path: Path, vocabulary_size: int) -> dict[str, Array]:
    """The arrays of a heldout.npz; empty when there is no such file.

    Raises:
        IntegrityError: not an npz, or an array of another name, type, shape or range.
    """
    if not path.is_file():
        return {}
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise IntegrityError(
            f"{path} is not a readable npz ({error}); write it again with numpy.savez"
        ) from error
    for name, array in arrays.items():
        _check(path, name, array, vocabulary_size)
    return arrays


def media(kind: str, heldout: Mapping[str, Array], block: MediaBlock, decoder: Path | None) -> Media | None:
    """Media of one kind, best source first; None when there is nothing to judge on."""
    name, _, _ = _SOURCES[kind]
    if name in heldout and len(heldout[name]) >= 2:
        values = heldout[name][:MAX_MEDIA].astype(np.float32) / (255 if kind == "image" else 1)
        return Media(values[::2], values[1::2], f"{len(values)} held-out items of {name}")
    ids = heldout.get(kind)
    if ids is None or decoder is None:
        return None
    codes = ids[(ids >= block.base) & (ids < block.base + block.size)].astype(np.int64) - block.base
    spans = codes[: len(codes) // _SPAN[kind] * _SPAN[kind]].reshape(-1, _SPAN[kind])[:MAX_MEDIA]
    if len(spans) < 2:
        return None
    session = OnnxSession(decoder)
    top = int(session.metadata.get("edge.codes", block.size)) - 1
    values = session.run({session.inputs[0]: np.minimum(spans, top)})[0]
    session.close()
    return Media(values[::2], values[1::2], f"{len(values)} items rendered from held-out ids")


def _check(path: Path, name: str, array: Array, vocabulary_size: int) -> None:
    expected = {n: (d, t) for n, d, t in _SOURCES.values()} | dict.fromkeys(IDS, (2, np.uint16))
    if name not in expected:
        raise IntegrityError(
            f"{path.name} holds {name!r}, expected only {', '.join(expected)}; write it again"
        )
    dims, dtype = expected[name]
    if array.ndim != dims or array.dtype != dtype or not array.size:
        raise IntegrityError(
            f"{path.name}: {name} is {array.dtype} of shape {array.shape}, "
            f"expected {np.dtype(dtype).name} with {dims} dimensions"
        )
    if name in IDS and int(array.max()) >= vocabulary_size:
        raise IntegrityError(
            f"{path.name}: {name} holds the id {int(array.max())}, but the vocabulary has {vocabulary_size}"
        )
