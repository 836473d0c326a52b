"""Pictures of one or two emoji with their names: recognition of a thousand things.

Job: an EmojiPicture from a seeded generator, its pixels, labels, caption, questions; the list of names.
Ignorance: how the list was chosen (emoji_names), tokens, codecs. Drawing and sampling need the font of the Debian
package fonts-noto-color-emoji; names and `held_out` do not.

Every name is trained on. Held out are combinations: name x size x place x background, and pairs of names.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from models.data.pictures import fonts, palette
from models.data.pictures.picture import GRID, GROUND, Asked
from models.data.text.wording import say, sentence

Split = Literal["train", "heldout"]
SIZES = {
    "small": (0.42, 0.54),
    "medium": (0.56, 0.70),
    "large": (0.72, 0.92),
}  # of the side: longer side of the ink
PLACES = (
    ("at the top left", "at the top", "at the top right"),
    ("on the left", "in the middle", "on the right"),
    ("at the bottom left", "at the bottom", "at the bottom right"),
)
_SPRITE = 128  # pixels a side of a kept emoji
_CANVAS = 128  # pixels a side at least, before reduction: the same picture at every side
_APART = 70.0  # RGB distance at which ink is seen on a ground
_PAPERS = ["white"] * 5 + list(palette.PAPERS)  # white six times as often
_OTHER_SIDE = {"to the left of": "to the right of", "above": "below"}


class Emoji(NamedTuple):
    """A name, its article ("" before plurals and substances), and the emoji that share it."""

    name: str
    article: str
    variants: str

    @property
    def phrase(self) -> str:
        return f"{self.article} {self.name}".strip()


@cache
def names() -> tuple[Emoji, ...]:
    """All emoji with a name, the most useful first."""
    rows = json.loads(Path(__file__).with_name("emoji_names.json").read_text(encoding="utf-8"))["names"]
    return tuple(Emoji(*row) for row in rows)


def held_out(name: str, size: str, place: str, background: str) -> bool:
    """True for the tenth of name x size x place x background that training never shows."""
    return zlib.crc32(f"{name}/{size}/{place}/{background}".encode()) % 10 == 0


def held_out_pair(first: str, second: str) -> bool:
    """True for the tenth of unordered pairs of names that training never shows together."""
    return zlib.crc32("+".join(sorted((first, second))).encode()) % 10 == 0


@dataclass(frozen=True)
class Placed:
    """One emoji: centre and size (longer side of its ink) as shares of the picture's side."""

    emoji: str
    name: str
    article: str
    size: float
    x: float
    y: float

    @property
    def phrase(self) -> str:
        return f"{self.article} {self.name}".strip()


