"""How a Llama checkpoint's tensors are called in GGUF, and the one reordering that llama.cpp expects.

Job: Hugging Face name -> GGUF name, and the q/k row permutation.
Ignorance: reads no file, knows no types.
Source: llama.cpp's convert_hf_to_gguf.py and gguf-py's tensor_mapping.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from edge.errors import IntegrityError

# Hugging Face name: (GGUF name, shape by the letters below)
_WHOLE = {
    "model.embed_tokens": ("token_embd",  "vd"),
    "model.norm":         ("output_norm", "d"),
    "lm_head":            ("output",      "vd"),
}  # fmt: skip

_LAYER = {
    "input_layernorm":          ("attn_norm",   "d"),
    "self_attn.q_proj":         ("attn_q",      "qd"),
    "self_attn.k_proj":         ("attn_k",      "kd"),
    "self_attn.v_proj":         ("attn_v",      "kd"),
    "self_attn.o_proj":         ("attn_output", "dq"),
    "post_attention_layernorm": ("ffn_norm",    "d"),
    "mlp.gate_proj":            ("ffn_gate",    "fd"),
    "mlp.up_proj":              ("ffn_up",      "fd"),
    "mlp.down_proj":            ("ffn_down",    "df"),
}  # fmt: skip


@dataclass(frozen=True)
class Shape:
    """The sizes that decide every tensor's shape."""

    vocabulary: int
    width: int
    layers: int
    heads: int
    kv_heads: int
    head_width: int
    ff: int
    tied: bool  # the embedding is also the output head

    @staticmethod
    def of(config: Mapping[str, Any]) -> Shape:
        """From config.json; optional fields as transformers' LlamaConfig fills them in."""
        heads, width = int(config["num_attention_heads"]), int(config["hidden_size"])
        return Shape(
            vocabulary=int(config["vocab_size"]),
            width=width,
            layers=int(config["num_hidden_layers"]),
            heads=heads,
            kv_heads=int(config.get("num_key_value_heads") or heads),
            head_width=int(config.get("head_dim") or width // heads),
            ff=int(config["intermediate_size"]),
            tied=bool(config.get("tie_word_embeddings", False)),
        )


@dataclass(frozen=True)
class Row:
    """One tensor of the decoder in both worlds."""

    source: str  # Hugging Face name
    target: str  # GGUF name
    shape: tuple[int, ...]  # Hugging Face order: (out, in)
    permuted_heads: int = 0  # 0 = rows stay as they are


def table(shape: Shape) -> list[Row]:
    """Every tensor a decoder of this shape must have, in GGUF file order."""
    sizes = {"v": shape.vocabulary, "d": shape.width, "f": shape.ff,
             "q": shape.heads * shape.head_width, "k": shape.kv_heads * shape.head_width}  # fmt: skip
    permuted = {"attn_q": shape.heads, "attn_k": shape.kv_heads}
    rows = []
    for source, (target, letters) in _named(shape):
        heads = permuted.get(target.split(".")[-1], 0)
        rows.append(Row(f"{source}.weight", f"{target}.weight", tuple(sizes[c] for c in letters), heads))
    return rows


def _named(shape: Shape) -> Iterator[tuple[str, tuple[str, str]]]:
    yield "model.embed_tokens", _WHOLE["model.embed_tokens"]
    for i in range(shape.layers):
        for source, (target, letters) in _LAYER.items():
            yield f"model.layers.{i}.{source}", (f"blk.{i}.{target}", letters)
    yield "model.norm", _WHOLE["model.norm"]
    if not shape.tied:
        yield "lm_head", _WHOLE["lm_head"]


def check(rows: list[Row], found: Mapping[str, tuple[int, ...]]) -> None:
    """Prove that a checkpoint has exactly these tensors in these shapes.

    Raises:
        IntegrityError: one is missing, unknown, or of another shape.
    """
    wanted = {row.source: row.shape for row in rows}
    extra = set(found) - set(wanted) - {"lm_head.weight"}  # tied checkpoints may store the head twice
    if missing := sorted(set(wanted) - set(found)):
        raise IntegrityError(
            f"the checkpoint lacks {len(missing)} of {len(wanted)} tensors, first {missing[0]}; "
            "download it again"
        )
    if extra:
        raise IntegrityError(
            f"the checkpoint has {len(extra)} tensors that no plain Llama of {len(wanted)} has, "
            f"first {min(extra)}; export it as LlamaForCausalLM without biases"
        )
    for name, shape in wanted.items():
        if found[name] != shape:
            raise IntegrityError(
                f"{name} has the shape {list(found[name])}, but config.json needs {list(shape)}; "
                "config.json and the weights belong to different models"
            )


def permute_rope(weight: NDArray[Any], heads: int) -> NDArray[Any]:
    """(heads * dim, width): each head's halves (x0…, y0…) interleaved to (x0, y0, x1, y1, …).

    Hugging Face rotates halves of a head, llama.cpp's `llama` rotates neighbours. Source: LlamaModel.permute.
    """
    rows, *rest = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, *rest).swapaxes(1, 2).reshape(weight.shape)
