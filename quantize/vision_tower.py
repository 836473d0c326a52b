"""Llama 4's vision tower in llama.cpp's clip form: its tensors, and what its header says.

Job: the tensor table of the tower and its projector in both worlds, and the keys of an `mmproj` GGUF.
Ignorance: reads no weights, writes no file; the decoder.
Source: conversion/llama4.py, conversion/base.py (MmprojModel) and tools/mtmd/models/llama4.cpp of llama.cpp,
as bundled in llama-cpp-python 0.3.36.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gguf

from edge import licences
from edge.errors import IntegrityError, NotFoundError, UsageError
from quantize.architectures import Names
from quantize.checkpoint import Checkpoint, read_json
from quantize.recipes import Recipe
from quantize.tensor_names import Row

ARCHITECTURE = "clip"  # general.architecture
PREFIX = "vision_model."
_PREPROCESSORS = ("processor_config.json", "preprocessor_config.json")  # the later transformers' first

# sizes as letters: d width, f feed-forward and merged patches, p numbers of a patch, n patches and the class,
# a width of the adapter, t width of the decoder
_BEFORE: Names = (
    (f"{PREFIX}class_embedding",          "v.class_embd",          "d",  ""),
    (f"{PREFIX}patch_embedding.linear",   "v.patch_embd",          "dp", ""),
    (f"{PREFIX}positional_embedding_vlm", "v.position_embd",       "nd", ""),
    (f"{PREFIX}layernorm_pre",            "v.pre_ln",              "d",  ""),
    (f"{PREFIX}layernorm_post",           "v.post_ln",             "d",  ""),
)  # fmt: skip
_LAYER: Names = (
    ("input_layernorm",          "ln1",      "d",  ""),
    ("self_attn.q_proj",         "attn_q",   "dd", ""),
    ("self_attn.k_proj",         "attn_k",   "dd", ""),
    ("self_attn.v_proj",         "attn_v",   "dd", ""),
    ("self_attn.o_proj",         "attn_out", "dd", ""),
    ("post_attention_layernorm", "ln2",      "d",  ""),
    ("mlp.fc1",                  "ffn_up",   "fd", ""),
    ("mlp.fc2",                  "ffn_down", "df", ""),
)  # fmt: skip
_AFTER: Names = (
    (f"{PREFIX}vision_adapter.mlp.fc1", "mm.model.mlp.1", "af", ""),
    (f"{PREFIX}vision_adapter.mlp.fc2", "mm.model.mlp.2", "aa", ""),
    ("multi_modal_projector.linear_1",  "mm.model.fc",    "ta", ""),
)  # fmt: skip
_BARE = {"v.class_embd": ("", ""), "v.position_embd": ("", ".weight")}  # endings there and here
_UNBIASED = ("v.patch_embd", "mm.")
_FIXED = {"hidden_act": "gelu", "num_channels": 3, "vision_feature_select_strategy": "default",
          "multi_modal_projector_bias": False}  # fmt: skip
_EPSILON, _THETA = 1e-5, 10000.0  # transformers' nn.LayerNorm; hparams.rope_theta in clip.cpp


def present(checkpoint: Checkpoint) -> bool:
    """Whether the checkpoint has a vision tower."""
    return any(name.startswith(PREFIX) for name in checkpoint.tensors)


def require(checkpoint: Checkpoint) -> None:
    """Prove that llama.cpp computes this tower. Errors as `rows` and `add`."""
    _checked(checkpoint.config)
    _normalization(checkpoint)


def rows(config: Mapping[str, Any]) -> list[Row]:
    """Every tensor of the tower and its projector, in file order; `config` is the decoder's.

    Raises:
        UsageError: llama.cpp runs another tower. IntegrityError: sizes that contradict each other.
    """
    vision = _checked(config)
    sizes, found = _sizes(vision, int(config["hidden_size"])), []
    layers = [
        (f"{PREFIX}model.layers.{i}.{source}", f"v.blk.{i}.{target}", letters, turned)
        for i in range(vision["num_hidden_layers"])
        for source, target, letters, turned in _LAYER
    ]
    for source, target, letters, _ in (*_BEFORE, *layers, *_AFTER):
        shape = tuple(sizes[letter] for letter in letters)
        there, here = _BARE.get(target, (".weight", ".weight"))
        found.append(Row(source + there, target + here, shape))
        if target not in _BARE and not target.startswith(_UNBIASED):
            found.append(Row(f"{source}.bias", f"{target}.bias", shape[:1]))
    return found


def add(writer: Any, checkpoint: Checkpoint, recipe: Recipe) -> None:
    """Add all keys to a `gguf.GGUFWriter`.

    Raises:
        NotFoundError: no file says how pictures are normalized. Else as `rows`.
    """
    vision, mean, deviation = _checked(checkpoint.config), *_normalization(checkpoint)
    writer.add_type("mmproj")
    writer.add_name(checkpoint.name)
    if licence := licences.name_of(licences.files(checkpoint.folder).values()):
        writer.add_license(licence)
    writer.add_file_type(recipe.file_type)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_clip_has_vision_encoder(True)
    writer.add_clip_projector_type(gguf.VisionProjectorType.LLAMA4)
    writer.add_vision_projection_dim(int(checkpoint.config["hidden_size"]))
    writer.add_vision_image_size(_side(vision, "image_size"))
    writer.add_vision_patch_size(_side(vision, "patch_size"))
    writer.add_vision_embedding_length(vision["hidden_size"])
    writer.add_vision_feed_forward_length(vision["intermediate_size"])
    writer.add_vision_block_count(vision["num_hidden_layers"])
    writer.add_vision_head_count(vision["num_attention_heads"])
    writer.add_vision_image_mean(mean)
    writer.add_vision_image_std(deviation)
    writer.add_vision_attention_layernorm_eps(float(vision.get("norm_eps", _EPSILON)))
    writer.add_vision_projector_scale_factor(_merged(vision))
    writer.add_vision_use_gelu(True)


def stored_type(row: Row, recipe: Recipe) -> str:
    """Vectors and positions F32, as llama.cpp's converter writes them; no BF16 for the patches, which become
    columns by a convolution."""
    if len(row.shape) == 1 or row.target == "v.position_embd.weight":
        return "F32"
    return "F32" if row.target == "v.patch_embd.weight" and recipe.type == "BF16" else recipe.type


def _checked(config: Mapping[str, Any]) -> dict[str, Any]:
    """vision_config, once llama.cpp computes what it says."""
    vision = config.get("vision_config")
    if not isinstance(vision, dict):
        raise IntegrityError(
            "the checkpoint has a vision tower, but config.json no vision_config; copy it again"
        )
    for name in ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
                 "projector_output_dim", "projector_input_dim", "vision_output_dim"):  # fmt: skip
        if type(vision.get(name)) is not int or vision[name] < 1:
            raise _contradiction(f"{name} is {vision.get(name)!r}, expected a positive whole number")
    rope = vision.get("rope_parameters") or {}
    fixed = _FIXED | {"rope_theta": _THETA, "norm_eps": _EPSILON}
    for name, value in fixed.items():
        found = rope.get(name, vision.get(name, value))
        if found != value:
            raise UsageError(
                f"config.json says vision_config.{name} is {found!r}, but llama.cpp runs Llama 4's vision "
                f"only with {value!r}; choose another checkpoint"
            )
    heads, side = vision["num_attention_heads"], _side(vision, "image_size") // _side(vision, "patch_size")
    if vision["hidden_size"] % (4 * heads) or _side(vision, "image_size") % _side(vision, "patch_size"):
        raise _contradiction("heads or patches do not divide the width or the picture")
    if side % _merged(vision) or vision["hidden_size"] * _merged(vision) ** 2 != vision["intermediate_size"]:
        raise _contradiction(f"{side} patches in a row cannot be merged by {_merged(vision)} for the adapter")
    if len({vision[f"{name}_dim"] for name in ("projector_input", "projector_output", "vision_output")}) > 1:
        raise _contradiction("the widths of the adapter differ")
    return vision


def _sizes(vision: Mapping[str, Any], decoder_width: int) -> dict[str, int]:
    side, patch = _side(vision, "image_size") // _side(vision, "patch_size"), _side(vision, "patch_size")
    return {
        "d": vision["hidden_size"], "f": vision["intermediate_size"], "p": 3 * patch**2, "n": side**2 + 1,
        "a": vision["projector_output_dim"], "t": decoder_width,
    }  # fmt: skip


def _merged(vision: Mapping[str, Any]) -> int:
    """Patches of a row that one embedding holds."""
    ratio = vision.get("pixel_shuffle_ratio", 0.5)
    if type(ratio) not in (int, float) or not 0 < ratio <= 1 or 1 / ratio != int(1 / ratio):
        raise _contradiction(f"pixel_shuffle_ratio is {ratio!r}, expected 1, 1/2, 1/4 …")
    return int(1 / ratio)


def _side(vision: Mapping[str, Any], name: str) -> int:
    """A length in pixels; transformers also takes pairs."""
    value = vision.get(name)
    if isinstance(value, list) and len(set(value)) == 1:
        value = value[0]
    if type(value) is not int or value < 1:
        raise _contradiction(f"{name} is {vision.get(name)!r}, expected a positive number (of a square)")
    return value


def _normalization(checkpoint: Checkpoint) -> tuple[list[float], list[float]]:
    """Mean and deviation of the three channels."""
    for path in (checkpoint.folder / name for name in _PREPROCESSORS):
        if not path.is_file():
            continue
        told = read_json(path)
        told |= told["image_processor"] if isinstance(told.get("image_processor"), dict) else {}
        values = [told.get(name) for name in ("image_mean", "image_std")]
        if all(
            isinstance(v, list) and len(v) == 3 and all(type(x) in (int, float) for x in v) for v in values
        ):
            mean, deviation = ([float(x) for x in v] for v in values if isinstance(v, list))
            return mean, deviation
    raise NotFoundError(
        f"{checkpoint.folder} has a vision tower, but no {' or '.join(_PREPROCESSORS)} with image_mean and "
        "image_std, which say how pictures are read; copy it from the original checkpoint"
    )


def _contradiction(what: str) -> IntegrityError:
    return IntegrityError(f"config.json's vision_config contradicts itself: {what}; download it again")
