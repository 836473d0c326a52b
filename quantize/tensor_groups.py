"""Which tensors of a GGUF are given a type together, and which types they can take.

Job: the matrices that llama.cpp quantizes, grouped by band of layers and by role; the menu of types; bytes.
Ignorance: what a type costs in quality or time (`sensitivity`, `kernel_speed`).
Source of what llama.cpp quantizes: tensor_allows_quantization, llama-quant.cpp of llama-cpp-python 0.3.36.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import prod

from edge.formats.gguf import TENSOR_TYPES, GgufHeader, GgufTensor

_BLOCKS = {name: (elements, size) for name, elements, size in TENSOR_TYPES.values()}
# What a tensor may become, smallest first: no type of this list is larger and worse than another on all
# machines. Rows of another width than a multiple of 256 take those with blocks of 32 alone.
MENU = ("IQ2_XXS", "IQ2_S", "Q2_K", "IQ3_XXS", "IQ3_S", "Q3_K", "IQ4_XS", "IQ4_NL", "Q4_0", "Q4_K", "Q5_0",
        "Q5_K", "Q6_K", "Q8_0")  # fmt: skip
NEEDS_IMPORTANCE = frozenset({"IQ2_XXS", "IQ2_S", "IQ3_XXS"})
_TOGETHER = {  # roles that read the same input and are about equally sensitive
    "attn_q": "attn_q+k", "attn_k": "attn_q+k", "ffn_gate": "ffn_gate+up", "ffn_up": "ffn_gate+up",
    "ffn_gate_exps": "ffn_gate+up_exps", "ffn_up_exps": "ffn_gate+up_exps",
    "ffn_gate_shexp": "ffn_gate+up_shexp", "ffn_up_shexp": "ffn_gate+up_shexp",
}  # fmt: skip
_NAME = re.compile(r"blk\.(\d+)\.(.+)\.weight")
_KEPT = re.compile(r"_norm\.|ffn_gate_inp\.")  # llama.cpp leaves them as they are


@dataclass(frozen=True)
class Group:
    """Tensors that share one type."""

    name: str  # "ffn_down 3", "attn_q+k 4-7", "token_embd"
    role: str
    layers: tuple[int, int] | None  # first and last; None outside of the blocks
    tensors: tuple[GgufTensor, ...]
    menu: tuple[str, ...]

    @property
    def weights(self) -> int:
        """Numbers in all of its tensors."""
        return sum(prod(tensor.shape) for tensor in self.tensors)

    def size(self, kind: str) -> int:
        """Bytes of all of its tensors in one type."""
        return sum(size(tensor, kind) for tensor in self.tensors)


def size(tensor: GgufTensor, kind: str) -> int:
    """Bytes of one tensor in a type, with its padding to 32."""
    elements, block = _BLOCKS[kind]
    return -(-(prod(tensor.shape) // elements * block) // 32) * 32


def quantizable(header: GgufHeader) -> list[GgufTensor]:
    """The tensors that llama.cpp turns into a smaller type when it is asked to."""
    return [
        t for t in header.tensors
        if len(t.shape) > 1 and t.name.endswith(".weight") and not _KEPT.search(t.name)
        and t.shape[0] % 32 == 0
    ]  # fmt: skip


def groups(header: GgufHeader, bands: int, weighed: Collection[str]) -> list[Group]:
    """All quantizable tensors by role and by band of layers; `weighed` have an importance matrix."""
    tensors = quantizable(header)
    layers = 1 + max((int(m[1]) for t in tensors if (m := _NAME.fullmatch(t.name))), default=0)
    found: dict[tuple[str, int], list[GgufTensor]] = {}
    for tensor in tensors:
        match = _NAME.fullmatch(tensor.name)
        role = match[2] if match else tensor.name.removesuffix(".weight")
        band = int(match[1]) * min(bands, layers) // layers if match else -1
        found.setdefault((_TOGETHER.get(role, role), band), []).append(tensor)
    return [_group(role, tensors, weighed) for (role, _), tensors in found.items()]


def _group(role: str, tensors: Sequence[GgufTensor], weighed: Collection[str]) -> Group:
    numbers = sorted(int(m[1]) for t in tensors if (m := _NAME.fullmatch(t.name)))
    span = (numbers[0], numbers[-1]) if numbers else None
    place = "" if span is None else f" {span[0]}" if span[0] == span[1] else f" {span[0]}-{span[1]}"
    blind = any(tensor.name not in weighed for tensor in tensors)
    menu = [
        kind for kind in MENU
        if all(t.shape[0] % _BLOCKS[kind][0] == 0 for t in tensors)
        and not (blind and kind in NEEDS_IMPORTANCE)
    ]  # fmt: skip
    return Group(role + place, role, span, tuple(tensors), tuple(menu))
