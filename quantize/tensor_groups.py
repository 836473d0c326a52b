"""Which tensors of a decoder are given a type together, and which of llama.cpp's types they can take.

Job: the matrices that are quantized, grouped by band of layers and by role; llama.cpp's menu of types; bytes.
Ignorance: what a type costs in quality or time (`sensitivity`, `kernel_speed`).
Source of what llama.cpp quantizes: tensor_allows_quantization, llama-quant.cpp of llama-cpp-python 0.3.36.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
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


def size(tensor: GgufTensor, kind: str) -> int:
    """Bytes of one tensor in a type of llama.cpp, with its padding to 32."""
    elements, block = _BLOCKS[kind]
    return -(-(prod(tensor.shape) // elements * block) // 32) * 32


@dataclass(frozen=True)
class Group:
    """Tensors that share one type."""

    name: str  # "ffn_down 3", "attn_q+k 4-7", "token_embd"
    role: str
    layers: tuple[int, int] | None  # first and last; None outside of the blocks
    tensors: tuple[GgufTensor, ...]
    menu: tuple[str, ...]
    weigh: Callable[[GgufTensor, str], int] = size  # bytes of one tensor in one type

    @property
    def weights(self) -> int:
        """Numbers in all of its tensors."""
        return sum(prod(tensor.shape) for tensor in self.tensors)

    def size(self, kind: str) -> int:
        """Bytes of all of its tensors in one type."""
        return sum(self.weigh(tensor, kind) for tensor in self.tensors)


def quantizable(header: GgufHeader) -> list[GgufTensor]:
    """The tensors that llama.cpp turns into a smaller type when it is asked to."""
    return [
        t for t in header.tensors
        if len(t.shape) > 1 and t.name.endswith(".weight") and not _KEPT.search(t.name)
        and t.shape[0] % 32 == 0
    ]  # fmt: skip


def groups(header: GgufHeader, bands: int, weighed: Collection[str]) -> list[Group]:
    """With llama.cpp's types; the tensors in `weighed` have an importance matrix."""
    return banded(header, bands, lambda tensors: _menu(tensors, weighed), size)


def banded(header: GgufHeader, bands: int, menu: Callable[[Sequence[GgufTensor]], tuple[str, ...]],
           weigh: Callable[[GgufTensor, str], int]) -> list[Group]:  # fmt: skip
    """All quantizable tensors by role and by band of layers, with the types that `menu` offers for them."""
    tensors = quantizable(header)
    layers = 1 + max((int(m[1]) for t in tensors if (m := _NAME.fullmatch(t.name))), default=0)
    found: dict[tuple[str, int], list[GgufTensor]] = {}
    for tensor in tensors:
        match = _NAME.fullmatch(tensor.name)
        role = match[2] if match else tensor.name.removesuffix(".weight")
        band = int(match[1]) * min(bands, layers) // layers if match else -1
        found.setdefault((_TOGETHER.get(role, role), band), []).append(tensor)
    return [
        Group(role + _place(tensors), role, _span(tensors), tuple(tensors), menu(tensors), weigh)
        for (role, _), tensors in found.items()
    ]


def _span(tensors: Sequence[GgufTensor]) -> tuple[int, int] | None:
    numbers = sorted(int(m[1]) for t in tensors if (m := _NAME.fullmatch(t.name)))
    return (numbers[0], numbers[-1]) if numbers else None


def _place(tensors: Sequence[GgufTensor]) -> str:
    span = _span(tensors)
    return "" if span is None else f" {span[0]}" if span[0] == span[1] else f" {span[0]}-{span[1]}"


def _menu(tensors: Sequence[GgufTensor], weighed: Collection[str]) -> tuple[str, ...]:
    blind = any(tensor.name not in weighed for tensor in tensors)
    return tuple(
        kind for kind in MENU
        if all(t.shape[0] % _BLOCKS[kind][0] == 0 for t in tensors)
        and not (blind and kind in NEEDS_IMPORTANCE)
    )  # fmt: skip
