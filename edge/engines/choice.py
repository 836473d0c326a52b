"""Which engine runs a bundle.

Job: the one rule; what was measured to be faster here is remembered and followed.
Ignorance: how an engine is opened, how it was measured (`edge bench`).
"""

from __future__ import annotations

from edge import hardware
from edge.errors import UsageError
from edge.formats import manifest
from edge.formats.manifest import Manifest

_DECODERS = {"llama.cpp": manifest.GGUF, "onnx": manifest.ONNX}
_FILE = "engines.json"  # at home: the faster one, by machine and decoders


def held(known: Manifest) -> tuple[str, ...]:
    """The engines whose decoders the bundle lists."""
    return tuple(engine for engine, role in _DECODERS.items() if role in known.files)


def of(known: Manifest, asked: str) -> str:
    """The engine that was asked for. Else ("auto") the one whose decoder the bundle lists; of two, the one
    that `remember` was told of, else llama.cpp.

    Raises:
        UsageError: there is no such engine.
    """
    if asked != "auto":
        if asked not in _DECODERS:
            raise UsageError(f"there is no engine {asked!r}; choose auto, {' or '.join(_DECODERS)}")
        return asked
    has = held(known)
    if len(has) > 1:
        faster = hardware.remembered(hardware.home() / _FILE).get(_key(known))
        return faster if faster in has else has[0]
    return has[0] if has else "llama.cpp"


def remember(known: Manifest, faster: str) -> None:
    """This engine was the faster one for these very decoders on this machine."""
    where = hardware.home() / _FILE
    hardware.remember(where, {**hardware.remembered(where), _key(known): faster})


def _key(known: Manifest) -> str:
    decoders = " ".join(known.files[_DECODERS[engine]].sha256[:16] for engine in held(known))
    return f"{hardware.machine_key()} {decoders}"
