"""What is in a picture of things on a background, by program, without a model.

Job: read a picture of 64 or 128 pixels as a `Scene`. Proven on our own drawings, also after JPEG and blur, in the tests.
Ignorance: who made the picture, what was asked. Shapes are told by drawing each as large as the region found and comparing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from models.data.pictures import backgrounds, drawing
from models.data.pictures.regions import (
    FRAGMENT,
    Mask,
    closed,
    grown,
    holes,
    joined,
    regions,
    shrunk,
    thickness,
)
from models.data.pictures.scenes import Scene
from models.data.pictures.things import (
    COLOURS,
    RING_HOLE,
    SHAPES,
    TEXTURE_FROM,
    TEXTURES,
    Thing,
    outline,
    wears,
)

Pixels = NDArray[np.float64]  # (64, 64, 3)
_SIDE = 64
_STANDS_OUT = 42.0  # RGB distance from the background
_OTHER = 70.0  # RGB distance from a thing's own colour: something else on it
_UNEVEN = 34.0  # RGB distance from the middle colour: not of one colour
_TEXTURE_LEAST = 0.88 * TEXTURE_FROM


class _Unvaried(np.random.Generator):
    """Draws colours exactly as the tables say."""

    def integers(self, low, high=None, size=None, *args, **kwargs):  # type: ignore[no-untyped-def,override]
        return np.zeros(size or (), np.int64)


_EXACT = _Unvaried(np.random.PCG64(0))


def read(pixels: NDArray[np.uint8], shapes: Sequence[str] = SHAPES) -> Scene:
    """What is seen in a picture (64, 64, 3) or (128, 128, 3): the background, and things of these shapes from the top, from the left."""
    seen = _halved(pixels)
    ground = _background(seen)
    return Scene(tuple(_things_on(seen, _behind(seen, ground), shapes)), ground)


def _background(seen: Pixels) -> str:
    left = {name: _unexplained(seen, sheet) for name, sheet in _sheets().items()}
    return min(left, key=left.__getitem__)


def _unexplained(seen: Pixels, sheet: Pixels) -> float:
    shift = _shift(seen, sheet)
    difference = np.abs(seen - sheet - shift).sum(2)
    return float(np.minimum(difference, 80).mean() + 0.5 * np.abs(shift).sum())


def _halved(pixels: NDArray[np.uint8]) -> Pixels:
    by = len(pixels) // _SIDE
    return pixels.reshape(_SIDE, by, _SIDE, by, 3).astype(float).mean((1, 3))


@cache
def _sheets() -> dict[str, Pixels]:
    still = np.zeros(3, np.int64)
    return {name: backgrounds.paint(name, _SIDE, still).astype(float) for name in backgrounds.BACKGROUNDS}


def _shift(seen: Pixels, sheet: Pixels) -> NDArray[np.float64]:
    """By how much the whole background is lighter or darker than the table says."""
    rim = np.concatenate([(seen - sheet)[:3].reshape(-1, 3), (seen - sheet)[-3:].reshape(-1, 3)])
    return np.clip(np.median(rim, axis=0), -14, 14)


def _behind(seen: Pixels, name: str) -> Pixels:
    """The background where the thing is; of a line or horizon that may lie a pixel off, the fitting neighbour."""
    sheet = _sheets()[name]
    shifted = sheet + _shift(seen, sheet)
    if name in backgrounds.PLAIN or name in backgrounds.GRADIENT:
        return shifted
    near = np.stack([np.roll(shifted, (dy, dx), (0, 1)) for dy in (-1, 0, 1) for dx in (-1, 0, 1)])
    best = np.linalg.norm(near - seen, axis=-1).argmin(0)
    return np.take_along_axis(near, best[None, :, :, None], 0)[0]


def _things_on(
    seen: Pixels, behind: Pixels, shapes: Sequence[str], within: Mask | None = None
) -> list[Thing]:
    far = np.linalg.norm(seen - behind, axis=-1)
    if within is not None:
        far = far * within
    whole = joined(regions(far > _STANDS_OUT))
    return [
        thing
        for region in whole
        for part in _parted(far, region)
        for thing in _read(seen, behind, part, shapes)
    ]


def _parted(far: NDArray[np.float64], region: Mask) -> list[Mask]:
    """One region, or several that only a blur between them made one."""
    most = 0.45 * np.quantile(far[region], 0.85)
    best = [region]
    for level in (65, 90, 120, 150):
        parts = [r for r in regions(region & (far > level)) if r.sum() >= 30 and thickness(r) > FRAGMENT]
        if level <= most and len(parts) > len(best):
            best = parts
    if len(best) == 1:
        return best
    return [
        grown(part, 1) & region & ~np.logical_or.reduce([p for p in best if p is not part]) for part in best
    ]


def _read(seen: Pixels, behind: Pixels, region: Mask, shapes: Sequence[str]) -> list[Thing]:
    """The thing that fills a region, and what lies on it."""
    core = _core(seen, behind, region)
    fill = np.median(seen[core], axis=0)
    lying = _lying(np.linalg.norm(seen - fill, axis=-1) > _OTHER, region)
    if lying.any():
        whole = _solid(seen, behind, region, fill, shapes, lying)
        if whole.shape == "circle" and sum(hole.sum() for hole in holes(region)) > 20:
            whole = replace(whole, shape="ring")
        return [
            whole,
            *_things_on(seen, np.broadcast_to(fill, seen.shape), shapes, grown(lying, 2) & shrunk(region, 2)),
        ]
    hole = max((float(h.sum()) for h in holes(region)), default=0.0)
    deep = shrunk(closed(region, 2), 2)
    uneven = deep.sum() >= 10 and (np.linalg.norm(seen[deep] - np.median(seen[deep], axis=0), axis=-1) > _UNEVEN).mean() > 0.12  # fmt: skip
    if hole > 0.1 * (region.sum() + hole) or uneven:
        return [_patterned(seen, behind, region)]
    far = np.where(core, np.linalg.norm(seen - behind, axis=-1), -1.0)
    return [_solid(seen, behind, region, seen[far >= np.median(far[core])].mean(0), shapes)]


def _core(seen: Pixels, behind: Pixels, region: Mask) -> Mask:
    """Pixels that hardly mix with the background."""
    for by in (2, 1):
        inner = shrunk(region, by)
        if inner.sum() >= 8:
            return inner
    far = np.where(region, np.linalg.norm(seen - behind, axis=-1), 0)
    return far >= np.quantile(far[region], 0.6)


def _lying(other: Mask, region: Mask) -> Mask:
    """What lies on a large thing: wider than any dot, stripe or check; none where that would be most of it."""
    other = other & shrunk(region, 2)
    for hole in holes(other):
        other = other | (hole if hole.sum() >= 28 else False)
    lying = grown(shrunk(other, 2), 3) & other
    return lying & bool(region.sum() > 520 and 30 < lying.sum() < 0.5 * region.sum())


def _matte(seen: Pixels, behind: Pixels, region: Mask, fill: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much of each pixel the thing covers."""
    way = fill - behind
    share = ((seen - behind) * way).sum(-1) / np.maximum(1.0, (way**2).sum(-1))
    return np.clip(share, 0, 1) * grown(region, 1)


