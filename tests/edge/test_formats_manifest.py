"""A manifest says exactly what the folder holds, or the bundle is refused."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge.errors import IntegrityError, NotFoundError
from edge.formats.manifest import FILE_NAME, FileEntry, Manifest, entry_of, load
from edge.vocabulary import NATIVE, Vocabulary


def small(folder: Path) -> Manifest:
    """A text-only bundle of two files."""
    (folder / "decoder.gguf").write_bytes(b"weights")
    (folder / "sub").mkdir()
    (folder / "sub" / "LICENSE").write_bytes(b"free")
    files = {"decoder": entry_of(folder, "decoder.gguf"), "licence": entry_of(folder, "sub/LICENSE")}
    manifest = Manifest(
        name="small", family="llama", member="small", architecture="llama",
        modalities={"in": ("text",), "out": ("text",)}, vocabulary=Vocabulary(10, 10, (2,)), files=files,
        context_length=64, licence="MIT", recipe={"name": "int4", "type": "Q4_K_M"},
        prompts={"draw": "Draw {text}."},
    )  # fmt: skip
    (folder / FILE_NAME).write_text(manifest.to_json())
    return manifest


def changed(manifest: Manifest, **values: Any) -> str:
    return json.dumps(json.loads(manifest.to_json()) | values)


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    manifest = small(tmp_path)
    assert load(tmp_path) == manifest
    assert manifest.path(tmp_path, "decoder") == tmp_path / "decoder.gguf"


def test_a_changed_byte_is_an_integrity_error_that_shows_both_hashes(tmp_path: Path) -> None:
    manifest = small(tmp_path)
    (tmp_path / "decoder.gguf").write_bytes(b"Weights")
    with pytest.raises(IntegrityError) as caught:
        load(tmp_path)
    assert manifest.files["decoder"].sha256[:16] in str(caught.value)
    assert entry_of(tmp_path, "decoder.gguf").sha256[:16] in str(caught.value)
    assert caught.value.exit_code == 6
    load(tmp_path, hashes=False)  # the size still fits


def test_a_changed_size_is_an_integrity_error_that_shows_both_sizes(tmp_path: Path) -> None:
    small(tmp_path)
    (tmp_path / "decoder.gguf").write_bytes(b"weights!")
    with pytest.raises(IntegrityError, match=r"8 bytes.*says 7"):
        load(tmp_path, hashes=False)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    small(tmp_path)
    (tmp_path / "decoder.gguf").unlink()
    with pytest.raises(IntegrityError, match=r"decoder\.gguf \(decoder\).*missing"):
        load(tmp_path)


@pytest.mark.parametrize("link", ["file", "folder"])
def test_a_symbolic_link_is_refused(link: str, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    small(bundle)
    victim = bundle / ("decoder.gguf" if link == "file" else "sub")
    victim.rename(tmp_path / "elsewhere")
    victim.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(IntegrityError, match="symbolic link"):
        load(bundle)


def test_a_pipe_is_refused_without_being_opened(tmp_path: Path) -> None:
    small(tmp_path)
    (tmp_path / "decoder.gguf").unlink()
    os.mkfifo(tmp_path / "decoder.gguf")
    with pytest.raises(IntegrityError, match="not a plain file"):
        load(tmp_path)


@pytest.mark.parametrize(
    "path", ["../secret", "/etc/passwd", "a/../../b", "", ".", "c:\\x", "a\\b", "manifest.json"]
)
def test_a_path_that_leaves_the_folder_is_refused(path: str, tmp_path: Path) -> None:
    manifest = small(tmp_path)
    files = {"decoder": {"path": path, "bytes": 1, "sha256": "0" * 64}}
    with pytest.raises(IntegrityError, match=r"files\.decoder"):
        Manifest.from_json(changed(manifest, files=files))


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"schema": 2}, "schema 2"),
        ({"extra": 1}, "extra"),
        ({"name": 3}, "name is 3"),
        ({"context_length": True}, "context_length is True"),
        ({"context_length": 0}, "context_length is 0"),
        ({"modalities": {"in": ["text"]}}, "modalities"),
        ({"modalities": {"in": ["smell"], "out": []}}, "smell"),
        ({"prompts": {"draw": 1}}, "prompts.draw"),
        ({"sampling": {"text": 1}}, "sampling.text"),
        ({"vocabulary": {"size": 1}}, "vocabulary"),
        ({"files": {"decoder": {"path": "d", "bytes": -1, "sha256": "0" * 64}}}, "-1"),
        ({"files": {"decoder": {"path": "d", "bytes": 1, "sha256": "xyz"}}}, "64 hex"),
        ({"files": {"decoder": {"path": "d", "bytes": 1.0, "sha256": "0" * 64}}}, "1.0"),
    ],
)
def test_a_field_of_the_wrong_kind_is_named(values: dict[str, Any], told: str, tmp_path: Path) -> None:
    with pytest.raises(IntegrityError) as caught:
        Manifest.from_json(changed(small(tmp_path), **values))
    assert told in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"schema":1,"schema":1}', "[" * 100_000, "\xff"])
def test_text_that_is_no_manifest_is_refused(text: str) -> None:
    with pytest.raises(IntegrityError):
        Manifest.from_json(text.encode("latin-1"))


def test_a_missing_field_is_named(tmp_path: Path) -> None:
    data = json.loads(small(tmp_path).to_json())
    del data["licence"]
    with pytest.raises(IntegrityError, match="licence"):
        Manifest.from_json(json.dumps(data))


def test_a_native_modality_without_its_codec_is_refused(tmp_path: Path) -> None:
    manifest = replace(
        small(tmp_path), vocabulary=NATIVE, modalities={"in": ("text",), "out": ("text", "image")}
    )
    with pytest.raises(IntegrityError, match="image_decoder"):
        Manifest.from_json(manifest.to_json())
    entry = FileEntry("d.onnx", 1, "0" * 64)
    whole = replace(manifest, files={**manifest.files, "image_decoder": entry})
    assert Manifest.from_json(whole.to_json()) == whole


def test_a_folder_without_manifest_is_not_a_bundle(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"no manifest\.json"):
        load(tmp_path)


def test_a_manifest_of_megabytes_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b" " * (1 << 21))
    with pytest.raises(IntegrityError, match="2097152"):
        load(tmp_path)
