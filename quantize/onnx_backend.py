"""onnxruntime's answers to the budget: 4 or 8 bits and a block size for every matrix of an ONNX decoder.

Job: menus, bytes and memory of a graph as `onnx_export` writes it, from the shapes of the f16 GGUF of the
same weights. Ignorance: sensitivities, goals; where a matrix of a graph lies.

The file of weights starts every array of 64 KiB or more at a page: sizes are rounded up accordingly, so that
a plan is never over its limit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path

from edge.engines import room
from edge.formats.gguf import GgufHeader, GgufTensor, read_header
from edge.options import EngineOptions
from quantize import onnx_blocks, onnx_writer, tensor_groups
from quantize.tensor_groups import Group

_GRAPH, _LAYER = 16_000, 12_000  # bytes of the graph file at most: its ends, and each layer


@dataclass(frozen=True)
class OnnxBackend:
    """onnxruntime."""

    source: Path
    imatrix: Path
    origin: Path  # the checkpoint's folder
    runtime: str = "onnx"
    untouched: str = "f32"

    @cached_property
    def header(self) -> GgufHeader:
        return read_header(self.source)

    def groups(self, bands: int) -> list[Group]:
        """With the kinds of `onnx_blocks` whose blocks divide their rows."""
        return tensor_groups.banded(self.header, bands, menu, size)

    def fixed(self, groups: Sequence[Group]) -> int:
        """The graph, norms and biases in F32."""
        moved = {tensor.name for group in groups for tensor in group.tensors}
        kept = sum(
            onnx_writer.laid_out([4 * prod(t.shape)]) for t in self.header.tensors if t.name not in moved
        )
        layers = int(self.header.metadata[f"{self.header.architecture}.block_count"])
        return kept + _GRAPH + layers * _LAYER

    def beside(self, context: int) -> int:
        """The KV cache is F32 here, and weights are packed again."""
        return room.onnx(self.header, context, EngineOptions().sequences, size=0).own


def menu(tensors: Sequence[GgufTensor]) -> tuple[str, ...]:
    """The kinds that fit all of them, smallest first."""
    return tuple(
        name for name, kind in onnx_blocks.KINDS.items() if all(t.shape[0] % kind.block == 0 for t in tensors)
    )


def size(tensor: GgufTensor, kind: str) -> int:
    """Bytes of codes, scales and zero points, each on its pages."""
    chosen, weights, rows = onnx_blocks.KINDS[kind], prod(tensor.shape), prod(tensor.shape[1:])
    blocks = weights // chosen.block
    zeros = 0 if chosen.symmetric else rows * -(-(blocks // rows) * chosen.bits // 8)
    return onnx_writer.laid_out((weights * chosen.bits // 8, 4 * blocks, zeros))
