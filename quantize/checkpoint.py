"""Opens a Hugging Face checkpoint folder: its configuration, its native facts, its tensors one at a time.

Job: prove that config.json and every safetensors header are consistent before a weight is read.
Ignorance: knows no GGUF and no recipe; never unpickles.
Does not protect against weights that are merely wrong.
Source of the format: safetensors' README ("Format") and its `SafeTensorError` cases.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from edge.errors import IntegrityError, NotFoundError, UsageError
from edge.formats.manifest import CODECS
from edge.vocabulary import Vocabulary
from quantize import architectures
from quantize.architectures import Architecture

MAX_HEADER, MAX_ENTRIES = 100_000_000, 100_000  # bytes (safetensors' own cap), tensors per file
MAX_JSON = (
    64 << 20
)  # bytes of config.json, edge.json, an index; tokenizer.json of the largest models is 30 MB
DTYPES: dict[str, np.dtype[Any]] = {
    "F32": np.dtype(np.float32),
    "F16": np.dtype(np.float16),
    "BF16": np.dtype(ml_dtypes.bfloat16),
}
_NEEDED = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size",
           "max_position_embeddings", "rms_norm_eps")  # fmt: skip


@dataclass(frozen=True)
class StoredTensor:
    """Where one tensor lies."""

    name: str
    file: Path
    dtype: str  # "F32", "F16", "BF16"
    shape: tuple[int, ...]
    offset: int  # bytes from the start of the file
    size: int  # bytes


@dataclass(frozen=True)
class Checkpoint:
    """A folder proven to be a checkpoint that Edge converts."""

    folder: Path
    architecture: Architecture
    config: Mapping[str, Any]  # the decoder's, where config.json has several
    facts: Mapping[str, Any]  # edge.json; empty for a text-only model
    tensors: Mapping[str, StoredTensor]

    @property
    def ready(self) -> Path | None:
        """A GGUF that holds the weights already; None: it must be written."""
        return None

    @property
    def name(self) -> str:
        return str(self.facts.get("name") or self.folder.resolve().name)

    @property
    def gguf(self) -> str:
        """general.architecture."""
        return self.architecture.gguf

    @property
    def context_length(self) -> int:
        """Tokens over which GGUF computes what the checkpoint computes.

        llama.cpp's `llama`, `qwen2` and `qwen3` attend to everything, so a sliding window ends it.
        """
        longest, window = int(self.config["max_position_embeddings"]), self.config.get("sliding_window")
        slides = self.config.get("use_sliding_window", True) and type(window) is int and window > 0
        return min(longest, window) if slides and window is not None else longest

    @property
    def decoder(self) -> Mapping[str, StoredTensor]:
        """The tensors that are not another tower's."""
        return {n: t for n, t in self.tensors.items() if not n.startswith(self.architecture.other_towers)}

    @property
    def size(self) -> int:
        """Bytes of all weights."""
        return sum(t.size for t in self.tensors.values())

    @property
    def widest(self) -> str:
        """The type that holds every weight of the decoder without loss: F32 if they are mixed."""
        kinds = {t.dtype for t in self.decoder.values()}
        return kinds.pop() if len(kinds) == 1 else "F32"

    def read(self, name: str, start: int = 0, count: int | None = None) -> NDArray[Any]:
        """One tensor, in its stored type and shape; or of its first axis `count` entries from `start` on."""
        tensor = self.tensors[name]
        shape, kind = tensor.shape if count is None else (count, *tensor.shape[1:]), DTYPES[tensor.dtype]
        with tensor.file.open("rb") as file:
            file.seek(tensor.offset + start * prod(tensor.shape[1:]) * kind.itemsize)
            data = np.fromfile(file, kind, prod(shape))
        if data.size != prod(shape):
            raise _damaged(tensor.file, f"{name} ends after {data.size} values, expected {prod(shape)}")
        return data.reshape(shape)

    def json(self, name: str) -> dict[str, Any]:
        """A JSON file of the folder."""
        return read_json(self.folder / name)

    def settings(self) -> dict[str, Any]:
        """tokenizer_config.json; empty where there is none."""
        name = "tokenizer_config.json"
        return self.json(name) if (self.folder / name).is_file() else {}

    def tokenizer(self) -> Path:
        """tokenizer.json, else tokenizer.model."""
        fast = self.folder / "tokenizer.json"
        return fast if fast.is_file() else self.folder / "tokenizer.model"

    def chat_template(self) -> str | None:
        """The template's text: chat_template.jinja, else the one in tokenizer_config.json."""
        path = self.folder / "chat_template.jinja"
        if path.is_file():
            return path.read_text(encoding="utf-8")
        template = self.settings().get("chat_template")
        return template if isinstance(template, str) else None

    def codecs(self) -> dict[str, Path]:
        """The float ONNX codec of every media modality that edge.json names, by role.

        Raises:
            NotFoundError: one is missing.
        """
        return codecs_of(self.folder, self.facts)


