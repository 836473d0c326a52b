"""The GGUF says what the checkpoint says: names, vocabulary, template, weights, and the same function."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from numpy.typing import NDArray
from tokenizers import Tokenizer

from edge import vocabulary as v
from edge.engines.llama_cpp import LlamaCppEngine
from edge.errors import EngineError, IntegrityError, UsageError
from edge.formats.gguf import read_header
from edge.options import EngineOptions
from edge.segments import TokenSegment
from quantize import gguf_export, gguf_metadata, gguf_tokenizer, llama_quantize, recipes
from quantize.checkpoint import open_checkpoint
from tests import tiny

Array = NDArray[np.float32]
IDS = [v.SPECIAL["bos"], v.SPECIAL["user"], 260, 280, 288, v.SPECIAL["img"], v.IMAGE_BASE + 7, 99]


def ignore(what: str, done: int, of: int) -> None:
    assert 0 <= done <= of, what


def export(folder: Path, recipe: str, path: Path) -> Path:
    checkpoint = open_checkpoint(folder)
    float_path = path.with_suffix(".float.gguf")
    chosen = recipes.find(recipe)
    gguf_export.write_float(
        checkpoint, float_path, chosen if chosen.streamed else recipes.find("f32"), ignore
    )
    if chosen.streamed:
        return float_path
    llama_quantize.write(float_path, path, chosen, ignore, None)
    return path


@pytest.fixture(scope="module")
def f32(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A two-layer f32 checkpoint and its f32 GGUF."""
    base = tmp_path_factory.mktemp("f32")
    folder = tiny.checkpoint(base / "c", layers=2, dtype="F32")
    return folder, export(folder, "f32", base / "d.gguf")


