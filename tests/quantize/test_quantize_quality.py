"""Kept logits give the true divergence, the intervals are a bootstrap's, and no row calibrates and judges."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.errors import IntegrityError
from quantize import builtin_text, gguf_export, onnx_export, quality, recipes, reference_logits, rows
from quantize.checkpoint import open_checkpoint
from quantize.rows import Rows

Array = NDArray[Any]


def log_softmax(logits: Array) -> Array:
    logits = logits - logits.max(-1, keepdims=True)
    return np.asarray(logits - np.log(np.exp(logits).sum(-1, keepdims=True)), np.float32)


def two_models(n: int, vocabulary: int, spread: float, noise: float) -> tuple[Array, Array]:
    random = np.random.default_rng(11)
    logits = random.normal(0, spread, (n, vocabulary))
    return log_softmax(logits), log_softmax(logits + random.normal(0, noise, logits.shape))


def exact(p: Array, q: Array) -> Array:
    return (np.exp(p, dtype=np.float64) * (p.astype(np.float64) - q)).sum(-1)


def kept(p: Array) -> reference_logits.ReferenceLogits:
    return reference_logits.of_logs(p, np.zeros(len(p), np.int32), 0, 0)


def test_a_small_vocabulary_is_kept_whole() -> None:
    p, q = two_models(50, 300, 3.0, 0.3)
    divergence, same = reference_logits.compare(kept(p), q)
    assert np.allclose(divergence, exact(p, q), rtol=2e-3)
    assert np.array_equal(same, p.argmax(-1) == q.argmax(-1))


@pytest.mark.parametrize("spread", [0.5, 2.0, 4.0])
def test_the_rest_of_a_large_vocabulary_is_estimated_without_bias(spread: float) -> None:
    p, q = two_models(200, 8000, spread, 0.2)
    reference = kept(p)
    divergence, _ = reference_logits.compare(reference, q)
    assert divergence.mean() == pytest.approx(exact(p, q).mean(), rel=0.02)
    lumped = exact_of_lumps(p, q, reference)
    if spread < 4:  # what one lump would have hidden
        assert lumped.mean() < 0.97 * exact(p, q).mean()


def exact_of_lumps(p: Array, q: Array, reference: reference_logits.ReferenceLogits) -> Array:
    ids = reference.ids.astype(np.int64)
    top_p, top_q = (np.take_along_axis(x, ids, -1).astype(np.float64) for x in (p, q))
    rest_p, rest_q = (1 - np.exp(x).sum(-1) for x in (top_p, top_q))
    return (np.exp(top_p) * (top_p - top_q)).sum(-1) + rest_p * np.log(rest_p / rest_q)


def test_a_model_against_itself_differs_by_rounding_alone() -> None:
    p, _ = two_models(100, 4000, 3.0, 0.1)
    divergence, same = reference_logits.compare(kept(p), p)
    assert np.abs(divergence).max() < 1e-6
    assert same.all()


def test_the_numbers_are_llama_cpps_on_the_same_logits() -> None:
    p, q = two_models(150, 1000, 3.0, 0.3)
    divergence, same = reference_logits.compare(kept(p), q)
    theirs = [llama_cpp_divergence(*pair) for pair in zip(p, q, strict=True)]
    assert divergence.mean() == pytest.approx(np.mean([kl for kl, _ in theirs]), rel=0.005)
    assert np.allclose(divergence, [kl for kl, _ in theirs], rtol=0.1)
    assert same.tolist() == [agree for _, agree in theirs]


def llama_cpp_divergence(p: Array, q: Array) -> tuple[float, bool]:
    """One position as `log_softmax` of llama.cpp's tools/perplexity/perplexity.cpp computes it: the reference
    in 16 bits between its maximum and at most 16 below, ids below e**-16 left out."""
    low = max(p.min(), p.max() - 16)
    scale = (p.max() - low) / 65535
    base = scale * np.rint(np.maximum(p - low, 0) / scale) + low
    likely = base > -16
    kl = (np.exp(base[likely]) * (base[likely] - q[likely])).sum()
    return float(kl), bool(base.argmax() == q.argmax())


def test_a_position_takes_about_three_kilobytes(tmp_path: Path) -> None:
    p, _ = two_models(64, 4000, 3.0, 0.1)
    reference_logits.save(tmp_path / "r.npz", kept(p), "d")
    assert (tmp_path / "r.npz").stat().st_size / 64 < 3500


def test_kept_logits_read_back_equal_and_only_for_their_rows(tmp_path: Path) -> None:
    p, q = two_models(20, 1000, 3.0, 0.1)
    reference_logits.save(tmp_path / "r.npz", kept(p), "rows")
    again = reference_logits.load(tmp_path / "r.npz", "rows", 1000)
    assert np.array_equal(reference_logits.compare(again, q)[0], reference_logits.compare(kept(p), q)[0])
    with pytest.raises(IntegrityError, match="other rows"):
        reference_logits.load(tmp_path / "r.npz", "other", 1000)
    with pytest.raises(IntegrityError, match="beyond the vocabulary of 500"):
        reference_logits.load(tmp_path / "r.npz", "rows", 500)


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("ids", np.zeros((20, 512), np.int64), "ids is int64"),
        ("steps", np.zeros((20, 3), np.uint16), "steps"),
        ("low", np.full(20, np.nan, "f4"), "low is not finite"),
        ("high", np.full(20, -99, "f4"), "no probabilities"),
        ("rest", np.full(20, 1.5, "f4"), "no probabilities"),
        ("rest", np.full(20, -0.5, "f4"), "no probabilities"),
        ("rows", np.zeros(3, np.int32), "expected"),
        ("drawn", np.zeros((20, 1), np.uint32), "drawn"),
        ("extra", np.zeros(3), "it holds"),
        ("losses", np.array([None] * 20, object), "allow_pickle"),
    ],
)
def test_malformed_kept_logits_are_refused(field: str, value: Array, told: str, tmp_path: Path) -> None:
    p, _ = two_models(20, 1000, 3.0, 0.1)
    reference_logits.save(tmp_path / "r.npz", kept(p), "rows")
    with np.load(tmp_path / "r.npz") as file:
        arrays = {name: file[name] for name in file.files}
    np.savez(tmp_path / "r.npz", **(arrays | {field: value}))
    with pytest.raises(IntegrityError, match=told):
        reference_logits.load(tmp_path / "r.npz", "rows", 1000)


def positions(rows: int, each: int, row_spread: float, seed: int = 0) -> dict[str, Array]:
    """Positions whose divergence differs from row to row more than inside of a row."""
    random = np.random.default_rng(seed)
    level = np.repeat(np.exp(random.normal(0, row_spread, rows)), each)
    noise = random.normal(0, 0.01, rows * each)
    return {
        "divergence": level * np.exp(noise), "agreement": (random.random(rows * each) < 0.9).astype("f4"),
        "loss": 2 + noise, "reference_loss": np.full(rows * each, 2.0),
        "right": (random.random(rows * each) < 0.3).astype("f4"),
        "reference_right": np.ones(rows * each, "f4"),
        "row": np.repeat(np.arange(rows), each),
    }  # fmt: skip


def test_intervals_hold_the_value_and_follow_the_rows_not_the_positions() -> None:
    floor = positions(2, 10, 0)
    found = quality.summary(positions(30, 50, 0.5), floor)
    assert found.reference_accuracy == 1.0
    assert found.accuracy == pytest.approx(0.3, abs=0.05)
    for name, (low, high) in found.intervals.items():
        assert low <= getattr(found, name) <= high
    low, high = found.intervals["divergence"]
    by_rows = positions(30, 50, 0.5)["divergence"].reshape(30, 50).mean(1)
    expected = 2 * 1.96 * by_rows.std() / np.sqrt(30)
    assert high - low == pytest.approx(expected, rel=0.25)
    assert found == quality.summary(positions(30, 50, 0.5), floor)
    assert found.perplexity_ratio == pytest.approx(1, abs=0.01)
    assert (found.rows, found.tokens) == (30, 1500)


def test_a_quantized_model_is_further_from_its_reference_than_the_noise(
    tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quality, "NOISE_ROWS", 2)  # the first two of each modality
    checkpoint = open_checkpoint(tiny_checkpoint)
    for name in ("f16", "bf16"):
        gguf_export.write_float(checkpoint, tmp_path / f"{name}.gguf", recipes.find(name), lambda *_: None)
    random = np.random.default_rng(0)
    judged = Rows({k: tuple(random.integers(0, 256, (3, 150)).astype("i4")) for k in ("text", "image")})
    seen: set[str] = set()
    reference = quality.measure_reference(tmp_path / "f16.gguf", judged, tmp_path, lambda w, *_: seen.add(w))
    same = reference.quality(tmp_path / "f16.gguf", lambda *_: None)
    other = reference.quality(tmp_path / "bf16.gguf", lambda *_: None)
    assert seen == {"reference", "noise floor"}
    assert np.unique(reference.floor["image"]["row"]).tolist() == [2, 3]
    assert max(float(np.abs(floor["divergence"]).max()) for floor in reference.floor.values()) < 1e-4
    for kind in ("text", "image"):
        assert (same[kind].tokens, same[kind].rows, same[kind].agreement) == (3 * 149, 3, 1)
        assert abs(same[kind].divergence) < 1e-6
        assert 1e-6 < other[kind].divergence < 1e-3
        assert abs(other[kind].noise["divergence"]) < other[kind].divergence


def test_an_onnx_graph_is_judged_on_the_same_rows_by_the_same_code(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    checkpoint = open_checkpoint(tiny_checkpoint)
    gguf_export.write_float(checkpoint, tmp_path / "f16.gguf", recipes.find("f16"), lambda *_: None)
    for name in ("f32", "int4"):
        graph = tmp_path / f"{name}.onnx"
        onnx_export.write(checkpoint, graph, onnx_export.find(name), lambda *_: None)
    random = np.random.default_rng(0)
    judged = Rows({"text": tuple(random.integers(0, 256, (3, 150)).astype("i4"))})  # beyond one native call
    reference = quality.measure_reference(tmp_path / "f16.gguf", judged, tmp_path, lambda *_: None)
    exact, small = (
        reference.quality(tmp_path / f"{name}.onnx", lambda *_: None)["text"] for name in ("f32", "int4")
    )
    assert (exact.tokens, exact.rows) == (small.tokens, small.rows) == (3 * 149, 3)
    assert abs(exact.divergence) < 1e-5
    assert exact.agreement > 0.99
    assert exact.accuracy == pytest.approx(exact.reference_accuracy, abs=0.01)
    assert exact.loss == pytest.approx(exact.reference_loss, abs=1e-4)
    assert 1e-3 < small.divergence < small.divergence_99 < small.divergence_999
    assert small.noise == exact.noise
    low, high = small.intervals["divergence"]
    assert low <= small.divergence <= high


def test_no_row_calibrates_and_judges() -> None:
    every = Rows({"text": tuple(np.array([i, i], np.int32) for i in range(9)), "image": ()})
    first, second = every.halves()
    ids = [[int(row[0]) for _, row in part] for part in (first, second)]
    assert ids == [[0, 2, 4, 6, 8], [1, 3, 5, 7]]
    texts = builtin_text.passages()
    assert not set(texts[::2]) & set(texts[1::2])
    assert texts == builtin_text.passages()


def test_rows_survive_their_file(tmp_path: Path) -> None:
    some = Rows(
        {"text": (np.arange(5, dtype="i4"), np.arange(9, dtype="i4")), "audio": (np.arange(3, dtype="i4"),)}
    )
    some.save(tmp_path / "r.npz")
    again = rows.load(tmp_path / "r.npz", 9)
    assert again.digest == some.digest
    assert [(kind, row.tolist()) for kind, row in again] == [(kind, row.tolist()) for kind, row in some]
    with pytest.raises(IntegrityError, match="beyond the vocabulary"):
        rows.load(tmp_path / "r.npz", 8)
    (tmp_path / "r.npz").write_bytes(b"PK")
    with pytest.raises(IntegrityError, match="not a file of rows"):
        rows.load(tmp_path / "r.npz", 9)
