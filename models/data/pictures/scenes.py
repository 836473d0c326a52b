"""Scenes of one to five things on a background: sampled by kind and by split.

Job: the frozen `Scene`, which is a `Picture`, and `sample`. Ignorance: how it is drawn and worded (asked of others).
The hold-out is by composition (`things.novel`): a colour x shape pair, or two shapes that meet as a pair.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.data.pictures import drawing, scene_questions, scene_words
from models.data.pictures.backgrounds import BACKGROUNDS, WEIGHTS, shows
from models.data.pictures.picture import Asked
from models.data.pictures.things import (
    COLOURS,
    HOSTS,
    SHAPES,
    SIZES,
    TEXTURE_FROM,
    TEXTURES,
    Split,
    Thing,
    apart,
    distance,
    held_out,
    inside,
    novel,
    on_the_sheet,
    wears,
)

Kind = tuple[str, str, str]  # texture, colour, shape
_THIRDS = (0.21, 0.5, 0.79)


@dataclass(frozen=True)
class Scene:
    """Things on a background; in a pair the first is the subject of the caption."""

    things: tuple[Thing, ...]
    background: str = "white"

    @property
    def novel(self) -> bool:
        return novel(self.things)

    @property
    def sound(self) -> bool:
        """Whether all things lie on the sheet, stand out, can be told by texture, and overlap only as one inside the other."""
        pairs = [(a, b) for i, a in enumerate(self.things) for b in self.things[:i]]
        return (
            all(on_the_sheet(t) and shows(t.colour, self.background) for t in self.things)
            and all(t.texture == "solid" or t.radius >= 0.95 * TEXTURE_FROM for t in self.things)
            and all(apart(a, b) or inside(a, b) or inside(b, a) for a, b in pairs)
            and len(self.things) <= 5
        )

    def draw(self, rng: np.random.Generator, side: int = 64) -> NDArray[np.uint8]:
        return drawing.draw(self.things, self.background, rng, side)

    def cells(self) -> list[tuple[str, str]]:
        return drawing.cells(self.things)

    def caption(self) -> str:
        return scene_words.caption(self.things, self.background)

    def questions(self, rng: np.random.Generator) -> list[Asked]:
        return scene_questions.questions(self.things, self.background, rng)


def sample(rng: np.random.Generator, split: Split = "train") -> Scene:
    """A random scene. Training ones are never novel. Held-out ones always are: the first thing is an unseen
    colour x shape pair, or (one in six of the pairs) the two shapes are an unseen pair."""
    make = _KINDS[int(rng.choice(len(_KINDS), p=_SHARES))]
    met = split == "heldout" and rng.random() < 1 / 6 and make in _PAIRS
    while True:
        things = make(rng, "train" if met else split)
        for _ in range(int(rng.integers(1, 7))):  # more than once, or white things would be too rare
            made = Scene(things, background(rng))
            if made.sound and made.novel == (split == "heldout"):
                return made


def background(rng: np.random.Generator) -> str:
    """A random one, plain ones most often."""
    return BACKGROUNDS[int(rng.choice(len(BACKGROUNDS), p=list(WEIGHTS.values())))]


def pick_kind(rng: np.random.Generator, split: Split = "train", texture: str = "solid") -> Kind:
    """A random kind of thing: of a trained pair, or in the held-out split of an unseen one."""
    shapes = [s for s in SHAPES if wears(s, texture)]
    colours = tuple(COLOURS)
    while True:
        colour, shape = colours[int(rng.integers(len(colours)))], shapes[int(rng.integers(len(shapes)))]
        if held_out(colour, shape) == (split == "heldout"):
            return texture, colour, shape


def _kinds(rng: np.random.Generator, split: Split, number: int, textured: float = 0.2) -> list[Kind]:
    """Different kinds, the first of the split, the others trained ones; sometimes with textures."""
    share = 0.6 if rng.random() < textured else 0.0
    found: list[Kind] = []
    while len(found) < number:
        texture = TEXTURES[1 + int(rng.integers(4))] if rng.random() < share else "solid"
        kind = pick_kind(rng, "train" if found else split, texture)
        if kind[1:] not in [k[1:] for k in found]:
            found.append(kind)
    return found


def _thing(kind: Kind, x: float, y: float, radius: float) -> Thing:
    texture, colour, shape = kind
    return Thing(shape, colour, round(float(x), 4), round(float(y), 4), round(float(radius), 4), texture)


def _near(rng: np.random.Generator, value: float, spread: float = 0.03) -> float:
    return value + float(rng.uniform(-spread, spread))


def _sized(rng: np.random.Generator, radius: float) -> float:
    return radius * float(rng.uniform(0.95, 1.05))


def _one(rng: np.random.Generator, split: Split) -> tuple[Thing, ...]:
    size = ("small", "medium", "large")[int(rng.choice(3, p=[0.3, 0.4, 0.3]))]
    row, column = (1, 1) if rng.random() < 0.2 else rng.integers(3, size=2)
    kind = _kinds(rng, split, 1, 0.0 if size == "small" else 0.45)[0]
    radius = _sized(rng, SIZES[size])
    inset = max(0.0, radius * 1.15 + 0.02 - 0.18)  # large things stay on the sheet
    x, y = (_near(rng, np.clip(_THIRDS[i], 0.21 + inset, 0.79 - inset)) for i in (column, row))
    return (_thing(kind, x, y, radius),)


def _aligned(rng: np.random.Generator, split: Split) -> tuple[Thing, ...]:
    """Side by side, or one above the other; sometimes a large and a small one."""
    sizes = (0.155, 0.155) if rng.random() < 0.65 else rng.permutation([SIZES["small"], SIZES["large"]])
    along, across = rng.permutation([0.27, 0.73]), rng.uniform(0.32, 0.68)
    turned = rng.random() < 0.5
    things = []
    textured = 0.35 if min(sizes) >= TEXTURE_FROM else 0.0
    for kind, a, size in zip(_kinds(rng, split, 2, textured), along, sizes, strict=True):
        x, y = _near(rng, a), _near(rng, across, 0.04)
        things.append(_thing(kind, *((y, x) if turned else (x, y)), _sized(rng, size)))
    return tuple(things)


def _diagonal(rng: np.random.Generator, split: Split) -> tuple[Thing, ...]:
    """One larger than the other, in opposite corners, so that no relation of place describes them."""
    sizes = rng.permutation([SIZES["small"], SIZES["large"]])
    columns, rows = rng.permutation([0.27, 0.73]), rng.permutation([0.27, 0.73])
    kinds = _kinds(rng, split, 2, 0.0)
    return tuple(
        _thing(kind, _near(rng, x), _near(rng, y), _sized(rng, size))
        for kind, x, y, size in zip(kinds, columns, rows, sizes, strict=True)
    )


def _inside(rng: np.random.Generator, split: Split) -> tuple[Thing, ...]:
    """The inner one first: it is the subject."""
    while True:
        inner, outer = _kinds(rng, split, 2, 0.0)
        if outer[2] in HOSTS and (outer[2] == "ring" or distance(COLOURS[inner[1]], COLOURS[outer[1]]) > 120):
            break
    x, y = _near(rng, 0.5, 0.12), _near(rng, 0.5, 0.12)
    room = rng.uniform(0.31, 0.34) if outer[2] == "ring" else rng.uniform(0.25, 0.29)
    radius = _sized(rng, 0.125)
    return _thing(inner, _near(rng, x, 0.01), _near(rng, y, 0.01), radius), _thing(outer, x, y, room)


def _count(rng: np.random.Generator, split: Split) -> tuple[Thing, ...]:
    number = int(rng.integers(2, 6))
    kind = _kinds(rng, split, 1, 0.35 if number < 4 else 0.0)[0]
    return _scattered(rng, [kind] * number)


def _mixed(rng: np.random.Generator, split: Split) -> tuple[Thing, ...]:
    """Two groups, five things at most, at least one group of several."""
    first, second = ((1, 2), (2, 1), (2, 2), (1, 3), (3, 1), (2, 3), (3, 2), (1, 4), (4, 1))[
        int(rng.integers(9))
    ]
    kinds = _kinds(rng, split, 2, 0.3 if first + second < 4 else 0.0)
    return _scattered(rng, [kinds[0]] * first + [kinds[1]] * second)


def _several(rng: np.random.Generator, split: Split) -> tuple[Thing, ...]:
    number = 3 + int(rng.choice(3, p=[0.5, 0.3, 0.2]))
    kinds = _kinds(rng, split, number, 0.3 if number == 3 else 0.0)
    return _in_line(rng, kinds) if number < 5 and rng.random() < 0.3 else _scattered(rng, kinds)


def _in_line(rng: np.random.Generator, kinds: Sequence[Kind]) -> tuple[Thing, ...]:
    radius, across, turned = (0.13 if len(kinds) == 3 else 0.1), rng.uniform(0.25, 0.75), rng.random() < 0.4
    made = []
    for i, kind in enumerate(kinds):
        x, y = _near(rng, (i + 0.5) / len(kinds), 0.008), _near(rng, across, 0.02)
        made.append(_thing(kind, *((y, x) if turned else (x, y)), _sized(rng, radius)))
    return tuple(made)


def _scattered(rng: np.random.Generator, kinds: Sequence[Kind]) -> tuple[Thing, ...]:
    """In different cells of the 3 x 3 grid of places, equal in size; two or three may be larger."""
    radius = 0.125 if len(kinds) < 4 else 0.11
    spots = rng.permutation(9)[: len(kinds)]
    return tuple(
        _thing(kind, _near(rng, _THIRDS[c % 3], 0.02), _near(rng, _THIRDS[c // 3], 0.02), _sized(rng, radius))
        for kind, c in zip(kinds, spots, strict=True)
    )


_Maker = Callable[[np.random.Generator, Split], tuple[Thing, ...]]
_KINDS: tuple[_Maker, ...] = (_one, _aligned, _diagonal, _inside, _several, _count, _mixed)
_SHARES = (0.34, 0.19, 0.06, 0.06, 0.13, 0.12, 0.10)
_PAIRS = (_aligned, _diagonal, _inside)
