"""Writes an ONNX graph whose weights lie in a file beside it, one tensor in memory at a time.

Job: nodes by name, weights streamed to disk as they come, the graph last. Ignorance: what it computes.
Source: onnx docs/ExternalData.md (keys location, offset, length; large tensors start at pages, to be mapped).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET, CONTRIB, IR_VERSION = 17, 1, 9
DATA_SUFFIX = ".data"
PAGE, _LARGE = 4096, 1 << 16  # bytes
INLINE = 1024  # bytes up to which a weight stays in the graph file
_KINDS = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.uint8): TensorProto.UINT8,
          np.dtype(np.int64): TensorProto.INT64}  # fmt: skip


def laid_out(sizes: Sequence[int]) -> int:
    """Bytes that arrays of these sizes take one after the other, at most; large ones first."""
    if sum(sizes) <= INLINE:
        return sum(sizes)
    small = sum(size for size in sizes if size < _LARGE)
    large = sum(-(-size // PAGE) * PAGE for size in sizes if size >= _LARGE)
    return large + -(-small // PAGE) * PAGE


class GraphWriter:
    """One graph under construction; a context manager. Nothing but `save` makes it readable."""

    def __init__(self, path: Path) -> None:
        """The graph goes to `path`, its weights to a file beside it. OSError: the disk refuses."""
        self._path, self._data_path = path, path.with_name(path.name + DATA_SUFFIX)
        self._data = self._data_path.open("wb")
        self._nodes: list[Any] = []
        self._weights: dict[str, Any] = {}
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []

    def __enter__(self) -> GraphWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._data.close()

    def input(self, name: str, kind: int, shape: Sequence[Any]) -> str:
        """A graph input; with a weight of its name as its default it may be left out."""
        self._inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def output(self, name: str, kind: int, shape: Sequence[Any]) -> str:
        self._outputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def weight(self, name: str, values: NDArray[Any]) -> str:
        """Store an array of float32, uint8 or int64 now; its memory is free again afterwards."""
        values = np.asarray(values, order="C")  # ascontiguousarray would make scalars rows
        if values.nbytes <= INLINE:
            self._weights[name] = numpy_helper.from_array(values, name)
            return name
        if values.nbytes >= _LARGE:
            self._data.write(bytes(-self._data.tell() % PAGE))
        entries = {"location": self._data_path.name, "offset": self._data.tell(), "length": values.nbytes}
        self._data.write(values.data)
        self._weights[name] = _outside(name, _KINDS[values.dtype], values.shape, entries)
        return name

    def view(self, name: str, of: str, shape: Sequence[int]) -> str:
        """The bytes of another weight in another shape: stored once."""
        stored = self._weights[of]
        entries = {entry.key: entry.value for entry in stored.external_data}
        self._weights[name] = _outside(name, stored.data_type, shape, entries)
        if not entries:
            self._weights[name] = numpy_helper.from_array(numpy_helper.to_array(stored).reshape(shape), name)
        return name

    def op(self, kind: str, inputs: Sequence[str], outputs: str | Sequence[str], *, domain: str = "",
           **attributes: Any) -> str:  # fmt: skip
        """A node named after its first output, which is returned; '' stands for an input left out."""
        names = [outputs] if isinstance(outputs, str) else list(outputs)
        node = helper.make_node(
            kind, list(inputs), names, name=f"{names[0]}/{kind}", domain=domain, **attributes
        )
        self._nodes.append(node)
        return names[0]

    def contrib(
        self, kind: str, inputs: Sequence[str], outputs: str | Sequence[str], **attributes: Any
    ) -> str:
        """A node of onnxruntime's own operators."""
        return self.op(kind, inputs, outputs, domain="com.microsoft", **attributes)

    def save(self, name: str, facts: Mapping[str, str]) -> None:
        """Write the graph; `facts` become its metadata."""
        self._data.close()
        graph = helper.make_graph(
            self._nodes, name, self._inputs, self._outputs, list(self._weights.values())
        )
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("com.microsoft", CONTRIB)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="edge")
        helper.set_model_props(model, dict(facts))
        self._path.write_bytes(model.SerializeToString())


def _outside(name: str, kind: int, shape: Sequence[int], entries: Mapping[str, Any]) -> Any:
    tensor = TensorProto(name=name, data_type=kind, dims=shape, data_location=TensorProto.EXTERNAL)
    tensor.external_data.extend(
        onnx.StringStringEntryProto(key=key, value=str(value)) for key, value in entries.items()
    )
    return tensor
