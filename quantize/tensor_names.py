"""How a checkpoint's tensors are called and laid out in GGUF.

Job: every tensor that a decoder of a given shape must have, in both worlds, and the reorderings between them.
Ignorance: reads no file, knows no types; which architecture has which tensors stands in `architectures`.
Source: llama.cpp's converter (conversion/llama.py) and gguf-py's tensor_mapping.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from edge.errors import IntegrityError
from quantize.architectures import Architecture, Names

Array = NDArray[Any]

_BEFORE: Names = (("model.embed_tokens", "token_embd", "vd", ""),)
_AFTER: Names = (("model.norm", "output_norm", "d", ""), ("lm_head", "output", "vd", ""))
_LOOSE = ("feed_forward.experts.gate_up_proj", "feed_forward.experts.down_proj")  # written without .weight
_FREQUENCIES = "rotary_emb.inv_freq"  # a buffer that old checkpoints stored; computed, never read


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
    experts: int = 0
    experts_used: int = 0  # per token
    expert_ff: int = 0
    expert_step: int = 0  # every n-th layer has experts; 0 = none

    @staticmethod
    def of(config: Mapping[str, Any]) -> Shape:
        """From config.json; optional fields as transformers' configurations fill them in."""
        heads, width = int(config["num_attention_heads"]), int(config["hidden_size"])
        experts = int(config.get("num_local_experts") or 0)
        return Shape(
            vocabulary=int(config["vocab_size"]),
            width=width,
            layers=int(config["num_hidden_layers"]),
            heads=heads,
            kv_heads=int(config.get("num_key_value_heads") or heads),
            head_width=int(config.get("head_dim") or width // heads),
            ff=int(config["intermediate_size_mlp" if experts else "intermediate_size"]),
            tied=bool(config.get("tie_word_embeddings", False)),
            experts=experts,
            experts_used=int(config.get("num_experts_per_tok", 1)) if experts else 0,
            expert_ff=int(config["intermediate_size"]) if experts else 0,
            expert_step=int(config.get("interleave_moe_layer_step", 1)) if experts else 0,
        )

    def sizes(self) -> dict[str, int]:
        """The letters of `architectures`."""
        return {
            "v": self.vocabulary, "d": self.width, "f": self.ff, "h": self.head_width,
            "q": self.heads * self.head_width, "k": self.kv_heads * self.head_width,
            "e": self.experts, "x": self.expert_ff, "g": 2 * self.expert_ff,
        }  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One tensor of the decoder in both worlds."""

    source: str  # Hugging Face name
    target: str  # GGUF name
    shape: tuple[int, ...]  # Hugging Face order: (out, in)
    change: str = ""  # key of CHANGES
    heads: int = 0  # for "rope"
    letters: str = ""  # what its dimensions count, see `architectures`

    @property
    def stored(self) -> tuple[int, ...]:
        """The shape after the change, slowest dimension first."""
        if "turned" not in self.change:
            return self.shape
        *outer, rows, columns = self.shape
        return (*outer, columns // 2 if "half" in self.change else columns, rows)

    @property
    def together(self) -> int:
        """How many entries of the first axis a change mixes: the rows of a head, else none with another."""
        return self.shape[0] // self.heads if self.heads else 1

    def convert(self, part: Array) -> Array:
        """As GGUF stores it: the tensor, or a multiple of `together` entries of its first axis."""
        return CHANGES[self.change](part, len(part) // self.together)


def permute_rope(weight: Array, heads: int) -> Array:
    """(heads * dim, …): each head's halves (x0…, y0…) interleaved to (x0, y0, x1, y1, …).

    Hugging Face rotates halves of a head, llama.cpp's `llama` rotates neighbours. Source: LlamaModel.permute.
    """
    rows, *rest = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, *rest).swapaxes(1, 2).reshape(weight.shape)


CHANGES: Mapping[str, Callable[[Array, int], Array]] = {
    "": lambda weight, _: weight,
    "rope": permute_rope,
    "turned": lambda weight, _: weight.swapaxes(-1, -2),  # (expert, in, out) -> (expert, out, in)
    "first half, turned": lambda weight, _: weight[..., : weight.shape[-1] // 2].swapaxes(-1, -2),
    "second half, turned": lambda weight, _: weight[..., weight.shape[-1] // 2 :].swapaxes(-1, -2),
}


def table(architecture: Architecture, config: Mapping[str, Any]) -> list[Row]:
    """Every tensor that a decoder of this configuration must have, in GGUF file order."""
    shape = Shape.of(config)
    _check_shape(shape)
    sizes = shape.sizes()
    permuted = {"attn_q": shape.heads, "attn_k": shape.kv_heads} if architecture.rotates_neighbours else {}
    biased = set(architecture.always_biased)
    for switch, names in architecture.biases.items():
        biased |= set(names) if config.get(switch) else set()
    rows = []
    for block, source, target, letters, turned in _named(architecture, shape):
        at, dims = architecture.prefix + source, tuple(sizes[letter] for letter in letters)
        heads = permuted.get(target, 0)
        change = "rope" if heads else turned
        suffix = "" if source.endswith(_LOOSE) else ".weight"
        rows.append(Row(f"{at}{suffix}", f"{block}{target}.weight", dims, change, heads, letters))
        if target in biased:
            rows.append(Row(f"{at}.bias", f"{block}{target}.bias", dims[:1], change, heads, letters[0]))
    return rows


def _named(architecture: Architecture, shape: Shape) -> Iterator[tuple[str, str, str, str, str]]:
    """All rows: GGUF block, Hugging Face name, GGUF name, sizes, how it is turned."""
    yield from (("", *row) for row in _BEFORE)
    for i in range(shape.layers):
        with_experts = shape.expert_step and (i + 1) % shape.expert_step == 0
        names = architecture.expert_layer if with_experts else architecture.layer
        for source, target, letters, turned in names:
            yield f"blk.{i}.", f"model.layers.{i}.{source}", target, letters, turned
    yield from (("", *row) for row in (_AFTER[:1] if shape.tied else _AFTER))


def _check_shape(shape: Shape) -> None:
    """What llama.cpp divides by (it ends the process on bad numbers)."""
    if shape.heads % shape.kv_heads or shape.head_width % 2:
        raise IntegrityError(
            f"{shape.heads} heads cannot share {shape.kv_heads} key heads of {shape.head_width}; "
            "config.json is damaged: download it again"
        )
    if not shape.experts_used <= shape.experts:
        raise IntegrityError(
            f"config.json uses {shape.experts_used} of {shape.experts} experts; download it again"
        )


def check(rows: list[Row], found: Mapping[str, tuple[int, ...]], *, others: tuple[str, ...] = ()) -> None:
    """Prove that a checkpoint has exactly these tensors in these shapes; `others`: prefixes left out.

    Raises:
        IntegrityError: one is missing, unknown, or of another shape.
    """
    wanted = {row.source: row.shape for row in rows}
    if missing := sorted(set(wanted) - set(found)):
        raise IntegrityError(
            f"the checkpoint lacks {len(missing)} of {len(wanted)} tensors, first {missing[0]}; "
            "download it again"
        )
    ignored = ("lm_head.weight", _FREQUENCIES)  # tied checkpoints may store the head twice
    extra = {n for n in set(found) - set(wanted) if not n.endswith(ignored) and not n.startswith(others)}
    if extra:
        raise IntegrityError(
            f"the checkpoint has {len(extra)} tensors that config.json does not explain, first {min(extra)}; "
            "config.json and the weights belong to different models"
        )
    for name, shape in wanted.items():
        if found[name] != shape:
            raise IntegrityError(
                f"{name} has the shape {list(found[name])}, but config.json needs {list(shape)}; "
                "config.json and the weights belong to different models"
            )
