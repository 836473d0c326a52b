"""Whether a picture is what a scene asks for.

Job: judge drawings and edits that a model made, attribute by attribute. Ignorance: who made the picture, how it is read
(`scene_reader`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from models.data.pictures import scene_words
from models.data.pictures.scene_reader import read
from models.data.pictures.scenes import Scene
from models.data.pictures.things import PLACES, SHAPES, SIZES, Thing

_PLACE_SLACK, _NEAR = 0.06, 0.1  # shares of the side


def agrees(
    scene: Scene, pixels: NDArray[np.uint8], *, fixed: bool = False, shapes: Sequence[str] = SHAPES
) -> dict[str, bool]:
    """Whether each attribute of a scene is in the picture, and "all" of them.

    Place and size count as far as the caption tells them; with `fixed` everything must lie where the scene has it.
    """
    found, ground = (picture := read(pixels, shapes)).things, picture.background
    told = {
        "colour": sorted(t.colour for t in found) == sorted(t.colour for t in scene.things),
        "shape": sorted(t.shape for t in found) == sorted(t.shape for t in scene.things),
        "texture": sorted(t.texture for t in found) == sorted(t.texture for t in scene.things),
        "count": len(found) == len(scene.things),
        "background": ground == scene.background,
    }
    pairs = matched(scene.things, found)
    told["place"] = bool(pairs) and (
        all(near(a, b) for a, b in pairs) if fixed else _placed(scene.things, pairs)
    )
    told["size"] = bool(pairs) and (
        all(alike(a, b, 1.18) for a, b in pairs) if fixed else _sized(scene.things, pairs)
    )
    return {**told, "all": all(told.values())}


def matched(wanted: Sequence[Thing], found: Sequence[Thing]) -> list[tuple[Thing, Thing]]:
    """Every wanted thing with the nearest found one of its kind, in the order wanted; empty if the kinds differ."""
    left, pairs = list(found), []
    for thing in wanted:
        same = [f for f in left if f.kind == thing.kind]
        if not same:
            return []
        nearest = min(same, key=lambda f: math.hypot(f.x - thing.x, f.y - thing.y))
        left.remove(nearest)
        pairs.append((thing, nearest))
    return pairs if not left else []


def near(wanted: Thing, found: Thing) -> bool:
    return math.hypot(wanted.x - found.x, wanted.y - found.y) <= _NEAR


def alike(wanted: Thing, found: Thing, within: float = 1.28) -> bool:
    """Whether the sizes differ by no more than this ratio; those of two neighbouring size words differ by 1.36."""
    return 1 / within <= found.radius / wanted.radius <= within


def at(place: str, thing: Thing) -> bool:
    """Whether a thing lies at a place of the nine, a little beyond its lines included."""
    row, column = next(
        (r, c) for r, names in enumerate(PLACES) for c, name in enumerate(names) if name == place
    )
    return all(
        i / 3 - _PLACE_SLACK <= v <= (i + 1) / 3 + _PLACE_SLACK
        for v, i in ((thing.x, column), (thing.y, row))
    )


def _placed(wanted: Sequence[Thing], pairs: Sequence[tuple[Thing, Thing]]) -> bool:
    """The place of one thing, the relation of two, the row or column of several."""
    found = [f for _, f in pairs]
    if len(wanted) == 1:
        return at(wanted[0].place, found[0])
    if len(wanted) == 2:
        return _related(scene_words.relation(wanted[0], wanted[1]), found[0], found[1])
    way = scene_words.arrangement(wanted)
    if not way:
        return True
    along, across = ("x", "y") if way == "in a row" else ("y", "x")
    order = sorted(pairs, key=lambda p: float(getattr(p[0], along)))
    told_order = len({t.kind for t in wanted}) == 1 or all(getattr(a[1], along) < getattr(b[1], along) for a, b in pairwise(order))  # fmt: skip
    level = [getattr(f, across) for f in found]
    return told_order and max(level) - min(level) <= 0.12


def _related(relation: str, a: Thing, b: Thing) -> bool:
    if relation == "inside":
        return math.hypot(a.x - b.x, a.y - b.y) + a.radius * 0.8 < b.radius
    apart = {
        "to the left of": b.x - a.x,
        "to the right of": a.x - b.x,
        "above": b.y - a.y,
        "below": a.y - b.y,
    }
    return relation not in apart or apart[relation] >= 0.15


def _sized(wanted: Sequence[Thing], pairs: Sequence[tuple[Thing, Thing]]) -> bool:
    """The size word of one thing; which of two is larger."""
    found = [f for _, f in pairs]
    if len(wanted) == 1:
        return any(alike(Thing("", "", 0, 0, r), found[0]) for r in (SIZES[wanted[0].size], wanted[0].radius))
    if len(wanted) == 2 and scene_words.larger(wanted[0], wanted[1]):
        return found[0].radius > 1.12 * found[1].radius
    if len(wanted) == 2 and scene_words.larger(wanted[1], wanted[0]):
        return found[1].radius > 1.12 * found[0].radius
    return True
