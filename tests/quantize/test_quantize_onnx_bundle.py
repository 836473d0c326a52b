"""Bundles with an ONNX decoder: made, checked, loaded, answered by; and every way they can lie."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import edge
from edge.errors import IntegrityError, UsageError
from edge.formats import manifest
from edge.formats.manifest import Manifest
from edge.options import EngineOptions, SamplingOptions
from edge.segments import TokenSegment
from quantize import onnx_export
from quantize.children import Progress
from quantize.pipeline import Options, quantize
from quantize.quality import Reference
from quantize.report import Quality, Report
from tests import tiny

ONE = EngineOptions(threads=1)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A native checkpoint that knows text alone: codecs take time and have their own tests."""
    folder = tiny.checkpoint(tmp_path_factory.mktemp("onnx_bundles") / "source")
    text = {"modalities": {"in": ["text"], "out": ["text"]}}
    (folder / "edge.json").write_text(json.dumps(tiny.FACTS | text))
    return folder


@pytest.fixture(scope="module")
def both(source: Path) -> Path:
    quantize(source, source.with_name("both"), "int8", options=Options(format="both"))
    return source.with_name("both")


@pytest.fixture(scope="module")
def alone(source: Path) -> Path:
    quantize(source, source.with_name("alone"), "int4", options=Options(format="onnx"))
    return source.with_name("alone")


@pytest.fixture
def copy(alone: Path, tmp_path: Path) -> Path:
    shutil.copytree(alone, tmp_path / "copy")
    return tmp_path / "copy"


def relist(folder: Path) -> None:
    """Make the manifest agree with changed files: what a hash cannot catch."""
    known = Manifest.from_json((folder / manifest.FILE_NAME).read_bytes())
    data = json.loads(known.to_json())
    for role, entry in known.files.items():
        data["files"][role] = vars(manifest.entry_of(folder, entry.path))
    (folder / manifest.FILE_NAME).write_text(json.dumps(data))


def test_a_bundle_without_a_gguf_decoder_answers_on_onnxruntime(alone: Path) -> None:
    with edge.load(alone, engine=ONE) as model:
        assert model.engine.name == "onnx"
        assert model.reads == {"text"}
        reply = model.chat(sampling=SamplingOptions(seed=1, max_tokens=6)).ask("hello")
    assert reply.usage.completion_tokens >= 1


def test_every_file_of_it_is_in_the_manifest(alone: Path) -> None:
    known = manifest.load(alone)
    assert {entry.path for entry in known.files.values()} | {manifest.FILE_NAME} == {
        path.name for path in alone.iterdir()
    }
    roles = {"decoder_onnx", "decoder_onnx_data", "vocabulary", "genai_config", "tokenizer", "report"}
    assert roles <= set(known.files)
    assert "decoder" not in known.files


def test_both_engines_open_a_bundle_of_both_and_agree(both: Path) -> None:
    tokens, logits = [TokenSegment(tuple(range(30)))], {}
    for asked, name in (("auto", "llama_cpp"), ("llama.cpp", "llama_cpp"), ("onnx", "onnx")):
        with edge.load(both, engine=EngineOptions(threads=1, engine=asked)) as model:  # type: ignore[arg-type]
            assert model.engine.name == name
            assert model.engine.tokenizer.encode("a red circle") == model.wiring.layout.tokenizer.encode(
                "a red circle"
            )
            logits[asked] = model.engine.feed(tokens)
    assert np.corrcoef(logits["llama.cpp"], logits["onnx"])[0, 1] > 0.999


def test_the_vocabulary_alone_gives_the_ids_of_the_whole_file(alone: Path, both: Path) -> None:
    text = "the picture of a red circle — öß 😀 <|img|>\n"
    with edge.load(alone, engine=ONE) as one, edge.load(both, engine=ONE) as other:
        for special in (False, True):
            ids = one.engine.tokenizer.encode(text, special=special)
            assert ids == other.engine.tokenizer.encode(text, special=special)
    assert len(ids) > 10


def test_the_report_measures_each_decoder(both: Path, alone: Path) -> None:
    two, one = (Report.from_json((folder / "report.json").read_bytes()) for folder in (both, alone))
    assert set(two.quality) == set(two.quality_onnx) == set(one.quality)
    assert one.quality_onnx == {}
    assert two.quality_onnx["text"].divergence < one.quality["text"].divergence < 0.5
    assert two.sizes["decoder"].after == (both / "decoder.gguf").stat().st_size
    files = onnx_export.files(alone / "decoder.onnx")
    assert one.sizes["decoder_onnx"].after == sum(file.stat().st_size for file in files)
    assert one.type == "ONNX 4-bit blocks of 32, embedding and head 8-bit"


