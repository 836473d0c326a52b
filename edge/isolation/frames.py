"""Values as bytes in a pipe: a pickle, and beside it the raw bytes of arrays.

Job: pack and unpack one frame; write and read it. A frame is the number of its pieces (u32), their lengths
(u64 each), the pieces: the pickle, then one per array, never copied into the pickle.
Why pickle: both ends are this very code, one started by the other, and what people say must arrive as what it
was. It reads no file, nothing but what the other end packed. Yet the end that works with strangers' files
might be taken over by one: so only the values listed here are built, and nothing else is ever called.
Ignorance: what the values mean, which process is at the other end.
"""

from __future__ import annotations

import builtins
import io
import pickle
import struct
import sys
import types
from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from typing import Any, BinaryIO

from edge.errors import UsageError

_VALUES = frozenset({  # modules whose classes may travel
    "edge.errors", "edge.events", "edge.formats.manifest", "edge.isolation.protocol", "edge.media.audio",
    "edge.media.image", "edge.media.video", "edge.messages", "edge.options", "edge.vocabulary",
})  # fmt: skip
_PATHS = frozenset({"PosixPath", "PurePosixPath", "WindowsPath", "PureWindowsPath"})
_NUMBERS = (("numpy._core.multiarray", "scalar"), ("numpy", "dtype"))
_NAMED = (type, types.FunctionType, types.BuiltinFunctionType)  # what a pickle holds as a name
_ARRAY = (__name__, "_array")
_COUNT, _MOST = struct.Struct("<I"), 1 << 16

Frame = Sequence[bytes | memoryview]


def packed(value: Any) -> list[bytes | memoryview]:
    """The pieces of one frame.

    Raises:
        UsageError: something in it cannot travel: a function, an open file, an object of the caller's own.
    """
    buffers: list[pickle.PickleBuffer] = []
    file = io.BytesIO()
    try:
        _Pickler(file, protocol=5, buffer_callback=buffers.append).dump(value)
    except Exception as error:  # pickle raises what it likes
        raise UsageError(
            f"this cannot be handed to the model's own process ({error}); give paths, bytes or arrays of "
            "numbers, or load with isolated=False"
        ) from error
    pieces: list[bytes | memoryview] = [file.getvalue(), *(buffer.raw() for buffer in buffers)]
    head = struct.pack(f"<I{len(pieces)}Q", len(pieces), *(len(piece) for piece in pieces))
    return [head, *pieces]


def write(file: BinaryIO, frame: Frame) -> None:
    """One frame, at once."""
    for piece in frame:
        file.write(piece)
    file.flush()


def read(file: BinaryIO) -> Any:
    """The next value; EOFError where the other end is gone, or no longer makes sense."""
    (count,) = _COUNT.unpack(_exactly(file, _COUNT.size))
    if not 1 <= count <= _MOST:
        raise EOFError("no frame")
    lengths = struct.unpack(f"<{count}Q", _exactly(file, 8 * count))
    pieces = [_exactly(file, length) for length in lengths]
    return _Unpickler(io.BytesIO(pieces[0]), buffers=pieces[1:]).load()


def _exactly(file: BinaryIO, size: int) -> bytearray:
    """Writable, so that the arrays made of it are."""
    data = bytearray(size)
    view, done = memoryview(data), 0
    while done < size:
        got = file.readinto(view[done:])  # type: ignore[attr-defined]
        if not got:
            raise EOFError("the other end is gone")
        done += got
    return data


class _Pickler(pickle.Pickler):
    def reducer_override(self, thing: Any) -> Any:
        numpy = sys.modules.get("numpy")
        if numpy is not None and isinstance(thing, numpy.ndarray):
            return _reduced(thing)
        if isinstance(thing, _NAMED):
            _known(thing.__module__, thing.__qualname__)
        return NotImplemented


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        return _known(module, name)


@cache
def _known(module: str, name: str) -> Callable[..., Any]:
    if (module, name) == _ARRAY:
        return _array
    if module == "builtins" and _is(getattr(builtins, name, None), BaseException):
        return getattr(builtins, name)  # type: ignore[no-any-return]
    if module == "builtins" and name in ("set", "frozenset", "bytearray", "complex"):
        return getattr(builtins, name)  # type: ignore[no-any-return]
    if module.partition(".")[0] == "pathlib" and name in _PATHS:
        return getattr(import_module("pathlib"), name)  # type: ignore[no-any-return]
    if (module, name) in _NUMBERS:
        return getattr(import_module(module), name)  # type: ignore[no-any-return]
    found = getattr(import_module(module), name, None) if module in _VALUES else None
    if not isinstance(found, type) or found.__module__ != module:
        raise pickle.UnpicklingError(f"{module}.{name} is no value that travels between Edge's processes")
    return found


def _is(thing: Any, kind: type) -> bool:
    return isinstance(thing, type) and issubclass(thing, kind)


def _reduced(array: Any) -> tuple[Any, ...]:
    """How an array of numbers is packed."""
    import numpy as np

    if array.dtype.hasobject:
        raise TypeError(f"an array of {array.dtype}")
    plain = np.ascontiguousarray(array)
    raw: Any = plain.reshape(-1).view(np.uint8)
    return _array, (pickle.PickleBuffer(raw), plain.dtype.str, array.shape)


def _array(data: Any, kind: str, shape: tuple[int, ...]) -> Any:
    import numpy as np

    return np.frombuffer(data, dtype=np.dtype(kind)).reshape(shape)
