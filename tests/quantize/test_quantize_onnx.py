"""Every architecture's ONNX decoder computes what transformers and llama.cpp compute from its checkpoint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.engines.llama_cpp import LlamaCppEngine
from edge.errors import IntegrityError, UsageError
from edge.formats import onnx_file
from edge.onnx_session import OnnxSession
from edge.options import EngineOptions
from edge.segments import TokenSegment
from quantize import gguf_export, onnx_blocks, onnx_export, recipes
from quantize.checkpoint import open_checkpoint
from quantize.onnx_export import OnnxRecipe
from tests import tiny

NAMES = ("llama2", "llama3", "llama31", "llama32_tied", "llama_biased", "llama_linear", "mistral", "qwen2",
         "qwen2_yarn_tied", "qwen3")  # fmt: skip
IDS = [257, *np.random.default_rng(0).integers(0, 256, 99).tolist()]


def export(folder: Path, path: Path, recipe: str | OnnxRecipe = "f32") -> Path:
    chosen = onnx_export.find(recipe) if isinstance(recipe, str) else recipe
    onnx_export.write(open_checkpoint(folder), path, chosen, lambda *_: None)
    return path


def logits(path: Path, ids: list[int], **more: NDArray[Any]) -> NDArray[np.float32]:
    """(positions, vocabulary) for one sequence without a past."""
    session = OnnxSession(path, external=True)
    feeds = {"input_ids": np.array([ids]), "attention_mask": np.ones((1, len(ids)), np.int64)}
    for value in session.native.get_inputs():
        if value.name.startswith("past"):
            feeds[value.name] = np.zeros((1, value.shape[1], 0, value.shape[3]), np.float32)
    found: NDArray[np.float32] = session.run(feeds | more, ["logits"])[0][0]
    session.close()
    return found


def error(found: NDArray[Any], expected: NDArray[Any]) -> float:
    return float(np.abs(found - expected).max() / np.abs(expected).max())


@pytest.fixture(scope="module")
def decoder(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(tiny_checkpoint, tmp_path_factory.mktemp("onnx") / "decoder.onnx")


@pytest.mark.train
@pytest.mark.parametrize("name", NAMES)
def test_onnxruntime_computes_what_transformers_computes(name: str, tmp_path: Path) -> None:
    import torch

    from tests.quantize import tiny_checkpoints

    model = tiny_checkpoints.checkpoint(tmp_path, name)
    path = export(tmp_path, tmp_path / "decoder.onnx")
    for ids in (IDS[:1], IDS[:7], IDS):
        with torch.no_grad():
            expected = model(torch.tensor([ids])).logits[0].numpy()
        assert error(logits(path, ids, logits_from=np.array([0])), expected) <= 5e-5
        assert np.ptp(expected) > 0.5  # the model says something


def test_onnx_and_gguf_of_one_checkpoint_agree(tiny_checkpoint: Path, decoder: Path, tmp_path: Path) -> None:
    checkpoint, path = open_checkpoint(tiny_checkpoint), tmp_path / "f32.gguf"
    gguf_export.write_float(checkpoint, path, recipes.find("f32"), lambda *_: None)
    engine = LlamaCppEngine(path, EngineOptions(context_length=128, threads=1))
    assert error(logits(decoder, IDS)[0], engine.feed([TokenSegment(tuple(IDS))])) <= 1e-3
    engine.close()


def test_only_the_last_position_has_logits_unless_more_are_asked_for(decoder: Path) -> None:
    every = logits(decoder, IDS[:9], logits_from=np.array([0]))
    assert len(every) == 9
    assert error(logits(decoder, IDS[:9]), every[-1:]) <= 1e-6
    assert error(logits(decoder, IDS[:9], logits_from=np.array([5])), every[5:]) <= 1e-6


def test_a_row_of_embeddings_stands_where_an_id_is_below_zero(tiny_checkpoint: Path, decoder: Path) -> None:
    table = open_checkpoint(tiny_checkpoint).read("model.embed_tokens.weight").astype(np.float32)
    given = table[[7, 8, 9]][None]  # rows beside known ids are not read
    assert np.array_equal(
        logits(decoder, [7, -1, 9], inputs_embeds=np.where([[[0], [1], [0]]], given, np.nan)),
        logits(decoder, [7, 8, 9]),
    )


def test_the_weights_of_a_tied_embedding_lie_in_the_file_once(tiny_checkpoint: Path, tmp_path: Path) -> None:
    path = export(tiny_checkpoint, tmp_path / "decoder.onnx", "int8")
    rows = open_checkpoint(tiny_checkpoint).tensors["model.embed_tokens.weight"].shape[0]
    data = onnx_export.files(path)[1]
    same = [d for d in onnx_file.look(path).external if d.length == rows * tiny.WIDTH]
    assert len(same) == 2
    assert same[0] == same[1]
    parameters = sum(int(np.prod(t.shape)) for t in open_checkpoint(tiny_checkpoint).tensors.values())
    assert data.stat().st_size <= parameters * (1 + 4 / 32) + 100_000  # a byte per weight, a scale per block


@pytest.mark.parametrize(
    ("bits", "symmetric", "worst"),
    [(8, True, 1 / 127), (8, False, 1 / 127), (4, True, 1 / 6), (4, False, 1 / 7)],
)
def test_no_weight_moves_further_than_its_block_allows(bits: int, symmetric: bool, worst: float) -> None:
    weight = np.random.default_rng(0).normal(size=(24, 96)).astype(np.float32)
    weight[3] = 0
    blocks = onnx_blocks.quantize(weight, bits, 32, symmetric=symmetric)
    assert blocks.codes.shape == (24, 3, 32 * bits // 8)
    ranges = np.abs(weight.reshape(24, 3, 32)).max(-1, keepdims=True)
    moved = np.abs(blocks.values() - weight).reshape(24, 3, 32)
    assert (moved <= 0.25 * ranges + 1e-7).all()  # where the search cuts a range off
    assert moved.mean() <= worst * ranges.mean() / 2


@pytest.mark.parametrize(
    "recipe",
    [
        OnnxRecipe("x", 4, 8, accuracy=0),
        OnnxRecipe("x", 4, 4, symmetric=True, accuracy=0),
        OnnxRecipe("x", 8, 8, block=64, accuracy=0),
    ],
)
def test_blocks_are_packed_as_onnxruntime_reads_them(
    recipe: OnnxRecipe, tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = logits(export(tiny_checkpoint, tmp_path / "blocks.onnx", recipe), IDS[:9])
    read = onnx_export._Decoder._checked

    def rounded(self: Any, name: str) -> NDArray[Any]:
        weight = read(self, name)
        if weight.ndim == 1:
            return weight
        bits = recipe.head_bits if name == "token_embd.weight" else recipe.bits
        symmetric = recipe.symmetric or bits == 8
        return onnx_blocks.quantize(weight, bits, recipe.block, symmetric=symmetric).values()

    monkeypatch.setattr(onnx_export._Decoder, "_checked", rounded)
    assert error(small, logits(export(tiny_checkpoint, tmp_path / "float.onnx"), IDS[:9])) <= 1e-4


def test_rows_that_no_block_divides_take_a_smaller_block_or_are_refused() -> None:
    assert [onnx_blocks.fitting(128, n) for n in (256, 96, 48)] == [128, 32, 16]
    with pytest.raises(UsageError, match="40 columns cannot be cut into blocks of 16"):
        onnx_blocks.fitting(32, 40)


def test_what_onnx_cannot_express_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match="'q4_k_m' exists for GGUF only; for ONNX choose one of f32, int8, int4"
    ):
        onnx_export.find("q4_k_m")
    folder = tiny.checkpoint(tmp_path / "c")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"architectures": ["Llama4ForCausalLM"]}))
    with pytest.raises(UsageError):
        export(folder, tmp_path / "x.onnx")


def test_a_weight_that_is_not_finite_is_named(tmp_path: Path) -> None:
    folder = tiny.checkpoint(tmp_path / "c")
    weights = tiny.weights()
    weights["model.layers.0.mlp.up_proj.weight"][3, 3] = np.inf
    tiny.write_safetensors(folder / "model.safetensors", weights)
    with pytest.raises(
        IntegrityError, match=r"mlp\.up_proj\.weight has 1 of 65536 values that are not finite"
    ):
        export(folder, tmp_path / "x.onnx")
