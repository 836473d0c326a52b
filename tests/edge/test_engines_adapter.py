"""LoRA adapters over a loaded model: what they compute, and which files never reach native code."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from numpy.typing import NDArray

from edge.engines import lora
from edge.engines.llama_cpp import LlamaCppEngine
from edge.errors import EdgeError, EngineError, IntegrityError, NotFoundError, UsageError
from edge.options import Adapter, EngineOptions
from edge.segments import TokenSegment
from quantize import gguf_export, recipes
from quantize.checkpoint import open_checkpoint
from quantize.tensor_names import permute_rope
from tests import tiny

Array = NDArray[Any]
IDS = TokenSegment((8193, 8197, 260, 280, 8199, 8263, 99))
RANK, ALPHA = 4, 8.0
NAMES = {  # the matrices that the test adapter changes: Hugging Face name, heads whose rows are interleaved
    "blk.0.attn_q.weight": ("model.layers.0.self_attn.q_proj.weight", tiny.HEADS),
    "blk.0.attn_k.weight": ("model.layers.0.self_attn.k_proj.weight", tiny.KV_HEADS),
    "blk.0.ffn_down.weight": ("model.layers.0.mlp.down_proj.weight", 0),
}


def options(*adapters: Adapter) -> EngineOptions:
    return EngineOptions(context_length=64, threads=1, adapters=adapters)


def factors(seed: int = 3) -> dict[str, tuple[Array, Array]]:
    """A random (A, B) for each changed matrix, in Hugging Face's row order."""
    random, weights = np.random.default_rng(seed), tiny.weights()
    made = {}
    for target, (source, _) in NAMES.items():
        rows, columns = weights[source].shape
        a, b = random.standard_normal((RANK, columns)), random.standard_normal((rows, RANK))
        made[target] = (a.astype(np.float32) * np.float32(0.1), b.astype(np.float32) * np.float32(0.1))
    return made


def tensors() -> dict[str, Array]:
    """The same as llama.cpp names and orders them."""
    made: dict[str, Array] = {}
    for target, (a, b) in factors().items():
        heads = NAMES[target][1]
        made |= {f"{target}.lora_a": a, f"{target}.lora_b": permute_rope(b, heads) if heads else b}
    return made


def adapter(
    path: Path,
    content: dict[str, Array] | None = None,
    *,
    arch: str = "llama",
    general: str = "adapter",
    kind: str = "lora",
    alpha: Callable[[Any], None] = lambda w: w.add_float32("adapter.lora.alpha", ALPHA),
) -> Path:
    writer = gguf.GGUFWriter(path, arch)
    writer.add_type(general)
    writer.add_string("adapter.type", kind)
    alpha(writer)
    for name, tensor in (tensors() if content is None else content).items():
        writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def f32(folder: Path, weights: dict[str, NDArray[np.float32]]) -> Path:
    """The tiny checkpoint with these weights, as an f32 GGUF."""
    checkpoint = tiny.checkpoint(folder / "checkpoint", dtype="F32")
    tiny.write_safetensors(checkpoint / "model.safetensors", weights, "F32")
    path = folder / "decoder.gguf"
    gguf_export.write_float(open_checkpoint(checkpoint), path, recipes.find("f32"), lambda *_: None)
    return path


def logits(decoder: Path, *adapters: Adapter) -> Array:
    engine = LlamaCppEngine(decoder, options(*adapters))
    try:
        return engine.feed([IDS])
    finally:
        engine.close()


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return f32(tmp_path_factory.mktemp("base"), tiny.weights())


def test_an_adapter_over_the_base_is_the_merged_model(base: Path, tmp_path: Path) -> None:
    weights = tiny.weights()
    for target, (a, b) in factors().items():
        weights[NAMES[target][0]] += np.float32(ALPHA / RANK) * (b @ a)
    merged = logits(f32(tmp_path, weights))
    adapted, plain = logits(base, adapter(tmp_path / "a.gguf")), logits(base)
    assert np.abs(adapted - merged).max() < 2e-3 * merged.std()
    assert np.abs(plain - merged).max() > 0.1 * merged.std()  # the test can fail


def test_scale_zero_is_the_base_and_two_halves_are_a_whole(base: Path, tmp_path: Path) -> None:
    file = adapter(tmp_path / "a.gguf")
    assert np.array_equal(logits(base, (file, 0)), logits(base))
    assert np.allclose(logits(base, (str(file), 0.5), (file, 0.5)), logits(base, file), atol=1e-3)


def test_an_adapter_rides_on_a_quantized_bundle(tiny_bundle: Path, tmp_path: Path) -> None:
    plain = logits(tiny_bundle / "decoder.gguf")
    adapted = logits(tiny_bundle / "decoder.gguf", adapter(tmp_path / "a.gguf"))
    assert np.isfinite(adapted).all()
    assert np.abs(plain - adapted).max() > 0.1 * plain.std()


