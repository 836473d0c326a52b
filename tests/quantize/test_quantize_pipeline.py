"""One call turns a checkpoint into a bundle that proves itself, with numbers that are true."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

import edge
from edge.errors import DoesNotFitError, NotFoundError, UsageError
from edge.formats import manifest as manifests
from edge.vocabulary import NATIVE
from quantize import builtin_text, children, importance, pipeline
from quantize.pipeline import Options
from quantize.report import Report
from tests import tiny


class Watched(NamedTuple):
    """A run that has ended."""

    bundle: Path
    report: Report
    seen: dict[str, tuple[int, int]]  # the last (done, of) of every step


@pytest.fixture
def checkpoint(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_checkpoint, tmp_path / "checkpoint"))


def test_the_bundle_holds_what_its_manifest_lists_and_nothing_else(tiny_bundle: Path) -> None:
    manifest = manifests.load(tiny_bundle)
    listed = {entry.path for entry in manifest.files.values()} | {manifests.FILE_NAME}
    assert {p.name for p in tiny_bundle.iterdir()} == listed
    expected = {
        "decoder",
        "importance",
        *tiny.CODECS,
        "tokenizer",
        "chat_template",
        "licence",
        "report",
        "report_page",
    }
    assert set(manifest.files) == expected
    assert manifest.vocabulary == NATIVE
    assert manifest.recipe == {"name": "int4", "type": "Q4_K_M"}
    assert manifest.prompts == tiny.FACTS["prompts"]
    assert manifest.sampling == tiny.FACTS["sampling"]
    assert manifest.context_length == tiny.CONTEXT
    assert not list(tiny_bundle.parent.glob("*.partial-*"))


def test_the_runtime_opens_the_bundle_in_all_modalities(tiny_bundle: Path) -> None:
    with edge.load(tiny_bundle) as model:
        assert model.reads == model.makes == {"text", "image", "audio"}
        assert model.draw("a red circle", seed=1).pixels.shape == (64, 64, 3)


def test_the_report_says_what_was_measured(tiny_bundle: Path) -> None:
    report = Report.from_json((tiny_bundle / "report.json").read_bytes())
    assert report.sizes["decoder"].after == (tiny_bundle / "decoder.gguf").stat().st_size
    assert report.sizes["total"].after == sum(s.after for r, s in report.sizes.items() if r != "total")
    assert set(report.quality) == {"text", "image", "audio"}
    for quality in report.quality.values():
        assert (quality.rows, quality.tokens) == (2, 2 * 47)
        assert 0.3 < quality.agreement < 1
        assert 0 < quality.divergence < quality.divergence_99 < quality.divergence_999 < 0.2
        assert 0.9 < quality.perplexity_ratio < 1.1
        assert abs(quality.noise["divergence"]) < 1e-4 < quality.divergence
        low, high = quality.intervals["divergence"]
        assert low <= quality.divergence <= high
        assert abs(quality.loss - quality.reference_loss) < 0.1
    assert report.importance == "gathered on 288 ids: half of the held-out rows"
    assert report.judged_on == "the other half of the held-out rows"
    assert set(report.codecs) == set(tiny.CODECS)
    assert Report.from_json(report.to_json()) == report


def test_f16_against_itself_loses_nothing(checkpoint: Path, tmp_path: Path) -> None:
    report = pipeline.quantize(checkpoint, tmp_path / "b", "f16")
    for quality in report.quality.values():
        assert (quality.agreement, quality.perplexity_ratio) == (1.0, 1.0)
        assert quality.divergence == pytest.approx(0, abs=1e-6)
        assert quality.loss == quality.reference_loss == pytest.approx(np.log(16640), abs=1.0)
    assert not (tmp_path / "b" / "imatrix.gguf").exists()
    assert (tmp_path / "b" / "image_encoder.onnx").read_bytes() == (
        checkpoint / "image_encoder.onnx"
    ).read_bytes()


def test_without_held_out_ids_a_built_in_text_is_judged_and_the_report_says_so(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (checkpoint / "heldout.npz").unlink()
    monkeypatch.setattr(builtin_text.passages, "__defaults__", (4, 0))
    report = pipeline.quantize(checkpoint, tmp_path / "b", "int8")
    assert set(report.quality) == {"text"}
    assert report.judged_on.startswith("the other half of built-in generated text (not your own data")
    assert {c.kept for c in report.codecs.values()} == {"float"}


@pytest.fixture(scope="module")
def text_only(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Report]:
    """The bundle of a model that knows text alone, judged on one of two short rows of 11 ids."""
    base = tmp_path_factory.mktemp("text_only")
    folder = Path(shutil.copytree(tiny_checkpoint, base / "checkpoint"))
    for name in ("edge.json", *(f"{role}.onnx" for role in tiny.CODECS)):
        (folder / name).unlink()
    rows = np.full((2, 20), 8192, np.uint16)  # 8192 is pad
    rows[:, :11] = 65
    np.savez(base / "h.npz", text=rows)
    options = Options(heldout=base / "h.npz")
    return base / "b", pipeline.quantize(folder, base / "b", "int8", options=options)


def test_a_text_only_checkpoint_gives_a_text_only_bundle(text_only: tuple[Path, Report]) -> None:
    manifest = manifests.load(text_only[0])
    assert manifest.modalities == {"in": ("text",), "out": ("text",)}
    assert manifest.vocabulary.blocks == ()
    assert manifest.vocabulary.end == NATIVE.end


def test_padding_is_not_counted(text_only: tuple[Path, Report]) -> None:
    assert text_only[1].quality["text"].tokens == 10


def test_a_given_matrix_is_used_and_travels_with_the_bundle(
    checkpoint: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    given = Options(imatrix=tiny_bundle / "imatrix.gguf")
    report = pipeline.quantize(checkpoint, tmp_path / "b", "iq2_xxs", options=given)
    assert report.importance == "given: imatrix.gguf, from half of the held-out rows"
    again = importance.read(tmp_path / "b" / manifests.load(tmp_path / "b").files["importance"].path)
    entries = importance.read(tiny_bundle / "imatrix.gguf").entries
    assert all(np.array_equal(again.entries[name].sums, e.sums) for name, e in entries.items())
    assert report.quality["text"].divergence > 0


@pytest.fixture(scope="module")
def watched(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Watched:
    """A run with a user's examples, whose progress was written down."""
    base, seen = tmp_path_factory.mktemp("watched"), {}
    Image.fromarray(np.full((64, 64, 3), 90, np.uint8)).save(base / "p.png")
    picture = {"type": "image_url", "image_url": {"url": "p.png"}}
    turns = [{"role": "user", "content": [picture]}, {"role": "assistant", "content": "the red circle"}]
    lines = [{"text": "the green bird"}, {"messages": turns}]
    (base / "mine.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    report = pipeline.quantize(
        tiny_checkpoint, base / "b", "int4", options=Options(calibration=base / "mine.jsonl"),
        progress=lambda what, done, of: seen.update({what: (done, of)}),
    )  # fmt: skip
    return Watched(base / "b", report, seen)