def _solid(seen: Pixels, behind: Pixels, region: Mask, fill: NDArray[np.float64], shapes: Sequence[str], hidden: Mask | None = None) -> Thing:  # fmt: skip
    cover = _matte(seen, behind, region, fill)
    if hidden is not None:
        cover = np.where(grown(hidden, 2) & region, 1.0, cover)
        cover = np.where(np.logical_or.reduce([hidden, *holes(region)]), 1.0, cover)
    return _shapes(cover, _colour(fill), shapes)[0]


def _patterned(seen: Pixels, behind: Pixels, region: Mask) -> Thing:
    """A ring, an outline, stripes, dots or checks: whatever looks most like it when drawn."""
    far = np.where(region, np.linalg.norm(seen - behind, axis=-1), 0)
    strong = np.median(seen[far >= np.quantile(far[region], 0.5)], axis=0)
    whole = closed(region, 2)
    whole = np.logical_or.reduce([whole, *holes(whole)])
    cover = np.where(shrunk(whole, 1), 1.0, np.maximum(_matte(seen, behind, region, strong), 0.5 * whole))
    shapes = _shapes(cover, "black", [s for s in SHAPES if wears(s, "striped")])[:3]
    colours = dict.fromkeys((_colour(strong), *_likely(seen[shrunk(whole, 1)])))
    made = [
        replace(s, colour=colour, texture=texture)
        for s in shapes
        for colour in colours
        for texture in TEXTURES
        if wears(s.shape, texture) and (texture == "solid" or s.radius > _TEXTURE_LEAST)
    ]
    made += [replace(s, colour=_colour(strong), shape="ring") for s in shapes if s.shape == "circle"]
    made += [replace(s, colour=_colour(strong)) for s in _shapes(cover, "black", SHAPES)[:2]]
    around = grown(whole, 2)

    def unlike(thing: Thing) -> float:
        drawn = _over(behind, thing)
        return min(float(np.minimum(np.abs(way - seen), 120)[around].mean()) for way in (drawn, _soft(drawn)))

    best = sorted(made, key=unlike)[:4]
    return min((replace(t, radius=t.radius * by) for t in best for by in (0.95, 1, 1.05, 1.1)), key=unlike)


