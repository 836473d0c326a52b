"""What every task needs at hand: banks, corpus, split; and how answers are written and weighed.

Job: a small value and two rules. Ignorance: tasks, tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from models.data.banks import Source
from models.data.text.turns import Split, capital


@dataclass(frozen=True)
class Desk:
    """Where tasks take their media and words from."""

    banks: Source
    corpus: Path
    split: Split = "train"


def capital_sentence(words: str) -> str:
    """A phrase as a sentence."""
    return capital(words) + ("" if words.endswith((".", "!", "?")) else ".")


def weigh(answer: str) -> float:
    """The loss weight of an answer's tokens: one word about a picture counts as much as a short sentence."""
    return 4.0 if len(answer) <= 12 else 2.0
