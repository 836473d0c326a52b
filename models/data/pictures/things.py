"""Single coloured shapes: their names, outlines, sizes and places, and which colour x shape pairs training never sees.

Job: the frozen `Thing` and the tables that drawing, captions, questions and edits share.
Ignorance: pixels, whole scenes, wording beyond one noun phrase.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

from models.data.pictures.palette import COLOURS
from models.data.pictures.palette import RGB as Rgb

Split = Literal["train", "heldout"]
SHAPES = ("circle", "square", "triangle", "star", "heart", "cross", "diamond", "ring",
          "hexagon", "moon", "arrow", "half circle", "oval")  # fmt: skip
UNTAUGHT = ("zib",)  # drawn on request, in no training picture: what fine-tuning is proven with
TEXTURES = ("solid", "striped", "dotted", "outlined", "checkered")
TEXTURED = ("circle", "square", "triangle", "star", "heart", "diamond", "hexagon", "half circle", "oval")
SIZES: dict[str, float] = {"small": 0.10, "medium": 0.14, "large": 0.19}  # radius as a share of the side
HOSTS = ("circle", "square", "hexagon", "ring")  # have room for another thing inside
NUMBERS = ("zero", "one", "two", "three", "four", "five")
PLACES = (
    ("at the top left", "at the top", "at the top right"),
    ("on the left", "in the middle", "on the right"),
    ("at the bottom left", "at the bottom", "at the bottom right"),
)
CORNERS = ("at the top left", "at the top right", "at the bottom left", "at the bottom right")
RING_HOLE = 0.52  # of the radius
TEXTURE_FROM = 0.12  # radius from which a texture can be seen


@dataclass(frozen=True)
class Thing:
    """One shape: centre and radius as shares of the side, y down."""

    shape: str
    colour: str
    x: float
    y: float
    radius: float
    texture: str = "solid"

    @property
    def kind(self) -> tuple[str, str, str]:
        """What makes two things equal: texture, colour, shape."""
        return self.texture, self.colour, self.shape

    @property
    def name(self) -> str:
        """The noun phrase without an article: "striped red star"."""
        return " ".join(w for w in self.kind if w != "solid")

    @property
    def size(self) -> str:
        """The nearest size word, by ratio."""
        return min(SIZES, key=lambda s: abs(math.log(self.radius / SIZES[s])))

    @property
    def place(self) -> str:
        """The cell of the 3 x 3 grid that holds the centre, in words."""
        return PLACES[min(2, int(self.y * 3))][min(2, int(self.x * 3))]

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom."""
        left, top, right, bottom = extent(self.shape)
        x, y, r = self.x, self.y, self.radius
        return x + r * left, y + r * top, x + r * right, y + r * bottom


def held_out(colour: str, shape: str) -> bool:
    """True for the tenth of colour x shape pairs that training never sees together."""
    return shape in SHAPES and (3 * list(COLOURS).index(colour) + 7 * SHAPES.index(shape)) % 10 == 4


def held_out_together(a: str, b: str) -> bool:
    """True for the pairs of different shapes that never meet as the two kinds of one training scene."""
    return a != b and zlib.crc32(" and ".join(sorted((a, b))).encode()) % 12 == 0


def novel(things: Sequence[Thing]) -> bool:
    """Whether these things are a held-out composition: by one colour x shape, or by two shapes meeting."""
    kinds = {t.kind: t for t in things}
    if any(held_out(t.colour, t.shape) for t in kinds.values()):
        return True
    return len(kinds) == 2 and held_out_together(*(shape for _, _, shape in sorted(kinds)))


def wears(shape: str, texture: str) -> bool:
    """Whether a shape is drawn with this texture: thin shapes are solid, and an outlined circle is a ring."""
    return texture == "solid" or (shape in TEXTURED and (shape, texture) != ("circle", "outlined"))


def article(name: str) -> str:
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def plural(name: str) -> str:
    return name + ("es" if name.endswith("cross") else "s")


def distance(a: Rgb, b: Rgb) -> float:
    return math.dist(a, b)