def _over(behind: Pixels, thing: Thing) -> Pixels:
    """The thing drawn on a background that is given as pixels."""
    cover = _cover(replace(thing, texture="outlined" if thing.texture == "outlined" else "solid"))
    cover = cover[..., None]
    inside = np.where(cover > 0.99, _drawn(thing), np.array(COLOURS[thing.colour], float))
    return behind * (1 - cover) + inside * cover


def _soft(drawn: NDArray[np.float64]) -> NDArray[np.float64]:
    """Slightly blurred."""
    padded = np.pad(drawn, ((1, 1), (1, 1), *((0, 0),) * (drawn.ndim - 2)), mode="edge")
    rows = (padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4
    return (rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) / 4


def _cover(thing: Thing) -> NDArray[np.float64]:
    """How much of each pixel a thing covers when drawn."""
    black = _drawn(replace(thing, colour="black"))
    share: NDArray[np.float64] = (255 - black.mean(2)) / (255 - 25)
    return share


def _likely(inside: NDArray[np.float64]) -> list[str]:
    """The three colours that, with their tints or shades, explain most pixels (n, 3)."""
    left = {}
    for name in COLOURS:
        ends = _tints(name)
        along = np.clip(((inside - ends[0]) @ (ends[1] - ends[0])) / ((ends[1] - ends[0]) ** 2).sum(), 0, 1)
        left[name] = np.linalg.norm(inside - ends[0] - along[:, None] * (ends[1] - ends[0]), axis=1).mean()
    return sorted(left, key=left.__getitem__)[:3]


@cache
def _tints(colour: str) -> NDArray[np.float64]:
    """The two colours of a pattern (2, 3)."""
    sheet = _drawn(Thing("square", colour, 0.5, 0.5, 0.4, "striped"))[20:44, 32]
    own = np.array(COLOURS[colour], float)
    return np.stack([own, sheet[np.linalg.norm(sheet - own, axis=1).argmax()]])


def _drawn(thing: Thing) -> Pixels:
    return drawing.draw((thing,), "white", _EXACT, _SIDE).astype(float)


def _colour(fill: NDArray[np.float64]) -> str:
    return min(COLOURS, key=lambda name: float(np.linalg.norm(fill - np.array(COLOURS[name]))))


def _shapes(cover: NDArray[np.float64], colour: str, shapes: Sequence[str]) -> list[Thing]:
    """Things of each shape with this area and centre, the best overlap first."""
    fitted = [_fitted(cover, shape) for shape in shapes]
    drawn = {shape: _cover(Thing(shape, "black", x, y, radius)) for x, y, radius, shape in fitted}
    overlap = {shape: _overlap(way, cover) for shape, way in drawn.items()}
    if max(overlap.values()) < 0.92:  # the picture may be blurred
        overlap = {shape: max(overlap[shape], _overlap(_soft(way), cover)) for shape, way in drawn.items()}
    ranked = sorted(fitted, key=lambda f: -overlap[f[3]])
    return [Thing(shape, colour, x, y, radius) for x, y, radius, shape in ranked]


def _overlap(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return float(np.minimum(a, b).sum() / np.maximum(a, b).sum())


def _fitted(cover: NDArray[np.float64], shape: str) -> tuple[float, float, float, str]:
    area, x, y = _moments(shape)
    total = cover.sum()
    middles = (np.arange(_SIDE) + 0.5) / _SIDE
    radius = math.sqrt(total / _SIDE**2 / area)
    at_x, at_y = float(cover.sum(0) @ middles / total), float(cover.sum(1) @ middles / total)
    return at_x - radius * x, at_y - radius * y, radius, shape


@cache
def _moments(shape: str) -> tuple[float, float, float]:
    """Area and centroid of the outline for radius 1."""
    points = outline(shape)
    area = x = y = 0.0
    for (x0, y0), (x1, y1) in pairwise((*points, points[0])):
        turn = x0 * y1 - x1 * y0
        area, x, y = area + turn / 2, x + (x0 + x1) * turn / 6, y + (y0 + y1) * turn / 6
    return abs(area) * (1 - RING_HOLE**2 if shape == "ring" else 1), x / area, y / area