def codecs_of(folder: Path, facts: Mapping[str, Any]) -> dict[str, Path]:
    """The codecs in a folder that a model's native facts ask for; errors as `Checkpoint.codecs`."""
    modalities = facts.get("modalities", {})
    found = {}
    for (kind, way), role in CODECS.items():
        if kind in modalities.get(way, ()):
            path = folder / f"{role}.onnx"
            if not path.is_file():
                raise NotFoundError(
                    f"{folder} says that {kind} goes {way}, but {path.name} is missing; "
                    "export the codecs into the folder first"
                )
            found[role] = path
    return found


def open_checkpoint(folder: str | Path) -> Checkpoint:
    """Open and check a checkpoint folder.

    Raises:
        NotFoundError: no such folder, or no config.json, tokenizer.json or safetensors in it.
        UsageError: the weights are pickles, or the architecture is not in `architectures`.
        IntegrityError: a header or an index lies.
    """
    folder = Path(folder)
    for name, other in (("config.json", ""), ("tokenizer.json", "tokenizer.model")):
        if not (folder / name).is_file() and not (other and (folder / other).is_file()):
            raise NotFoundError(
                f"{folder} is not a checkpoint: it has no {name}; "
                "name a Hugging Face folder with config.json, tokenizer.json and model.safetensors"
            )
    config = _decoder_config(folder / "config.json")
    architecture = architectures.find(config)
    _check_numbers(folder / "config.json", config)
    facts = _facts(folder / "edge.json", int(config["vocab_size"]))
    tensors = {t.name: t for t in _all_tensors(folder)}
    return Checkpoint(folder, architecture, config, facts, tensors)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file of at most `MAX_JSON` bytes.

    Raises:
        IntegrityError: too large, not JSON, not an object, a key given twice.
    """
    if path.stat().st_size > MAX_JSON:
        raise _damaged(path, f"it has {path.stat().st_size} bytes, more than the {MAX_JSON} allowed")
    try:
        return _object(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise _damaged(path, f"it is not valid JSON ({error})") from error


def safetensors_entries(path: Path) -> list[StoredTensor]:
    """The tensor table of one safetensors file, proven to lie inside of the file without overlap.

    Raises:
        IntegrityError: the header lies; the message names the two numbers that disagree.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(8)
        length = struct.unpack("<Q", head)[0] if len(head) == 8 else MAX_HEADER + 1
        if length > min(MAX_HEADER, size - 8):
            raise _damaged(path, f"the header claims {length} bytes, but the file has {size}")
        try:
            header = _object(file.read(length))
        except (ValueError, RecursionError) as error:
            raise _damaged(path, f"the header is not valid JSON ({error})") from error
    header.pop("__metadata__", None)
    if len(header) > MAX_ENTRIES:
        raise _damaged(path, f"{len(header)} tensors are more than the {MAX_ENTRIES} allowed")
    entries = [_entry(path, name, value, 8 + length, size) for name, value in header.items()]
    for before, after in pairwise(sorted(entries, key=lambda t: t.offset)):
        if before.offset + before.size > after.offset:
            end = before.offset + before.size
            raise _damaged(
                path, f"{before.name} ends at byte {end}, but {after.name} starts at {after.offset}"
            )
    return entries


def _damaged(path: Path, reason: str) -> IntegrityError:
    return IntegrityError(f"{path.name} is damaged: {reason}; copy or download the checkpoint again")


def _object(text: bytes) -> dict[str, Any]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(result := dict(pairs)) != len(pairs):
            raise ValueError(f"{len(pairs)} keys, but only {len(result)} different ones")
        return result

    data = json.loads(text, object_pairs_hook=once)
    if not isinstance(data, dict):
        raise ValueError(f"a {type(data).__name__}, expected an object")
    return data


