"""A random checkpoint of a published model's shape, on disk, made piece by piece.

Job: `python -m benchmarks.random_checkpoint FOLDER [llama-3.2-1b]` writes config.json, a tokenizer of its own
and safetensors in bfloat16, in shards where they are large; a name gives the same numbers, always.
Ignorance: it has learned nothing; use it for sizes, speed and memory, never for quality.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

SHAPES: dict[str, dict[str, Any]] = {  # as the published config.json say
    "llama-3.2-1b": {"hidden_size": 2048, "num_hidden_layers": 16, "num_attention_heads": 32,
                     "num_key_value_heads": 8, "head_dim": 64, "intermediate_size": 8192},
    "llama-3.2-3b": {"hidden_size": 3072, "num_hidden_layers": 28, "num_attention_heads": 24,
                     "num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 8192},
}  # fmt: skip
_VOCABULARY, _SPECIALS = 128256, 256
_SHARD = 2_500_000_000  # bytes
_ROPE = {"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
         "original_max_position_embeddings": 8192}  # fmt: skip
_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
_TEMPLATE = (
    "{% for m in messages %}<|special_2|>{{ m.role }}<|special_3|>{{ m.content }}<|special_1|>{% endfor %}"
    "{% if add_generation_prompt %}<|special_2|>assistant<|special_3|>{% endif %}"
)
Shard = dict[str, tuple[int, tuple[int, ...]]]  # number, from which the values are drawn, and shape by name


def make(folder: Path, name: str) -> None:
    """Write the folder; `name` is one of SHAPES."""
    folder.mkdir(parents=True, exist_ok=True)
    config = SHAPES[name] | {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": _VOCABULARY,
        "max_position_embeddings": 131072, "rms_norm_eps": 1e-5, "rope_theta": 500000.0,
        "rope_scaling": _ROPE,
        "tie_word_embeddings": True, "torch_dtype": "bfloat16", "hidden_act": "silu",
        "bos_token_id": _VOCABULARY - _SPECIALS, "eos_token_id": _VOCABULARY - _SPECIALS + 1,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config, indent=1))
    (folder / "tokenizer.json").write_text(json.dumps(_tokenizer()))
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')
    (folder / "chat_template.jinja").write_text(_TEMPLATE)
    shards = _shards(config)
    files = [f"model-{n:05}-of-{len(shards):05}.safetensors" for n in range(1, len(shards) + 1)]
    if len(shards) == 1:
        files = ["model.safetensors"]
    else:
        places = {tensor: file for file, shard in zip(files, shards, strict=True) for tensor in shard}
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    for file, shard in zip(files, shards, strict=True):
        _write(folder / file, shard)


def _shards(config: dict[str, Any]) -> list[Shard]:
    """All tensors, as files of at most `_SHARD` bytes."""
    shards: list[Shard] = [{}]
    for number, (name, shape) in enumerate(_shapes(config)):
        held = sum(2 * prod(s) for _, s in shards[-1].values())
        if held + 2 * prod(shape) > _SHARD:
            shards.append({})
        shards[-1][name] = number, shape
    return shards


def _write(path: Path, shard: Shard) -> None:
    tensors, start = {}, 0
    for name, (_, shape) in shard.items():
        end = start + 2 * prod(shape)
        tensors[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [start, end]}
        start = end
    header = json.dumps(tensors).encode()
    header += b" " * (-len(header) % 8)
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        for number, shape in shard.values():
            for values in _values(number, shape):
                values.tofile(file)


def _shapes(config: dict[str, Any]) -> Iterator[tuple[str, tuple[int, ...]]]:
    width, hidden, head = config["hidden_size"], config["intermediate_size"], config["head_dim"]
    rows, keys = config["num_attention_heads"] * head, config["num_key_value_heads"] * head
    yield "model.embed_tokens.weight", (_VOCABULARY, width)
    for layer in range(config["num_hidden_layers"]):
        for name, shape in (
            ("input_layernorm", (width,)), ("post_attention_layernorm", (width,)),
            ("self_attn.q_proj", (rows, width)), ("self_attn.k_proj", (keys, width)),
            ("self_attn.v_proj", (keys, width)), ("self_attn.o_proj", (width, rows)),
            ("mlp.gate_proj", (hidden, width)), ("mlp.up_proj", (hidden, width)),
            ("mlp.down_proj", (width, hidden)),
        ):  # fmt: skip
            yield f"model.layers.{layer}.{name}.weight", shape
    yield "model.norm.weight", (width,)


def _values(number: int, shape: tuple[int, ...]) -> Iterator[Any]:
    """Norms are ones; matrices are normal, in pieces of at most 16 M numbers."""
    random, left = np.random.default_rng(number), prod(shape)
    while left:
        count = min(left, 1 << 24)
        values = np.ones(count, "f4") if len(shape) == 1 else 0.02 * random.standard_normal(count, "f4")
        yield values.astype(ml_dtypes.bfloat16)
        left -= count


def _tokenizer() -> dict[str, Any]:
    """Bytes, all pairs of bytes, and as many triples as fill the vocabulary."""
    from tokenizers import pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    pairs = [(a, b) for a in letters for b in letters]
    triples = [(a + b, c) for a, b in pairs for c in letters[:1]]
    merges = (pairs + triples)[: _VOCABULARY - _SPECIALS - len(letters)]
    tokens = [*letters, *("".join(m) for m in merges)]
    names = ["<|begin_of_text|>", *(f"<|special_{i}|>" for i in range(1, _SPECIALS))]
    steps = [
        {"type": "Split", "pattern": {"Regex": _SPLIT}, "behavior": "Isolated", "invert": False},
        {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
    ]
    return {
        "version": "1.0", "truncation": None, "padding": None, "normalizer": None,
        "added_tokens": [{"id": len(tokens) + i, "content": name, "single_word": False, "lstrip": False,
                          "rstrip": False, "normalized": False, "special": True}
                         for i, name in enumerate(names)],
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": steps},
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False,
                  "ignore_merges": True,
                  "vocab": {token: i for i, token in enumerate(tokens)},
                  "merges": [list(m) for m in merges]},
    }  # fmt: skip


if __name__ == "__main__":
    make(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "llama-3.2-1b")