def llama_forward(weights: dict[str, Array], ids: list[int], layers: int) -> Array:
    """Hugging Face's LlamaForCausalLM in numpy, (len(ids), vocab); source: modeling_llama.py."""
    heads, kv, width = tiny.HEADS, tiny.KV_HEADS, tiny.WIDTH // tiny.HEADS

    def norm(x: Array, name: str) -> Array:
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-5) * weights[f"{name}.weight"]

    def split(x: Array, name: str, count: int) -> Array:
        return (x @ weights[f"{name}.weight"].T).reshape(len(ids), count, width).transpose(1, 0, 2)

    def rotate(x: Array) -> Array:
        angle = np.arange(len(ids))[:, None] / 10000 ** (np.arange(0, width, 2) / width)
        cos, sin = np.tile(np.cos(angle), 2), np.tile(np.sin(angle), 2)
        half = np.concatenate([-x[..., width // 2 :], x[..., : width // 2]], -1)
        return x * cos + half * sin

    x = weights["model.embed_tokens.weight"][ids]
    for i in range(layers):
        at = f"model.layers.{i}"
        h = norm(x, f"{at}.input_layernorm")
        q = rotate(split(h, f"{at}.self_attn.q_proj", heads))
        k = rotate(split(h, f"{at}.self_attn.k_proj", kv)).repeat(heads // kv, 0)
        value = split(h, f"{at}.self_attn.v_proj", kv).repeat(heads // kv, 0)
        scores = q @ k.transpose(0, 2, 1) / np.sqrt(width) + np.triu(np.full((len(ids),) * 2, -1e9), 1)
        attention = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = (
            (attention / attention.sum(-1, keepdims=True) @ value).transpose(1, 0, 2).reshape(len(ids), -1)
        )
        x = x + mixed @ weights[f"{at}.self_attn.o_proj.weight"].T
        h = norm(x, f"{at}.post_attention_layernorm")
        gate = h @ weights[f"{at}.mlp.gate_proj.weight"].T
        up = h @ weights[f"{at}.mlp.up_proj.weight"].T
        x = x + (gate / (1 + np.exp(-gate)) * up) @ weights[f"{at}.mlp.down_proj.weight"].T
    return np.asarray(norm(x, "model.norm") @ weights["model.embed_tokens.weight"].T, np.float32)


def test_llama_cpp_computes_what_the_hugging_face_weights_compute(f32: tuple[Path, Path]) -> None:
    engine = LlamaCppEngine(f32[1], EngineOptions(context_length=64, threads=1))
    logits = engine.feed([TokenSegment(tuple(IDS))])
    engine.close()
    expected = llama_forward(tiny.weights(2), IDS, 2)[-1]
    np.testing.assert_allclose(logits, expected, atol=2e-3 * float(np.abs(expected).max()))
    assert int(logits.argmax()) == int(expected.argmax())


def test_the_file_alone_says_what_it_is(f32: tuple[Path, Path]) -> None:
    metadata = read_header(f32[1]).metadata
    assert json.loads(metadata["edge.native"]) == tiny.FACTS
    assert v.Vocabulary.from_dict(json.loads(metadata["edge.native"])["vocabulary"]) == v.NATIVE
    assert metadata["tokenizer.chat_template"] == tiny.TEMPLATE
    assert metadata["tokenizer.ggml.pre"] == "qwen2"
    assert metadata["tokenizer.ggml.add_bos_token"] is False
    assert metadata["tokenizer.ggml.bos_token_id"] == v.SPECIAL["bos"]
    assert metadata["tokenizer.ggml.eos_token_id"] == v.SPECIAL["end"]
    assert metadata["general.license"] == "Apache-2.0"


def test_specials_and_media_are_control_tokens_and_padding_is_unused(f32: tuple[Path, Path]) -> None:
    metadata = read_header(f32[1]).metadata
    tokens, types = metadata["tokenizer.ggml.tokens"], metadata["tokenizer.ggml.token_type"]
    assert tokens[v.TEXT_SIZE :] == v.token_names()
    assert set(types[: v.TEXT_SIZE]) == {gguf_tokenizer.NORMAL}
    assert set(types[v.TEXT_SIZE : v.AUDIO_BASE + v.CODEBOOK_SIZE]) == {gguf_tokenizer.CONTROL}
    assert set(types[v.AUDIO_BASE + v.CODEBOOK_SIZE :]) == {gguf_tokenizer.UNUSED}


def test_llama_cpp_splits_text_as_the_tokenizer_does(f32: tuple[Path, Path]) -> None:
    engine = LlamaCppEngine(f32[1], EngineOptions(context_length=64, threads=1))
    tokenizer = Tokenizer.from_file(str(f32[0] / "tokenizer.json"))
    for text in ("the red circle", " A green  bird's 12 songs!\n\n été — 日本 🎈", "pictures\tand\r\nsounds"):
        assert engine.tokenizer.encode(text) == tokenizer.encode(text).ids
        assert b"".join(engine.tokenizer.piece(i) for i in engine.tokenizer.encode(text)).decode() == text
    assert engine.tokenizer.encode("<|img|><|i7|>", special=True) == [v.SPECIAL["img"], v.IMAGE_BASE + 7]
    assert max(engine.tokenizer.encode("<|img|><|i7|><|end|>")) < v.TEXT_SIZE
    engine.close()


@pytest.mark.parametrize(("recipe", "tolerance"), [("f32", 0.0), ("f16", 2**-11), ("bf16", 2**-8)])
def test_streamed_weights_are_the_checkpoints(recipe: str, tolerance: float, tmp_path: Path) -> None:
    path = export(tiny.checkpoint(tmp_path / "c", dtype="F32"), recipe, tmp_path / "d.gguf")
    tensors = {t.name: t for t in gguf.GGUFReader(path).tensors}
    for hf, name in (
        ("model.embed_tokens", "token_embd"),
        ("model.layers.0.mlp.down_proj", "blk.0.ffn_down"),
    ):
        stored = gguf.quants.dequantize(tensors[f"{name}.weight"].data, tensors[f"{name}.weight"].tensor_type)
        np.testing.assert_allclose(stored, tiny.weights()[f"{hf}.weight"], rtol=tolerance, atol=1e-7)
    assert tensors["output_norm.weight"].tensor_type == gguf.GGMLQuantizationType.F32


def test_small_pieces_make_the_same_file(
    tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = export(tiny_checkpoint, "f16", tmp_path / "whole.gguf").read_bytes()
    monkeypatch.setattr(gguf_export, "_PIECE", 5000)  # several rows, but no whole head, and uneven
    assert export(tiny_checkpoint, "f16", tmp_path / "pieces.gguf").read_bytes() == whole


@pytest.mark.parametrize(
    ("recipe", "kinds"),
    [("int8", {"Q8_0", "F32"}), ("int4", {"Q4_K", "Q6_K", "F32"}), ("q4_0", {"Q4_0", "Q6_K", "F32"})],
)
def test_a_recipe_gives_its_types(
    recipe: str, kinds: set[str], tiny_checkpoint: Path, tmp_path: Path
) -> None:
    header = read_header(export(tiny_checkpoint, recipe, tmp_path / "d.gguf"))
    assert {t.type for t in header.tensors} == kinds
    assert header.metadata["general.file_type"] == recipes.find(recipe).file_type
    assert json.loads(header.metadata["edge.native"]) == tiny.FACTS


def test_a_native_abort_is_an_error_message(tmp_path: Path) -> None:
    bad = tmp_path / "bad.gguf"
    bad.write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(EngineError, match="exit code 1"):
        llama_quantize.write(bad, tmp_path / "out.gguf", recipes.find("int8"), ignore, None)


def test_weights_that_are_not_finite_are_refused_by_name(tmp_path: Path) -> None:
    folder = tiny.checkpoint(tmp_path / "c", dtype="F32")
    weights = tiny.weights()
    weights["model.layers.0.mlp.up_proj.weight"][3, 4] = 1e6
    tiny.write_safetensors(folder / "model.safetensors", weights, "F32")
    with pytest.raises(
        IntegrityError, match=r"up_proj\.weight has at least 1 values that are not finite in F16"
    ):
        export(folder, "f16", tmp_path / "d.gguf")


def test_llama_3_rope_scaling_is_written_as_factors() -> None:
    scaling = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
    scaling["original_max_position_embeddings"] = 8192
    config = {"rope_theta": 500000.0, "rope_scaling": scaling}
    factors = gguf_metadata.rope_factors(config, 128)
    assert factors is not None
    assert factors.shape == (64,)
    assert factors[0] == 1.0
    assert factors[-1] == 8.0
    assert bool((np.diff(factors) >= 0).all())
    assert (
        gguf_metadata.rope_factors({"rope_parameters": {"rope_type": "default", "rope_theta": 1e4}}, 128)
        is None
    )
    with pytest.raises(UsageError, match="longrope"):
        gguf_metadata.rope_factors({"rope_scaling": {"type": "longrope"}}, 128)
    with pytest.raises(IntegrityError, match="yarn has the factor None"):
        gguf_metadata.rope_factors({"rope_scaling": {"type": "yarn"}}, 128)


def tokenizer_with(**changes: Any) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(tiny.tokenizer_json())
    return data | changes


def test_a_tokenizer_that_is_no_byte_level_bpe_is_refused() -> None:
    with pytest.raises(UsageError, match="Unigram"):
        gguf_tokenizer.convert(tokenizer_with(model={"type": "Unigram"}), 10, native=False)
    odd = tokenizer_with(pre_tokenizer={"type": "Split", "pattern": {"Regex": "x"}})
    with pytest.raises(UsageError, match="splits words by a rule"):
        gguf_tokenizer.convert(odd, v.VOCABULARY_SIZE, native=True)


def test_a_native_tokenizer_must_use_the_familys_names() -> None:
    data = tokenizer_with()
    data["added_tokens"][7]["content"] = "<|picture|>"
    with pytest.raises(
        IntegrityError, match=r"token 8199 is '<\|picture\|>', but the native family calls it '<\|img\|>'"
    ):
        gguf_tokenizer.convert(data, v.VOCABULARY_SIZE, native=True)


def test_ids_past_the_vocabulary_are_refused_and_gaps_become_padding() -> None:
    with pytest.raises(IntegrityError, match=r"16639.*vocabulary of 16000"):
        gguf_tokenizer.convert(tokenizer_with(), 16000, native=False)
    padded = gguf_tokenizer.convert(tokenizer_with(), v.VOCABULARY_SIZE + 2, native=False)
    assert padded.tokens[-1] == f"[PAD{v.VOCABULARY_SIZE + 1}]"
    assert padded.types[-1] == gguf_tokenizer.UNUSED
