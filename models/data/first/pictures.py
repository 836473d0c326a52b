"""Scenes of coloured shapes: sampled, drawn with Pillow, and described in words.

Job: a scene from a seeded generator, its pixels, its caption, questions with answers.
Ignorance: tokens, codecs, chat. The hold-out is by composition: some colour x shape pairs never occur in training.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Split = Literal["train", "heldout"]

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (220, 40, 40),
    "orange": (245, 140, 30),
    "yellow": (240, 215, 40),
    "green": (50, 165, 75),
    "blue": (45, 90, 215),
    "purple": (135, 60, 175),
    "pink": (245, 130, 185),
    "brown": (125, 80, 45),
    "black": (25, 25, 25),
    "gray": (135, 135, 135),
}
SHAPES = ("circle", "square", "triangle", "star", "heart", "cross", "diamond", "ring")
BACKGROUNDS: dict[str, tuple[int, int, int]] = {
    "white": (255, 255, 255),
    "cream": (255, 246, 214),
    "light blue": (214, 234, 250),
    "light green": (220, 245, 222),
}
PLACES = (
    ("at the top left", "at the top", "at the top right"),
    ("on the left", "in the middle", "on the right"),
    ("at the bottom left", "at the bottom", "at the bottom right"),
)
NUMBERS = ("zero", "one", "two", "three", "four", "five")
RADIUS = {"small": 0.10, "large": 0.19}  # of the side
_SUPERSAMPLE = 4


@dataclass(frozen=True)
class Thing:
    """One shape: centre and radius as shares of the side."""

    shape: str
    colour: str
    x: float
    y: float
    radius: float

    @property
    def name(self) -> str:
        return f"{self.colour} {self.shape}"


@dataclass(frozen=True)
class Scene:
    """Things on a background. `kind` says what the picture is about: one thing, a pair, or a count."""

    kind: Literal["one", "pair", "count"]
    things: tuple[Thing, ...]
    background: str
    size: str = ""  # of the one thing
    place: str = ""
    relation: str = ""  # things[0] is `relation` things[1]


def held_out(colour: str, shape: str) -> bool:
    """True for the tenth of colour x shape pairs that training never sees together."""
    return (3 * list(COLOURS).index(colour) + 7 * SHAPES.index(shape)) % 10 == 4


def _pick_pair(rng: np.random.Generator, split: Split) -> tuple[str, str]:
    while True:
        colour, shape = str(rng.choice(list(COLOURS))), str(rng.choice(SHAPES))
        if held_out(colour, shape) == (split == "heldout"):
            return colour, shape


def sample(rng: np.random.Generator, split: Split = "train") -> Scene:
    """A random scene. In the held-out split the (first) thing is an unseen colour x shape pair."""
    kind = str(rng.choice(["one", "pair", "count"], p=[0.45, 0.3, 0.25]))
    background = str(rng.choice(list(BACKGROUNDS), p=[0.55, 0.15, 0.15, 0.15]))
    return {"one": _one, "pair": _pair, "count": _count}[kind](rng, split, background)


def _one(rng: np.random.Generator, split: Split, background: str) -> Scene:
    colour, shape = _pick_pair(rng, split)
    row, column = int(rng.integers(3)), int(rng.integers(3))
    return one_thing(
        colour, shape, str(rng.choice(list(RADIUS))), row, column, rng=rng, background=background
    )


def one_thing(
    colour: str, shape: str, size: str, row: int, column: int,
    *, rng: np.random.Generator, background: str = "white",
) -> Scene:  # fmt: skip
    """The scene of one thing in a cell of the 3 x 3 grid of places."""
    radius = RADIUS[size] * rng.uniform(0.92, 1.08)
    centre = np.array([0.22, 0.5, 0.78])
    x, y = centre[column] + rng.uniform(-0.03, 0.03), centre[row] + rng.uniform(-0.03, 0.03)
    thing = Thing(shape, colour, float(x), float(y), float(radius))
    return Scene("one", (thing,), background, size=size, place=PLACES[row][column])


def _pair(rng: np.random.Generator, split: Split, background: str) -> Scene:
    first = _pick_pair(rng, split)
    while (second := _pick_pair(rng, "train")) == first:
        pass
    return pair_of(first, second, bool(rng.integers(2)), rng=rng, background=background)


def pair_of(
    first: tuple[str, str], second: tuple[str, str], side_by_side: bool,
    *, rng: np.random.Generator, background: str = "white",
) -> Scene:  # fmt: skip
    """Two (colour, shape) things, the first to the left of or above the second."""
    along, across = np.array([0.27, 0.73]) + rng.uniform(-0.03, 0.03, 2), 0.5 + rng.uniform(-0.06, 0.06, 2)
    things = []
    for (colour, shape), a, b in zip((first, second), along, across, strict=True):
        x, y = (a, b) if side_by_side else (b, a)
        things.append(Thing(shape, colour, float(x), float(y), float(0.16 * rng.uniform(0.9, 1.1))))
    relation = "to the left of" if side_by_side else "above"
    return Scene("pair", tuple(things), background, relation=relation)


def _count(rng: np.random.Generator, split: Split, background: str) -> Scene:
    colour, shape = _pick_pair(rng, split)
    return count_of(colour, shape, int(rng.integers(2, 6)), rng=rng, background=background)


def count_of(
    colour: str, shape: str, number: int, *, rng: np.random.Generator, background: str = "white"
) -> Scene:
    """Two to five equal things in different cells of a 3 x 3 grid."""
    cells = rng.permutation(9)[:number]
    radius = 0.105 * rng.uniform(0.92, 1.08)
    things = tuple(
        Thing(shape, colour, 0.2 + 0.3 * int(c % 3) + float(rng.uniform(-0.02, 0.02)),
              0.2 + 0.3 * int(c // 3) + float(rng.uniform(-0.02, 0.02)), float(radius))
        for c in sorted(cells)
    )  # fmt: skip
    return Scene("count", things, background)


def caption(scene: Scene) -> str:
    """The canonical description: one sentence without a capital or a full stop."""
    first = scene.things[0]
    if scene.kind == "one":
        return f"a {scene.size} {first.name} {scene.place}"
    if scene.kind == "pair":
        return f"{article(first.name)} {scene.relation} {article(scene.things[1].name)}"
    return f"{NUMBERS[len(scene.things)]} {first.colour} {plural(first.shape)}"


def article(name: str) -> str:
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def plural(shape: str) -> str:
    return shape + ("es" if shape == "cross" else "s")


def questions(scene: Scene, rng: np.random.Generator) -> list[tuple[str, str, str]]:
    """All (type, question, answer) triples of a scene, in random order, each phrased one of several ways."""
    first = scene.things[0]
    asked = [("count", _say(rng, "How many shapes are there?", "How many shapes do you see?", "Count the shapes."),
              f"{NUMBERS[len(scene.things)].capitalize()}.")]  # fmt: skip
    if scene.kind == "pair":
        asked += _pair_questions(scene, rng)
    else:
        thing = "it" if rng.random() < 0.4 else f"the {first.shape}"
        verb = "is" if scene.kind == "one" else "are"
        thing = thing if scene.kind == "one" else "they"
        asked += [
            ("colour", _say(rng, f"What color {verb} {thing}?", f"What colour {verb} {thing}?", f"Which color {verb} {thing}?"),
             f"{first.colour.capitalize()}."),
            ("shape", _say(rng, f"What shape {verb} {'it' if verb == 'is' else 'they'}?", "What is in the picture?" if verb == "is" else "What are they?",
                           "Which shape do you see?", "Name the shape."), f"{first.shape.capitalize()}."),
        ]  # fmt: skip
    if scene.kind == "one":
        asked += [
            (
                "position",
                _say(rng, "Where is it?", f"Where is the {first.shape}?"),
                f"{scene.place.capitalize()}.",
            ),
            ("size", _say(rng, "Is it small or large?", "How big is it?"), f"{scene.size.capitalize()}."),
        ]
    asked.append(_exists(scene, rng))
    rng.shuffle(asked)  # type: ignore[arg-type]
    return asked


def _pair_questions(scene: Scene, rng: np.random.Generator) -> list[tuple[str, str, str]]:
    a, b = scene.things
    beside = scene.relation == "to the left of"
    forward, backward = ("to the left of", "to the right of") if beside else ("above", "below")
    asked = [
        ("relation", f"What is {forward} the {b.name}?", f"{article(a.name).capitalize()}."),
        ("relation", f"What is {backward} the {a.name}?", f"{article(b.name).capitalize()}."),
    ]
    if a.shape != b.shape:
        asked += [("colour", _say(rng, f"What color is the {t.shape}?", f"What colour is the {t.shape}?"), f"{t.colour.capitalize()}.") for t in (a, b)]  # fmt: skip
    if a.colour != b.colour:
        asked += [("shape", f"What shape is the {t.colour} one?", f"{t.shape.capitalize()}.") for t in (a, b)]
    return asked


def _exists(scene: Scene, rng: np.random.Generator) -> tuple[str, str, str]:
    names = {t.name for t in scene.things}
    if rng.random() < 0.5:
        name = scene.things[0].name
    else:
        while (name := f"{rng.choice(list(COLOURS))} {rng.choice(SHAPES)}") in names:
            pass
    return "exists", f"Is there {article(name)}?", "Yes." if name in names else "No."


def _say(rng: np.random.Generator, *ways: str) -> str:
    return str(rng.choice(ways))


def draw(scene: Scene, rng: np.random.Generator, side: int = 64) -> NDArray[np.uint8]:
    """Pixels (side, side, 3) uint8, antialiased, with slightly varied colours."""
    big = side * _SUPERSAMPLE
    canvas = Image.new("RGB", (big, big), _vary(BACKGROUNDS[scene.background], rng, 4))
    pen = ImageDraw.Draw(canvas)
    fill = {t.colour: _vary(COLOURS[t.colour], rng, 14) for t in scene.things}
    for thing in scene.things:
        paper = canvas.getpixel((0, 0))
        _draw_thing(pen, thing, big, fill[thing.colour], paper)  # type: ignore[arg-type]
    return np.asarray(canvas.resize((side, side), Image.Resampling.BOX))


def _vary(colour: tuple[int, int, int], rng: np.random.Generator, spread: int) -> tuple[int, int, int]:
    r, g, b = np.clip(np.array(colour) + rng.integers(-spread, spread + 1, 3), 0, 255)
    return int(r), int(g), int(b)


def _draw_thing(
    pen: ImageDraw.ImageDraw, thing: Thing, side: int, fill: tuple[int, int, int], paper: tuple[int, int, int]
) -> None:
    x, y, r = thing.x * side, thing.y * side, thing.radius * side
    match thing.shape:
        case "circle":
            pen.ellipse((x - r, y - r, x + r, y + r), fill=fill)
        case "ring":
            pen.ellipse((x - r, y - r, x + r, y + r), fill=fill)
            pen.ellipse((x - r * 0.52, y - r * 0.52, x + r * 0.52, y + r * 0.52), fill=paper)
        case "square":
            pen.rectangle((x - r * 0.88, y - r * 0.88, x + r * 0.88, y + r * 0.88), fill=fill)
        case "cross":
            w = r * 0.34
            pen.rectangle((x - r, y - w, x + r, y + w), fill=fill)
            pen.rectangle((x - w, y - r, x + w, y + r), fill=fill)
        case shape:
            pen.polygon([(x + r * dx, y + r * dy) for dx, dy in outline(shape)], fill=fill)


def outline(shape: str) -> list[tuple[float, float]]:
    """The polygon of a shape in the unit circle, y down."""
    if shape == "diamond":
        return [(0, -1.1), (0.75, 0), (0, 1.1), (-0.75, 0)]
    if shape == "triangle":
        return [(0, -1.0), (1.0, 0.85), (-1.0, 0.85)]
    if shape == "star":
        spokes = [(1.1 if i % 2 == 0 else 0.45, math.pi * (i / 5 - 0.5)) for i in range(10)]
        return [(r * math.cos(t), r * math.sin(t)) for r, t in spokes]
    if shape == "heart":
        turn = [2 * math.pi * i / 40 for i in range(40)]
        return [
            (math.sin(t) ** 3 * 1.02, -(13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)) / 16 - 0.08)
            for t in turn
        ]  # fmt: skip
    raise ValueError(f"no such shape: {shape}")


def through_a_camera(pixels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """What files do to pictures: JPEG at random quality, or a slight blur; pixels keep their shape."""
    picture = Image.fromarray(pixels)
    if rng.random() < 0.5:
        store = io.BytesIO()
        picture.save(store, "JPEG", quality=int(rng.integers(70, 96)))
        return np.asarray(Image.open(store).convert("RGB"))
    return np.asarray(picture.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.2, 0.6)))))


def clutter(rng: np.random.Generator, side: int = 64) -> NDArray[np.uint8]:
    """A picture outside the scenes' world (many shapes, gradients, noise): only the codec trains on it."""
    big = side * 2
    ramp = np.linspace(0, 1, big)[:, None, None] * rng.uniform(-120, 120, 3) + rng.uniform(60, 220, 3)
    ground = np.broadcast_to(ramp, (big, big, 3))
    ground = ground if rng.random() < 0.5 else ground.transpose(1, 0, 2)
    canvas = Image.fromarray(np.clip(ground, 0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(canvas)
    for _ in range(int(rng.integers(2, 9))):
        colour, shape = _pick_pair(rng, "train")
        thing = Thing(
            shape, colour, *(float(v) for v in rng.uniform(0.05, 0.95, 2)), float(rng.uniform(0.05, 0.25))
        )
        _draw_thing(pen, thing, big, _vary(COLOURS[colour], rng, 40), (255, 255, 255))
    return np.asarray(canvas.resize((side, side), Image.Resampling.BOX))
