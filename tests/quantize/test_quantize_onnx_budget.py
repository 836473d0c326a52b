"""The same allocator drives ONNX: every matrix gets bits and a block size, and the files meet the limit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

import edge
from edge.engines.llama_cpp import LlamaCppEngine
from edge.errors import DoesNotFitError
from edge.options import EngineOptions, SamplingOptions
from edge.segments import TokenSegment
from quantize import (
    gguf_export,
    kernel_speed,
    native_onnx_speed,
    onnx_export,
    pipeline,
    recipes,
)
from quantize.budget import Goal
from quantize.checkpoint import Checkpoint
from quantize.importance import Entry, Importance
from quantize.onnx_backend import OnnxBackend
from quantize.onnx_blocks import KINDS
from quantize.pipeline import Options
from quantize.report import Report
from quantize.tensor_groups import MENU
from tests import tiny
from tests.quantize import random_checkpoints
from tests.quantize.test_quantize_architectures import exact_attention
from tests.quantize.test_quantize_onnx import logits

__all__ = ["exact_attention"]  # a fixture for all tests here
SPEED = dict.fromkeys((*MENU, *KINDS), 1e-10)
LIMIT = 3_900_000  # bytes; the smallest mixture of the tiny model has 2.4 MB, the largest 4.9
IDS = np.random.default_rng(0).integers(0, 256, 40).tolist()


def ignore(*_: object) -> None:
    """No progress is shown."""


@pytest.fixture(autouse=True, scope="module")
def no_timing() -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernel_speed, "measured", lambda runtime, threads, progress: SPEED)
        yield


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A native checkpoint that knows text alone: codecs take time and have their own tests."""
    folder = tiny.checkpoint(tmp_path_factory.mktemp("onnx_budget") / "source")
    text = {"modalities": {"in": ["text"], "out": ["text"]}}
    (folder / "edge.json").write_text(json.dumps(tiny.FACTS | text))
    return folder


@pytest.fixture(scope="module")
def stages() -> list[str]:
    """Of the progress of `both`, in order."""
    return []


@pytest.fixture(scope="module")
def both(source: Path, stages: list[str]) -> Path:
    def show(what: str, done: int, of: int) -> None:
        if not stages or stages[-1] != what:
            stages.append(what)

    options = Options(format="both", goal=Goal(max_size=LIMIT))
    pipeline.quantize(source, source.with_name("both"), options=options, progress=show)
    return source.with_name("both")


def backend(checkpoint: Checkpoint, work: Path) -> OnnxBackend:
    gguf_export.write_float(checkpoint, work / "f16.gguf", recipes.find("f16"), ignore)
    return OnnxBackend(work / "f16.gguf", work / "none.gguf", checkpoint.folder)


def test_each_decoder_of_a_bundle_meets_the_size_and_runs(both: Path) -> None:
    report = Report.from_json((both / "report.json").read_bytes())
    graph = sum(file.stat().st_size for file in onnx_export.files(both / "decoder.onnx"))
    for written, plan in ((graph, report.plan_onnx), ((both / "decoder.gguf").stat().st_size, report.plan)):
        assert written <= plan["point"]["bytes"] <= LIMIT
        assert plan["point"]["bytes"] <= 1.03 * written
    assert report.quality_onnx["text"].divergence == pytest.approx(
        report.plan_onnx["point"]["divergence"], rel=1
    )
    assert {c["type"] for c in report.plan_onnx["choices"]} <= set(KINDS)
    assert report.type.split(" and ")[1].startswith("ONNX mixed, int")
    page = (both / "report.html").read_text(encoding="utf-8")
    assert "<h2>What was possible (GGUF)</h2>" in page
    assert "<h2>What was possible (ONNX)</h2>" in page
    with edge.load(both, engine=EngineOptions(threads=1, engine="onnx")) as model:
        reply = model.chat(sampling=SamplingOptions(seed=1, max_tokens=4)).ask("hello")
    assert reply.usage.completion_tokens >= 1


def test_every_stage_of_the_progress_is_entered_once_and_says_its_format(
    both: Path, stages: list[str]
) -> None:
    assert len(stages) == len(set(stages)), stages
    for what in ("sensitivity", "mixture 1", "measure"):
        assert {f"{what} (GGUF)", f"{what} (ONNX)"} <= set(stages)


def test_the_graph_stores_each_matrix_as_the_plan_says(both: Path) -> None:
    report = Report.from_json((both / "report.json").read_bytes())
    planned = {c["group"]: KINDS[c["type"]] for c in report.plan_onnx["choices"]}
    found = {}
    for node in onnx.load(both / "decoder.onnx", load_external_data=False).graph.node:
        if node.op_type == "MatMulNBits":
            facts = {a.name: a.i for a in node.attribute}
            found[node.input[1]] = (facts["bits"], facts["block_size"], len(node.input) < 4)
    for matrix, group in (("blk.0.ffn_down", "ffn_down 0"), ("blk.0.ffn_up", "ffn_gate+up 0"),
                          ("token_embd", "token_embd")):  # fmt: skip
        kind = planned[group]
        assert found[matrix] == (kind.bits, kind.block, kind.symmetric)


def test_a_divergence_is_met_by_measurement_on_onnxruntime(source: Path, both: Path, tmp_path: Path) -> None:
    coarse = Report.from_json((both / "report.json").read_bytes()).plan_onnx["point"]
    target = coarse["divergence"] / 4
    planned = pipeline.plan(source, tmp_path / "b", options=Options(format="onnx", goal=Goal(max_kl=target)))[
        "onnx"
    ]
    assert planned.point.divergence <= target
    assert planned.point.bytes > coarse["bytes"]
    assert list(tmp_path.iterdir()) == []


