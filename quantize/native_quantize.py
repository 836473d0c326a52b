"""The child process that calls `llama_model_quantize`; arguments: SOURCE TARGET FILE_TYPE THREADS IMATRIX.

Job: one native call, with the importance matrix where IMATRIX names one ("" for none); llama.cpp's log goes
to stdout, one line per tensor. The target's header says which matrix was used, as llama-quantize does.
Ignorance: everything else. It may abort: its parent (`quantize.children`) expects that.
Source of the header keys: llama.cpp tools/quantize/quantize.cpp.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path
from typing import Any

from quantize import importance
from quantize.children import die_with_parent
from quantize.importance import Importance

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


def main(source: str, target: str, file_type: str, threads: str, imatrix: str = "") -> int:
    """Exit code 0 when llama.cpp says that the file is written."""
    from llama_cpp import llama_cpp

    llama_cpp.llama_backend_init()
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype, params.nthread = int(file_type), int(threads)
    if imatrix:
        found = importance.read(Path(imatrix))
        weights, _kept = _weights(llama_cpp, found)
        header = _header(llama_cpp, found)
        params.imatrix, params.kv_overrides = weights, header
    return int(llama_cpp.llama_model_quantize(os.fsencode(source), os.fsencode(target), params) != 0)


if __name__ == "__main__":
    die_with_parent()
    sys.exit(main(*sys.argv[1:]))
