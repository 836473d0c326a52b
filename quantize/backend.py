"""What the budget must know of a runtime, and llama.cpp's answers; onnxruntime's are in `onnx_backend`.

Job: the one seam between the allocator and a format: which types groups may take, what they weigh, from what
a trial is written. Ignorance: sensitivities, goals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

from edge.engines import room
from edge.formats.gguf import GgufHeader, read_header
from edge.options import EngineOptions
from quantize import importance, tensor_groups
from quantize.tensor_groups import Group

_SPARE = 8192  # bytes: what the quantizer and the summary of quality add to the header


class Backend(Protocol):
    """One model on one runtime."""

    @property
    def runtime(self) -> str:
        """ "gguf" or "onnx": whose kernels are timed."""

    @property
    def source(self) -> Path:
        """The model as an F16 GGUF: the reference of every trial, and its shapes."""

    @property
    def imatrix(self) -> Path: ...

    @property
    def origin(self) -> Path:
        """What a trial is written from: a GGUF, or the folder of a checkpoint (`native_sensitivity`)."""

    @property
    def untouched(self) -> str:
        """The type of everything that a trial leaves as it is."""

    @property
    def header(self) -> GgufHeader:
        """Of `source`."""

    def groups(self, bands: int) -> list[Group]:
        """All matrices with their menus."""

    def fixed(self, groups: Sequence[Group]) -> int:
        """Bytes of the decoder's files that no choice changes, at most."""

    def beside(self, context: int) -> int:
        """Bytes of memory that it takes beside its files."""


@dataclass(frozen=True)
class GgufBackend:
    """llama.cpp."""

    source: Path
    imatrix: Path
    runtime: str = "gguf"
    untouched: str = "F16"

    @property
    def origin(self) -> Path:
        return self.source

    @cached_property
    def header(self) -> GgufHeader:
        return read_header(self.source)

    def groups(self, bands: int) -> list[Group]:
        """With llama.cpp's types."""
        return tensor_groups.groups(self.header, bands, importance.read(self.imatrix).entries)

    def fixed(self, groups: Sequence[Group]) -> int:
        """Header, vocabulary, norms."""
        moved = {tensor.name for group in groups for tensor in group.tensors}
        kept = sum(t.size for t in self.header.tensors if t.name in moved)
        return self.header.file_size - kept + _SPARE

    def beside(self, context: int) -> int:
        """KV cache, buffers, tables."""
        return room.llama_cpp(self.header, context, EngineOptions().sequences, size=0).own
