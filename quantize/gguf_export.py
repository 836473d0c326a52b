"""Writes a checkpoint as a float GGUF, streamed tensor by tensor.

Job: header, vocabulary, native facts and weights in one file that alone says what it is.
Ignorance: knows no bundle and judges no quality. A full disk is an OSError; the caller names the cure.
Source of the keys: ggml docs/gguf.md and llama.cpp's convert_hf_to_gguf.py (LlamaModel).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from math import pi
from pathlib import Path
from typing import Any

import gguf
import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from edge.errors import IntegrityError, UsageError
from quantize import gguf_tokenizer, tensor_names
from quantize.checkpoint import Checkpoint
from quantize.recipes import Recipe

Progress = Callable[[str, int, int], None]  # (what, done, of)
_NUMPY = {"F32": np.dtype(np.float32), "F16": np.dtype(np.float16), "BF16": np.dtype(ml_dtypes.bfloat16)}


def write_float(checkpoint: Checkpoint, path: Path, recipe: Recipe, progress: Progress) -> None:
    """Stream the decoder to `path`, one tensor in memory at a time; norms stay F32.

    Raises:
        IntegrityError: tensors missing, misshapen or not finite.
        UsageError: a config this writer cannot express. OSError: the disk refused.
    """
    shape = tensor_names.Shape.of(checkpoint.config)
    rows = tensor_names.table(shape)
    tensor_names.check(rows, {name: t.shape for name, t in checkpoint.tensors.items()})
    writer = gguf.GGUFWriter(None, "llama")
    factors = rope_factors(checkpoint.config, shape.head_width)
    _add_metadata(writer, checkpoint, shape, recipe)
    if factors is not None:
        writer.add_tensor_info("rope_freqs.weight", factors.shape, factors.dtype, factors.nbytes)
    for row in rows:
        kind = _stored_type(row, recipe)
        count = int(np.prod(row.shape)) * _NUMPY[kind].itemsize
        writer.add_tensor_info(row.target, row.shape, _NUMPY[kind], count, gguf.GGMLQuantizationType[kind])
    try:
        writer.write_header_to_file(path)
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        if factors is not None:
            writer.write_tensor_data(factors)
        for done, row in enumerate(rows, 1):
            writer.write_tensor_data(_converted(checkpoint, row, _stored_type(row, recipe)))
            progress(f"write {recipe.type}", done, len(rows))
    finally:
        writer.close()


def rope_factors(config: Mapping[str, Any], head_width: int) -> NDArray[np.float32] | None:
    """Llama 3's frequency factors, (head_width / 2,); None without scaling. Source: arXiv 2407.21783, and
    transformers' `_compute_llama3_parameters`.

    Raises:
        UsageError: another kind of scaling.
    """
    scaling = config.get("rope_scaling") or config.get("rope_parameters") or {}
    kind = scaling.get("rope_type", scaling.get("type", "default"))
    if kind == "default":
        return None
    if kind != "llama3":
        raise UsageError(
            f"the rope scaling is {kind!r}, expected none or 'llama3'; choose another checkpoint"
        )
    old, factor = float(scaling["original_max_position_embeddings"]), float(scaling["factor"])
    low, high = float(scaling["low_freq_factor"]), float(scaling["high_freq_factor"])
    lengths = 2 * pi * rope_base(config) ** (np.arange(0, head_width, 2) / head_width)
    smooth = (old / lengths - low) / (high - low)
    middle = 1 / ((1 - smooth) / factor + smooth)
    return np.where(lengths < old / high, 1.0, np.where(lengths > old / low, factor, middle)).astype(
        np.float32
    )


def rope_base(config: Mapping[str, Any]) -> float:
    """rope_theta, where transformers 4 or 5 writes it."""
    return float(config.get("rope_theta") or (config.get("rope_parameters") or {}).get("rope_theta", 10000.0))


def chat_template(checkpoint: Checkpoint) -> str | None:
    """The template's text: chat_template.jinja, else the one in tokenizer_config.json."""
    path = checkpoint.folder / "chat_template.jinja"
    if path.is_file():
        return path.read_text(encoding="utf-8")
    if not (checkpoint.folder / "tokenizer_config.json").is_file():
        return None
    template = checkpoint.json("tokenizer_config.json").get("chat_template")
    return template if isinstance(template, str) else None


def _stored_type(row: tensor_names.Row, recipe: Recipe) -> str:
    return recipe.type if len(row.shape) > 1 else "F32"


def _converted(checkpoint: Checkpoint, row: tensor_names.Row, kind: str) -> NDArray[Any]:
    tensor = checkpoint.read(row.source)
    if row.permuted_heads:
        tensor = tensor_names.permute_rope(tensor, row.permuted_heads)
    with np.errstate(over="ignore"):
        tensor = np.ascontiguousarray(tensor.astype(_NUMPY[kind], copy=False))
    bad = tensor.size - int(np.isfinite(tensor).sum())
    if bad:
        raise IntegrityError(
            f"{row.source} has {bad} of {tensor.size} values that are not finite in {kind}; "
            "use the recipe bf16 or int8, or repair the checkpoint"
        )
    return tensor.view(np.uint16) if kind == "BF16" else tensor


def _add_metadata(writer: Any, checkpoint: Checkpoint, shape: tensor_names.Shape, recipe: Recipe) -> None:
    config, facts = checkpoint.config, checkpoint.facts
    writer.add_type("model")
    writer.add_name(str(facts.get("name") or checkpoint.folder.resolve().name))
    if facts.get("licence"):
        writer.add_license(str(facts["licence"]))
    writer.add_file_type(recipe.file_type)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_vocab_size(shape.vocabulary)
    writer.add_context_length(int(config["max_position_embeddings"]))
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.ff)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_key_length(shape.head_width)
    writer.add_value_length(shape.head_width)
    writer.add_rope_dimension_count(shape.head_width)
    writer.add_rope_freq_base(rope_base(config))
    writer.add_layer_norm_rms_eps(float(config["rms_norm_eps"]))
    _add_vocabulary(writer, checkpoint, shape.vocabulary)
    if facts:
        writer.add_string("edge.native", json.dumps(facts, ensure_ascii=False))


def _add_vocabulary(writer: Any, checkpoint: Checkpoint, size: int) -> None:
    native = bool(checkpoint.facts.get("vocabulary", {}).get("blocks"))
    vocabulary = gguf_tokenizer.convert(checkpoint.json("tokenizer.json"), size, native=native)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(vocabulary.pre)
    writer.add_token_list(vocabulary.tokens)
    writer.add_token_types(vocabulary.types)
    writer.add_token_merges(vocabulary.merges)
    for name, add in (("bos", writer.add_bos_token_id), ("eos", writer.add_eos_token_id),
                      ("pad", writer.add_pad_token_id)):  # fmt: skip
        value = _special_id(checkpoint, name, size)
        if value is not None:
            add(value)
    writer.add_add_bos_token(False)  # the chat template writes it
    template = chat_template(checkpoint)
    if template is not None:
        writer.add_chat_template(template)


def _special_id(checkpoint: Checkpoint, name: str, size: int) -> int | None:
    """The id from config.json; of several ends, the first."""
    value = checkpoint.config.get(f"{name}_token_id")
    value = value[0] if isinstance(value, list) and value else value
    if value is None or value == []:
        return None
    if type(value) is not int or not 0 <= value < size:
        raise IntegrityError(
            f"config.json says {name}_token_id is {value!r}, but the vocabulary has {size} ids"
        )
    return value
