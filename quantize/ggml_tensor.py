"""Looks into a tensor of a running ggml graph: its operation, its sources, their numbers.

Job: ggml's struct as ctypes, proven against the library's own accessors before its first use.
Ignorance: llama.cpp, what the numbers mean. Only for tensors in host memory, inside of the graph callback.
Source of the layout: struct ggml_tensor, ggml.h as bundled in llama-cpp-python 0.3.36.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import EngineError

_OBJECT_SIZE = 32  # sizeof(struct ggml_object), counted in ggml_tensor_overhead
_TYPES = {0: np.dtype(np.float32), 26: np.dtype(np.int32)}  # enum ggml_type: F32, I32

_ACCESSORS = {"ggml_op_desc": ctypes.c_char_p, "ggml_get_name": ctypes.c_void_p,
              "ggml_get_data": ctypes.c_void_p, "ggml_nbytes": ctypes.c_size_t}  # fmt: skip


class _Tensor(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("buffer", ctypes.c_void_p),
        ("ne", ctypes.c_int64 * 4),  # elements, the fastest dimension first
        ("nb", ctypes.c_size_t * 4),  # strides in bytes
        ("op", ctypes.c_int),
        ("op_params", ctypes.c_int32 * 16),
        ("flags", ctypes.c_int32),
        ("src", ctypes.c_void_p * 10),
        ("view_src", ctypes.c_void_p),
        ("view_offs", ctypes.c_size_t),
        ("data", ctypes.c_void_p),
        ("name", ctypes.c_char * 64),
        ("extra", ctypes.c_void_p),
        ("padding", ctypes.c_char * 8),
    )


class Tensors:
    """Reads tensors by address."""

    def __init__(self) -> None:
        """Prove the layout.

        Raises:
            EngineError: the installed library has another struct; reading it would read garbage.
        """
        from llama_cpp._ggml import libggml

        self._library: Any = libggml
        for name, result in _ACCESSORS.items():
            function = getattr(libggml, name)
            function.argtypes, function.restype = [ctypes.c_void_p], result
        libggml.ggml_tensor_overhead.restype = ctypes.c_size_t
        if libggml.ggml_tensor_overhead() != ctypes.sizeof(_Tensor) + _OBJECT_SIZE:
            raise _other_layout()

    def operation(self, pointer: int) -> str:
        """As ggml names it: MUL_MAT, ADD …"""
        return str(self._library.ggml_op_desc(pointer).decode())

    def source_name(self, pointer: int, index: int) -> str:
        """The name of one source; empty where there is none."""
        source = _at(pointer).src[index]
        return self._checked(source).name.decode("utf-8", "replace") if source else ""

    def source_shape(self, pointer: int, index: int) -> tuple[int, ...]:
        """(outermost, …, fastest): four numbers."""
        return tuple(self._checked(_at(pointer).src[index]).ne)[::-1]

    def source(self, pointer: int, index: int) -> NDArray[Any]:
        """The numbers of one source, (outermost, …, fastest); a view, valid inside of the callback.

        Raises:
            EngineError: neither F32 nor I32, or the struct is another one.
        """
        address = _at(pointer).src[index]
        tensor = self._checked(address)
        kind = _TYPES.get(tensor.type)
        if kind is None or self._library.ggml_get_data(address) != tensor.data or not tensor.data:
            raise EngineError(f"the input {tensor.name.decode()} has type {tensor.type}, expected F32 or I32")
        shape, strides = tuple(tensor.ne)[::-1], tuple(tensor.nb)[::-1]
        size = kind.itemsize + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
        if size != self._library.ggml_nbytes(address):
            raise _other_layout()
        memory = (ctypes.c_char * size).from_address(tensor.data)
        return np.ndarray(shape, kind, memory, strides=strides)

    def _checked(self, address: int) -> _Tensor:
        if self._library.ggml_get_name(address) != address + _Tensor.name.offset:
            raise _other_layout()
        return _at(address)


def _at(address: int) -> _Tensor:
    return _Tensor.from_address(address)


def _other_layout() -> EngineError:
    return EngineError(
        "the installed llama.cpp lays tensors out in another way than version 0.3.36 of llama-cpp-python; "
        "install that version, or give a ready importance matrix with --imatrix"
    )
