"""All kinds of training pictures by name, and the classes of their labels.

Job: one sampler over the kinds, the shares of the mixture, labels as numbers. Ignorance: how a kind looks, codecs, tokens.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.data.pictures import charts, emoji, lettering, palette, scenes
from models.data.pictures.picture import GRID, Picture
from models.data.pictures.things import SHAPES, Split

WORD_LISTS = ("common_words", "nouns", "adjectives", "animals", "fruits", "vegetables", "body_parts", "clothing", "household_objects")  # fmt: skip
WHATS = ("", *SHAPES, "bar", "line", *lettering.LETTERS, *"0123456789", *(e.name for e in emoji.names()))
COLOURS = ("", *palette.COLOURS)
_WHAT = {name: i for i, name in enumerate(WHATS)}
_WHAT |= {letter.upper(): _WHAT[letter] for letter in lettering.LETTERS}
_COLOUR = {name: i for i, name in enumerate(COLOURS)}


@cache
def words(corpus: Path) -> tuple[str, ...]:
    """Short plain words of the corpus' lists, in a fixed order."""
    found: dict[str, None] = {}
    for name in WORD_LISTS:
        for item in json.loads((corpus / "words" / f"{name}.json").read_text())["items"]:
            if isinstance(item, str) and item.isascii() and item.isalpha() and 2 <= len(item) <= 8:
                found[item.lower()] = None
    return tuple(found)


Sampler = Callable[[np.random.Generator, Split, Path], Picture]
KINDS: dict[str, tuple[float, Sampler]] = {  # share of the codec's pictures, sampler
    "scenes": (0.45, lambda rng, split, _: scenes.sample(rng, split)),
    "emoji": (0.22, lambda rng, split, _: emoji.sample(rng, split)),
    "lettering": (0.23, lambda rng, split, corpus: lettering.sample(rng, split, words=words(corpus))),
    "charts": (0.10, lambda rng, split, _: charts.sample(rng, split)),
}
_SHARES = [share for share, _ in KINDS.values()]


def sample(rng: np.random.Generator, split: Split, corpus: Path, kind: str | None = None) -> Picture:
    """A picture of one kind, or of any."""
    return KINDS[kind or str(rng.choice(list(KINDS), p=_SHARES))][1](rng, split, corpus)


def labels(picture: Picture) -> NDArray[np.int64]:
    """(2, 8, 8): per cell an index into WHATS and one into COLOURS."""
    pairs = [(_WHAT[what], _COLOUR[colour]) for what, colour in picture.cells()]
    return np.array(pairs, np.int64).T.reshape(2, GRID, GRID)