def test_a_size_below_the_smallest_graph_is_refused_with_the_least(source: Path, tmp_path: Path) -> None:
    with pytest.raises(DoesNotFitError, match=r"the least that this model needs is 2\.\d MB"):
        pipeline.plan(source, tmp_path / "b", options=Options(format="onnx", goal=Goal(max_size=1_500_000)))


@pytest.mark.parametrize("name", [n for n in random_checkpoints.CONFIGS if n != "llama4"])
def test_no_graph_is_larger_than_the_sum_of_its_parts(name: str, tmp_path: Path) -> None:
    checkpoint = random_checkpoints.checkpoint(tmp_path / "c", name)
    made, random = backend(checkpoint, tmp_path), np.random.default_rng(0)
    groups = made.groups(4)
    for number in range(3):
        picks = {g.name: g.menu[random.integers(len(g.menu))] for g in groups}
        kinds = {t.name: picks[g.name] for g in groups for t in g.tensors}
        path = tmp_path / f"{number}.onnx"
        onnx_export.write(checkpoint, path, onnx_export.mixed("x", kinds), ignore)
        written = sum(file.stat().st_size for file in onnx_export.files(path))
        planned = made.fixed(groups) + sum(g.size(picks[g.name]) for g in groups)
        assert 0.9 * planned <= written <= planned


def test_queries_and_values_of_different_kinds_compute_the_same_model(tmp_path: Path) -> None:
    checkpoint = random_checkpoints.checkpoint(tmp_path / "c", "llama_biased")
    gguf_export.write_float(checkpoint, tmp_path / "f32.gguf", recipes.find("f32"), ignore)
    kinds = {f"blk.{i}.attn_{n}.weight": k for i in range(2) for n, k in (("q", "f32"), ("v", "int8/32"))}
    onnx_export.write(checkpoint, tmp_path / "m.onnx", onnx_export.mixed("x", kinds), ignore)
    engine = LlamaCppEngine(tmp_path / "f32.gguf", EngineOptions(context_length=128, threads=1))
    expected = engine.feed([TokenSegment(tuple(IDS))])
    engine.close()
    error = np.abs(logits(tmp_path / "m.onnx", IDS)[0] - expected).max() / np.abs(expected).max()
    assert 1e-5 < error < 0.03  # the values are rounded to 8 bits


def test_rows_that_a_block_does_not_divide_are_not_offered_it(tmp_path: Path) -> None:
    checkpoint = random_checkpoints.checkpoint(tmp_path / "c", "llama")  # 96 wide, 160 hidden
    menus = {g.role: g.menu for g in backend(checkpoint, tmp_path).groups(1)}
    assert menus["ffn_gate+up"] == ("int4/32", "int4/16", "int8/32", "int8/16")
    assert menus["attn_output"] == tuple(KINDS)


def test_what_matters_is_rounded_better_than_what_does_not() -> None:
    random = np.random.default_rng(0)
    weight = random.normal(size=(64, 64)).astype(np.float32)
    columns = np.where(np.arange(64) % 8 == 0, 100, 1).astype(np.float32)
    plain, weighed = (KINDS["int4/32"].quantize(weight, c).values() for c in (None, columns))
    loss = [(columns * np.square(found - weight)).sum() for found in (plain, weighed)]
    assert loss[1] < 0.8 * loss[0]
    assert np.square(plain - weight).sum() < np.square(weighed - weight).sum()
    nothing = KINDS["int4/32"].quantize(weight, np.zeros(64, np.float32)).values()
    assert np.isfinite(nothing).all()
    assert np.abs(nothing - weight).max() < 1


def test_an_importance_matrix_changes_four_bits_and_leaves_eight(source: Path, tmp_path: Path) -> None:
    checkpoint = pipeline.prepare(source, tmp_path / "b", "int4", Options(), None)[0].checkpoint
    assert isinstance(checkpoint, Checkpoint)
    sums = np.linspace(1, 1000, tiny.WIDTH, dtype=np.float32)[None]
    given = Importance({"blk.0.ffn_up.weight": Entry(sums, np.ones(1, np.float32))}, ("t",))
    for recipe, differs in (("int4", True), ("int8", False)):
        written = []
        for weights in (None, given):
            onnx_export.write(checkpoint, tmp_path / "m.onnx", onnx_export.find(recipe), ignore, weights)
            written.append((tmp_path / "m.onnx.data").read_bytes())
        assert (written[0] != written[1]) == differs
        assert onnx_export.find(recipe).uses_importance == differs


def test_a_row_is_timed_in_every_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real child on one layer: seconds per weight of a plausible size."""
    monkeypatch.setattr(native_onnx_speed, "LAYERS", 1)
    monkeypatch.setattr(native_onnx_speed, "STEPS", 2)
    native_onnx_speed.main(str(tmp_path / "s.json"), "1", "1")
    found = json.loads((tmp_path / "s.json").read_text())
    assert set(found) == set(KINDS)
    assert all(1e-13 < seconds < 1e-6 for seconds in found.values())


def test_the_cache_of_onnxruntime_counts_four_bytes_a_value(tmp_path: Path) -> None:
    made = backend(random_checkpoints.checkpoint(tmp_path / "c", "llama"), tmp_path)
    cache = 2 * 2 * 2 * 32 * 4  # layers, keys and values, heads, width, bytes
    assert made.beside(300) - made.beside(200) >= 100 * cache
