"""Llama 4's vision tower as an mmproj file: llama.cpp's names, and what transformers computes."""

from __future__ import annotations

import ctypes
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import edge
from edge.errors import IntegrityError, NotFoundError, UsageError
from edge.formats import manifest
from edge.formats.gguf import read_header
from quantize import gguf_export, pipeline, recipes, vision_tower
from quantize.checkpoint import Checkpoint, open_checkpoint
from quantize.tensor_names import Row

NAME = "llama4_vision"
# the converter gives Llama 4's second norm the name of Gemma 4's norm after attention, which llama.cpp then
# applies in another place; see docs/quantization.md
RENAMED = {f"v.blk.{i}.attn_post_norm.{end}": f"v.blk.{i}.ln2.{end}" for i in range(3)
           for end in ("weight", "bias")}  # fmt: skip
VISION: dict[str, Any] = {
    "hidden_size": 32, "intermediate_size": 128, "num_hidden_layers": 1, "num_attention_heads": 2,
    "image_size": 48, "patch_size": 8, "pixel_shuffle_ratio": 0.5, "projector_input_dim": 48,
    "projector_output_dim": 48, "vision_output_dim": 48,
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with a tower of three layers: 48 x 48 pixels become 9 embeddings."""
    pytest.importorskip("torch")
    from tests.quantize import tiny_checkpoints

    path = tmp_path_factory.mktemp("llama4")
    tiny_checkpoints.checkpoint(path, NAME)
    return path


def exported(folder: Path, path: Path, recipe: str) -> Path:
    gguf_export.write_projector(open_checkpoint(folder), path, recipes.find(recipe), lambda *_: None)
    return path


@pytest.mark.train
@pytest.mark.parametrize("recipe", ["f16", "bf16"])
def test_the_file_says_what_llama_cpps_converter_says(folder: Path, tmp_path: Path, recipe: str) -> None:
    from tests.quantize import llama_cpp_converter

    theirs = json.loads(llama_cpp_converter.FIXTURE.read_text())[f"{NAME} mmproj {recipe}"]
    ours = llama_cpp_converter.described(exported(folder, tmp_path / "mmproj.gguf", recipe))
    expected = {RENAMED.get(name, name): tensor for name, tensor in theirs["tensors"].items()}
    assert set(RENAMED) < set(theirs["tensors"])
    assert {n: t[:2] for n, t in ours["tensors"].items()} == {n: t[:2] for n, t in expected.items()}
    for metadata in (ours["metadata"], theirs["metadata"]):
        metadata.pop("general.name")
    assert theirs["metadata"].pop("general.size_label")
    assert ours["metadata"] == theirs["metadata"]


@pytest.mark.train
@pytest.mark.parametrize(("recipe", "tolerance"), [("f32", 2e-3), ("f16", 3e-3)])
def test_libmtmd_computes_what_transformers_computes(
    folder: Path, tmp_path: Path, recipe: str, tolerance: float
) -> None:
    """llama.cpp's GELU is the approximation by tanh, and its attention reads F16."""
    gguf_export.write_float(
        open_checkpoint(folder), tmp_path / "d.gguf", recipes.find("f32"), lambda *_: None
    )
    pixels = np.random.default_rng(1).integers(0, 256, (48, 48, 3), dtype=np.uint8)
    found = encoded(tmp_path / "d.gguf", exported(folder, tmp_path / "m.gguf", recipe), pixels)
    expected = by_transformers(folder, pixels)
    turned = found.reshape(3, 3, -1).swapaxes(0, 1).reshape(found.shape)  # theirs come column by column
    assert np.abs(turned - expected).max() <= tolerance * np.abs(expected).max()
    assert np.abs(found - expected).max() > 0.5 * np.abs(expected).max()  # the order matters


def by_transformers(folder: Path, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    import torch
    import transformers

    from tests.quantize.tiny_checkpoints import DEVIATION, MEAN

    model = transformers.Llama4ForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    values = (pixels / 255 - np.array(MEAN)) / np.array(DEVIATION)
    with torch.no_grad():
        seen = model.vision_model(torch.tensor(values.transpose(2, 0, 1)[None], dtype=torch.float32))
        return np.asarray(model.multi_modal_projector(seen.last_hidden_state)[0].numpy())


def encoded(decoder: Path, projector: Path, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """One picture through libmtmd's own doors."""
    from llama_cpp import llama_cpp as native
    from llama_cpp import mtmd_cpp as mtmd

    native.llama_backend_init()
    loading = native.llama_model_default_params()
    loading.n_gpu_layers = 0
    model = native.llama_model_load_from_file(str(decoder).encode(), loading)
    settings = mtmd.mtmd_context_params_default()
    settings.use_gpu, settings.n_threads, settings.warmup = False, 1, False
    context = mtmd.mtmd_init_from_file(str(projector).encode(), model, settings)
    assert context
    assert mtmd.mtmd_support_vision(context)
    data = pixels.ctypes.data_as(ctypes.POINTER(ctypes.c_ubyte))
    bitmap = mtmd.mtmd_bitmap_init(pixels.shape[1], pixels.shape[0], data)
    text, chunks = mtmd.mtmd_input_text(), mtmd.mtmd_input_chunks_init()
    text.text, text.add_special, text.parse_special = b"<__media__>", True, True
    text.text_len = len(b"<__media__>")
    bitmaps = (mtmd.mtmd_bitmap_p_ctypes * 1)(bitmap)
    assert mtmd.mtmd_tokenize(context, chunks, ctypes.byref(text), bitmaps, 1) == 0
    pieces = [mtmd.mtmd_input_chunks_get(chunks, i) for i in range(mtmd.mtmd_input_chunks_size(chunks))]
    (picture,) = (p for p in pieces if mtmd.mtmd_input_chunk_get_type(p) == 1)
    assert mtmd.mtmd_encode_chunk(context, picture) == 0
    shape = mtmd.mtmd_input_chunk_get_n_tokens(picture), native.llama_model_n_embd(model)
    floats = ctypes.cast(mtmd.mtmd_get_output_embd(context), ctypes.POINTER(ctypes.c_float))
    found = np.ctypeslib.as_array(floats, shape).copy()
    mtmd.mtmd_input_chunks_free(chunks)
    mtmd.mtmd_bitmap_free(bitmap)
    mtmd.mtmd_free(context)
    native.llama_model_free(model)
    return found


@pytest.mark.train
def test_a_bundle_holds_the_tower_and_reads_pictures(folder: Path, tmp_path: Path) -> None:
    (folder / "chat_template.jinja").write_text("{% for m in messages %}<s>{{ m.content }}\n{% endfor %}")
    report = pipeline.quantize(folder, tmp_path / "b", "int8")
    known = manifest.load(tmp_path / "b")
    assert known.modalities == {"in": ("text", "image"), "out": ("text",)}
    tower = read_header(known.path(tmp_path / "b", manifest.MMPROJ))
    assert {t.type for t in tower.tensors} == {"F16", "F32"}
    assert report.projector == "F16"
    assert report.sizes["mmproj"].after == tower.file_size
    before = report.sizes["mmproj"].before + report.sizes["decoder"].before
    assert before == report.sizes["total"].before == open_checkpoint(folder).size
    exact = edge.SamplingOptions(temperature=0.0, max_tokens=6)
    pictures = [Image.fromarray(np.full((48, 48, 3), shade, np.uint8)) for shade in (0, 255)]
    with edge.load(tmp_path / "b") as model:
        assert "image" in model.reads
        said = []
        for number, picture in enumerate(pictures):
            picture.save(tmp_path / f"{number}.png")
            shown = edge.Image(tmp_path / f"{number}.png")
            said.append(model.chat(sampling=exact).ask("What is it?", shown).text)
    assert said[0] != said[1]  # it sees the picture


def tower(folder: Path, vision: dict[str, Any]) -> Checkpoint:
    config = {"architectures": ["Llama4ForConditionalGeneration"], "hidden_size": 64, "vision_config": vision}
    opened = object.__new__(Checkpoint)
    for name, value in {"folder": folder, "config": config}.items():
        object.__setattr__(opened, name, value)
    return opened


@pytest.mark.parametrize(
    ("values", "kind", "told"),
    [
        ({"hidden_act": "silu"}, UsageError, "hidden_act is 'silu'"),
        ({"rope_parameters": {"rope_theta": 5e5}}, UsageError, "rope_theta is 500000.0"),
        ({"norm_eps": 1e-6}, UsageError, "norm_eps is 1e-06"),
        ({"image_size": 50}, IntegrityError, "do not divide"),
        ({"image_size": [48, 56]}, IntegrityError, r"image_size is \[48, 56\]"),
        ({"image_size": 40}, IntegrityError, "5 patches in a row cannot be merged by 2"),
        ({"pixel_shuffle_ratio": 0.3}, IntegrityError, "pixel_shuffle_ratio is 0.3"),
        ({"pixel_shuffle_ratio": 0}, IntegrityError, "pixel_shuffle_ratio is 0"),
        ({"num_hidden_layers": -1}, IntegrityError, "num_hidden_layers is -1"),
        ({"vision_output_dim": 64}, IntegrityError, "widths of the adapter differ"),
    ],
)
def test_a_tower_that_llama_cpp_would_compute_otherwise_is_refused(
    tmp_path: Path, values: dict[str, Any], kind: type[Exception], told: str
) -> None:
    with pytest.raises(kind, match=told):
        vision_tower.require(tower(tmp_path, VISION | values))


def test_how_pictures_are_read_must_be_said(tmp_path: Path) -> None:
    opened = tower(tmp_path, VISION)
    with pytest.raises(NotFoundError, match="no processor_config"):
        vision_tower.require(opened)
    said = {"image_processor": {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}}
    (tmp_path / "processor_config.json").write_text(json.dumps(said))
    vision_tower.require(opened)


def test_patches_stay_f32_where_llama_cpp_cannot_read_them_as_bf16() -> None:
    patches, matrix = Row("a", "v.patch_embd.weight", (4, 4)), Row("b", "v.blk.0.attn_q.weight", (4, 4))
    types = [vision_tower.stored_type(row, recipes.find(kind)) for row in (patches, matrix)
             for kind in ("bf16", "f16")]  # fmt: skip
    assert types == ["F32", "F16", "BF16", "F16"]
