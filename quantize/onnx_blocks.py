"""Weights in blocks of 4 or 8 bits, as onnxruntime's MatMulNBits and GatherBlockQuantized read them.

Job: codes, scales and zero points of a matrix, by small pure functions over numpy arrays.
Ignorance: graphs, files, which matrix deserves how many bits.
Source: ContribOperators.md of onnxruntime 1.31 (MatMulNBits: packed low bits first along the columns).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import UsageError

SMALLEST = 16  # weights in a block that onnxruntime accepts
_SHRINK = tuple(
    np.float32(1.1 - 0.05 * i) for i in range(10)
)  # of a range: what is cut off may cost less than it saves
_WHOLE = (np.float32(1),)
_PIECE = 1 << 16  # weights in float32 at once

Array = NDArray[Any]


@dataclass(frozen=True)
class Blocks:
    """A matrix of (rows, columns) in blocks along its rows: (code - zero) * scale."""

    codes: NDArray[np.uint8]  # (rows, blocks, bytes of a block)
    scales: NDArray[np.float32]  # (rows, blocks)
    zeros: NDArray[np.uint8] | None  # (rows, bytes), packed as codes; None: 2 ** (bits - 1) everywhere
    bits: int
    block: int  # weights

    def stacked(self, others: tuple[Blocks, ...]) -> Blocks:
        """One matrix of all rows."""
        every = (self, *others)
        zeros = (
            None if self.zeros is None else np.concatenate([b.zeros for b in every if b.zeros is not None])
        )
        codes, scales = np.concatenate([b.codes for b in every]), np.concatenate([b.scales for b in every])
        return Blocks(codes, scales, zeros, self.bits, self.block)

    def values(self) -> NDArray[np.float32]:
        """What it computes with, (rows, columns)."""
        codes = _unpacked(self.codes, self.bits).astype(np.float32)
        middle = np.float32(1 << (self.bits - 1))
        zeros: Any = middle
        if self.zeros is not None:
            zeros = _unpacked(self.zeros, self.bits)[:, : self.scales.shape[1], None].astype(np.float32)
        values: NDArray[np.float32] = (codes - zeros) * self.scales[..., None]
        return values.reshape(len(codes), -1)


@dataclass(frozen=True)
class Kind:
    """One way to store a matrix."""

    bits: int  # 4, 8; 32 = float32
    block: int  # weights that share a scale; rows that it does not divide take a smaller one
    symmetric: bool  # without zero points

    def quantize(self, weight: Array, columns: Array | None = None) -> Blocks:
        """As `quantize`."""
        return quantize(weight, self.bits, self.block, symmetric=self.symmetric, columns=columns)


KINDS = {f"int{bits}/{block}": Kind(bits, block, bits == 8) for bits in (4, 8) for block in (128, 64, 32, 16)}
FLOAT = Kind(32, 0, True)


def fitting(block: int, columns: int) -> int:
    """The largest block of at most `block` weights that divides a row.

    Raises:
        UsageError: not even the smallest does.
    """
    while columns % block and block > SMALLEST:
        block //= 2
    if columns % block:
        raise UsageError(
            f"a matrix of {columns} columns cannot be cut into blocks of {SMALLEST} weights; "
            "use the recipe f32 for ONNX, or --format gguf"
        )
    return block


def quantize(
    weight: Array, bits: int, block: int, *, symmetric: bool, columns: Array | None = None
) -> Blocks:
    """A matrix (rows, columns) of any float type; per block the range with the smallest squared error.

    In that error a column counts as much as `columns`, its importance, says; None: all the same.
    """
    block = fitting(block, weight.shape[1])
    step = max(1, _PIECE // weight.shape[1])
    even = np.ones(weight.shape[1], np.float32)
    counts = (even if columns is None else columns + np.float32(1e-6) * columns.mean()).reshape(-1, block)
    pieces = [
        _quantized(weight[at : at + step].astype(np.float32), bits, block, symmetric, counts)
        for at in range(0, len(weight), step)
    ]
    return pieces[0].stacked(tuple(pieces[1:])) if len(pieces) > 1 else pieces[0]


def _quantized(weight: NDArray[np.float32], bits: int, block: int, symmetric: bool, counts: Array) -> Blocks:
    blocks = weight.reshape(len(weight), -1, block)
    find = _centred if symmetric else _ranged
    best: tuple[Array, ...] | None = None
    for shrink in _SHRINK if bits < 8 else _WHOLE:
        scale, zero = find(blocks, bits, shrink)
        codes = np.clip(np.rint(blocks / scale[..., None]) + zero[..., None], 0, (1 << bits) - 1)
        centred = codes - zero[..., None]
        scale = _refitted(centred, blocks, counts, scale) if bits < 8 else scale
        error = (counts * np.square(centred * scale[..., None] - blocks)).sum(-1)
        if best is None:
            best = codes, scale, zero, error
            continue
        better = error < best[3]
        best = (np.where(better[..., None], codes, best[0]), np.where(better, scale, best[1]),
                np.where(better, zero, best[2]), np.where(better, error, best[3]))  # fmt: skip
    assert best is not None
    codes, scale, zero, _ = best
    zeros = None if symmetric else _packed(zero.astype(np.uint8), bits)
    return Blocks(_packed(codes.astype(np.uint8), bits), scale.astype(np.float32), zeros, bits, block)


def _centred(blocks: Array, bits: int, shrink: np.float32) -> tuple[Array, Array]:
    """Scales so that the largest weight of a block, with its sign, is the lowest code."""
    at = np.abs(blocks).argmax(-1)
    largest = np.take_along_axis(blocks, at[..., None], -1)[..., 0]
    middle = np.float32(1 << (bits - 1))
    return _not_zero(largest * shrink / -middle), np.full(largest.shape, middle)


def _ranged(blocks: Array, bits: int, shrink: np.float32) -> tuple[Array, Array]:
    """Scales and zero points that cover a block's range, zero included."""
    low, high = np.minimum(blocks.min(-1), 0) * shrink, np.maximum(blocks.max(-1), 0) * shrink
    scale = _not_zero((high - low) / np.float32((1 << bits) - 1))
    return scale, np.clip(np.rint(-low / scale), 0, (1 << bits) - 1)


def _refitted(centred: Array, blocks: Array, counts: Array, scale: Array) -> Array:
    """The scales that suit the codes best: least squares."""
    power = (counts * centred * centred).sum(-1)
    best = (counts * centred * blocks).sum(-1) / np.where(power > 0, power, 1)
    return np.where((power > 0) & (np.abs(best) >= np.float32(1e-30)), best, scale).astype(np.float32)


def _not_zero(scale: Array) -> Array:
    return np.where(np.abs(scale) < np.float32(1e-30), np.float32(1), scale).astype(np.float32)


def _packed(codes: NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    """Low bits first along the last axis, which is filled up with zeros."""
    if bits == 8:
        return codes
    each = 8 // bits
    room = [(0, 0)] * (codes.ndim - 1) + [(0, -codes.shape[-1] % each)]
    groups = np.pad(codes, room).reshape(*codes.shape[:-1], -1, each)
    shifts = np.arange(each, dtype=np.uint8) * np.uint8(bits)
    return np.asarray(np.bitwise_or.reduce(groups << shifts, axis=-1), np.uint8)


def _unpacked(data: NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    codes = (data[..., None] >> shifts) & np.uint8((1 << bits) - 1)
    return np.asarray(codes.reshape(*data.shape[:-1], -1), np.uint8)
