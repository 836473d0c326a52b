"""Random checkpoints of every architecture without torch: shapes from `tensor_names`, values from numpy.

Job: folders that `open_checkpoint` takes. Ignorance: transformers (tiny_checkpoints).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from quantize import architectures, tensor_names
from quantize.checkpoint import Checkpoint, open_checkpoint
from tests import tiny

_SIZES: dict[str, Any] = {
    "hidden_size": 96, "intermediate_size": 160, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 32, "max_position_embeddings": 512, "rms_norm_eps": 1e-5,
    "rope_theta": 1e4,
}  # fmt: skip
CONFIGS: dict[str, dict[str, Any]] = {
    "llama": {"architectures": ["LlamaForCausalLM"]},
    "llama_biased": {"architectures": ["LlamaForCausalLM"], "attention_bias": True, "mlp_bias": True},
    "llama_tied": {"architectures": ["LlamaForCausalLM"], "tie_word_embeddings": True},
    "mistral": {"architectures": ["MistralForCausalLM"]},
    "qwen2": {"architectures": ["Qwen2ForCausalLM"], "hidden_size": 128},
    "qwen2_tied": {"architectures": ["Qwen2ForCausalLM"], "hidden_size": 128, "tie_word_embeddings": True},
    "qwen3": {"architectures": ["Qwen3ForCausalLM"]},
    "llama4": {"architectures": ["Llama4ForCausalLM"], "num_hidden_layers": 5, "intermediate_size_mlp": 112,
               "num_local_experts": 4, "interleave_moe_layer_step": 2, "num_experts_per_tok": 1},
}  # fmt: skip


def checkpoint(folder: Path, name: str, **more: Any) -> Checkpoint:
    """An F32 folder with pico's vocabulary; norms are not 1 and biases not 0, which would hide mistakes."""
    tiny.checkpoint(folder)
    for path in (folder / "edge.json", *folder.glob("*.onnx"), folder / "heldout.npz"):
        path.unlink()
    config = tiny.config() | _SIZES | {"tie_word_embeddings": False} | CONFIGS[name] | more
    (folder / "config.json").write_text(json.dumps(config))
    random, tensors = np.random.default_rng(sum(name.encode())), {}
    for row in tensor_names.table(architectures.find(config), config):
        values = random.standard_normal(row.shape, np.float32)
        tensors[row.source] = 0.15 * values if len(row.shape) > 1 else 0.3 * values
        tensors[row.source] += np.float32(row.target.endswith("_norm.weight"))
    tiny.write_safetensors(folder / "model.safetensors", tensors, "F32")
    return open_checkpoint(folder)