def test_a_users_examples_calibrate(watched: Watched) -> None:
    assert re.fullmatch(r"gathered on \d+ ids: mine\.jsonl", watched.report.importance)
    assert watched.report.judged_on == "half of the held-out rows"
    assert importance.read(watched.bundle / "imatrix.gguf").datasets == ("mine.jsonl",)


def test_a_ready_matrix_and_examples_exclude_one_another(
    checkpoint: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    both = Options(imatrix=tiny_bundle / "imatrix.gguf", calibration=tmp_path / "c.jsonl")
    with pytest.raises(UsageError, match="exclude one another"):
        pipeline.quantize(checkpoint, tmp_path / "b", options=both)


def test_progress_tells_every_step_to_its_end(watched: Watched) -> None:
    expected = {"write BF16", "calibrate", "quantize Q4_K_M", "write F16", "reference", "noise floor",
                "measure", "codecs"}  # fmt: skip
    assert expected <= set(watched.seen)
    assert all(done == of for done, of in watched.seen.values())


@pytest.mark.parametrize(
    "broken", ["recipe", "codec", "heldout", "imatrix", "calibration", "target", "parent"]
)
def test_what_cannot_work_is_refused_before_a_byte_is_written(
    broken: str, checkpoint: Path, tmp_path: Path
) -> None:
    target, recipe = tmp_path / "b", "int4"
    if broken == "codec":
        (checkpoint / "image_decoder.onnx").unlink()
    if broken == "target":
        target.mkdir()
        (target / "thesis.txt").write_text("years of work")
    target = tmp_path / "none" / "b" if broken == "parent" else target
    recipe = "int5" if broken == "recipe" else recipe
    named = {broken: tmp_path / "none"} if broken in ("heldout", "imatrix", "calibration") else {}
    options = Options(**named)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UsageError if broken in ("recipe", "target") else NotFoundError):
        pipeline.quantize(checkpoint, target, recipe, options=options)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_disk_too_small_is_refused_with_both_numbers(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=5_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(DoesNotFitError, match=r"needs about \d+\.\d MB in .*, but 5\.0 MB are free"):
        pipeline.quantize(checkpoint, tmp_path / "b")
    assert not list(tmp_path.glob("b*"))


def test_a_crashing_model_runs_again_without_special_buffers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def run(module: str, arguments: list[str], on_line: object) -> None:
        calls.append(arguments)
        if arguments[-1] == "1":
            raise children.ChildDied("SIGSEGV")

    monkeypatch.setattr(children, "run", run)
    (tmp_path / "d.gguf").write_bytes(b"x")
    children.run_model("module", ["a"], tmp_path / "d.gguf", lambda *_: None)
    assert calls == [["a", "1", "1"], ["a", "1", "0"]]


def test_threads_follow_the_weights_and_not_the_graph_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children, "_SMALL", 10)
    monkeypatch.setattr(children, "cores", lambda: 7)
    graph = tmp_path / "[d].onnx"
    graph.write_bytes(b"x")
    assert children.threads_for(graph) == 1
    (tmp_path / "[d].onnx.data").write_bytes(bytes(20))
    assert children.threads_for(graph) == 7


def test_a_child_that_is_killed_is_an_error_that_names_the_signal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dies.py").write_text("import os\nprint('last words', flush=True)\nos.abort()\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(children.ChildDied, match="SIGABRT; its last words: last words"):
        children.run("dies", [])
