"""How far what was said is from what is right: words, letters, the slots of a caption.

Job: pure functions of two texts. Ignorance: where the texts come from.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from models.data.pictures.things import SHAPES, plural

_SINGULAR = {plural(shape): shape for shape in SHAPES}
_IDLE = frozenset(("a", "an", "the", "at", "in", "on", "of", "to", "and", "with"))
_SIDES = (("to the left of", "leftof"), ("to the right of", "rightof"))  # a relation is no place


def distance(one: Sequence[str], other: Sequence[str]) -> int:
    """Edit distance (Levenshtein) of two lists of words or strings of letters."""
    row = list(range(len(other) + 1))
    for i, x in enumerate(one, 1):
        before, row = row, [i]
        for j, y in enumerate(other, 1):
            row.append(min(before[j] + 1, row[-1] + 1, before[j - 1] + (x != y)))
    return row[-1]


def words(text: str) -> list[str]:
    """Lower case, without marks but the apostrophe."""
    return re.sub(r"[^a-z0-9' ]", " ", text.lower()).split()


def word_errors(truth: str, told: str) -> int:
    return distance(words(truth), words(told))


def quoted(told: str) -> str:
    """What an answer says is written: the text in quotes, else all of it; lower case."""
    found = re.search(r'"([^"]*)"?', told)
    return (found[1] if found else told.strip(" .")).lower()


def letters_right(truth: str, told: str) -> int:
    """Letters less the edits that make them what was told, at least 0."""
    return max(0, len(truth) - distance(truth.lower(), told))


def slots(caption: str) -> Counter[str]:
    """The words of a caption that carry meaning, each as often as it occurs, shapes in the singular."""
    text = caption.lower()
    for phrase, slot in _SIDES:
        text = text.replace(phrase, slot)
    return Counter(_SINGULAR.get(word, word) for word in words(text) if word not in _IDLE)


def agreement(truth: Counter[str], told: Counter[str]) -> tuple[int, int]:
    """(twice the slots in both, slots of both together): summed over items and divided, the F1."""
    return 2 * (truth & told).total(), truth.total() + told.total()
