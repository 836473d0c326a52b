"""Turns the inner spaces of a decoder, so that its weights round better; the float model computes the same.

Job: which rotations a checkpoint allows, and the rotated checkpoint as a folder of its own, streamed.
Ignorance: whether a rotation pays (`rotation_choice` measures that); what becomes of the weights.

R1 turns the residual stream: norms without gain commute with it, so gains go into the matrices behind them
first. R2 turns the values of each key head, and back in the output matrix. Nothing is left to do at run time.
The matrix is diag(signs) (A x H x H'), A orthogonal of the odd part of the size, H Hadamard: spread over all
columns, and applied in size x (a + h + h') steps instead of size squared. Seeded: the same in every run.
Source: Ashkboos et al., "QuaRot" (2024), section 4; Liu et al., "SpinQuant" (2024), section 3 (R1, R2).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import IntegrityError
from quantize import tensor_names
from quantize.checkpoint import Checkpoint, open_checkpoint
from quantize.tensor_names import Row, Shape

SEED = 20
_PIECE = 1 << 22  # weights in float32 at once
_WIDEST = 128  # of a factor: wider ones cost more products than two narrow ones
_NORMED_BY = {"attn": "attn_norm", "ffn": "ffn_norm"}  # first word of a matrix: whose gain it takes
_WRITERS = ("attn_output", "ffn_down", "ffn_down_exps", "ffn_down_shexp", "token_embd")  # read no norm
_WIDTH = "d"  # the letter of `architectures` for the residual stream
_HEAD = "lm_head.weight"

Floats = NDArray[np.float32]
Progress = Callable[[str, int, int], None]  # (what, done, of)


@dataclass(frozen=True)
class Rotation:
    """Which spaces are turned."""

    stream: bool = False  # R1
    values: bool = False  # R2

    @property
    def name(self) -> str:
        """ "R1", "R2", "R1 and R2"; "none"."""
        return " and ".join([*["R1"] * self.stream, *["R2"] * self.values]) or "none"


@dataclass(frozen=True)
class Offered:
    """What a checkpoint allows at equal bytes."""

    rotations: tuple[Rotation, ...]
    left_out: Mapping[str, str]  # why, by name


@dataclass(frozen=True)
class Kept:
    """What was tried for one decoder, and what it is written from."""

    name: str  # of the rotation; "none"
    divergence: Mapping[str, float]  # nats on calibrating rows, mean over modalities, by rotation; "none" too
    left_out: Mapping[str, str]  # why, by name


@dataclass(frozen=True)
class Turn:
    """One orthogonal matrix, as its factors."""

    signs: Floats  # (size,)
    factors: tuple[Floats, ...]  # each (n, n); the product of all n is the size

    def __call__(self, rows: Floats) -> Floats:
        """(…, size) times the matrix."""
        sizes = [len(factor) for factor in self.factors]
        found = (rows * self.signs).reshape(-1, *sizes)
        for axis, factor in enumerate(self.factors, 1):
            found = np.moveaxis(np.tensordot(found, factor, (axis, 0)), -1, axis)
        return np.ascontiguousarray(found, np.float32).reshape(rows.shape)


Make = Callable[[int, Sequence[int]], Turn]


def turn(size: int, seed: Sequence[int]) -> Turn:
    """The matrix of a space of `size` dimensions; another seed gives another one."""
    random, odd = np.random.default_rng(seed), size
    while odd % 2 == 0:
        odd //= 2
    signs = random.choice(np.array([-1, 1], np.float32), size)
    factors = [_orthogonal(odd, random)] if odd > 1 else []
    rest = size // odd
    while rest > 1:
        factors.append(_hadamard(min(rest, _WIDEST)))
        rest //= len(factors[-1])
    return Turn(signs, tuple(factors))


def offered(checkpoint: Checkpoint) -> Offered:
    """Turning the stream changes no bytes only where the head is a matrix of its own."""
    if Shape.of(checkpoint.config).tied:
        why = "the embedding is the head too, and the gain of the last norm would go into the head alone"
        return Offered((Rotation(values=True),), {"R1": why})
    both = Rotation(stream=True, values=True)
    return Offered((Rotation(values=True), Rotation(stream=True), both), {})


def write(checkpoint: Checkpoint, folder: Path, rotation: Rotation, progress: Progress,
          make: Make = turn) -> Checkpoint:  # fmt: skip
    """The rotated checkpoint in F32, a few pieces of a tensor in memory at a time; R1 unties the embedding.

    `make(size, seed)` gives the matrices: seed (SEED, 1) of the stream, (SEED, 2, layer, key head) of values.

    Raises:
        IntegrityError: tensors missing, misshapen or not finite. OSError: the disk refused.
    """
    rows = tensor_names.table(checkpoint.architecture, checkpoint.config)
    found = {name: tensor.shape for name, tensor in checkpoint.tensors.items()}
    tensor_names.check(rows, found, others=checkpoint.architecture.other_towers)
    work = _Work(checkpoint, {row.target: row for row in rows}, rotation, make)
    folder.mkdir(parents=True)
    _copy_facts(checkpoint.folder, folder, untied=work.untied)
    wanted = {row.source: row for row in rows}  # experts: one tensor, two rows
    if work.untied:
        wanted[work.head.source] = work.head
    with (folder / "model.safetensors").open("wb") as file:
        file.write(_header(wanted))
        for done, row in enumerate(wanted.values(), 1):
            for piece in work.pieces(row):
                file.write(np.ascontiguousarray(piece, np.float32).data)
            progress(f"rotate {rotation.name}", done, len(wanted))
    return open_checkpoint(folder)


class _Work:
    """How each tensor of one checkpoint changes."""

    def __init__(self, checkpoint: Checkpoint, rows: Mapping[str, Row], rotation: Rotation,
                 make: Make) -> None:  # fmt: skip
        self._checkpoint, self._rows, self._rotation = checkpoint, rows, rotation
        self._shape, self._make = Shape.of(checkpoint.config), make
        self._stream = make(self._shape.width, (SEED, 1))
        embedding = rows["token_embd.weight"]
        self.untied = rotation.stream and self._shape.tied
        prefix = checkpoint.architecture.prefix
        self.head = replace(embedding, source=prefix + _HEAD, target="output.weight")

    def pieces(self, row: Row) -> Iterator[Floats]:
        """The tensor's new values in the order of the file."""
        stored = self._rows["token_embd.weight"] if row is self.head else row
        tensor = self._read(stored.source)
        axis = row.letters.find(_WIDTH) if self._rotation.stream else -1
        whole = axis == 0 or _name(row) == "attn_v"  # their heads or columns lie across the pieces
        step = len(tensor) if whole else max(1, _PIECE // prod(tensor.shape[1:]))
        for start in range(0, len(tensor), step):
            yield self._changed(row, tensor[start : start + step].astype(np.float32), axis)

    def _changed(self, row: Row, piece: Floats, axis: int) -> Floats:
        if axis >= 0 and row.target.endswith("_norm.weight"):
            return np.ones_like(piece)
        if axis >= 0:
            moved = np.moveaxis(piece, axis, -1)
            piece = np.moveaxis(self._stream(moved * self._gain(row)), -1, axis)
        return self._turned_values(row, piece) if self._rotation.values else piece

    def _gain(self, row: Row) -> Floats | np.float32:
        """Of the norm whose output the matrix reads; 1 where it writes to the stream."""
        name, place = _name(row), row.target.rpartition(".")[0].rpartition(".")[0]
        if name in _WRITERS:
            return np.float32(1)
        norm = f"{place}.{_NORMED_BY[name.split('_')[0]]}" if place else "output_norm"
        return self._read(self._rows[f"{norm}.weight"].source).astype(np.float32)

    def _turned_values(self, row: Row, piece: Floats) -> Floats:
        """R2: rows of the value matrix by key head, columns of the output matrix by query head."""
        width, heads = self._shape.head_width, self._shape.heads
        if _name(row) == "attn_v":
            cut = piece.reshape(self._shape.kv_heads, width, -1)
            turned = [self._head_turn(row, i)(head.T).T for i, head in enumerate(cut)]
            return np.stack(turned).reshape(piece.shape)
        if _name(row) == "attn_output" and piece.ndim == 2:
            cut, shared = piece.reshape(len(piece), heads, width), heads // self._shape.kv_heads
            turned = [self._head_turn(row, i // shared)(cut[:, i]) for i in range(heads)]
            return np.stack(turned, 1).reshape(piece.shape)
        return piece

    def _head_turn(self, row: Row, head: int) -> Turn:
        layer = int(row.target.split(".")[1])
        return self._make(self._shape.head_width, (SEED, 2, layer, head))

    def _read(self, name: str) -> NDArray[Any]:
        tensor = self._checkpoint.read(name)
        if not np.isfinite(tensor).all():
            raise IntegrityError(f"{name} has values that are not finite; repair the checkpoint")
        return tensor


def _name(row: Row) -> str:
    """ "blk.3.attn_v.bias" is an attn_v."""
    return row.target.split(".")[-2]


def _orthogonal(size: int, random: np.random.Generator) -> Floats:
    """Uniform among all. Source: Mezzadri, "How to generate random matrices" (2007): QR with R's signs."""
    q, r = np.linalg.qr(random.standard_normal((size, size)))
    return np.asarray(q * np.sign(np.diag(r)), np.float32)


def _hadamard(size: int) -> Floats:
    """Sylvester's, of a power of two, with columns of length 1."""
    found: NDArray[Any] = np.ones((1, 1))
    while len(found) < size:
        found = np.kron(found, [[1, 1], [1, -1]])
    return np.asarray(found / np.sqrt(size), np.float32)


def _header(rows: Mapping[str, Row]) -> bytes:
    """Of a safetensors file that holds these tensors in F32, in this order."""
    entries, at = {}, 0
    for name, row in rows.items():
        size = 4 * prod(row.shape)
        entries[name] = {"dtype": "F32", "shape": list(row.shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(entries).encode()
    return len(text).to_bytes(8, "little") + text


def _copy_facts(source: Path, target: Path, *, untied: bool) -> None:
    """Everything small beside the weights."""
    for path in source.iterdir():
        if path.is_file() and path.suffix in (".json", ".model", ".jinja") and ".index." not in path.name:
            shutil.copyfile(path, target / path.name)
    if untied:
        config = json.loads((source / "config.json").read_bytes())
        for part in (config, config.get("text_config")):
            if isinstance(part, dict) and "tie_word_embeddings" in part:
                part["tie_word_embeddings"] = False
        (target / "config.json").write_text(json.dumps(config), encoding="utf-8")
