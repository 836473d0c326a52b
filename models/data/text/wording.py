"""How questions and answers of the generators are worded: one of several ways, a sentence, yes or no.

Job: the few turns of phrase that pictures, clips and sounds share. Ignorance: what is asked about.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from models.data.text.turns import capital

T = TypeVar("T")


def say(rng: np.random.Generator, *ways: T) -> T:
    """One of the ways."""
    return ways[int(rng.integers(len(ways)))]


def sentence(words: str) -> str:
    """A phrase with a capital and a full stop."""
    return f"{capital(words)}."


def yes(true: bool) -> str:
    return "Yes." if true else "No."
