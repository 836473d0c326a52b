"""Two scenes and a question about both.

Job: which has more, which shows it, where is it larger, what has changed, are they the same; half of the pairs are a
scene and its edit. Ignorance: how scenes are drawn, turns of a conversation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.data.pictures.edits import sample_edit
from models.data.pictures.scene_words import Clue, clues
from models.data.pictures.scenes import Scene, sample
from models.data.pictures.things import Split, article, novel
from models.data.text.wording import say

_FIRST, _SECOND = "The first.", "The second."


@dataclass(frozen=True)
class Comparison:
    """Two scenes, a question about both, and its one right answer."""

    kind: str
    first: Scene
    second: Scene
    question: str
    answer: str


def sample_comparison(rng: np.random.Generator, split: Split = "train") -> Comparison:
    """In training neither scene is novel; in the held-out split at least one is."""
    return _KINDS[int(rng.integers(len(_KINDS)))](rng, split)


def _two(
    rng: np.random.Generator, split: Split, kinds: tuple[str, ...] = (), edited: float = 0.5
) -> tuple[Scene, Scene]:
    """A scene and its edit (of these kinds), or two that have nothing to do with each other; in either order."""
    if rng.random() < edited:
        while (edit := sample_edit(rng, split)).kind not in (kinds or (edit.kind,)):
            pass
        scenes = edit.before, edit.after
    else:
        scenes = sample(rng, split), sample(rng, "train")
    return scenes if rng.random() < 0.5 else scenes[::-1]


def _more(rng: np.random.Generator, split: Split) -> Comparison:
    """More shapes, or more of what one of the pictures shows; sometimes of both the same."""
    while True:
        first, second = _two(rng, split, ("add", "remove", "count", "colour", "shape"))
        some = (first, second)[int(rng.integers(2))].things
        options = [Clue(), *clues(some[int(rng.integers(len(some)))])]
        clue = options[int(rng.integers(len(options)))]
        a, b = (sum(map(clue.fits, scene.things)) for scene in (first, second))
        if a == b and rng.random() < 0.6:
            continue
        ask = say(rng, "Which picture has more {x}?", "Which picture shows more {x}?", "Where are more {x}?")
        answer = _FIRST if a > b else _SECOND if b > a else "The same number."
        return Comparison("more", first, second, ask.replace("{x}", clue.words(2)), answer)


def _shows(rng: np.random.Generator, split: Split) -> Comparison:
    """Exactly one of the pictures shows it."""
    while True:
        first, second = _two(rng, split, ("colour", "shape", "add", "remove"))
        some = (first, second)[int(rng.integers(2))].things
        options = clues(some[int(rng.integers(len(some)))])
        clue = options[int(rng.integers(len(options)))]
        here, there = (any(map(clue.fits, scene.things)) for scene in (first, second))
        if here != there:
            name = article(clue.words()) if clue.shape else f"something {clue.texture or clue.colour}"
            ask = say(
                rng,
                f"Which picture shows {name}?",
                f"Where do you see {name}?",
                f"In which picture is {name}?",
            )
            return Comparison("shows", first, second, ask, _FIRST if here else _SECOND)


def _larger(rng: np.random.Generator, split: Split) -> Comparison:
    """One thing, at two sizes."""
    while True:
        first, second = _two(rng, split, ("size",), 1.0)
        if len(first.things) == 1:
            a, b, name = first.things[0].radius, second.things[0].radius, first.things[0].shape
            word = say(rng, "larger", "bigger", "smaller")
            ask = say(rng, f"In which picture is the {name} {word}?", f"Where is the {name} {word}?")
            return Comparison(
                "larger", first, second, ask, _FIRST if (a > b) != (word == "smaller") else _SECOND
            )


def _changed(rng: np.random.Generator, split: Split) -> Comparison:
    edit = sample_edit(rng, split)
    ask = say(rng, "What has changed?", "What is different now?", "What is different in the second picture?")
    return Comparison("changed", edit.before, edit.after, ask, edit.change)


def _same(rng: np.random.Generator, split: Split) -> Comparison:
    """Half of them are; of the others most differ in one thing only."""
    first, second = _two(rng, split, edited=0.7)
    if rng.random() < 0.5:
        first = second = first if novel(first.things) == (split == "heldout") else second
    ask = say(rng, "Are they the same?", "Are the two pictures the same?", "Do both show the same?")
    return Comparison("same", first, second, ask, "Yes." if first == second else "No.")


_KINDS: tuple[Callable[[np.random.Generator, Split], Comparison], ...] = (
    _more,
    _shows,
    _larger,
    _changed,
    _same,
)
