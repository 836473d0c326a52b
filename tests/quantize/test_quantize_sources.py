"""A float GGUF is a source as good as the checkpoint it came from; terms travel with the weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import gguf
import numpy as np
import pytest
from typer.testing import CliRunner

import edge
from edge import licences
from edge.cli.verbs import app
from edge.errors import IntegrityError, NotFoundError, UsageError
from edge.formats import manifest as manifests
from edge.formats.gguf import read_header
from quantize import gguf_source, pipeline
from tests import tiny


@pytest.fixture(scope="module")
def f16(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an f16 decoder, and with codecs and held-out data beside it."""
    base = tmp_path_factory.mktemp("f16")
    pipeline.quantize(tiny.checkpoint(base / "c", dtype="F16"), base / "b", "f16")
    for path in [*(base / "c").glob("*.onnx"), base / "c/heldout.npz", base / "c/LICENSE"]:
        shutil.copyfile(path, base / path.name)
    return Path(shutil.copyfile(base / "b/decoder.gguf", base / "tiny.gguf"))


def weights(path: Path) -> dict[str, bytes]:
    return {t.name: t.data.tobytes() for t in gguf.GGUFReader(path).tensors}


def test_a_gguf_gives_the_weights_that_its_checkpoint_gives(f16: Path, tmp_path: Path) -> None:
    pipeline.quantize(f16.parent / "c", tmp_path / "one", "int8")
    report = pipeline.quantize(f16, tmp_path / "two", "int8")
    assert weights(tmp_path / "one/decoder.gguf") == weights(tmp_path / "two/decoder.gguf")
    one, two = (manifests.load(tmp_path / name) for name in ("one", "two"))
    assert (one.vocabulary, one.modalities, one.architecture) == (
        two.vocabulary, two.modalities, two.architecture
    )  # fmt: skip
    assert set(report.quality) == {"text", "image", "audio"}
    assert set(one.files) - set(two.files) == {"tokenizer"}
    with edge.load(tmp_path / "two") as model:
        assert model.reads == {"text", "image", "audio"}


@pytest.mark.parametrize("recipe", ["f16", "f32", "bf16"])
def test_a_gguf_is_converted_between_float_types(recipe: str, f16: Path, tmp_path: Path) -> None:
    pipeline.quantize(f16, tmp_path / "b", recipe)
    tensors = {t.name: t for t in gguf.GGUFReader(tmp_path / "b/decoder.gguf").tensors}
    name = "blk.0.ffn_down.weight"
    found = gguf.quants.dequantize(tensors[name].data, tensors[name].tensor_type)
    expected = tiny.weights()["model.layers.0.mlp.down_proj.weight"]
    np.testing.assert_allclose(found, expected, rtol=5e-3, atol=1e-6)
    assert tensors[name].tensor_type.name == recipe.upper()


def test_a_gguf_that_is_quantized_already_is_refused(f16: Path, tmp_path: Path) -> None:
    pipeline.quantize(f16, tmp_path / "b", "q4_0")
    with pytest.raises(UsageError, match=r"quantized already \(Q4_0, Q6_K\)"):
        gguf_source.open_source(tmp_path / "b/decoder.gguf")


def test_a_native_gguf_without_its_codecs_is_refused(f16: Path, tmp_path: Path) -> None:
    alone = Path(shutil.copyfile(f16, tmp_path / "alone.gguf"))
    with pytest.raises(NotFoundError, match=r"image_encoder\.onnx is missing"):
        pipeline.quantize(alone, tmp_path / "b", "int8")
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"edge.native": "{"}, IntegrityError),
        ({"edge.native": "[1]"}, IntegrityError),
        ({"llama.context_length": None}, IntegrityError),
        ({"tokenizer.ggml.tokens": None}, UsageError),
    ],
)
def test_a_gguf_that_says_too_little_is_refused(
    change: dict[str, str | None], kind: type[Exception], tmp_path: Path
) -> None:
    values = {"edge.native": None, "llama.context_length": 64, "tokenizer.ggml.tokens": ["a", "b"]} | change
    writer = gguf.GGUFWriter(None, "llama")
    writer.add_tensor("token_embd.weight", np.zeros((2, 32), np.float32))
    if values["edge.native"] is not None:
        writer.add_string("edge.native", values["edge.native"])
    if values["llama.context_length"] is not None:
        writer.add_context_length(64)
    if values["tokenizer.ggml.tokens"] is not None:
        writer.add_token_list(["a", "b"])
    writer.write_header_to_file(tmp_path / "x.gguf")
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(kind):
        gguf_source.open_source(tmp_path / "x.gguf")


def test_a_file_that_is_no_gguf_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"\x80")
    with pytest.raises(UsageError, match=r"no folder and no \.gguf file"):
        gguf_source.open_source(tmp_path / "model.bin")


def test_terms_travel_and_are_shown_with_their_obligations(tiny_checkpoint: Path, tmp_path: Path) -> None:
    source = Path(shutil.copytree(tiny_checkpoint, tmp_path / "c"))
    for name in ("edge.json", *(f"{role}.onnx" for role in tiny.CODECS)):
        (source / name).unlink()
    (source / "LICENSE").unlink()
    (source / "LICENSE.txt").write_text("LLAMA 3.2 COMMUNITY LICENSE AGREEMENT\nterms of the test\n")
    (source / "USE_POLICY.md").write_text("Do no harm.\n")
    (source / "Notice").write_text("Llama 3.2 is licensed …\n")
    pipeline.quantize(source, tmp_path / "b", "int8")
    manifest = manifests.load(tmp_path / "b")
    assert manifest.licence == "llama3.2"
    assert manifest.files["licence"].path == "LICENSE.txt"
    assert manifest.files["use_policy"].path == "USE_POLICY.md"
    assert manifest.files["notice"].path == "Notice"
    assert read_header(tmp_path / "b/decoder.gguf").metadata["general.license"] == "llama3.2"
    shown = CliRunner().invoke(app, ["show", str(tmp_path / "b")]).stdout
    for text in (
        "Built with Llama",
        "begins with",
        "700 million",
        "European Union",
        "terms of the test",
        "Do no harm.",
    ):
        assert text in shown
    facts = json.loads(CliRunner().invoke(app, ["show", str(tmp_path / "b"), "--json"]).stdout)
    assert facts["obligations"] == list(licences.obligations("llama3.2"))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("LLAMA 2 COMMUNITY LICENSE AGREEMENT", "llama2"),
        ("META LLAMA 3 COMMUNITY LICENSE AGREEMENT", "llama3"),
        ("LLAMA 3.1 COMMUNITY LICENSE AGREEMENT", "llama3.1"),
        ("LLAMA 4 COMMUNITY LICENSE AGREEMENT", "llama4"),
        ("                    Apache License\n       Version 2.0, January 2004", "Apache-2.0"),
        ("something else", None),
    ],
)
def test_a_licence_is_known_by_its_text(text: str, name: str | None, tmp_path: Path) -> None:
    (tmp_path / "LICENSE").write_text(text)
    assert licences.name_of(licences.files(tmp_path).values()) == name
    assert bool(licences.obligations(name or "")) == bool(name and name.startswith("llama"))


def test_only_llama_2_and_3_keep_their_outputs() -> None:
    for name in ("llama2", "llama3", "llama3.1", "llama3.2", "llama3.3", "llama4"):
        kept = any("improve any other" in line for line in licences.obligations(name))
        assert kept == (name in ("llama2", "llama3"))
