"""What a GGUF's header says about a checkpoint.

Job: sizes, rope, vocabulary and native facts as GGUF keys, for every architecture by the same rules.
Ignorance: writes no weights; how text is split stands in `gguf_tokenizer`.
Source of the keys: ggml docs/gguf.md and llama.cpp's conversion/base.py and conversion/llama.py, as bundled
in llama-cpp-python 0.3.36; where we differ from them stands in docs/quantization.md, "Checkpoints".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import pi
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray

from edge import licences
from edge.errors import IntegrityError, UsageError
from quantize import gguf_tokenizer
from quantize.checkpoint import Checkpoint
from quantize.recipes import Recipe
from quantize.tensor_names import Shape

_ROPE = {  # rope_scaling of config.json: writer method, whether it must be there
    "linear": {"factor": ("add_rope_scaling_factor", True)},
    "yarn": {
        "factor": ("add_rope_scaling_factor", True),
        "original_max_position_embeddings": ("add_rope_scaling_orig_ctx_len", True),
        "attention_factor": ("add_rope_scaling_yarn_attn_factor", False),
        "beta_fast": ("add_rope_scaling_yarn_beta_fast", False),
        "beta_slow": ("add_rope_scaling_yarn_beta_slow", False),
    },
}


def add(writer: Any, checkpoint: Checkpoint, recipe: Recipe) -> NDArray[np.float32] | None:
    """Add all keys to a `gguf.GGUFWriter`; the rope factors, which GGUF stores as a tensor, or None.

    Raises:
        UsageError: a setting that GGUF cannot express. IntegrityError: settings that contradict each other.
    """
    shape = Shape.of(checkpoint.config)
    writer.add_type("model")
    writer.add_name(checkpoint.name)
    licence = checkpoint.facts.get("licence") or licences.name_of(licences.files(checkpoint.folder).values())
    if licence:
        writer.add_license(str(licence))
    writer.add_file_type(recipe.file_type)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_context_length(checkpoint.context_length)
    _add_sizes(writer, shape, checkpoint.config)
    _add_rope_scaling(writer, checkpoint.config)
    _add_vocabulary(writer, checkpoint, shape.vocabulary)
    if checkpoint.facts:
        writer.add_string("edge.native", json.dumps(checkpoint.facts, ensure_ascii=False))
    return rope_factors(checkpoint.config, shape.head_width)


def rope_base(config: Mapping[str, Any]) -> float:
    """rope_theta, where transformers 4 or 5 writes it."""
    return float(config.get("rope_theta") or (config.get("rope_parameters") or {}).get("rope_theta", 10000.0))


def rope_factors(config: Mapping[str, Any], head_width: int) -> NDArray[np.float32] | None:
    """Llama 3's frequency factors, (head_width / 2,); None where there are none.

    Source: arXiv 2407.21783, and transformers' `_compute_llama3_parameters`.
    """
    kind, scaling = rope_scaling(config)
    if kind != "llama3":
        return None
    old, factor = float(scaling["original_max_position_embeddings"]), float(scaling["factor"])
    low, high = float(scaling["low_freq_factor"]), float(scaling["high_freq_factor"])
    lengths = 2 * pi * rope_base(config) ** (np.arange(0, head_width, 2) / head_width)
    with np.errstate(divide="ignore", invalid="ignore"):  # Llama 4: high = low, and nothing lies between
        smooth = (old / lengths - low) / (high - low)
        middle = 1 / ((1 - smooth) / factor + smooth)
    return np.where(lengths < old / high, 1.0, np.where(lengths > old / low, factor, middle)).astype(
        np.float32
    )


def rope_scaling(config: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Which rope scaling ('default' is none), and its settings.

    Raises:
        UsageError: one that GGUF cannot express. IntegrityError: a setting is missing.
    """
    scaling = config.get("rope_scaling") or config.get("rope_parameters") or {}
    kind = str(scaling.get("rope_type", scaling.get("type", "default")))
    llama3 = ("factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings")
    needed = [k for k, (_, must) in _ROPE.get(kind, {}).items() if must] if kind != "llama3" else llama3
    if kind not in ("default", "llama3", *_ROPE):
        raise UsageError(
            f"the rope scaling is {kind!r}, expected none, 'llama3', 'linear' or 'yarn'; "
            "choose another checkpoint"
        )
    for key in needed:
        if type(scaling.get(key)) not in (int, float) or scaling[key] <= 0:
            raise IntegrityError(
                f"config.json's rope scaling {kind} has the {key} {scaling.get(key)!r}, expected a positive "
                "number; download it again"
            )
    return kind, scaling


def _add_sizes(writer: Any, shape: Shape, config: Mapping[str, Any]) -> None:
    writer.add_vocab_size(shape.vocabulary)
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
    if shape.experts:
        writer.add_expert_count(shape.experts)
        writer.add_expert_used_count(shape.experts_used)
        writer.add_expert_feed_forward_length(shape.expert_ff)
        writer.add_interleave_moe_layer_step(shape.expert_step)


def _add_rope_scaling(writer: Any, config: Mapping[str, Any]) -> None:
    kind, scaling = rope_scaling(config)
    if kind not in _ROPE:
        return
    writer.add_rope_scaling_type(gguf.RopeScalingType(kind))
    for key, (method, _) in _ROPE[kind].items():
        if scaling.get(key) is not None:
            getattr(writer, method)(scaling[key])


def _add_vocabulary(writer: Any, checkpoint: Checkpoint, size: int) -> None:
    vocabulary = gguf_tokenizer.read(checkpoint, size)
    writer.add_tokenizer_model(vocabulary.model)
    writer.add_tokenizer_pre(vocabulary.pre)
    writer.add_token_list(vocabulary.tokens)
    writer.add_token_types(vocabulary.types)
    if vocabulary.model == "llama":
        writer.add_token_scores(vocabulary.scores)
        writer.add_add_space_prefix(vocabulary.prefix != "never")
    else:
        writer.add_token_merges(vocabulary.merges)
    for key, value in (("normalizer", vocabulary.normalizer), ("prefix", vocabulary.prefix)):
        if value:
            writer.add_string(f"edge.tokenizer.{key}", value)
    for name, add_id in (("bos", writer.add_bos_token_id), ("eos", writer.add_eos_token_id),
                         ("unk", writer.add_unk_token_id), ("pad", writer.add_pad_token_id)):  # fmt: skip
        found = _special_id(checkpoint, name, vocabulary.tokens)
        if found is not None:
            add_id(found)
    writer.add_add_bos_token(vocabulary.leads)
    writer.add_add_eos_token(vocabulary.trails)
    template = checkpoint.chat_template()
    if template is not None:
        writer.add_chat_template(template)


def _special_id(checkpoint: Checkpoint, name: str, tokens: list[str]) -> int | None:
    """The token that tokenizer_config.json names, else the id in config.json; of several ends, the first."""
    token = checkpoint.settings().get(f"{name}_token")
    token = token.get("content") if isinstance(token, dict) else token
    if isinstance(token, str) and token in tokens:
        return tokens.index(token)
    value = checkpoint.config.get(f"{name}_token_id")
    value = value[0] if isinstance(value, list) and value else value
    if value is None or value == []:
        return None
    if type(value) is not int or not 0 <= value < len(tokens):
        raise IntegrityError(
            f"config.json says {name}_token_id is {value!r}, but the vocabulary has {len(tokens)} ids"
        )
    return value
