"""A rotated checkpoint computes the same, for every architecture, and is kept where it rounds better."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.errors import IntegrityError, UsageError
from edge.formats.gguf import read_header
from quantize import gguf_export, kernel_speed, onnx_export, pipeline, recipes, rotation
from quantize.budget import Goal
from quantize.checkpoint import Checkpoint, open_checkpoint, safetensors_entries
from quantize.pipeline import Options
from quantize.rotation import Rotation
from quantize.tensor_groups import MENU
from tests import tiny
from tests.quantize import random_checkpoints
from tests.quantize.test_quantize_architectures import exact_attention, last_logits
from tests.quantize.test_quantize_onnx import logits as onnx_logits

__all__ = ["exact_attention"]  # a fixture for all tests here
IDS = np.random.default_rng(0).integers(0, 256, 40).tolist()
EVERY = [Rotation(values=True), Rotation(stream=True), Rotation(stream=True, values=True)]


def ignore(*_: object) -> None:
    """No progress is shown."""


def gguf_logits(checkpoint: Checkpoint, path: Path) -> NDArray[np.float32]:
    gguf_export.write_float(checkpoint, path, recipes.find("f32"), ignore)
    return last_logits(path, IDS)


def error(found: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    return float(np.abs(found - expected).max() / np.abs(expected).max())


@pytest.mark.parametrize("name", random_checkpoints.CONFIGS)
def test_the_rotated_model_says_the_same(name: str, tmp_path: Path) -> None:
    plain = random_checkpoints.checkpoint(tmp_path / "plain", name)
    expected = gguf_logits(plain, tmp_path / "plain.gguf")
    assert np.ptp(expected) > 0.5  # the model says something
    for number, turned in enumerate(EVERY):
        rotated = rotation.write(plain, tmp_path / f"{number}" / "plain", turned, ignore)
        assert error(gguf_logits(rotated, tmp_path / f"{number}.gguf"), expected) <= 1e-4, turned.name
    if plain.gguf in onnx_export.ARCHITECTURES:  # the last one turns everything
        onnx_export.write(rotated, tmp_path / "r.onnx", onnx_export.find("f32"), ignore)
        assert error(onnx_logits(tmp_path / "r.onnx", IDS)[0], expected) <= 1e-4


def test_every_matrix_of_a_turned_space_changes_and_no_norm_of_the_stream_has_a_gain(tmp_path: Path) -> None:
    plain = random_checkpoints.checkpoint(tmp_path / "plain", "llama_biased")
    rotated = rotation.write(plain, tmp_path / "r" / "plain", EVERY[-1], ignore)
    for name in plain.tensors:
        before, after = plain.read(name), rotated.read(name)
        if "norm" in name:
            assert (after == 1).all()
        elif not name.endswith(("q_proj.bias", "k_proj.bias", "gate_proj.bias", "up_proj.bias")):
            assert np.abs(after - before).mean() > 0.1 * np.abs(before).mean(), name
        else:
            assert np.array_equal(after, before)


@pytest.mark.parametrize("size", [1, 7, 64, 96, 256, 576, 896, 1536])
def test_a_turn_keeps_lengths_and_spreads_one_dimension_over_all(size: int) -> None:
    turned = rotation.turn(size, (1, 2))(np.eye(size, dtype=np.float32))
    assert np.allclose(turned @ turned.T, np.eye(size), atol=1e-5)
    assert np.count_nonzero(turned[0]) == size
    assert np.abs(turned).max() <= (np.sqrt(7) if size % 7 == 0 else 3) / np.sqrt(size) + 1e-6
    again = rotation.turn(size, (1, 2))(np.eye(size, dtype=np.float32))
    assert np.array_equal(turned, again)
    assert size == 1 or not np.allclose(turned, rotation.turn(size, (1, 3))(np.eye(size, dtype=np.float32)))


def test_a_tied_embedding_is_offered_no_turned_stream_and_the_reason(tiny_checkpoint: Path) -> None:
    offered = rotation.offered(open_checkpoint(tiny_checkpoint))
    assert [turned.name for turned in offered.rotations] == ["R2"]
    assert "the embedding is the head too" in offered.left_out["R1"]


def test_the_pieces_of_large_tensors_are_those_of_whole_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = random_checkpoints.checkpoint(tmp_path / "plain", "llama4")
    whole = rotation.write(plain, tmp_path / "a" / "plain", EVERY[-1], ignore)
    monkeypatch.setattr(rotation, "_PIECE", 1000)
    pieces = rotation.write(plain, tmp_path / "b" / "plain", EVERY[-1], ignore)
    for name in whole.tensors:
        assert np.allclose(whole.read(name), pieces.read(name), atol=1e-5), name


def test_a_weight_that_is_not_finite_is_named(tmp_path: Path) -> None:
    plain = random_checkpoints.checkpoint(tmp_path / "plain", "llama")
    entry = next(t for t in safetensors_entries(plain.folder / "model.safetensors") if "o_proj" in t.name)
    with entry.file.open("r+b") as file:
        file.seek(entry.offset)
        file.write(np.array([np.inf], np.float32).tobytes())
    with pytest.raises(IntegrityError, match=r"self_attn\.o_proj\.weight has values that are not finite"):
        rotation.write(plain, tmp_path / "r" / "plain", EVERY[0], ignore)


@pytest.fixture(scope="module")
def loud(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A native checkpoint, untied, whose values have a few channels that are 64 times as large."""
    folder = tiny.checkpoint(tmp_path_factory.mktemp("loud") / "loud")
    text = {"modalities": {"in": ["text"], "out": ["text"]}}
    (folder / "edge.json").write_text(json.dumps(tiny.FACTS | text))
    (folder / "config.json").write_text(json.dumps(tiny.config() | {"tie_word_embeddings": False}))
    weights = tiny.weights()
    weights["lm_head.weight"] = weights["model.embed_tokens.weight"][::-1].copy()
    for rows in (weights["model.layers.0.self_attn.v_proj.weight"],
                 weights["model.layers.0.self_attn.o_proj.weight"].T):  # fmt: skip
        rows *= np.where(np.arange(len(rows)) % 16 == 3, 12, 1)[:, None].astype(np.float32)
    tiny.write_safetensors(folder / "model.safetensors", weights)
    return folder


