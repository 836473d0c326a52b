"""What is in a drawn picture, by program: colour, shape, number and place of the things on a plain background.

Job: judge pictures that a model made, without a model. Proven on our own drawings in the tests.
Ignorance: who drew the picture. Shapes are told by the overlap with templates from `pictures.draw`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.data.first import pictures

_SIDE = 24  # of a normalized mask
_SMALLEST = 10  # pixels of a thing


@dataclass(frozen=True)
class Found:
    """One thing: its colour, shape, centre as shares of the side, and size as the larger side of its box."""

    colour: str
    shape: str
    x: float
    y: float
    extent: float

    @property
    def place(self) -> str:
        """The cell of the 3 x 3 grid, in words."""
        return pictures.PLACES[min(2, int(self.y * 3))][min(2, int(self.x * 3))]


def things(pixels: NDArray[np.uint8]) -> list[Found]:
    """All things in a picture (64, 64, 3), top to bottom, left to right."""
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]).astype(int)
    paper = np.median(border, axis=0)
    mask = np.abs(pixels.astype(int) - paper).max(2) > 48
    return [_name(pixels, blob) for blob in blobs(mask)]


def blobs(mask: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    """Connected regions (8 neighbours) of at least ten pixels, in reading order."""
    left, found = mask.copy(), []
    for y, x in zip(*np.nonzero(mask), strict=True):
        if left[y, x]:
            blob = _flood(left, int(y), int(x))
            if blob.sum() >= _SMALLEST:
                found.append(blob)
    return found


def _flood(left: NDArray[np.bool_], y: int, x: int) -> NDArray[np.bool_]:
    blob, edge = np.zeros_like(left), [(y, x)]
    left[y, x] = False
    while edge:
        y, x = edge.pop()
        blob[y, x] = True
        for b in range(max(0, y - 1), min(left.shape[0], y + 2)):
            for a in range(max(0, x - 1), min(left.shape[1], x + 2)):
                if left[b, a]:
                    left[b, a] = False
                    edge.append((b, a))
    return blob


def _name(pixels: NDArray[np.uint8], blob: NDArray[np.bool_]) -> Found:
    rows, columns = np.nonzero(blob)
    colour = np.median(pixels[blob], axis=0)
    names = list(pictures.COLOURS)
    nearest = int(np.argmin([np.abs(colour - np.array(pictures.COLOURS[n])).sum() for n in names]))
    extent = max(np.ptp(rows), np.ptp(columns)) + 1
    scores = {shape: _overlap(_normal(blob), mask) for shape, mask in templates().items()}
    return Found(
        names[nearest], max(scores, key=lambda s: scores[s]),
        float((columns.min() + columns.max() + 1) / 2 / blob.shape[1]), float((rows.min() + rows.max() + 1) / 2 / blob.shape[0]),
        float(extent / blob.shape[1]),
    )  # fmt: skip


def _normal(blob: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The mask cut to its box and scaled, aspect kept, to 24 x 24."""
    rows, columns = np.nonzero(blob)
    box = blob[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    side = max(box.shape)
    square = np.zeros((side, side), bool)
    top, left = (side - box.shape[0]) // 2, (side - box.shape[1]) // 2
    square[top : top + box.shape[0], left : left + box.shape[1]] = box
    scaled = Image.fromarray(square.astype(np.uint8) * 255).resize((_SIDE, _SIDE), Image.Resampling.BILINEAR)
    return np.asarray(scaled) > 127


def _overlap(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    return float((a & b).sum() / max(1, (a | b).sum()))


@cache
def templates() -> dict[str, NDArray[np.bool_]]:
    """The normalized mask of every shape, drawn large."""
    made = {}
    for shape in pictures.SHAPES:
        scene = pictures.Scene("one", (pictures.Thing(shape, "black", 0.5, 0.5, 0.35),), "white")
        drawn = pictures.draw(scene, np.random.default_rng(0))
        made[shape] = _normal(drawn.mean(2) < 128)
    return made


def agrees(scene: pictures.Scene, pixels: NDArray[np.uint8]) -> dict[str, bool]:
    """Which asked attributes a picture has: colour, shape, and all (with place, size, number or relation)."""
    found = things(pixels)
    want = [(t.colour, t.shape) for t in scene.things]
    got = [(f.colour, f.shape) for f in found]
    colour = {c for c, _ in want} == {c for c, _ in got}
    shape = {s for _, s in want} == {s for _, s in got}
    return {"colour": colour, "shape": shape, "all": sorted(want) == sorted(got) and _arranged(scene, found)}


def _arranged(scene: pictures.Scene, found: list[Found]) -> bool:
    if scene.kind == "one":
        size = "small" if found[0].extent < 0.29 else "large"
        return found[0].place == scene.place and size == scene.size
    if scene.kind == "pair":
        first, second = (
            next(f for f in found if (f.colour, f.shape) == (t.colour, t.shape)) for t in scene.things
        )
        return first.x < second.x - 0.1 if scene.relation == "to the left of" else first.y < second.y - 0.1
    return True
