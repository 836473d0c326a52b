"""The bundle's manifest: what the model is, which files it has, their sizes and hashes.

Job: read, check and write manifest.json; prove that a folder holds exactly the files it lists.
Ignorance: never opens a listed file but to hash it; does not protect against a manifest rewritten together
with its files (that needs a signature).
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path, PurePosixPath
from typing import Any

from edge.errors import IntegrityError, NotFoundError
from edge.vocabulary import Vocabulary

SCHEMA = 1
FILE_NAME = "manifest.json"
MAX_BYTES = 1 << 20  # a manifest larger than 1 MiB is not ours
MODALITIES = ("text", "image", "audio", "video")
CODECS = {
    ("image", "in"): "image_encoder", ("image", "out"): "image_decoder",
    ("audio", "in"): "audio_encoder", ("audio", "out"): "audio_decoder",
    ("video", "in"): "image_encoder", ("video", "out"): "image_decoder",  # frames are pictures
}  # fmt: skip
GGUF, ONNX, ONNX_DATA, VOCABULARY = "decoder", "decoder_onnx", "decoder_onnx_data", "vocabulary"  # decoders
MMPROJ = "mmproj"  # the encoders of a public model


@dataclass(frozen=True)
class FileEntry:
    """One file of the bundle."""

    path: str  # relative, forward slashes, inside of the folder
    bytes: int
    sha256: str  # 64 lower-case hex digits


@dataclass(frozen=True)
class Manifest:
    """What a bundle says about itself."""

    name: str
    family: str
    member: str
    architecture: str
    modalities: Mapping[str, tuple[str, ...]]  # "in" and "out" -> some of MODALITIES
    vocabulary: Vocabulary
    files: Mapping[str, FileEntry]  # by role: "decoder", "image_encoder", "report"
    context_length: int  # tokens
    licence: str
    recipe: Mapping[str, Any]  # {"name": "int4", "type": "Q4_K_M"}
    prompts: Mapping[str, str] = field(default_factory=dict)  # wording the model was trained on, by task
    sampling: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # by modality
    tools: Mapping[str, str] = field(default_factory=dict)  # version by tool
    provenance: Mapping[str, Any] = field(default_factory=dict)
    schema: int = SCHEMA

    def to_json(self) -> str:
        """The text of manifest.json."""
        data = {f.name: getattr(self, f.name) for f in fields(self)}
        data["vocabulary"] = self.vocabulary.to_dict()
        data["files"] = {role: asdict(entry) for role, entry in self.files.items()}
        data["modalities"] = {way: list(kinds) for way, kinds in self.modalities.items()}
        return json.dumps({"schema": data.pop("schema"), **data}, indent=2, ensure_ascii=False) + "\n"

    @staticmethod
    def from_json(text: str | bytes) -> Manifest:
        """The inverse of `to_json`.

        Raises:
            IntegrityError: not JSON, another schema, a field missing, unknown or of the wrong type.
        """
        data = _object(text)
        if data.get("schema") != SCHEMA:
            raise IntegrityError(
                f"the manifest has schema {data.get('schema')!r}, and this Edge reads {SCHEMA}; "
                "install a matching version of Edge or build the bundle again"
            )
        _check_fields(data)
        data["vocabulary"] = Vocabulary.from_dict(data["vocabulary"])
        data["files"] = {role: _entry(role, entry) for role, entry in data["files"].items()}
        data["modalities"] = _modalities(data["modalities"])
        manifest = Manifest(**data)
        _check_codecs(manifest)
        _check_onnx(manifest)
        return manifest

    def verify(self, folder: str | Path, *, hashes: bool = True) -> None:
        """Prove that every listed file is plain, inside of `folder`, and of the listed size and SHA-256.

        Raises:
            IntegrityError: a file is missing, is a link, leaves the folder, or differs.
        """
        for role, entry in self.files.items():
            path = _inside(Path(folder), role, entry.path)
            size = path.stat().st_size
            if size != entry.bytes:
                raise _differs(path, role, f"has {size} bytes", f"{entry.bytes}")
            if hashes and (digest := sha256(path)) != entry.sha256:
                raise _differs(path, role, f"has the SHA-256 {digest[:16]}…", f"{entry.sha256[:16]}…")

    def path(self, folder: str | Path, role: str) -> Path:
        """Where the file of one role lies.

        Raises:
            NotFoundError: the bundle has no such file.
        """
        if role not in self.files:
            raise NotFoundError(f"the bundle {self.name} has no {role}; build it again with `edge quantize`")
        return Path(folder) / self.files[role].path


def load(folder: str | Path, *, hashes: bool = True) -> Manifest:
    """Read and verify the manifest of a bundle folder.

    Raises:
        NotFoundError: the folder has no manifest.
        IntegrityError: the manifest is malformed, or a file differs from it.
    """
    manifest = read(folder)
    manifest.verify(folder, hashes=hashes)
    return manifest


def read(folder: str | Path) -> Manifest:
    """The manifest alone: the files that it lists need not be there. Raises: as `load`."""
    path = Path(folder) / FILE_NAME
    if not path.is_file():
        raise NotFoundError(f"{folder} is not a bundle: it has no {FILE_NAME}; make one with `edge quantize`")
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise IntegrityError(f"{path} has {size} bytes, more than {MAX_BYTES}; build the bundle again")
    return Manifest.from_json(path.read_bytes())


def sha256(path: Path) -> str:
    """The hex digest of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def entry_of(folder: Path, name: str) -> FileEntry:
    """The manifest entry of a file as it lies in `folder` now."""
    return FileEntry(name, (folder / name).stat().st_size, sha256(folder / name))


