"""Files of encoders: sound ones say what they read, all others are an error message before native code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from edge.errors import IntegrityError, NotFoundError, UsageError
from edge.formats import mmproj
from tests import tiny_public

Keys, Tensors = dict[str, Any], dict[str, Any]
READS = {"llama4": "image", "gemma3": "image", "smolvlm": "image", "internvl": "image", "qwen2vl": "image",
         "qwen2.5vl": "image", "ultravox": "audio", "voxtral": "audio", "qwen2a": "audio"}  # fmt: skip


def made(folder: Path, name: str) -> Path:
    _, maker = tiny_public.MMPROJ[name]
    return maker(folder / f"{name}.gguf")


def rewritten(path: Path, change: Callable[[Keys, Tensors], None]) -> Path:
    """The same file with other keys (name -> (value, type)) or tensors."""
    reader = gguf.GGUFReader(path)
    keys: Keys = {
        key: (field.contents(), field.types)
        for key, field in reader.fields.items()
        if not key.startswith("GGUF.")
    }
    tensors: Tensors = {tensor.name: np.array(tensor.data) for tensor in reader.tensors}
    change(keys, tensors)
    architecture = keys.pop("general.architecture")[0]
    target = path.with_name("changed.gguf")
    writer = gguf.GGUFWriter(target, architecture)
    for key, (value, types) in keys.items():
        writer.add_key_value(key, value, types[0], types[1] if len(types) > 1 else None)
    for name, values in tensors.items():
        writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return target


@pytest.mark.parametrize("name", READS)
def test_a_sound_file_says_what_it_reads_and_how_wide_its_embeddings_are(tmp_path: Path, name: str) -> None:
    known = mmproj.read(made(tmp_path, name))
    assert list(known.projectors) == [READS[name]]
    assert known.width == tiny_public.WIDTH


def test_every_kind_that_is_known_has_a_sound_file_here(tmp_path: Path) -> None:
    seen = {kind for name in READS for kind in mmproj.read(made(tmp_path, name)).projectors.values()}
    assert seen == set(mmproj.KINDS)


def put(key: str, value: Any, kind: gguf.GGUFValueType | None = None) -> Callable[[Keys, Tensors], None]:
    def change(keys: Keys, _: Tensors) -> None:
        types = [kind] if kind is not None else keys[key][1] if key in keys else [gguf.GGUFValueType.UINT32]
        keys[key] = (value, types)

    return change


def drop(name: str) -> Callable[[Keys, Tensors], None]:
    def change(keys: Keys, tensors: Tensors) -> None:
        assert (keys.pop(name, None) is None) != (tensors.pop(name, None) is None)

    return change


def shape(name: str, *sizes: int, dtype: Any = np.float32) -> Callable[[Keys, Tensors], None]:
    def change(_: Keys, tensors: Tensors) -> None:
        tensors[name] = np.zeros(sizes, dtype)

    return change


V, U32, FLOAT = "clip.vision", gguf.GGUFValueType.UINT32, gguf.GGUFValueType.FLOAT32
BAD: list[tuple[str, Callable[[Keys, Tensors], None], str]] = [
    ("llama4", put("general.architecture", "llama"), "of architecture 'llama'"),
    ("llama4", put("clip.has_vision_encoder", False), "no encoder for pictures and none for sound"),
    ("llama4", drop(f"{V}.embedding_length"), "has no clip.vision.embedding_length"),
    ("llama4", put(f"{V}.embedding_length", 0), "embedding_length is 0"),
    ("llama4", put(f"{V}.embedding_length", 1 << 31, U32), "more than 2147483647"),
    ("llama4", put(f"{V}.embedding_length", 32.0, FLOAT), "has type f32, expected u32"),
    ("llama4", put(f"{V}.embedding_length", 40), "has the shape"),
    ("llama4", put(f"{V}.block_count", 3), "has no tensor v.blk.2"),
    ("llama4", put(f"{V}.block_count", 100_000), "block_count is 100000"),
    ("llama4", put(f"{V}.attention.head_count", 0), "head_count is 0"),
    ("llama4", put(f"{V}.attention.head_count", 3), "3 heads do not share a width of 32"),
    ("llama4", put(f"{V}.attention.head_count", 16), "16 heads do not share a width of 32"),  # rope: 4 each
    ("llama4", put(f"{V}.attention.head_count_kv", 1), "head_count_kv is 1"),
    ("llama4", put(f"{V}.attention.layer_norm_epsilon", float("nan")), "layer_norm_epsilon is nan"),
    ("llama4", put(f"{V}.patch_size", 0), "patch_size is 0"),
    ("llama4", put(f"{V}.patch_size", 5), "patches of 5"),
    ("llama4", put(f"{V}.image_size", 1 << 20), "pictures of 1048576"),
    ("llama4", put(f"{V}.projector.scale_factor", 0), "0 merged"),
    ("llama4", put(f"{V}.projector.scale_factor", 3), "3 merged"),
    ("llama4", put(f"{V}.image_std", [0.5, 0.0, 0.5]), "image_std is"),
    ("llama4", put(f"{V}.image_mean", [0.5]), "image_mean is"),
    ("llama4", put("clip.use_silu", True, gguf.GGUFValueType.BOOL), "use_gelu and use_silu"),
    ("llama4", drop("v.class_embd"), "has no tensor v.class_embd"),
    ("llama4", drop("mm.model.fc.weight"), "has no tensor mm.model.fc.weight"),
    ("llama4", shape("v.position_embd.weight", 16, 32), r"\[32, 16\], expected \[32, 17\]"),
    ("llama4", shape("v.patch_embd.weight", 32, 190), r"\[190, 32\], expected \[192, 32\]"),
    ("llama4", shape("mm.model.mlp.2.weight", 40, 41), "expected"),
    ("llama4", shape("v.blk.0.ln1.weight", 32, dtype=np.float16), "is F16, expected F32"),
    ("llama4", shape("v.blk.1.attn_q_norm.weight", 32), "which no projector of llama4 has"),
    ("llama4", shape("v.blk.0.attn_post_norm.weight", 32), "called ln2 attn_post_norm"),
    ("smolvlm", drop(f"{V}.projector.scale_factor"), "1 merged"),
    ("smolvlm", put(f"{V}.preproc_image_size", 1 << 20), "cuts pictures of 1048576"),
    ("smolvlm", shape("v.patch_embd.weight", 32, 4, 8, 8), "expected"),
    ("smolvlm", shape("v.patch_embd.weight", 32, 3, 8, 8, dtype=np.int32), "is I32, expected F32 or F16"),
    ("smolvlm", shape("v.class_embd", 32), "which no projector of idefics3 has"),
    ("gemma3", shape("mm.soft_emb_norm.weight", 33), "expected"),
    ("internvl", put(f"{V}.preproc_max_tiles", 1 << 20), "1 to 1048576 tiles"),
    ("qwen2vl", put(f"{V}.spatial_merge_size", 3), "3 merged"),
    ("qwen2vl", drop("v.patch_embd.weight.1"), "has no tensor v.patch_embd.weight.1"),
    ("qwen2vl", drop("v.blk.0.attn_k.bias"), "has no tensor v.blk.0.attn_k.bias"),
    ("qwen2vl", shape("v.patch_embd.bias", 32), "which no projector of qwen2vl_merger has"),
    ("qwen2.5vl", drop(f"{V}.n_wa_pattern"), "has no clip.vision.n_wa_pattern"),
    ("ultravox", drop("clip.audio.projector.stack_factor"), "has no clip.audio.projector.stack_factor"),
    ("ultravox", put("clip.audio.projector.stack_factor", 0), "0 frames in a stack"),
    ("ultravox", put("clip.audio.projector.stack_factor", 7), "expected"),
    ("ultravox", put("clip.audio.num_mel_bins", 300), "300 mel bands"),
    ("ultravox", put("clip.audio.num_mel_bins", 21), "expected"),
    ("ultravox", shape("a.position_embd.weight", 1499, 40), "1499 positions for sound, expected 1500"),
    ("ultravox", shape("mm.a.norm_mid.weight", 41), "expected 2 x 41|expected"),
    ("ultravox", shape("a.blk.0.attn_k.bias", 40), "which no projector of ultravox has"),
    ("voxtral", drop("a.conv1d.2.bias"), "has no tensor a.conv1d.2.bias"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "change", "reason"), BAD, ids=range(len(BAD)))
def test_a_file_that_libmtmd_would_die_of_is_an_error_that_names_the_fault(
    tmp_path: Path, name: str, change: Callable[[Keys, Tensors], None], reason: str
) -> None:
    path = rewritten(made(tmp_path, name), change)
    with pytest.raises(IntegrityError, match=reason):
        mmproj.read(path)


def test_stacks_of_frames_that_libmtmd_counts_in_two_ways_are_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiny_public, "HEARD", 32)
    with pytest.raises(IntegrityError, match="stacks of 8 do not go with a width of 32"):
        mmproj.read(made(tmp_path, "ultravox"))


def test_a_kind_that_is_not_known_is_refused_with_those_that_are(tmp_path: Path) -> None:
    path = rewritten(made(tmp_path, "llama4"), put("clip.projector_type", "mlp"))
    with pytest.raises(UsageError, match=r"kind 'mlp' for image.*llama4 \(Llama 4\).*qwen2vl_merger"):
        mmproj.read(path)


def test_old_files_that_call_up_down_are_sound(tmp_path: Path) -> None:
    def change(_: Keys, tensors: Tensors) -> None:
        for i in range(tiny_public.SEEN_LAYERS):
            for end in ("weight", "bias"):
                up, down = f"v.blk.{i}.ffn_up.{end}", f"v.blk.{i}.ffn_down.{end}"
                tensors[up], tensors[down] = tensors[down], tensors[up]

    assert mmproj.read(rewritten(made(tmp_path, "smolvlm"), change)).width == tiny_public.WIDTH


def test_no_file_and_another_file_are_errors(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        mmproj.read(tmp_path / "none.gguf")
    (tmp_path / "text.gguf").write_text("hello there, this is no model")
    with pytest.raises(IntegrityError, match="not a valid GGUF file"):
        mmproj.read(tmp_path / "text.gguf")