def _entry(path: Path, name: str, value: Mapping[str, Any], start: int, file_size: int) -> StoredTensor:
    try:
        dtype, shape, (begin, end) = value["dtype"], tuple(value["shape"]), value["data_offsets"]
        whole = all(type(n) is int and n >= 0 for n in (*shape, begin, end)) and isinstance(dtype, str)
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(path, f"the entry of {name} is malformed ({error!r})") from error
    if not whole:
        raise _damaged(path, f"the entry of {name} holds {value!r}, expected whole numbers")
    if dtype not in DTYPES:
        raise UsageError(
            f"{path.name}: {name} has type {dtype}, expected {', '.join(DTYPES)}; "
            "save the checkpoint as bfloat16"
        )
    expected = prod(shape) * DTYPES[dtype].itemsize
    if end - begin != expected:
        raise _damaged(
            path, f"{name} spans {end - begin} bytes, but its shape {list(shape)} needs {expected}"
        )
    if start + end > file_size:
        raise _damaged(path, f"{name} ends at byte {start + end}, but the file has {file_size}")
    return StoredTensor(name, path, dtype, shape, start + begin, expected)


def _all_tensors(folder: Path) -> Iterator[StoredTensor]:
    index, single = folder / "model.safetensors.index.json", folder / "model.safetensors"
    if index.is_file():
        yield from _sharded(folder, read_json(index))
    elif single.is_file():
        yield from safetensors_entries(single)
    elif any(folder.glob("*.bin")) or any(folder.glob("*.pt")) or any(folder.glob("*.pth")):
        raise UsageError(
            f"{folder} holds pickled weights, which can run code when opened; "
            "save the checkpoint with safetensors (save_pretrained does so by default)"
        )
    else:
        raise NotFoundError(f"{folder} is not a checkpoint: it has no model.safetensors; check the folder")


def _sharded(folder: Path, index: Mapping[str, Any]) -> Iterator[StoredTensor]:
    places = index.get("weight_map")
    if not isinstance(places, dict) or not all(isinstance(f, str) for f in places.values()):
        raise _damaged(folder / "model.safetensors.index.json", "it has no weight_map of file names")
    for name in sorted(set(places.values())):
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise _damaged(
                folder / "model.safetensors.index.json", f"{name!r} is not a file name in the folder"
            )
        if not (folder / name).is_file():
            raise NotFoundError(f"the shard {name} is missing in {folder}; copy or download it again")
        entries = {t.name: t for t in safetensors_entries(folder / name)}
        wanted = {tensor for tensor, place in places.items() if place == name}
        if wanted != set(entries):
            odd = sorted(wanted ^ set(entries))[0]
            raise _damaged(
                folder / name, f"it has {len(entries)} tensors, the index says {len(wanted)}; see {odd}"
            )
        yield from entries.values()


def _decoder_config(path: Path) -> dict[str, Any]:
    """config.json; of a model with several towers, with the decoder's settings over the whole's."""
    config = read_json(path)
    inner = config.get("text_config")
    return (
        config | {k: v for k, v in inner.items() if k != "architectures"}
        if isinstance(inner, dict)
        else config
    )


def _check_numbers(path: Path, config: Mapping[str, Any]) -> None:
    for name in _NEEDED:
        value = config.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
            raise _damaged(path, f"{name} is {value!r}, expected a positive number")


def _facts(path: Path, vocabulary_size: int) -> dict[str, Any]:
    return check_facts(path, read_json(path), vocabulary_size) if path.is_file() else {}


def check_facts(path: Path, facts: Any, vocabulary_size: int) -> dict[str, Any]:
    """A native model's facts, once they fit its vocabulary.

    Raises:
        IntegrityError: they are no object, malformed, or of another model.
    """
    if not isinstance(facts, dict):
        raise _damaged(path, f"the native facts are a {type(facts).__name__}, expected an object")
    for name in ("vocabulary", "modalities"):
        if not isinstance(facts.get(name), dict):
            raise _damaged(path, f"{name} is {facts.get(name)!r}, expected an object")
    size = Vocabulary.from_dict(facts["vocabulary"]).size
    if size != vocabulary_size:
        raise _damaged(path, f"its vocabulary has {size} ids, but the model has {vocabulary_size}")
    return facts
