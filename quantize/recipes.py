"""Which number format a recipe's name stands for: one row per recipe.

Job: recipe name -> llama.cpp file type, and what it needs to be written.
Ignorance: writes nothing, measures nothing. Source: enum llama_ftype, llama.h of llama-cpp-python 0.3.36.

Why int4 is Q4_K_M: every pico width is a multiple of 256, so no row falls back; the tied embedding, a third
of pico, is stored at 6 bits by Q4_K_M and Q4_0 alike, and Q4_K_M adds 6 bits for the values and half of the
down-projections: 1 % more bytes (measured on the tests' tiny model: 4.16 against 4.14 MB) for finer scales.
Q4_0 decodes faster on AMX from about 1 B parameters on (19.5 against 12.7 tokens/s) and stays one name away.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

from edge.errors import UsageError


@dataclass(frozen=True)
class Recipe:
    """One way to store the decoder."""

    name: str  # as the user writes it
    type: str  # llama.cpp's name
    file_type: int  # enum llama_ftype
    bits: float  # per weight, nominal; for the disk estimate
    streamed: bool = False  # written by us, without llama_model_quantize
    needs_importance: bool = False  # llama.cpp refuses it without an importance matrix

    @property
    def uses_importance(self) -> bool:
        """Whether an importance matrix changes what is written. Source: `quantize_*`, ggml-quants.c."""
        return not self.streamed and self.type not in ("Q8_0", "TQ1_0", "TQ2_0")


_TYPES = [
    Recipe("f32",     "F32",      0, 32.0, streamed=True),
    Recipe("f16",     "F16",      1, 16.0, streamed=True),
    Recipe("bf16",    "BF16",    32, 16.0, streamed=True),
    Recipe("q8_0",    "Q8_0",     7, 8.5),
    Recipe("q6_k",    "Q6_K",    18, 6.6),
    Recipe("q5_k_m",  "Q5_K_M",  17, 5.7),
    Recipe("q5_k_s",  "Q5_K_S",  16, 5.6),
    Recipe("q5_1",    "Q5_1",     9, 6.0),
    Recipe("q5_0",    "Q5_0",     8, 5.6),
    Recipe("q4_k_m",  "Q4_K_M",  15, 4.9),
    Recipe("q4_k_s",  "Q4_K_S",  14, 4.6),
    Recipe("q4_1",    "Q4_1",     3, 5.1),
    Recipe("q4_0",    "Q4_0",     2, 4.6),
    Recipe("iq4_nl",  "IQ4_NL",  25, 4.6),
    Recipe("iq4_xs",  "IQ4_XS",  30, 4.4),
    Recipe("q3_k_l",  "Q3_K_L",  13, 4.3),
    Recipe("q3_k_m",  "Q3_K_M",  12, 3.9),
    Recipe("q3_k_s",  "Q3_K_S",  11, 3.5),
    Recipe("iq3_m",   "IQ3_M",   27, 3.7),
    Recipe("iq3_s",   "IQ3_S",   26, 3.5),
    Recipe("iq3_xs",  "IQ3_XS",  22, 3.4, needs_importance=True),
    Recipe("iq3_xxs", "IQ3_XXS", 23, 3.1, needs_importance=True),
    Recipe("q2_k",    "Q2_K",    10, 3.2),
    Recipe("q2_k_s",  "Q2_K_S",  21, 2.9, needs_importance=True),
    Recipe("iq2_m",   "IQ2_M",   29, 2.8, needs_importance=True),
    Recipe("iq2_s",   "IQ2_S",   28, 2.6, needs_importance=True),
    Recipe("iq2_xs",  "IQ2_XS",  20, 2.4, needs_importance=True),
    Recipe("iq2_xxs", "IQ2_XXS", 19, 2.1, needs_importance=True),
    Recipe("iq1_m",   "IQ1_M",   31, 1.9, needs_importance=True),
    Recipe("iq1_s",   "IQ1_S",   24, 1.7, needs_importance=True),
    Recipe("tq2_0",   "TQ2_0",   37, 2.1),
    Recipe("tq1_0",   "TQ1_0",   36, 1.7),
]  # fmt: skip

_MEANS = {"int8": "q8_0", "int4": "q4_k_m"}
RECIPES: dict[str, Recipe] = {r.name: r for r in _TYPES}
RECIPES |= {
    name: Recipe(name, RECIPES[as_].type, RECIPES[as_].file_type, RECIPES[as_].bits)
    for name, as_ in _MEANS.items()
}


def find(name: str) -> Recipe:
    """The recipe of this name, in any case.

    Raises:
        UsageError: there is none.
    """
    recipe = RECIPES.get(name.lower())
    if recipe is None:
        near = get_close_matches(name.lower(), RECIPES, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UsageError(f"unknown recipe {name!r}; {hint}known recipes: {', '.join(names())}")
    return recipe


def names() -> list[str]:
    """What `find` accepts, the everyday ones first."""
    return [*_MEANS, *(r.name for r in _TYPES)]
