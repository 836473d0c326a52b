"""Which engine runs a bundle. Job: the one rule. Ignorance: how an engine is opened; which one is faster."""

from __future__ import annotations

from edge.errors import UsageError
from edge.formats import manifest
from edge.formats.manifest import Manifest


def of(known: Manifest, asked: str) -> str:
    """The engine that was asked for, else ("auto") the one whose decoder the bundle lists.

    Raises:
        UsageError: there is no such engine.
    """
    has = {"llama.cpp": manifest.GGUF in known.files, "onnx": manifest.ONNX in known.files}
    wanted = asked if asked != "auto" else next((e for e in has if has[e]), "llama.cpp")
    if wanted not in has:
        raise UsageError(f"there is no engine {wanted!r}; choose auto, {' or '.join(has)}")
    return wanted
