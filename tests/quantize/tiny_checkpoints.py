"""Random checkpoints of every architecture that `quantize.architectures` lists, made by transformers.

Job: real folders as `save_pretrained` writes them, with a byte vocabulary. Needs torch and transformers.
Ignorance: nothing here has learned anything.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from tests import tiny

VOCABULARY = 288
LLAMA_3_ROPE = {
    "rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0,
    "high_freq_factor": 4.0, "original_max_position_embeddings": 64,
}  # fmt: skip
IMAGE_TOKENS = ("<|image_start|>", "<|image_end|>")
MEAN, DEVIATION = [0.5, 0.4, 0.6], [0.5, 0.25, 0.3]  # of red, green, blue: unlike one another
_SIZES: dict[str, Any] = {
    "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "vocab_size": VOCABULARY, "max_position_embeddings": 512,
    "bos_token_id": 257, "eos_token_id": 258, "rms_norm_eps": 1e-5, "initializer_range": 0.3,
}  # fmt: skip


def _llama(**more: Any) -> Any:
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(**_SIZES | more))


def _llama_4(**more: Any) -> Any:
    return transformers.Llama4TextConfig(
        **_SIZES
        | {"num_hidden_layers": 5, "intermediate_size_mlp": 112, "head_dim": 16, "num_local_experts": 4,
           "interleave_moe_layer_step": 2, "num_experts_per_tok": 1, "pad_token_id": None} | more
    )  # fmt: skip


def _llama_4_vision() -> Any:
    """48 x 48 pixels in 6 x 6 patches; 4 patches to an embedding, 9 embeddings."""
    vision = transformers.models.llama4.Llama4VisionConfig(
        hidden_size=32, intermediate_size=128, num_hidden_layers=3, num_attention_heads=2, image_size=48,
        patch_size=8, vision_output_dim=48, projector_input_dim=48, projector_output_dim=48,
        initializer_range=0.3,
    )  # fmt: skip
    text = _llama_4(rope_parameters=LLAMA_3_ROPE)
    return transformers.Llama4ForConditionalGeneration(
        transformers.Llama4Config(vision_config=vision, text_config=text)
    )


def _yarn(factor: float) -> dict[str, Any]:
    return {"rope_type": "yarn", "rope_theta": 1e4, "factor": factor, "original_max_position_embeddings": 128}


MADE: dict[str, Callable[[], Any]] = {
    "llama2": lambda: _llama(num_key_value_heads=4),
    "llama3": lambda: _llama(rope_parameters={"rope_type": "default", "rope_theta": 500000.0}),
    "llama31": lambda: _llama(rope_parameters=LLAMA_3_ROPE),
    "llama32_tied": lambda: _llama(rope_parameters=LLAMA_3_ROPE, tie_word_embeddings=True, head_dim=32),
    "llama_biased": lambda: _llama(attention_bias=True, mlp_bias=True),
    "llama_linear": lambda: _llama(
        rope_parameters={"rope_type": "linear", "rope_theta": 1e4, "factor": 4.0}
    ),
    "mistral": lambda: transformers.MistralForCausalLM(
        transformers.MistralConfig(**_SIZES, head_dim=32, sliding_window=256)
    ),
    "qwen2": lambda: transformers.Qwen2ForCausalLM(transformers.Qwen2Config(**_SIZES)),
    "qwen2_yarn_tied": lambda: transformers.Qwen2ForCausalLM(
        transformers.Qwen2Config(**_SIZES, rope_parameters=_yarn(4.0), tie_word_embeddings=True)
    ),
    "qwen3": lambda: transformers.Qwen3ForCausalLM(transformers.Qwen3Config(**_SIZES, head_dim=32)),
    "llama4": lambda: transformers.Llama4ForCausalLM(_llama_4(rope_parameters=LLAMA_3_ROPE)),
    "llama4_all_experts": lambda: transformers.Llama4ForCausalLM(
        _llama_4(interleave_moe_layer_step=1, num_local_experts=3)
    ),
    "llama4_vision": _llama_4_vision,
}  # fmt: skip


def checkpoint(folder: Path, name: str, *, dtype: torch.dtype = torch.float32, shard: str = "1GB") -> Any:
    """Write a folder; the model that is in it, in f32 and ready to run."""
    torch.manual_seed(sum(name.encode()))
    model = MADE[name]()
    model = (
        model if dtype == torch.float32 else model.to(dtype)
    )  # it would cast Llama 4's complex rope to real
    with torch.no_grad():
        for key, weight in model.named_parameters():
            if weight.dim() == 1:  # norms and biases start as ones and zeros, which would hide mistakes
                weight.add_(torch.randn_like(weight) * 0.2)
            elif "experts" in key:
                weight.normal_(0, 0.3)
    model.save_pretrained(folder, max_shard_size=shard)
    (folder / "generation_config.json").unlink(missing_ok=True)
    if "vision" in name:
        (folder / "preprocessor_config.json").write_text(
            json.dumps({"image_mean": MEAN, "image_std": DEVIATION})
        )
    (folder / "tokenizer.json").write_text(byte_tokenizer(*IMAGE_TOKENS if "vision" in name else ()))
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')
    return type(model).from_pretrained(folder, dtype=torch.float32).eval()


def byte_tokenizer(*more: str) -> str:
    """256 bytes, one merge (llama.cpp wants one), and <s> </s> and `more` after them."""
    letters = tiny._byte_letters()
    vocabulary = {c: i for i, c in enumerate([*letters, "th"])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[("t", "h")]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<s>", "</s>", *more])
    return str(tokenizer.to_str())