def _differs(path: Path, role: str, found: str, expected: str) -> IntegrityError:
    return IntegrityError(
        f"{path.name} ({role}) {found}, but the manifest says {expected}; "
        "the bundle is damaged: copy or build it again"
    )


def _object(text: str | bytes) -> dict[str, Any]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in pairs}) != len(pairs):
            raise ValueError("a key is given twice")
        return dict(pairs)

    try:
        data = json.loads(text, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise IntegrityError(f"the manifest is not valid JSON: {error}; build the bundle again") from error
    if not isinstance(data, dict):
        kind = type(data).__name__
        raise IntegrityError(f"the manifest is a JSON {kind}, not an object; build the bundle again")
    return data


_TYPES: dict[str, type] = {
    "schema": int, "name": str, "family": str, "member": str, "architecture": str, "modalities": dict,
    "vocabulary": dict, "prompts": dict, "sampling": dict, "context_length": int, "files": dict,
    "licence": str, "recipe": dict, "tools": dict, "provenance": dict,
}  # fmt: skip
_OPTIONAL = {"prompts", "sampling", "tools", "provenance"}


def _check_fields(data: Mapping[str, Any]) -> None:
    missing, unknown = set(_TYPES) - _OPTIONAL - set(data), set(data) - set(_TYPES)
    if missing or unknown:
        raise IntegrityError(
            f"the manifest lacks {sorted(missing) or 'nothing'} "
            f"and has unknown {sorted(unknown) or 'nothing'}; build the bundle again"
        )
    for name, value in data.items():
        if type(value) is not _TYPES[name]:
            raise _wrong(name, value, _TYPES[name].__name__)
    if data["context_length"] < 1:
        raise _wrong("context_length", data["context_length"], "a positive number")
    for name, value in data.get("prompts", {}).items():
        if not isinstance(value, str):
            raise _wrong(f"prompts.{name}", value, "str")
    for name, value in data.get("sampling", {}).items():
        if not isinstance(value, dict):
            raise _wrong(f"sampling.{name}", value, "dict")


def _wrong(name: str, value: object, expected: str) -> IntegrityError:
    return IntegrityError(f"the manifest's {name} is {value!r}, expected {expected}; build the bundle again")


def _modalities(data: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    good = set(data) == {"in", "out"} and all(
        isinstance(kinds, list) and all(kind in MODALITIES for kind in kinds) for kinds in data.values()
    )
    if not good:
        raise _wrong("modalities", dict(data), f"'in' and 'out' with names of {', '.join(MODALITIES)}")
    return {way: tuple(kinds) for way, kinds in data.items()}


def _entry(role: str, data: Any) -> FileEntry:
    expected = {"path": str, "bytes": int, "sha256": str}
    if not isinstance(data, dict) or {k: type(v) for k, v in data.items()} != expected:
        raise _wrong(f"files.{role}", data, "path, bytes and sha256")
    entry = FileEntry(**data)
    if entry.bytes < 0 or len(entry.sha256) != 64 or set(entry.sha256) - set("0123456789abcdef"):
        raise _wrong(f"files.{role}", data, "a size and 64 hex digits")
    parts = PurePosixPath(entry.path).parts
    inside = bool(parts) and ".." not in parts and not entry.path.startswith("/")
    if not inside or any(c in entry.path for c in "\\:\0") or parts[-1] == FILE_NAME:
        raise _wrong(f"files.{role}.path", entry.path, "a plain path inside of the bundle")
    return entry


def _check_codecs(manifest: Manifest) -> None:
    """Every media modality whose ids the vocabulary holds has its codec among the files."""
    for (kind, way), role in CODECS.items():
        native = any(block.kind == kind for block in manifest.vocabulary.blocks)
        if native and kind in manifest.modalities[way] and role not in manifest.files:
            raise IntegrityError(
                f"the manifest says {kind} goes {way}, but lists no {role}; "
                "build the bundle again with its codecs"
            )


def _check_onnx(manifest: Manifest) -> None:
    """An ONNX decoder comes with its weights beside it, and with a vocabulary."""
    files = manifest.files
    if ONNX not in files:
        return
    graph, weights = files[ONNX].path, files[ONNX_DATA].path if ONNX_DATA in files else ""
    if weights.rpartition("/")[0] != graph.rpartition("/")[0] or not weights:
        raise IntegrityError(f"the manifest lists no {ONNX_DATA} beside {graph}; build the bundle again")
    if VOCABULARY not in files and GGUF not in files:
        raise IntegrityError(f"the manifest lists {graph}, but no vocabulary for it; build the bundle again")


def _inside(folder: Path, role: str, name: str) -> Path:
    """The file, once no step of its path is a symbolic link and it is a plain file."""
    path = folder
    for part in PurePosixPath(name).parts:
        path = path / part
        try:
            mode = os.lstat(path).st_mode
        except OSError as error:
            raise IntegrityError(
                f"{name} ({role}) is listed in the manifest but missing in {folder}; "
                "copy or build the bundle again"
            ) from error
        if stat.S_ISLNK(mode):
            raise IntegrityError(
                f"{path} ({role}) is a symbolic link, not a plain file; copy the bundle again"
            )
    if not stat.S_ISREG(mode):
        raise IntegrityError(f"{path} ({role}) is not a plain file; copy or build the bundle again")
    return path
