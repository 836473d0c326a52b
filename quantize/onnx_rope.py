"""Rotation frequencies of a checkpoint, for the tables that ONNX attention turns queries and keys by.

Job: one frequency per pair, and the factor on sine and cosine, for each scaling that config.json may name.
Ignorance: graphs. Which scalings there are, and whether their settings are there, `gguf_metadata` says.
Source: transformers 5.23 modeling_rope_utils.py (`_compute_yarn_parameters` and its neighbours); YaRN:
arXiv 2309.00071.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import log, pi
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantize.gguf_metadata import rope_base, rope_factors, rope_scaling


def frequencies(config: Mapping[str, Any], head_width: int) -> tuple[NDArray[np.float32], float]:
    """Radians per position for each of a head's pairs, (head_width / 2,), and the factor on sine and cosine.

    Raises:
        UsageError: an unknown scaling. IntegrityError: one of its settings is missing.
    """
    kind, scaling = rope_scaling(config)
    exponents = np.arange(0, head_width, 2, dtype=np.float64) / head_width
    plain = rope_base(config) ** -exponents
    if kind == "linear":
        return (plain / float(scaling["factor"])).astype(np.float32), 1.0
    if kind == "llama3":
        factors = rope_factors(config, head_width)
        assert factors is not None
        return (plain / factors).astype(np.float32), 1.0
    if kind == "yarn":
        return _yarn(plain, rope_base(config), scaling, head_width)
    return plain.astype(np.float32), 1.0


def _yarn(
    plain: NDArray[np.float64], base: float, scaling: Mapping[str, Any], width: int
) -> tuple[NDArray[np.float32], float]:
    """High frequencies as they are, low ones slowed by the factor, a ramp between."""
    factor, old = float(scaling["factor"]), float(scaling["original_max_position_embeddings"])

    def pair(turns: float) -> float:
        """The pair that turns this often over the old context."""
        return width * log(old / (turns * 2 * pi)) / (2 * log(base))

    low = max(np.floor(pair(float(scaling.get("beta_fast") or 32))), 0)
    high = min(np.ceil(pair(float(scaling.get("beta_slow") or 1))), width - 1)
    ramp = np.clip((np.arange(width // 2) - low) / max(high - low, 0.001), 0, 1)
    stretched = plain / factor * ramp + plain * (1 - ramp)
    attention = scaling.get("attention_factor") or (0.1 * log(factor) + 1 if factor > 1 else 1.0)
    return stretched.astype(np.float32), float(attention)
