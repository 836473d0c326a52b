"""LoRA adapters over a loaded llama.cpp model: checked, loaded, switched on.

Job: what a caller asked for as (file, scale); handles that live and die with their model.
Ignorance: contexts but for switching adapters on, decoding, how adapters are trained.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from edge.engines.llama_native import complaint
from edge.errors import EngineError, UsageError
from edge.formats.gguf import GgufHeader
from edge.formats.lora import read_adapter
from edge.options import Adapter


@dataclass(frozen=True)
class Wanted:
    """One adapter that fits its base."""

    path: Path
    scale: float
    size: int  # bytes


def checked(adapters: Sequence[Adapter], base: GgufHeader) -> tuple[Wanted, ...]:
    """What the options name, each file proven to fit the base model.

    Raises:
        UsageError: an entry is no path and no (path, scale). Others as `read_adapter`.
    """
    made = []
    for entry in adapters:
        path, scale = entry if isinstance(entry, tuple) and len(entry) == 2 else (entry, 1.0)
        if not isinstance(path, str | Path) or isinstance(scale, bool) or not isinstance(scale, int | float):
            raise UsageError(f"an adapter is a path or (path, scale), got {entry!r}")
        if not isfinite(scale):
            raise UsageError(f"the scale of {path} is {scale}, expected a finite number; 1 = as trained")
        made.append(Wanted(Path(path), float(scale), read_adapter(path, base).file_size))
    return tuple(made)


def load(native: Any, model: Any, wanted: Sequence[Wanted]) -> list[Any]:
    """Handles that are freed with the model. Call it before a context opens: that sizes its graphs by them.

    Raises:
        EngineError: llama.cpp refuses one; the model is freed.
    """
    handles = []
    for adapter in wanted:
        complaint()
        handle = native.llama_adapter_lora_init(model, os.fsencode(adapter.path))
        if not handle:
            why = complaint() or "no reason given"
            native.llama_model_free(model)
            raise EngineError(f"llama.cpp cannot load {adapter.path.name}: {why}; train the adapter again")
        handles.append(handle)
    complaint()  # where it keeps adapters out of repacked memory it warns: nothing to tell
    return handles


def switch_on(native: Any, context: Any, handles: Sequence[Any], wanted: Sequence[Wanted]) -> None:
    """Every token from here on passes through the adapters.

    Raises:
        EngineError: llama.cpp refuses.
    """
    if not handles:
        return
    pointers = (native.llama_adapter_lora_p_ctypes * len(handles))(*handles)
    scales = (ctypes.c_float * len(handles))(*(adapter.scale for adapter in wanted))
    if native.llama_set_adapters_lora(context, pointers, len(handles), scales) != 0:
        raise EngineError(f"llama.cpp cannot switch the adapters on: {complaint() or 'no reason given'}")
