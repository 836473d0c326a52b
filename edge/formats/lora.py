"""Reads a LoRA adapter's header and proves that it fits a base model, before native code sees a byte.

Job: what llama.cpp asserts about an adapter (it ends the process on most of it), as errors with a cure.
Ignorance: reads no weights, knows no engine. It cannot tell two base models of the same shape apart.
Source: llama.cpp's llama-adapter.cpp, llama-graph.cpp (build_lora_mm) and convert_lora_to_gguf.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import NoReturn

from edge.errors import EngineError, IntegrityError
from edge.formats.gguf import GgufHeader, GgufTensor, read_header

TYPES = ("F32", "F16", "BF16", "Q8_0")  # what the converters write; others have no product, and crash
TYPE, ALPHA, INVOCATION = "adapter.type", "adapter.lora.alpha", "adapter.alora.invocation_tokens"
A, B = ".lora_a", ".lora_b"


def read_adapter(path: str | Path, base: GgufHeader) -> GgufHeader:
    """The header of an adapter that llama.cpp can put over `base`.

    Raises:
        NotFoundError: there is no such file.
        IntegrityError: it is no sound adapter.
        EngineError: it is one, but of another base model.
    """
    path = Path(path)
    header = read_header(path)
    _check_facts(path.name, header)
    if header.architecture != base.architecture:
        _foreign(path.name, f"it is for the architecture {header.architecture!r}, not {base.architecture!r}")
    found = {tensor.name: tensor for tensor in header.tensors}
    weights = {tensor.name: tensor for tensor in base.tensors}
    for name in sorted({name.removesuffix(A).removesuffix(B) for name in found}):
        _check_pair(path.name, name, found, weights)
    return header


def _check_facts(file: str, header: GgufHeader) -> None:
    kind, adapter = header.metadata.get("general.type"), header.metadata.get(TYPE)
    if kind != "adapter" or adapter != "lora":
        _unsound(file, f"general.type is {kind!r} and {TYPE} is {adapter!r}, expected 'adapter' and 'lora'")
    alpha = header.metadata.get(ALPHA)
    if header.types.get(ALPHA) != "f32" or not isfinite(alpha or 0.0) or not alpha:
        _unsound(file, f"{ALPHA} is {alpha!r} ({header.types.get(ALPHA, 'missing')}), expected a f32, not 0")
    if INVOCATION in header.metadata:
        _unsound(file, f"it has {INVOCATION}: adapters that only some words switch on are not supported")
    if not header.tensors:
        _unsound(file, "it holds no tensors")


def _check_pair(
    file: str, name: str, found: Mapping[str, GgufTensor], weights: Mapping[str, GgufTensor]
) -> None:
    a, b, base = found.get(name + A), found.get(name + B), weights.get(name)
    if a is None or b is None:
        _unsound(file, f"{name} has no pair of tensors {A} and {B}")
    if base is None or len(base.shape) != 2 or name.startswith("token_embd."):
        _foreign(file, f"it changes {name}, which the base model lacks or cannot change")
    for tensor in (a, b):
        if tensor.type not in TYPES:
            _unsound(file, f"{tensor.name} is {tensor.type}, expected {', '.join(TYPES)}")
        if len(tensor.shape) != 2:
            _unsound(file, f"{tensor.name} has the shape {list(tensor.shape)}, expected a matrix")
    if a.shape[1] != b.shape[0]:
        _unsound(file, f"{a.name} has rank {a.shape[1]}, but {b.name} has {b.shape[0]}")
    if (a.shape[0], b.shape[1]) != base.shape:
        shapes = f"{[a.shape[0], b.shape[1]]}, but the base model's is {list(base.shape)}"
        _foreign(file, f"it changes a {name} of the shape {shapes}")


def _unsound(file: str, reason: str) -> NoReturn:
    raise IntegrityError(
        f"{file} is not a LoRA adapter for llama.cpp: {reason}; make it again with "
        "`python -m models.finetune` or llama.cpp's convert_lora_to_gguf.py"
    )


def _foreign(file: str, reason: str) -> NoReturn:
    raise EngineError(
        f"{file} was made for another model: {reason}; load the model it was trained on, or train it again"
    )
