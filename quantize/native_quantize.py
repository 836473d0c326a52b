"""The child process that calls `llama_model_quantize`.

Job: one native call, with the importance matrix where IMATRIX names one and the types by tensor where TYPES
names a JSON file of them ("" for none); llama.cpp's log goes to stdout, one line per tensor. The target's
header says which matrix was used, as llama-quantize does.
Arguments: SOURCE TARGET FILE_TYPE THREADS IMATRIX TYPES.
Ignorance: everything else. It may abort: its parent (`quantize.children`) expects that.
Source of the header keys: llama.cpp tools/quantize/quantize.cpp; of the types: llama_model_tensor_override,
llama.h of llama-cpp-python 0.3.36: an array of (regular expression, type) that ends with a null expression,
searched in order.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf

from edge.children import die_with_parent
from quantize import importance
from quantize.importance import Importance

_BUFFERS = 64 << 20  # bytes of rows in float and quantized; llama.cpp's own limit is 8 GiB
_INT, _TEXT = 0, 3  # enum llama_model_kv_override_type
_LONGEST = 127  # bytes of an overriding text


def _weights(native: Any, found: Importance) -> tuple[Any, list[Any]]:
    """The C array that ends with an empty name, and the numbers that must outlive it."""
    kept = [entry.weights() for entry in found.entries.values()]
    array = (native.llama_model_imatrix_data * (len(kept) + 1))()
    for place, name, values in zip(array, found.entries, kept, strict=False):
        place.name, place.size = name.encode(), values.size
        place.data = values.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
    return array, kept


def _header(native: Any, found: Importance) -> Any:
    """What the target's header says about the matrix; ends with an empty key."""
    facts: dict[str, str | int] = {
        "quantize.imatrix.file": importance.FILE_NAME,
        "quantize.imatrix.dataset": "; ".join(found.datasets),
        "quantize.imatrix.entries_count": len(found.entries),
        "quantize.imatrix.chunks_count": found.chunks,
    }
    array = (native.llama_model_kv_override * (len(facts) + 1))()
    for place, (key, value) in zip(array, facts.items(), strict=False):
        place.key = key.encode()
        if isinstance(value, int):
            place.tag, place.value.val_i64 = _INT, value
        else:
            cut = value.encode()[:_LONGEST].decode("utf-8", "ignore")
            place.tag, place.value.val_str = _TEXT, cut.encode()
    return array


def _types(native: Any, types: Mapping[str, str]) -> Any:
    array = (native.llama_model_tensor_override * (len(types) + 1))()
    for place, (name, kind) in zip(array, types.items(), strict=False):
        place.pattern, place.type = f"^{re.escape(name)}$".encode(), int(gguf.GGMLQuantizationType[kind])
    return array


def convert(source: str | Path, target: str | Path, file_type: int, threads: int,
            found: Importance | None, types: Mapping[str, str]) -> bool:  # fmt: skip
    """Whether llama.cpp says that the file is written."""
    from llama_cpp import llama_cpp

    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype, params.nthread, params.max_buf_size = file_type, threads, _BUFFERS
    if found is not None:
        weights, _kept = _weights(llama_cpp, found)
        header = _header(llama_cpp, found)
        params.imatrix, params.kv_overrides = weights, header
    if types:
        overrides = _types(llama_cpp, types)
        params.tt_overrides = overrides
    return bool(llama_cpp.llama_model_quantize(os.fsencode(source), os.fsencode(target), params) == 0)


def main(source: str, target: str, file_type: str, threads: str, imatrix: str, types: str) -> int:
    """Exit code 0 when llama.cpp says that the file is written."""
    from llama_cpp import llama_cpp

    llama_cpp.llama_backend_init()
    found = importance.read(Path(imatrix)) if imatrix else None
    asked = json.loads(Path(types).read_bytes()) if types else {}
    return int(not convert(source, target, int(file_type), int(threads), found, asked))


if __name__ == "__main__":
    die_with_parent()
    sys.exit(main(*sys.argv[1:]))
