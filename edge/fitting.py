"""fit(): before a model is loaded or downloaded, whether it runs here or on a named machine, and how fast.

Job: find headers (a manifest, the beginning of a GGUF file), choose the engine as `load` does, compare what
`edge.engines.room` predicts with a machine, turn its memory's speed into tokens per second.
Ignorance: how memory is counted and speeds are measured. Reads headers only, so files may be incomplete.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

from edge import hardware, store, throughput
from edge.engines import choice, lora, room
from edge.engines.room import Room
from edge.errors import NotFoundError, UsageError
from edge.formats import gguf, manifest
from edge.formats.gguf import GgufHeader
from edge.formats.manifest import Manifest
from edge.options import EngineOptions
from edge.throughput import Range

HERE = "here"


@dataclass(frozen=True)
class Machine:
    """What a model may count on."""

    name: str
    memory: int  # bytes in all
    free: int  # bytes left for us; 0 = unknown
    reads: Range  # bytes of memory per second
    flops: float | None = None  # float32 operations per second; None = not known


# Assumptions, not measurements: half of a phone, and what an office desktop and a browser leave of a laptop;
# 40 to 80 % of the peak of LPDDR4X-3733 x 32 bit, DDR4-3200 x 64 bit, and two of these (JEDEC 209-4, 79-4).
MACHINES = {
    m.name: m
    for m in (
        Machine("phone-4gb", 4 * room.GIB, 2 * room.GIB, (6.0e9, 11.9e9)),
        Machine("laptop-8gb", 8 * room.GIB, 5 * room.GIB, (10.2e9, 20.5e9)),
        Machine("laptop-16gb", 16 * room.GIB, 12 * room.GIB, (20.5e9, 41.0e9)),
    )
}


@dataclass(frozen=True)
class Fit:
    """What was asked about, what it takes, and what the machine makes of it."""

    model: str
    engine: str  # "llama.cpp", "onnx"
    machine: Machine
    context: int  # tokens per sequence
    sequences: int
    room: Room
    fits: bool
    largest_context: int  # tokens per sequence that fit, up to what the model was trained for; 0 = none
    decode: Range  # tokens per second of a reply
    prefill: Range | None  # tokens per second of a prompt; None where the machine is not at hand


@dataclass(frozen=True)
class _Headers:
    """What a model says about itself before it is there."""

    name: str
    engine: str
    header: GgufHeader
    size: int  # bytes of the decoder
    trained: int  # tokens
    bundled: bool  # a bundle's context is its own, a plain file's 2048
    codecs: tuple[int, ...] = ()  # bytes of each graph


def fit(name: str | Path, *, machine: str = HERE, engine: EngineOptions | None = None) -> Fit:
    """Whether a model fits: an installed name, a bundle folder, a .gguf file or the beginning of one.

    A folder needs its manifest.json and the beginning of decoder.gguf or vocabulary.gguf, no more.

    Args:
        machine: "here" or a name of `MACHINES`.
        engine: context, sequences, batch, engine and adapters, as for `load`.

    Raises:
        NotFoundError: nothing has that name, or the folder lacks a header.
        IntegrityError: a header lies, or ends too early. UsageError: no such machine or engine.
    """
    options = engine or EngineOptions()
    chosen = _machine(machine)
    found = _headers(store.find(name), options.engine)
    context, need = _context(found, options), _need(found, options)
    asked = need(context)
    available = chosen.free and chosen.free - asked.runtime
    return Fit(
        model=found.name,
        engine=found.engine,
        machine=chosen,
        context=context,
        sequences=max(1, options.sequences),
        room=asked,
        fits=not available or asked.own <= available,
        largest_context=room.largest_context(need, available, found.trained) if available else found.trained,
        decode=_decode(found, context, chosen.reads),
        prefill=throughput.prefill(_met(found.header), chosen.flops) if chosen.flops else None,
    )


def _machine(name: str) -> Machine:
    if name in MACHINES:
        return MACHINES[name]
    if name != HERE:
        raise UsageError(f"there is no machine {name!r} in the table; choose {HERE}, {', '.join(MACHINES)}")
    total, free = hardware.memory()
    speed = throughput.here()
    return Machine(HERE, total, free, (speed.reads, speed.reads), speed.flops)


def _headers(path: Path, engine: str) -> _Headers:
    if path.is_dir():
        return _of_bundle(path, engine)
    if engine not in ("auto", "llama.cpp"):
        raise UsageError(f"{path.name} runs on llama.cpp, not on {engine!r}; choose the engine auto")
    header = _sound(gguf.read_header(path, part=True), path)
    if not header.tensors:
        raise UsageError(f"{path.name} holds a vocabulary and no weights; ask about the folder of its bundle")
    name = str(header.metadata.get("general.name", path.stem))
    return _Headers(name, "llama.cpp", header, header.file_size, _trained(header), bundled=False)


def _of_bundle(folder: Path, engine: str) -> _Headers:
    """From the manifest, whose files need not be there, and the header of the decoder or its vocabulary."""
    known = manifest.read(folder)
    chosen = choice.of(known, engine)
    header = _decoder_header(folder, known, chosen)
    roles = [manifest.GGUF] if chosen == "llama.cpp" else [manifest.ONNX, manifest.ONNX_DATA]
    return _Headers(
        known.name,
        chosen,
        header,
        sum(known.files[role].bytes for role in roles),
        known.context_length,
        True,
        tuple(entry.bytes for role, entry in known.files.items() if role in set(manifest.CODECS.values())),
    )


def _decoder_header(folder: Path, known: Manifest, engine: str) -> GgufHeader:
    roles = [manifest.GGUF] if engine == "llama.cpp" else [manifest.VOCABULARY, manifest.GGUF]
    paths = [known.path(folder, role) for role in roles if role in known.files]
    there = next((path for path in paths if path.is_file()), None)
    if there is None:
        raise NotFoundError(
            f"the sizes of {known.name} stand in {paths[0].name}, which is not in {folder}; "
            "get its beginning (a few MB) and put it there under that name"
        )
    return _sound(gguf.read_header(there, part=True), there)


def _sound(header: GgufHeader, path: Path) -> GgufHeader:
    if not room.kv_bytes_per_token(header):
        raise UsageError(f"{path.name} does not say how large its layers are, so nothing can be predicted")
    return header


def _trained(header: GgufHeader) -> int:
    length: Any = header.metadata.get(f"{header.architecture}.context_length")
    return length if isinstance(length, int) else room.DEFAULT_CONTEXT


def _context(found: _Headers, options: EngineOptions) -> int:
    """Tokens per sequence, as `load` would take them."""
    if found.bundled:
        return min(options.context_length or room.DEFAULT_CONTEXT, found.trained)
    return room.context_of(found.header, options.context_length)


def _need(found: _Headers, options: EngineOptions) -> Callable[[int], Room]:
    """What any context takes.

    Raises:
        UsageError: adapters for an engine that has none; others as `lora.checked`.
    """
    adapters = sum(adapter.size for adapter in lora.checked(options.adapters, found.header))
    if found.engine == "llama.cpp":
        decoder: Callable[..., Room] = partial(room.llama_cpp, adapters=adapters)
    elif not adapters:
        decoder = room.onnx
    else:
        raise UsageError("LoRA adapters run on llama.cpp only; choose the engine llama.cpp")
    asked = {"sequences": max(1, options.sequences), "size": found.size, "batch": options.batch}
    decoder = partial(decoder, found.header, **asked)
    return lambda context: room.with_codecs(decoder(context), found.codecs)


def _decode(found: _Headers, context: int, reads: Range) -> Range:
    """Tokens per second with a half full cache."""
    header = found.header
    read = found.size  # an ONNX graph's types stand in no header
    if found.engine == "llama.cpp":
        read = sum(int(t.size * _share(header, t.name)) for t in header.tensors)
    layers, heads = (
        int(header.metadata[f"{header.architecture}.{name}"])
        for name in ("block_count", "attention.head_count")
    )
    return throughput.decode(read, layers, layers * heads * context // 2, reads)


def _met(header: GgufHeader) -> int:
    """Weights that one token of a prompt is multiplied with."""
    if not header.tensors:
        return room.parameters(header)
    return int(sum(prod(t.shape) * _share(header, t.name) for t in header.tensors))


def _share(header: GgufHeader, name: str) -> float:
    """The part of a tensor that one token meets: of a looked-up embedding nothing, of experts some."""
    if name == "token_embd.weight" and any(t.name == "output.weight" for t in header.tensors):
        return 0.0
    used = header.metadata.get(f"{header.architecture}.expert_used_count")
    count = header.metadata.get(f"{header.architecture}.expert_count")
    return used / count if "_exps." in name and used and count else 1.0