@dataclass(frozen=True)
class EmojiPicture:
    """One or two emoji on a background of palette.PAPERS; of two, the first is `relation` the second."""

    things: tuple[Placed, ...]
    background: str
    size: str = ""  # of the one: a key of SIZES
    place: str = ""  # of the one: out of PLACES
    relation: Literal["", "to the left of", "above"] = ""

    def draw(self, rng: np.random.Generator, side: int = 64) -> NDArray[np.uint8]:
        paper = palette.vary(palette.PAPERS[self.background], rng, 5)
        fade = rng.uniform(-28, 28, 3) * (
            rng.random() < 0.3
        )  # some grounds change a little from top to bottom
        big = side * -(-_CANVAS // side)
        ramp = np.linspace(0, 1, big)[:, None, None] * fade + np.array(paper, float)
        ground = np.clip(ramp, 0, 255).astype(np.uint8)
        canvas = Image.fromarray(np.broadcast_to(ground, (big, big, 3)))
        for thing in self.things:
            pixels = max(1, round(thing.size * big))
            ink = _sprite(thing.emoji).resize((pixels, pixels), Image.Resampling.BILINEAR)
            canvas.paste(ink, (round(thing.x * big - pixels / 2), round(thing.y * big - pixels / 2)), ink)
        return np.asarray(canvas.reduce(big // side))

    def cells(self) -> list[tuple[str, str]]:
        """(name, colour of the pixel) where an emoji covers the middle of the cell."""
        middles = [(i + 0.5) / GRID for i in range(GRID)]
        return [self._at(x, y) for y in middles for x in middles]

    def _at(self, x: float, y: float) -> tuple[str, str]:
        for thing in reversed(self.things):
            u, v = (x - thing.x) / thing.size + 0.5, (y - thing.y) / thing.size + 0.5
            if 0 <= u < 1 and 0 <= v < 1 and (colour := _colours(thing.emoji)[int(v * 16)][int(u * 16)]):
                return thing.name, colour
        return GROUND

    def caption(self) -> str:
        first = self.things[0].phrase
        return f"{first} {self.relation} {self.things[1].phrase}" if self.relation else first

    def questions(self, rng: np.random.Generator) -> list[Asked]:
        asked = self._about_two(rng) if self.relation else self._about_one(rng)
        number = ("One.", "Two.")[len(self.things) - 1]
        asked.append(
            Asked("count", say(rng, "How many emoji are there?", "How many emoji do you see?"), number)
        )
        asked.append(self._exists(rng))
        return [asked[i] for i in rng.permutation(len(asked))]

    def _about_one(self, rng: np.random.Generator) -> list[Asked]:
        thing = self.things[0]
        what = say(rng, "What is this?", "Which emoji is it?", "What is in the picture?", "What do you see?",
                    "Name the emoji.", "Which emoji do you see?")  # fmt: skip
        other = _another(rng, {thing.name}).phrase
        either = [thing.phrase, other] if rng.random() < 0.5 else [other, thing.phrase]
        asked = [
            Asked("emoji", what, sentence(thing.phrase)),
            Asked("choice", f"Is it {either[0]} or {either[1]}?", sentence(thing.phrase)),
        ]
        if self.size == "small":  # a larger one is too near the middle to tell
            asked.append(
                Asked(
                    "position",
                    say(rng, "Where is it?", f"Where is the {thing.name}?"),
                    sentence(self.place),
                )
            )
        return asked  # fmt: skip

    def _about_two(self, rng: np.random.Generator) -> list[Asked]:
        a, b = self.things
        backward = _OTHER_SIDE[self.relation]
        sides = (
            ("on the left", "on the right")
            if self.relation == "to the left of"
            else ("at the top", "at the bottom")
        )
        return [
            Asked("relation", f"What is {self.relation} the {b.name}?", sentence(a.phrase)),
            Asked("relation", f"What is {backward} the {a.name}?", sentence(b.phrase)),
            Asked("emoji", say(rng, f"What is {sides[0]}?", f"Which emoji is {sides[0]}?"), sentence(a.phrase)),
            Asked("emoji", say(rng, f"What is {sides[1]}?", f"Which emoji is {sides[1]}?"), sentence(b.phrase)),
            Asked("position", f"Where is the {b.name}?", sentence(f"{backward} the {a.name}")),
        ]  # fmt: skip

    def _exists(self, rng: np.random.Generator) -> Asked:
        shown = {t.name for t in self.things}
        yes = rng.random() < 0.5
        about = self.things[int(rng.integers(len(self.things)))] if yes else _another(rng, shown)
        ways = ["Do you see {}?", "Is there {}?"] if about.article else ["Do you see {}?"]
        return Asked("exists", say(rng, *ways).format(about.phrase), "Yes." if yes else "No.")


def _another(rng: np.random.Generator, shown: set[str], top: int | None = None) -> Emoji:
    known = names()[:top]
    while True:
        if (emoji := known[int(rng.integers(len(known)))]).name not in shown:
            return emoji


def sample(rng: np.random.Generator, split: Split = "train", *, top: int | None = None) -> EmojiPicture:
    """Four times in five one emoji, else two, out of the `top` most useful (all by default)."""
    while True:
        first = _another(rng, set(), top)
        background = say(rng, *_PAPERS)
        picture = _one(rng, first, background) if rng.random() < 0.8 else _two(rng, first, background, top)
        if _belongs(picture, split):
            return picture


def sample_of(rng: np.random.Generator, some: Sequence[Emoji], split: Split = "train") -> EmojiPicture:
    """One emoji out of some."""
    while True:
        picture = _one(rng, some[int(rng.integers(len(some)))], say(rng, *_PAPERS))
        if _belongs(picture, split):
            return picture


def _belongs(picture: EmojiPicture, split: Split) -> bool:
    """Whether it is of the split, and everything in it can be seen."""
    return _is_held_out(picture) == (split == "heldout") and all(
        is_seen(thing.emoji, picture.background) for thing in picture.things
    )


def _is_held_out(picture: EmojiPicture) -> bool:
    if picture.relation:
        return held_out_pair(picture.things[0].name, picture.things[1].name)
    return held_out(picture.things[0].name, picture.size, picture.place, picture.background)


def one_emoji(rng: np.random.Generator, emoji: Emoji, size: str, row: int, column: int, background: str) -> EmojiPicture:  # fmt: skip
    """One emoji of a size in a cell of the 3 x 3 grid of places; a large one can only lean that way."""
    extent = float(rng.uniform(*SIZES[size]))
    slack = (1 - extent) / 2 - 0.01
    x, y = (0.5 + slack * (side + float(rng.uniform(-0.25, 0.25) if side == 0 else -side * rng.uniform(0, 0.3)))
            for side in (column - 1, row - 1))  # fmt: skip
    thing = Placed(_variant(rng, emoji), emoji.name, emoji.article, extent, x, y)
    return EmojiPicture((thing,), background, size=size, place=PLACES[row][column])


def _one(rng: np.random.Generator, emoji: Emoji, background: str) -> EmojiPicture:
    size = say(rng, *SIZES)
    row, column = (int(v) for v in rng.integers(3, size=2))
    return one_emoji(rng, emoji, size, row, column, background)


def _two(rng: np.random.Generator, first: Emoji, background: str, top: int | None) -> EmojiPicture:
    beside = bool(rng.integers(2))
    placed = []
    for emoji, along in ((first, 0.26), (_another(rng, {first.name}, top), 0.74)):
        a, b = along + float(rng.uniform(-0.02, 0.02)), 0.5 + float(rng.uniform(-0.12, 0.12))
        x, y = (a, b) if beside else (b, a)
        placed.append(Placed(_variant(rng, emoji), emoji.name, emoji.article, float(rng.uniform(0.4, 0.47)), x, y))  # fmt: skip
    return EmojiPicture(tuple(placed), background, relation="to the left of" if beside else "above")


def _variant(rng: np.random.Generator, emoji: Emoji) -> str:
    return emoji.variants[int(rng.integers(len(emoji.variants)))]


@cache
def _sprite(emoji: str) -> Image.Image:
    """The emoji's ink in the middle of a transparent square, RGBA. RuntimeError where the font is missing."""
    canvas = Image.new("RGBA", (160, 160))
    ImageDraw.Draw(canvas).text((12, 12), emoji, font=fonts.emoji_face(), embedded_color=True)
    left, top, right, bottom = canvas.getbbox() or (0, 0, 160, 160)
    longer = max(right - left, bottom - top)
    square = Image.new("RGBA", (longer, longer))
    square.paste(canvas.crop((left, top, right, bottom)), ((longer - right + left) // 2, (longer - bottom + top) // 2))  # fmt: skip
    return square.resize((_SPRITE, _SPRITE), Image.Resampling.BICUBIC)


@cache
def _colours(emoji: str) -> tuple[tuple[str, ...], ...]:
    """Colour names on a 16 x 16 grid over the ink; "" where it is transparent."""
    small = np.asarray(_sprite(emoji).resize((16, 16), Image.Resampling.BOX))
    called = np.array([*palette.COLOURS, ""])
    index = np.where(small[..., 3] > 127, palette.nearest(small[..., :3]), len(called) - 1)
    return tuple(tuple(str(n) for n in row) for row in called[index])


@cache
def is_seen(emoji: str, background: str) -> bool:
    """Whether enough of the ink (a third) stands out from the background."""
    small = np.asarray(_sprite(emoji).resize((32, 32), Image.Resampling.BOX)).astype(float)
    ink = small[..., 3] / 255
    apart = np.linalg.norm(small[..., :3] - np.array(palette.PAPERS[background]), axis=-1) > _APART
    return bool((ink * apart).sum() > ink.sum() / 3)
