"""Writes a checkpoint as float GGUFs, streamed in pieces: its decoder, and its vision tower.

Job: header and weights in one file that alone says what it is.
Ignorance: what the headers say (`gguf_metadata`, `vision_tower`), how tensors are called (`tensor_names`);
knows no bundle and judges no quality. A full disk is an OSError; the caller names the cure.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import gguf
import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from edge.errors import IntegrityError
from quantize import gguf_metadata, llama_quantize, tensor_names, vision_tower
from quantize.checkpoint import Checkpoint
from quantize.gguf_source import GgufSource
from quantize.recipes import Recipe

Progress = Callable[[str, int, int], None]  # (what, done, of)
_PIECE = 1 << 22  # weights in memory at once
_NUMPY = {"F32": np.dtype(np.float32), "F16": np.dtype(np.float16), "BF16": np.dtype(ml_dtypes.bfloat16)}


def write_float(checkpoint: Checkpoint | GgufSource, path: Path, recipe: Recipe, progress: Progress) -> None:
    """Stream the decoder to `path`, a piece of a tensor in memory at a time; norms stay F32. A GGUF is
    converted by llama.cpp, or copied where it is of the type already.

    Raises:
        IntegrityError: tensors missing, misshapen or not finite.
        UsageError: a config this writer cannot express. OSError: the disk refused.
    """
    if isinstance(checkpoint, GgufSource):
        return _convert_gguf(checkpoint, path, recipe, progress)
    rows = tensor_names.table(checkpoint.architecture, checkpoint.config)
    found = {name: t.shape for name, t in checkpoint.tensors.items()}
    tensor_names.check(rows, found, others=checkpoint.architecture.other_towers)
    writer = gguf.GGUFWriter(None, checkpoint.architecture.gguf)
    factors = gguf_metadata.add(writer, checkpoint, recipe)
    typed = [(row, _stored_type(row, recipe)) for row in rows]
    return _stream(
        writer, path, checkpoint, typed, factors, lambda n, of: progress(f"write {recipe.type}", n, of)
    )


def write_projector(checkpoint: Checkpoint, path: Path, recipe: Recipe, progress: Progress) -> None:
    """Stream the vision tower and its projector to `path`, as `write_float`; what `vision_tower` keeps F32
    stays so. Errors as `write_float` and `vision_tower.add`."""
    rows = vision_tower.rows(checkpoint.config)
    found = {name: t.shape for name, t in checkpoint.tensors.items()}
    tensor_names.check(rows, found, others=(checkpoint.architecture.prefix,))
    writer = gguf.GGUFWriter(None, vision_tower.ARCHITECTURE)
    vision_tower.add(writer, checkpoint, recipe)
    typed = [(row, vision_tower.stored_type(row, recipe)) for row in rows]
    _stream(writer, path, checkpoint, typed, None, lambda n, of: progress("write mmproj", n, of))


def _stream(writer: Any, path: Path, checkpoint: Checkpoint, rows: list[tuple[tensor_names.Row, str]],
            factors: NDArray[np.float32] | None, shown: Callable[[int, int], None]) -> None:  # fmt: skip
    """Header, table and weights; each row with the type that it is stored as."""
    if factors is not None:
        writer.add_tensor_info("rope_freqs.weight", factors.shape, factors.dtype, factors.nbytes)
    for row, kind in rows:
        count = prod(row.stored) * _NUMPY[kind].itemsize
        writer.add_tensor_info(row.target, row.stored, _NUMPY[kind], count, gguf.GGMLQuantizationType[kind])
    try:
        writer.write_header_to_file(path)
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        if factors is not None:
            writer.write_tensor_data(factors)
        for done, (row, kind) in enumerate(rows, 1):
            writer.write_tensor_data(_Streamed(checkpoint, row, kind))
            shown(done, len(rows))
    finally:
        writer.close()


def _convert_gguf(source: GgufSource, path: Path, recipe: Recipe, progress: Progress) -> None:
    if source.widest == recipe.type:
        shutil.copyfile(source.ready, path)
    else:
        llama_quantize.write(source.ready, path, recipe, progress, None)


def _stored_type(row: tensor_names.Row, recipe: Recipe) -> str:
    always = len(row.shape) == 1 or row.target.endswith("ffn_gate_inp.weight")  # llama.cpp quantizes neither
    return "F32" if always else recipe.type


class _Streamed:
    """A tensor as `gguf.GGUFWriter` takes it, of which a piece at a time is in memory."""

    def __init__(self, checkpoint: Checkpoint, row: tensor_names.Row, kind: str) -> None:
        self._checkpoint, self._row, self._kind = checkpoint, row, kind
        self.nbytes = prod(row.stored) * _NUMPY[kind].itemsize

    def tofile(self, file: BinaryIO) -> None:
        """Append all pieces. Errors as `write_float`."""
        row = self._row
        length, entry = row.shape[0], prod(row.shape[1:])
        step = row.together * max(1, _PIECE // (entry * row.together))
        for start in range(0, length, step):
            part = row.convert(self._checkpoint.read(row.source, start, min(step, length - start)))
            _stored(part, row.source, self._kind).tofile(file)


def _stored(part: NDArray[Any], name: str, kind: str) -> NDArray[Any]:
    with np.errstate(over="ignore"):
        part = np.ascontiguousarray(part.astype(_NUMPY[kind], copy=False))
    bad = part.size - int(np.isfinite(part).sum())
    if bad:
        raise IntegrityError(
            f"{name} has at least {bad} values that are not finite in {kind}; use the recipe "
            "bf16 or int8, or repair the checkpoint"
        )
    return part.view(np.uint16) if kind == "BF16" else part