def test_both_are_judged_against_f16_on_rows_that_calibrated_nothing(both: Path, alone: Path) -> None:
    two, one = (Report.from_json((folder / "report.json").read_bytes()) for folder in (both, alone))
    for report in (two, one):
        assert report.quality_note == "against f16"
        assert report.judged_on == "the other half of the held-out rows"
        assert Report.from_json(report.to_json()) == report
    for quality in (two.quality["text"], two.quality_onnx["text"], one.quality["text"]):
        assert (quality.rows, quality.tokens) == (2, 2 * 47)
        assert 0 < quality.divergence < quality.divergence_99 <= quality.divergence_999
        assert abs(quality.noise["divergence"]) < quality.divergence
        low, high = quality.intervals["divergence"]
        assert low <= quality.divergence <= high
    assert one.importance.startswith("gathered on ")
    assert two.importance == "none: nothing that is written uses it"  # 8 bits
    assert (alone / "imatrix.gguf").exists() > (both / "imatrix.gguf").exists()


def test_the_page_shows_every_decoder_and_what_it_says(both: Path, alone: Path) -> None:
    for folder, names in ((both, ("text", "text (ONNX)")), (alone, ("text",))):
        html = (folder / "report.html").read_text(encoding="utf-8")
        assert all(f"<td>{name}</td>" in html for name in names)
        assert html.count('class="pair"') == 2 * 3  # two rows of each modality


def test_where_only_the_gguf_can_be_measured_the_report_says_so(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure = Reference.quality

    def failing(self: Reference, result: Path, progress: Progress) -> dict[str, Quality]:
        if result.suffix == ".onnx":
            raise edge.errors.EngineError("no memory")
        return measure(self, result, progress)

    monkeypatch.setattr(Reference, "quality", failing)
    report = quantize(source, tmp_path / "b", "int8", options=Options(format="both"))
    assert report.quality["text"].divergence > 0
    assert report.quality_onnx == {}
    assert report.quality_note == "against f16 (the ONNX decoder was not measured: no memory)"


def test_damaged_weights_are_found_before_they_are_opened(copy: Path) -> None:
    data = bytearray((copy / "decoder.onnx.data").read_bytes())
    data[len(data) // 2] ^= 1
    (copy / "decoder.onnx.data").write_bytes(data)
    with pytest.raises(IntegrityError, match=r"decoder\.onnx\.data .* SHA-256"):
        edge.load(copy, engine=ONE)


def test_a_graph_that_reads_a_file_outside_of_the_manifest_is_refused(copy: Path) -> None:
    model = onnx.load(copy / "decoder.onnx", load_external_data=False)
    outside = next(weight for weight in model.graph.initializer if weight.external_data)
    for entry in outside.external_data:
        if entry.key == "location":
            entry.value = "other.data"
    (copy / "decoder.onnx").write_bytes(model.SerializeToString())
    shutil.copy(copy / "decoder.onnx.data", copy / "other.data")
    relist(copy)
    with pytest.raises(IntegrityError, match=r"keeps weights in 'other\.data', but its bundle lists"):
        edge.load(copy, engine=ONE)


@pytest.mark.parametrize(
    ("role", "told"), [("decoder_onnx_data", "no decoder_onnx_data"), ("vocabulary", "no vocabulary")]
)
def test_a_manifest_with_half_a_decoder_is_refused(role: str, told: str, copy: Path) -> None:
    data: dict[str, Any] = json.loads((copy / manifest.FILE_NAME).read_text())
    del data["files"][role]
    with pytest.raises(IntegrityError, match=told):
        Manifest.from_json(json.dumps(data))


def test_an_engine_that_the_bundle_has_no_decoder_for_is_named(alone: Path) -> None:
    with pytest.raises(edge.NotFoundError, match="has no decoder;"):
        edge.load(alone, engine=EngineOptions(engine="llama.cpp"))
    with pytest.raises(UsageError, match=r"no engine 'tpu'; choose auto, llama\.cpp or onnx"):
        edge.load(alone, engine=EngineOptions(engine="tpu"))  # type: ignore[arg-type]


def test_a_gguf_file_runs_on_llama_cpp_alone(both: Path) -> None:
    with pytest.raises(UsageError, match=r"decoder\.gguf runs on llama\.cpp"):
        edge.load(both / "decoder.gguf", engine=EngineOptions(engine="onnx"))


def test_what_onnx_cannot_hold_is_refused_before_work_starts(
    source: Path, both: Path, tmp_path: Path
) -> None:
    for checkpoint, recipe, format, told in (
        (source, "int4", "pdf", "unknown format 'pdf'; choose one of gguf, onnx, both"),
        (source, "q4_k_m", "both", "exists for GGUF only"),
        (both / "decoder.gguf", "int4", "onnx", "quantized already"),
    ):
        with pytest.raises(UsageError, match=told):
            quantize(checkpoint, tmp_path / "out", recipe, options=Options(format=format))
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_that_never_ends_a_turn_is_refused_before_work_starts(
    source: Path, tmp_path: Path
) -> None:
    def started(*_: object) -> None:
        pytest.fail("work started")

    endless = tmp_path / "endless"
    shutil.copytree(source, endless)
    for name in ("edge.json", "generation_config.json"):
        (endless / name).unlink()
    config = json.loads((endless / "config.json").read_text())
    del config["eos_token_id"]
    (endless / "config.json").write_text(json.dumps(config))
    with pytest.raises(UsageError, match="names no eos_token_id"):
        quantize(endless, tmp_path / "out", options=Options(format="onnx"), progress=started)
    assert list(tmp_path.iterdir()) == [endless]