def test_nothing_is_printed_and_an_engine_with_an_adapter_closes_twice(
    base: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    engine = LlamaCppEngine(base, options(adapter(tmp_path / "a.gguf")))
    engine.close()
    engine.close()
    assert capfd.readouterr() == ("", "")


def swapped(name: str, tensor: Array) -> dict[str, Array]:
    return tensors() | {name: tensor}


Q_A, Q_B, K_B = "blk.0.attn_q.weight.lora_a", "blk.0.attn_q.weight.lora_b", "blk.0.attn_k.weight.lora_b"
SOUND = tensors()
BAD: dict[str, tuple[dict[str, Any], type[EdgeError], str]] = {
    "a model": ({"general": "model"}, IntegrityError, "expected 'adapter'"),
    "another kind of adapter": ({"kind": "control"}, IntegrityError, "'control'"),
    "no alpha": ({"alpha": lambda w: None}, IntegrityError, "missing"),
    "alpha of another type": (  # native code would end the process
        {"alpha": lambda w: w.add_float64("adapter.lora.alpha", 8.0)}, IntegrityError, "f64"),
    "alpha not finite": (
        {"alpha": lambda w: w.add_float32("adapter.lora.alpha", float("nan"))}, IntegrityError, "nan"),
    "no tensors": ({"content": {}}, IntegrityError, "no tensors"),
    "half a pair": ({"content": {Q_A: SOUND[Q_A]}}, IntegrityError, "no pair"),
    "integers": ({"content": swapped(Q_A, SOUND[Q_A].astype(np.int32))}, IntegrityError, "I32"),  # crashes
    "three dimensions": (  # native code would end the process
        {"content": {Q_A: SOUND[Q_A][None], Q_B: SOUND[Q_B][None]}}, IntegrityError, "expected a matrix"),
    "two ranks": ({"content": swapped(Q_B, SOUND[Q_B][:, :2].copy())}, IntegrityError, "rank 4, but"),
    "another architecture": ({"arch": "qwen2"}, EngineError, "'qwen2'"),
    "another width": ({"content": swapped(Q_A, SOUND[Q_A][:, :128].copy())}, EngineError, r"\[128, 256\]"),
    "more heads": (
        {"content": swapped(K_B, np.ones((256, RANK), np.float32))}, EngineError, r"\[256, 256\]"),
    "more layers": (
        {"content": {k.replace("blk.0", "blk.7"): v for k, v in SOUND.items()}}, EngineError, "lacks"),
    "the tied embedding": (  # native code would end the process
        {"content": {"token_embd.weight.lora_a": np.ones((16640, RANK), np.float32),
                     "token_embd.weight.lora_b": np.ones((256, RANK), np.float32)}}, EngineError, "cannot"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_does_not_fit_never_reaches_native_code(
    name: str, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("native code saw the file")

    monkeypatch.setattr(LlamaCppEngine, "_load", never)
    monkeypatch.setattr(lora, "load", never)
    how, error, words = BAD[name]
    with pytest.raises(error, match=words) as caught:
        LlamaCppEngine(base, options(adapter(tmp_path / "bad.gguf", **how)))
    assert "bad.gguf" in str(caught.value)


def test_a_cut_or_missing_file_is_refused(base: Path, tmp_path: Path) -> None:
    whole = adapter(tmp_path / "a.gguf").read_bytes()
    cut = tmp_path / "cut.gguf"
    for length in (0, 10, 200, len(whole) - 40):
        cut.write_bytes(whole[:length])
        with pytest.raises(IntegrityError):
            LlamaCppEngine(base, options(cut))
    with pytest.raises(NotFoundError):
        LlamaCppEngine(base, options(tmp_path / "none.gguf"))


@pytest.mark.parametrize("entry", [0.5, ("a.gguf", "much"), ("a.gguf", True), ("a.gguf", 1.0, 2)])
def test_what_is_no_adapter_is_a_usage_error(entry: Any, base: Path) -> None:
    with pytest.raises(UsageError, match="path or"):
        LlamaCppEngine(base, options(entry))


def test_a_scale_must_be_finite(base: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="finite"):
        LlamaCppEngine(base, options((adapter(tmp_path / "a.gguf"), float("inf"))))


def test_a_loader_that_refuses_is_an_error_with_the_reason(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where our check is wrong about a file: llama.cpp's own loader speaks, and the model is freed."""
    bad = adapter(tmp_path / "bad.gguf", {f"{k}x": v for k, v in tensors().items()})
    monkeypatch.setattr(lora, "read_adapter", lambda path, base: type("Header", (), {"file_size": 1}))
    with pytest.raises(EngineError, match="unexpected suffix"):
        LlamaCppEngine(base, options(bad))


@pytest.mark.parametrize("verb", ["run", "chat"])
def test_the_command_line_takes_adapters(verb: str, tiny_bundle: Path, tmp_path: Path) -> None:
    file = adapter(tmp_path / "a.gguf")
    bad = adapter(tmp_path / "bad.gguf", kind="control")

    def edge(*flags: str) -> subprocess.CompletedProcess[bytes]:
        words = [verb, str(tiny_bundle), *flags, "--temp", "0", "-n", "8", "-c", "128", "-t", "1"]
        return subprocess.run(
            [sys.executable, "-m", "edge.cli.main", *words],
            input=b"the red bird\n", capture_output=True, check=False, env=os.environ | {"PYTHONPATH": "."},
        )  # fmt: skip

    plain, adapted = edge(), edge("--lora", str(file), "--lora", str(file))
    assert (plain.returncode, adapted.returncode) == (0, 0), adapted.stderr
    assert plain.stdout != adapted.stdout
    refused = edge("--lora", str(file), "--lora", str(bad))
    assert refused.returncode == IntegrityError.exit_code
    assert b"bad.gguf is not a LoRA adapter" in refused.stderr


def test_the_package_of_llama_cpp_is_whole_for_who_asks_for_it_later() -> None:
    code = (
        "from edge.engines.llama_native import library, media_library; low = library()\n"
        "import sys; assert 'llama_cpp.llama' not in sys.modules\n"
        "import llama_cpp; assert llama_cpp.llama_cpp is low\n"
        "assert llama_cpp.Llama.__module__ == 'llama_cpp.llama'\n"
        "assert llama_cpp.llama_decode is low.llama_decode\n"
        "from llama_cpp import llama_cpp as again; assert again is low; media_library()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