def apart(a: Thing, b: Thing, gap: float = 0.025) -> bool:
    """Whether the boxes of two things keep a gap (share of the side)."""
    (l1, t1, r1, b1), (l2, t2, r2, b2) = a.box, b.box
    return max(l1 - r2, l2 - r1, t1 - b2, t2 - b1) >= gap


def inside(a: Thing, b: Thing) -> bool:
    """Whether `a` lies within `b`, by the circle that fits into `b` (a ring's hole counts)."""
    room = RING_HOLE if b.shape == "ring" else 0.85
    reach = max(math.hypot(x, y) for x, y in outline(a.shape)) * a.radius
    return b.shape in HOSTS and math.hypot(a.x - b.x, a.y - b.y) + reach < room * b.radius


def on_the_sheet(thing: Thing, margin: float = 0.015) -> bool:
    left, top, right, bottom = thing.box
    return left >= margin and top >= margin and right <= 1 - margin and bottom <= 1 - margin


@cache
def extent(shape: str) -> tuple[float, float, float, float]:
    xs, ys = zip(*outline(shape), strict=True)
    return min(xs), min(ys), max(xs), max(ys)


@cache
def outline(shape: str) -> tuple[tuple[float, float], ...]:
    """The polygon of a shape about (0, 0), for radius 1, y down. A ring's hole is not in it."""
    match shape:
        case "circle" | "ring":
            return _arc(1, 0, 360)
        case "oval":
            return tuple((1.15 * x, 0.66 * y) for x, y in _arc(1, 0, 360))
        case "square":
            return (-0.88, -0.88), (0.88, -0.88), (0.88, 0.88), (-0.88, 0.88)
        case "diamond":
            return (0, -1.1), (0.75, 0), (0, 1.1), (-0.75, 0)
        case "triangle":
            return (0, -1.0), (1.0, 0.85), (-1.0, 0.85)
        case "star":
            spokes = ((1.1 if i % 2 == 0 else 0.45, math.pi * (i / 5 - 0.5)) for i in range(10))
            return tuple((r * math.cos(t), r * math.sin(t)) for r, t in spokes)
        case "heart":
            return tuple(_heart(2 * math.pi * i / 40) for i in range(40))
        case "cross":
            corner = (-0.34, -1), (0.34, -1), (0.34, -0.34)
            return tuple(p for turn in range(4) for p in _turned(corner, turn))
        case "hexagon":
            return tuple(
                (1.02 * math.cos(math.pi * i / 3), 1.02 * math.sin(math.pi * i / 3)) for i in range(6)
            )
        case "moon":
            outer, inner = _arc(1.05, 52, 308), _arc(0.84, 277, 83)
            return tuple((x + 0.2, y) for x, y in (*outer, *((0.53 + x, y) for x, y in inner)))
        case "arrow":
            return (-1, -0.3), (0.1, -0.3), (0.1, -0.8), (1.1, 0), (0.1, 0.8), (0.1, 0.3), (-1, 0.3)
        case "half circle":
            return tuple((x, y + 0.55) for x, y in _arc(1.1, 180, 360))
        case "zib":
            return (-1, -1), (1, -1), (0.25, 0), (1, 1), (-1, 1), (-0.25, 0)
    raise ValueError(f"no such shape: {shape}")


def _arc(radius: float, start: float, stop: float) -> tuple[tuple[float, float], ...]:
    """Points about (0, 0) from one angle to another, in degrees."""
    turns = (math.radians(start + (stop - start) * i / 36) for i in range(37))
    return tuple((radius * math.cos(t), radius * math.sin(t)) for t in turns)


def _heart(t: float) -> tuple[float, float]:
    y = 13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)
    return math.sin(t) ** 3 * 1.02, -y / 16 - 0.08


def _turned(points: Sequence[tuple[float, float]], quarters: int) -> list[tuple[float, float]]:
    made = list(points)
    for _ in range(quarters):
        made = [(-y, x) for x, y in made]
    return made
