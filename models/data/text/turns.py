"""The one shape of a text conversation, and the one rule of what is held out of it.

Job: a conversation is a list of (user, assistant) turns; a kind makes one from a generator and a split; held out are
pairs of a wording and an item, by a fixed rule. Ignorance: what the conversations are about, tokens, media.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

Turn = tuple[str, str]
Split = Literal["train", "heldout"]
Judge = Callable[[Turn, str], bool]
EVERY = 8  # one of so many pairs of wording and item is held out


def same(turn: Turn, said: str) -> bool:
    """The judge where one answer is right: word for word."""
    return said.strip() == turn[1]


class Kind(NamedTuple):
    """A way to make a conversation."""

    make: Callable[[np.random.Generator, Split], list[Turn]]
    weight: float  # share of the conversations of its module, before normalisation
    judge: Judge | None = same  # is what the model said right in the last turn? None: nobody can tell by rule


def held_out(wording: int, item: str = "") -> bool:
    """True for the eighth of pairs that training never sees: every item keeps seen and unseen wordings.

    An item with at least eight wordings has at least one held out; without an item the eighth, sixteenth ... wording is.
    """
    return (wording + 1 + zlib.crc32(item.encode())) % EVERY == 0


def wordings(split: Split, ways: Sequence[str], item: str = "") -> list[str]:
    """The ways to ask for this item that belong to the split."""
    return [way for i, way in enumerate(ways) if held_out(i, item) == (split == "heldout")]


def choose(
    rng: np.random.Generator, split: Split, ways: Sequence[str], items: Sequence[str]
) -> tuple[str, str]:
    """(a way to ask, an item): a pair of the split. Fill the way's slots yourself."""
    for _ in range(1000):
        item = one(rng, items)
        if found := wordings(split, ways, item):
            return one(rng, found), item
    raise ValueError(f"no pair of {len(ways)} wordings and {len(items)} items is in the split {split!r}")


def judged(
    kinds: Mapping[str, Kind], rng: np.random.Generator, split: Split
) -> tuple[str, list[Turn], Judge]:
    """For an evaluation: (kind, conversation, judge of what the model says in its last turn); only kinds with a judge."""
    scored = {name: kind for name, kind in kinds.items() if kind.judge}
    name = one(rng, tuple(scored))
    return name, scored[name].make(rng, split), scored[name].judge or same


def pick(kinds: Mapping[str, Kind], rng: np.random.Generator, split: Split) -> list[Turn]:
    """One conversation, kinds by weight."""
    weights = np.array([kind.weight for kind in kinds.values()])
    chosen = int(rng.choice(len(weights), p=weights / weights.sum()))
    return list(kinds.values())[chosen].make(rng, split)


def one(rng: np.random.Generator, items: Sequence[str]) -> str:
    return items[int(rng.integers(len(items)))]


def some(rng: np.random.Generator, items: Sequence[str], count: int) -> list[str]:
    """Different items in random order."""
    return [items[int(i)] for i in rng.permutation(len(items))[:count]]


def as_typed(rng: np.random.Generator, text: str) -> str:
    """The same words as people type them: now and then without capitals or without the last mark."""
    roll = rng.random()
    if roll < 0.10:
        text = text.lower()
    if 0.05 < roll < 0.15 and text[-1] in ".?!" and text[:-1].strip(".?! "):
        text = text[:-1].rstrip()
    return text


def capital(text: str) -> str:
    return text[0].upper() + text[1:]


def a(noun: str) -> str:
    """The noun with its article: "an owl", "a unicorn"."""
    sounds_open = noun[0] in "aeiou" and not noun.startswith(("uni", "use", "eu", "one", "ukulele"))
    return ("an " if sounds_open or noun == "hour" else "a ") + noun
