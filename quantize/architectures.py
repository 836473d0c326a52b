"""The checkpoints that Edge converts: one row per architecture that config.json may name.

Job: what an architecture is called in GGUF, which tensors its layers have, which of them carry biases, and
which settings llama.cpp holds fixed for it. The next architecture is the next row.
Ignorance: reads no file, writes none, computes nothing.
Source: conversion/*.py and src/models/*.cpp of llama.cpp, as bundled in llama-cpp-python 0.3.36.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from edge.errors import UsageError

# (Hugging Face name in a layer, GGUF name, sizes as letters, how it is turned: see tensor_names.CHANGES)
# d width, q and k rows of all query and key heads, h one head, f feed-forward, e experts, x one expert's
# feed-forward, g twice that, v vocabulary
Names = tuple[tuple[str, str, str, str], ...]

_ATTENTION: Names = (
    ("input_layernorm",          "attn_norm",   "d",  ""),
    ("self_attn.q_proj",         "attn_q",      "qd", ""),
    ("self_attn.k_proj",         "attn_k",      "kd", ""),
    ("self_attn.v_proj",         "attn_v",      "kd", ""),
    ("self_attn.o_proj",         "attn_output", "dq", ""),
    ("post_attention_layernorm", "ffn_norm",    "d",  ""),
)  # fmt: skip
_HEAD_NORMS: Names = (
    ("self_attn.q_norm",         "attn_q_norm", "h",  ""),
    ("self_attn.k_norm",         "attn_k_norm", "h",  ""),
)  # fmt: skip


def _gated(block: str) -> Names:
    return (
        (f"{block}.gate_proj", "ffn_gate", "fd", ""),
        (f"{block}.up_proj", "ffn_up", "fd", ""),
        (f"{block}.down_proj", "ffn_down", "df", ""),
    )


_MLP, _LLAMA_4_MLP = _gated("mlp"), _gated("feed_forward")
_LLAMA_4_EXPERTS: Names = (
    ("feed_forward.router",                  "ffn_gate_inp",   "ed",  ""),
    ("feed_forward.experts.gate_up_proj",    "ffn_gate_exps",  "edg", "first half, turned"),
    ("feed_forward.experts.gate_up_proj",    "ffn_up_exps",    "edg", "second half, turned"),
    ("feed_forward.experts.down_proj",       "ffn_down_exps",  "exd", "turned"),
    ("feed_forward.shared_expert.gate_proj", "ffn_gate_shexp", "xd",  ""),
    ("feed_forward.shared_expert.up_proj",   "ffn_up_shexp",   "xd",  ""),
    ("feed_forward.shared_expert.down_proj", "ffn_down_shexp", "dx",  ""),
)  # fmt: skip


def _nothing(config: Mapping[str, Any]) -> str:
    return ""


def _qwen2_width(config: Mapping[str, Any]) -> str:
    heads, width = config.get("num_attention_heads") or 1, config.get("hidden_size") or 0
    head = config.get("head_dim") or width // heads
    return f"{heads} heads of {head} are not the width {width}" if heads * head != width else ""


def _llama_4_layers(config: Mapping[str, Any]) -> str:
    """Rope on three layers of four and chunked attention there; normed keys but in Maverick (128 experts)."""
    layers, experts = range(int(config.get("num_hidden_layers") or 0)), config.get("num_local_experts")
    rope = config.get("no_rope_layers") or [int((i + 1) % 4 != 0) for i in layers]  # 1 = with rope
    kinds = config.get("layer_types") or ["chunked_attention" if r else "full_attention" for r in rope]
    if [bool(r) for r in rope] != [(i + 1) % 4 != 0 for i in layers]:
        return f"no_rope_layers is {rope}, not every fourth layer without rope"
    if [k == "full_attention" for k in kinds] != [not r for r in rope]:
        return "layer_types has full attention elsewhere than on the layers without rope"
    if not experts or bool(config.get("use_qk_norm", True)) != (experts != 128):
        return f"use_qk_norm is {config.get('use_qk_norm')!r} with {experts!r} experts"
    return ""


_QKV = ("attn_q", "attn_k", "attn_v")


@dataclass(frozen=True)
class Architecture:
    """What distinguishes one family of checkpoints."""

    gguf: str  # general.architecture
    layer: Names  # tensors of a layer
    expert_layer: Names = ()  # of a layer with experts
    rotates_neighbours: bool = False  # llama.cpp's rope takes neighbours here, Hugging Face's takes halves
    biases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # config switch: who has a bias then
    always_biased: tuple[str, ...] = ()
    fixed: Mapping[str, Any] = field(default_factory=dict)  # settings that llama.cpp does not read
    refuses: Callable[[Mapping[str, Any]], str] = _nothing  # what else it cannot express, in words
    prefix: str = ""  # before every tensor's name
    other_towers: tuple[str, ...] = ()  # prefixes of tensors that are not the decoder's


_LLAMA_4 = Architecture(
    "llama4",
    _ATTENTION + _LLAMA_4_MLP,
    _ATTENTION + _LLAMA_4_EXPERTS,
    fixed={"attention_bias": False, "attention_chunk_size": 8192, "attn_temperature_tuning": True,
           "floor_scale": 8192, "attn_scale": 0.1, "no_rope_layer_interval": 4},
    refuses=_llama_4_layers,
)  # fmt: skip

ARCHITECTURES: Mapping[str, Architecture] = {
    "LlamaForCausalLM": Architecture(
        "llama",
        _ATTENTION + _MLP,
        rotates_neighbours=True,
        biases={"attention_bias": (*_QKV, "attn_output"), "mlp_bias": ("ffn_gate", "ffn_up", "ffn_down")},
    ),
    "MistralForCausalLM": Architecture("llama", _ATTENTION + _MLP, rotates_neighbours=True),
    "Qwen2ForCausalLM": Architecture("qwen2", _ATTENTION + _MLP, always_biased=_QKV, refuses=_qwen2_width),
    "Qwen3ForCausalLM": Architecture(
        "qwen3", _ATTENTION + _HEAD_NORMS + _MLP, fixed={"attention_bias": False}
    ),
    "Llama4ForCausalLM": _LLAMA_4,
    "Llama4ForConditionalGeneration": Architecture(
        _LLAMA_4.gguf, _LLAMA_4.layer, _LLAMA_4.expert_layer, fixed=_LLAMA_4.fixed,
        refuses=_LLAMA_4.refuses, prefix="language_model.",
        other_towers=("vision_model.", "multi_modal_projector."),
    ),
}  # fmt: skip


def find(config: Mapping[str, Any]) -> Architecture:
    """The row of a config.json.

    Raises:
        UsageError: there is none (the message lists those that work), or a setting llama.cpp cannot express.
    """
    named = config.get("architectures")
    name = named[0] if isinstance(named, list) and len(named) == 1 else named
    if not isinstance(name, str) or name not in ARCHITECTURES:
        raise UsageError(
            f"the architecture {name!r} cannot be quantized; those that can: {', '.join(ARCHITECTURES)}"
        )
    row = ARCHITECTURES[name]
    for key, value in {"hidden_act": "silu", **row.fixed}.items():
        found = config.get(key, value)
        same = bool(found) == value if isinstance(value, bool) else found == value  # Scout's tuning is 4
        if not same:
            raise UsageError(
                f"config.json says {key} is {found!r}, but llama.cpp runs {name} only with {value!r}; "
                "choose another checkpoint"
            )
    if reason := row.refuses(config):
        raise UsageError(f"llama.cpp cannot run this {name}: {reason}; choose another checkpoint")
    return row
