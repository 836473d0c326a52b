"""Which engine runs a bundle: asked for, the only one, or the faster one as it was measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edge import hardware
from edge.engines import choice
from edge.errors import UsageError
from edge.formats import manifest
from edge.formats.manifest import FileEntry, Manifest


def bundle(tiny_bundle: Path, *roles: str, digit: str = "a") -> Manifest:
    files = {role: FileEntry(role, 1, digit * 64) for role in roles}
    return replace(manifest.load(tiny_bundle), files=files)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_HOME", str(tmp_path))


def test_the_only_decoder_decides(tiny_bundle: Path) -> None:
    assert choice.of(bundle(tiny_bundle, manifest.GGUF), "auto") == "llama.cpp"
    assert choice.of(bundle(tiny_bundle, manifest.ONNX), "auto") == "onnx"


def test_of_two_it_is_llama_cpp_until_the_other_was_measured_to_be_faster(tiny_bundle: Path) -> None:
    both = bundle(tiny_bundle, manifest.GGUF, manifest.ONNX)
    assert choice.held(both) == ("llama.cpp", "onnx")
    assert choice.of(both, "auto") == "llama.cpp"
    choice.remember(both, "onnx")
    assert choice.of(both, "auto") == "onnx"
    assert choice.of(both, "llama.cpp") == "llama.cpp"


def test_what_was_measured_holds_for_these_decoders_on_this_machine(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = bundle(tiny_bundle, manifest.GGUF, manifest.ONNX)
    choice.remember(both, "onnx")
    assert choice.of(bundle(tiny_bundle, manifest.GGUF, manifest.ONNX, digit="b"), "auto") == "llama.cpp"
    assert choice.of(bundle(tiny_bundle, manifest.GGUF), "auto") == "llama.cpp"
    monkeypatch.setattr(hardware, "machine_key", lambda: "another")
    assert choice.of(both, "auto") == "llama.cpp"


def test_a_memory_of_nonsense_is_no_engine(tiny_bundle: Path, tmp_path: Path) -> None:
    both = bundle(tiny_bundle, manifest.GGUF, manifest.ONNX)
    choice.remember(both, "gpu")
    assert choice.of(both, "auto") == "llama.cpp"


def test_an_engine_that_does_not_exist_is_refused(tiny_bundle: Path) -> None:
    with pytest.raises(UsageError, match="no engine 'gpu'"):
        choice.of(bundle(tiny_bundle, manifest.GGUF), "gpu")
