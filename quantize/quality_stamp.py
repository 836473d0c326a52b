"""Puts what was measured into the decoder files themselves, so that one that travels alone still tells.

Job: the facts of a run, and a new header before the same weights; in an ONNX graph, its metadata.
Ignorance: the keys' names (`edge.formats.quality_keys`), how the numbers came about.

A GGUF is written anew beside itself and renamed: texts may have any length, an older summary (of a GGUF
source) is replaced, and a kill leaves the old file. It costs one copy of the file, for which the f16
reference, which is larger, has made room. Places kept free in the header would cost none, but they would have
to go through llama.cpp's quantizer, which takes texts of 127 bytes, and stay where nothing was measured.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import onnx
from onnx import helper

from edge.formats import manifest, quality_keys
from edge.formats.gguf import read_header
from quantize.checkpoint import Checkpoint
from quantize.gguf_source import GgufSource
from quantize.report import Quality

_COPY = 16 << 20  # bytes at a time
_COUNT = 16  # byte at which the number of metadata entries stands; the entries follow

Values = Mapping[str, str | int | float]


def values(quality: Mapping[str, Quality], facts: Mapping[str, str]) -> Values:
    """Keys for either file."""
    told = {"tool": f"edge-multimodal {version('edge-multimodal')}", **facts}
    return quality_keys.keys({kind: asdict(found) for kind, found in quality.items()}, told)


def source_digest(checkpoint: Checkpoint | GgufSource) -> str:
    """SHA-256 of the file of weights; of several, that of `sha256sum FILES`."""
    if isinstance(checkpoint, GgufSource):
        return manifest.sha256(checkpoint.ready)
    files = sorted({tensor.file for tensor in checkpoint.tensors.values()})
    lines = [f"{manifest.sha256(file)}  {file.name}\n" for file in files]
    return lines[0][:64] if len(lines) == 1 else hashlib.sha256("".join(lines).encode()).hexdigest()


def gguf(path: Path, told: Values) -> None:
    """Write `told` into the header of a GGUF, in the place of what it said of its quality.

    Raises:
        IntegrityError: no valid GGUF. OSError: the disk refused.
    """
    header, part = read_header(path), path.with_name(f"{path.name}.part")
    kept = [span for key, span in header.spans.items() if not key.startswith(quality_keys.PREFIX)]
    with path.open("rb") as old, part.open("wb") as new:
        raw = old.read(header.table_end)
        entries = b"".join([*(raw[a:b] for a, b in kept), *(_entry(k, v) for k, v in told.items())])
        count = struct.pack("<Q", len(kept) + len(told))
        table = raw[max((end for _, end in header.spans.values()), default=_COUNT + 8) :]
        head = raw[:_COUNT] + count + entries + table
        new.write(head + bytes(-len(head) % header.metadata.get("general.alignment", 32)))
        old.seek(header.data_start)
        shutil.copyfileobj(old, new, _COPY)
    os.replace(part, path)


def _entry(key: str, value: str | int | float) -> bytes:
    """One metadata entry. Source: ggml docs/gguf.md (string 8, uint32 4, float32 6)."""
    name = key.encode()
    head = struct.pack("<Q", len(name)) + name
    if isinstance(value, str):
        text = value.encode()
        return head + struct.pack("<IQ", 8, len(text)) + text
    return head + (struct.pack("<II", 4, value) if isinstance(value, int) else struct.pack("<If", 6, value))


def onnx_graph(path: Path, told: Values) -> None:
    """The same in the metadata of a graph; its weights lie outside and stay."""
    model: Any = onnx.load(str(path), load_external_data=False)
    helper.set_model_props(
        model, {p.key: p.value for p in model.metadata_props} | {k: str(v) for k, v in told.items()}
    )
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(model.SerializeToString(deterministic=True))
    os.replace(part, path)
