"""From logits to one id: temperature, top-k, min-p, top-p, repetition penalty, on the host.

Job: a small sampler, `logits -> index`, whose choices are fixed by a seed.
Ignorance: which ids the indices stand for (constraints.py), where the logits come from.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge.errors import EngineError, UsageError
from edge.options import SamplingOptions

Floats = NDArray[np.float32]
_BLOCK = 64  # values summed at once
_FEW = 512  # values that are summed one by one

# What a field means when neither the caller nor the manifest says: sample plainly.
PLAIN = SamplingOptions(
    temperature=1.0, top_k=0, top_p=1.0, min_p=0.0, repetition_penalty=1.0, repetition_window=64, guidance=1.0
)


class Sampler:
    """Picks indices; keeps no state but its random generator."""

    def __init__(self, options: SamplingOptions, generator: np.random.Generator) -> None:
        """Settings left `None` are off.

        Raises:
            UsageError: a setting is outside of its range.
        """
        chosen = checked(options.over(PLAIN))
        self.temperature = float(chosen.temperature or 0.0)
        self.top_k = int(chosen.top_k or 0)
        self.top_p = 1.0 if chosen.top_p is None else float(chosen.top_p)
        self.min_p = float(chosen.min_p or 0.0)
        self.penalty = float(chosen.repetition_penalty or 1.0)
        self.window = int(chosen.repetition_window or 0)
        self.guidance = 1.0 if chosen.guidance is None else float(chosen.guidance)
        self._generator = generator

    def __call__(self, logits: Floats, recent: Sequence[int] = ()) -> int:
        """One index into `logits` (n,); `recent` holds the indices that the penalty weakens."""
        if self.penalty != 1.0 and len(recent):
            logits = penalise(logits, recent, self.penalty)
        best = int(logits.argmax())
        if not np.isfinite(logits[best]):
            raise EngineError(
                "the engine answered with logits that are no numbers; the model file is damaged: verify it"
            )
        if self.temperature == 0.0 or self.top_k == 1:
            return best
        return self._draw(logits, float(logits[best]))

    def _draw(self, logits: Floats, best: float) -> int:
        kept = top_k(logits, self.top_k)
        values = logits if kept is None else logits[kept]
        weights = np.exp((values - np.float32(best)) * np.float32(1.0 / self.temperature))
        if self.min_p > 0.0:
            weights[weights < self.min_p] = 0.0  # the best one weighs exactly 1
        if self.top_p < 1.0:
            weights = top_p(weights, self.top_p)
        index = reach(weights, self._generator.random() * float(weights.sum(dtype=np.float64)))
        if weights[index] == 0.0:  # rounding at the very end of a block
            index = int(weights.argmax())
        return index if kept is None else int(kept[index])


def penalise(logits: Floats, recent: Sequence[int], penalty: float) -> Floats:
    """A copy in which seen positive logits are divided, negative ones multiplied (CTRL, arXiv:1909.05858)."""
    seen = np.array(list(set(recent)), dtype=np.intp)
    weakened = logits.copy()
    values = weakened[seen]
    weakened[seen] = np.where(values > 0, values / penalty, values * penalty)
    return weakened


def top_k(logits: Floats, k: int) -> NDArray[np.intp] | None:
    """Indices of the k largest logits, in no order; None where that is all of them."""
    if k <= 0 or k >= len(logits):
        return None
    return np.argpartition(logits, len(logits) - k)[len(logits) - k :]


def top_p(weights: Floats, p: float) -> Floats:
    """The weights, zero outside of the smallest set that holds the share `p` of their sum (arXiv:1904.09751).

    Equal weights stay together. What lies under `(1 - p) * sum / n` cannot be needed and is not sorted.
    """
    total = float(weights.sum(dtype=np.float64))
    large = np.sort(weights[weights >= (1.0 - p) * total / len(weights)])[::-1]
    kept: Floats = weights * (weights >= large[reach(large, p * total)])
    return kept


def reach(values: Floats, goal: float) -> int:
    """The first index whose running sum passes `goal`, else the last; two levels: long cumsums are slow."""
    if len(values) <= _FEW:
        return _passing(np.cumsum(values, dtype=np.float64), goal)
    sums = np.cumsum(np.add.reduceat(values, np.arange(0, len(values), _BLOCK), dtype=np.float64))
    block = _passing(sums, goal)
    inside = np.cumsum(values[block * _BLOCK : (block + 1) * _BLOCK], dtype=np.float64)
    before = float(sums[block - 1]) if block else 0.0
    return block * _BLOCK + _passing(inside, goal - before)


def _passing(sums: NDArray[np.float64], goal: float) -> int:
    """The first of some rising sums that passes `goal`, else the last."""
    return min(int(np.searchsorted(sums, goal, side="right")), len(sums) - 1)


def checked(options: SamplingOptions) -> SamplingOptions:
    """The options, once every given value lies in its range.

    Raises:
        UsageError: one does not.
    """
    ranges: tuple[tuple[str, float | None, float, float], ...] = (
        ("temperature", options.temperature, 0.0, 100.0),
        ("top_k", options.top_k, 0, 2**31),
        ("top_p", options.top_p, 1e-6, 1.0),
        ("min_p", options.min_p, 0.0, 1.0),
        ("repetition_penalty", options.repetition_penalty, 1e-2, 100.0),
        ("repetition_window", options.repetition_window, 0, 2**31),
        ("guidance", options.guidance, 0.0, 100.0),
        ("seed", options.seed, 0, 2**64),
        ("max_tokens", options.max_tokens, 1, 2**31),
        ("logprobs", options.logprobs, 0, 20),
    )
    for name, value, low, high in ranges:
        if value is not None and not low <= value <= high:
            raise UsageError(f"{name} is {value}, but must lie between {low:g} and {high:g}")
    if options.stop is not None and (type(options.stop) not in (tuple, list) or not all(options.stop)):
        raise UsageError(f"stop is {options.stop!r}, expected a tuple or list of texts that are not empty")
    return options


def log_softmax(logits: Floats) -> Floats:
    """Natural logs of the probabilities that logits (n,) mean."""
    shifted = logits - logits.max()
    found: Floats = shifted - np.float32(np.log(np.exp(shifted).sum(dtype=np.float64)))
    return found