def test_rotated_weights_are_kept_where_they_diverge_less(loud: Path, tmp_path: Path) -> None:
    report = pipeline.quantize(loud, tmp_path / "b", "int4", options=Options(format="both", rotate="auto"))
    for kind, quality in (("gguf", report.quality), ("onnx", report.quality_onnx)):
        told = report.rotation[kind]
        least = min(told["divergence"], key=lambda name: told["divergence"][name])
        kept = told["divergence"][least] <= 0.98 * told["divergence"]["none"]
        assert told["name"] == (least if kept else "none")
        assert set(told["divergence"]) == {"none", "R1", "R2", "R1 and R2"}
        judged = quality["text"].divergence
        assert judged == pytest.approx(told["divergence"][told["name"]], rel=0.5)
    assert report.rotation["onnx"]["name"] != "none"
    html = (tmp_path / "b" / "report.html").read_text(encoding="utf-8")
    assert "<h2>Rotated weights</h2>" in html
    assert report.from_json(report.to_json()) == report
    plain = pipeline.quantize(loud, tmp_path / "p", "int4", options=Options(format="onnx"))
    assert report.quality_onnx["text"].divergence < 0.9 * plain.quality["text"].divergence
    assert not list(tmp_path.glob("b.partial-*"))


def test_a_goal_chooses_types_anew_for_rotated_weights(
    loud: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        kernel_speed, "measured", lambda runtime, threads, progress: dict.fromkeys(MENU, 1e-10)
    )
    options = Options(goal=Goal(max_size=6_000_000), rotate="auto")
    seen: list[str] = []
    report = pipeline.quantize(
        loud, tmp_path / "b", options=options, progress=lambda what, *_: seen.append(what)
    )
    kept = report.rotation["gguf"]
    assert report.plan["rotation"] == kept
    assert (tmp_path / "b" / "decoder.gguf").stat().st_size <= 6_000_000
    names = {t.name for t in read_header(tmp_path / "b" / "decoder.gguf").tensors}
    assert "output.weight" in names
    again = seen.count("sensitivity rows") // max(
        1, seen[: seen.index("mixture 1")].count("sensitivity rows")
    )
    assert again == 1 + (kept["name"] != "none")


@pytest.mark.parametrize(
    ("recipe", "options", "told"),
    [
        ("int4", Options(rotate="on"), "unknown rotation 'on'; choose one of off, auto"),
        ("f16", Options(rotate="auto"), "f16 rounds nothing"),
        ("int4", Options(rotate="auto", imatrix=Path("m.gguf")), "leave one of them out"),
    ],
)
def test_what_cannot_be_rotated_is_refused_before_work_starts(
    recipe: str, options: Options, told: str, loud: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=told):
        pipeline.quantize(loud, tmp_path / "b", recipe, options=options)
    assert list(tmp_path.iterdir()) == []


def test_a_gguf_source_is_not_rotated(loud: Path, tmp_path: Path) -> None:
    gguf_export.write_float(open_checkpoint(loud), tmp_path / "f16.gguf", recipes.find("f16"), ignore)
    with pytest.raises(UsageError, match="rotations are folded into the weights of a checkpoint folder"):
        pipeline.quantize(tmp_path / "f16.gguf", tmp_path / "b", options=Options(rotate="auto"))
