"""Small charts whose values can be read: bars with a ruled scale or printed numbers, and lines with a trend.

Job: a chart from a seeded generator, its pixels, labels, a caption that tells all of it, questions.
Ignorance: tokens, codecs. Numbers are written in the fonts of fonts.FAMILIES.

Held out by composition: an eighth of colour x value (bars) and of colour x trend (lines) never occurs in training.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from models.data.pictures import fonts, palette
from models.data.pictures.picture import GRID, GROUND, Asked
from models.data.text.wording import say

Split = Literal["train", "heldout"]
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black")
TRENDS = ("rising", "falling", "peak", "dip")
HIGHEST = 9
NUMBERS = ("zero", "one", "two", "three", "four")
_PAPERS = ("white", "white", "white", "cream", "light blue", "light gray", "black", "dark blue")
_TREND_SAID = {"rising": "Rising.", "falling": "Falling.", "peak": "Rising, then falling.", "dip": "Falling, then rising."}  # fmt: skip
_UNITS = 64  # geometry is given in these: the side of a picture
_FLOOR, _STEP = 60, 6  # where 0 is, and from value to value, with a scale
_PRINTED_STEP = 5.25  # leaves room for the numbers above
_LEFT, _RIGHT = 12, 62
_NUMERAL = 9.5  # units per em
_CANVAS = 256  # pixels a side at least, before reduction: the same picture at every side
_APART = 100.0  # RGB distance of a colour from the paper


class _Text(NamedTuple):
    """A number: the middle of its foot."""

    text: str
    x: float
    y: float


def held_out(colour: str, what: str) -> bool:
    """True for the eighth of colour x value ("7") or colour x trend ("rising") that training never shows."""
    return zlib.crc32(f"{colour} is {what}".encode()) % 8 == 0


@dataclass(frozen=True)
class BarChart:
    """Two to four bars of different colours: (colour, value) from left to right."""

    bars: tuple[tuple[str, int], ...]
    printed: bool  # numbers above the bars, instead of a scale
    paper: str
    family: str

    def draw(self, rng: np.random.Generator, side: int = 64) -> NDArray[np.uint8]:
        canvas, pen, k = _canvas(self.paper, rng, side)
        if not self.printed:
            _rule(pen, self.paper, k)
        for (colour, _), (x0, y0, x1, y1) in zip(self.bars, self._boxes(), strict=True):
            fill = palette.vary(palette.COLOURS[colour], rng, 10)
            pen.rectangle((x0 * k, y0 * k, x1 * k - 1, y1 * k - 1), fill=fill)
        pen.rectangle(
            (self._left * k, _FLOOR * k, _RIGHT * k - 1, (_FLOOR + 1) * k - 1), fill=_ink(self.paper)
        )
        return _written(canvas, self._texts(), self.family, self.paper, side)

    @property
    def _left(self) -> int:
        return 2 if self.printed else _LEFT

    def _boxes(self) -> list[tuple[float, float, float, float]]:
        room = (_RIGHT - self._left) / len(self.bars)
        gap = max(2, round(room * 0.16))
        step = _PRINTED_STEP if self.printed else _STEP
        lefts = [self._left + round(i * room) for i in range(len(self.bars) + 1)]
        return [
            (lefts[i] + gap, _FLOOR - value * step, lefts[i + 1] - gap, float(_FLOOR))
            for i, (_, value) in enumerate(self.bars)
        ]

    def _texts(self) -> list[_Text]:
        if not self.printed:
            return _scale()
        return [
            _Text(str(value), (x0 + x1) / 2, y0 - 1.5)
            for (_, value), (x0, y0, x1, _) in zip(self.bars, self._boxes(), strict=True)
        ]

    def cells(self) -> list[tuple[str, str]]:
        """("bar", its colour), or (a digit, the ink) where a number stands over the middle."""
        colours, boxes, texts = [colour for colour, _ in self.bars], self._boxes(), self._texts()
        found = []
        for x, y in _middles():
            hit = [
                c for c, (x0, y0, x1, y1) in zip(colours, boxes, strict=True) if x0 <= x < x1 and y0 <= y < y1
            ]
            found.append(("bar", hit[0]) if hit else _number_at(texts, self.paper, x, y))
        return found

    def caption(self) -> str:
        told = [f"{colour} {value}" for colour, value in self.bars]
        return f"a bar chart with {', '.join(told[:-1])} and {told[-1]}"

    def questions(self, rng: np.random.Generator) -> list[Asked]:
        colour, value = self.bars[int(rng.integers(len(self.bars)))]
        asked = [
            Asked("count", say(rng, "How many bars are there?", "How many bars do you see?", "Count the bars."), f"{NUMBERS[len(self.bars)].capitalize()}."),
            Asked("value", say(rng, f"How high is the {colour} bar?", f"What is the value of the {colour} bar?", f"Read the {colour} bar."), f"{value}."),
            Asked("exists", *self._exists(rng)),
            Asked("chart", say(rng, "What is this?", "What kind of chart is this?"), "A bar chart."),
        ]  # fmt: skip
        asked += self._extremes(rng) + self._compared(rng)
        return [asked[i] for i in rng.permutation(len(asked))]

    def _exists(self, rng: np.random.Generator) -> tuple[str, str]:
        shown = [c for c, _ in self.bars]
        yes = rng.random() < 0.5
        colour = say(rng, *shown) if yes else say(rng, *(c for c in COLOURS if c not in shown))
        return f"Is there {'an' if colour == 'orange' else 'a'} {colour} bar?", "Yes." if yes else "No."

    def _extremes(self, rng: np.random.Generator) -> list[Asked]:
        asked, values = [], [value for _, value in self.bars]
        for value, ways in ((max(values), ("highest", "tallest")), (min(values), ("lowest", "shortest"))):
            if values.count(value) == 1:
                question = f"Which bar is {say(rng, 'the ', '')}{say(rng, *ways)}?"
                asked.append(Asked("extreme", question, f"{self.bars[values.index(value)][0].capitalize()}."))
        return asked

    def _compared(self, rng: np.random.Generator) -> list[Asked]:
        first, second = (self.bars[i] for i in rng.permutation(len(self.bars))[:2])
        if first[1] == second[1]:
            return []
        higher = max(first, second, key=lambda bar: bar[1])[0]
        return [Asked("relation", f"Which is higher, {first[0]} or {second[0]}?", f"{higher.capitalize()}.")]


@dataclass(frozen=True)
class LineChart:
    """One line over a ruled scale: four to six values from left to right."""

    colour: str
    values: tuple[int, ...]
    trend: str  # out of TRENDS
    paper: str
    family: str

    def draw(self, rng: np.random.Generator, side: int = 64) -> NDArray[np.uint8]:
        canvas, pen, k = _canvas(self.paper, rng, side)
        _rule(pen, self.paper, k)
        fill = palette.vary(palette.COLOURS[self.colour], rng, 10)
        points = [(x * k, y * k) for x, y in self._points()]
        pen.line(points, fill=fill, width=round(2.2 * k), joint="curve")
        for x, y in points:
            pen.ellipse((x - 2 * k, y - 2 * k, x + 2 * k, y + 2 * k), fill=fill)
        pen.rectangle((_LEFT * k, _FLOOR * k, _RIGHT * k - 1, (_FLOOR + 1) * k - 1), fill=_ink(self.paper))
        return _written(canvas, _scale(), self.family, self.paper, side)

    def _points(self) -> list[tuple[float, float]]:
        room = (_RIGHT - _LEFT - 8) / (len(self.values) - 1)
        return [(_LEFT + 4 + i * room, _FLOOR - value * _STEP + 0.5) for i, value in enumerate(self.values)]

    def cells(self) -> list[tuple[str, str]]:
        """("line", its colour) where the line passes the middle within 2.5 units, or (a digit of the scale, the ink)."""
        middles, points = np.array(list(_middles())), np.array(self._points())
        start, along = points[:-1], np.diff(points, axis=0)
        apart = middles[:, None] - start  # (cells, pieces, 2)
        share = np.clip((apart * along).sum(-1) / (along**2).sum(-1), 0, 1)
        distance = np.linalg.norm(apart - share[..., None] * along, axis=-1).min(1)
        return [
            ("line", self.colour) if d <= 2.5 else _number_at(_scale(), self.paper, x, y)
            for d, (x, y) in zip(distance, middles, strict=True)
        ]

    def caption(self) -> str:
        first, last = self.values[0], self.values[-1]
        turn = max(self.values) if self.trend == "peak" else min(self.values)
        told = {"rising": f"rising from {first} to {last}", "falling": f"falling from {first} to {last}",
                "peak": f"rising from {first} to {turn} and falling to {last}",
                "dip": f"falling from {first} to {turn} and rising to {last}"}[self.trend]  # fmt: skip
        return f"a line chart with {'an' if self.colour == 'orange' else 'a'} {self.colour} line {told}"

    def questions(self, rng: np.random.Generator) -> list[Asked]:
        asked = [
            Asked("trend", say(rng, "Is the line rising or falling?", "How does the line go?", "Does the line go up or down?"), _TREND_SAID[self.trend]),
            Asked("colour", say(rng, "What color is the line?", "What colour is the line?"), f"{self.colour.capitalize()}."),
            Asked("value", say(rng, "Where does the line start?", "At which value does the line start?"), f"At {self.values[0]}."),
            Asked("value", say(rng, "Where does the line end?", "At which value does the line end?"), f"At {self.values[-1]}."),
            Asked("extreme", say(rng, "What is the highest value?", "How high does the line get?"), f"{max(self.values)}."),
            Asked("extreme", "What is the lowest value?", f"{min(self.values)}."),
            Asked("chart", say(rng, "What is this?", "What kind of chart is this?"), "A line chart."),
        ]  # fmt: skip
        return [asked[i] for i in rng.permutation(len(asked))]


def sample(rng: np.random.Generator, split: Split = "train") -> BarChart | LineChart:
    """Two bar charts to one line chart. In the held-out split one bar, or the line, is an unseen combination."""
    return _bars(rng, split) if rng.random() < 2 / 3 else _line(rng, split)


def _bars(rng: np.random.Generator, split: Split) -> BarChart:
    paper = say(rng, *_PAPERS)
    seen = [c for c in COLOURS if _is_seen(c, paper)]
    while True:
        chosen = rng.permutation(len(seen))[: int(rng.integers(2, 5))]
        bars = tuple((seen[i], int(rng.integers(1, HIGHEST + 1))) for i in chosen)
        if any(held_out(colour, str(value)) for colour, value in bars) == (split == "heldout"):
            return BarChart(bars, bool(rng.random() < 0.5), paper, say(rng, *fonts.FAMILIES))


def _line(rng: np.random.Generator, split: Split) -> LineChart:
    while True:
        paper, colour, trend = say(rng, *_PAPERS), say(rng, *COLOURS), say(rng, *TRENDS)
        if _is_seen(colour, paper) and held_out(colour, trend) == (split == "heldout"):
            return LineChart(colour, _values(rng, trend), trend, paper, say(rng, *fonts.FAMILIES))


def _values(rng: np.random.Generator, trend: str) -> tuple[int, ...]:
    """Four to six values that go the way of the trend without a rest, with four between the lowest and the highest."""
    turns, mirrored = trend in ("peak", "dip"), trend in ("falling", "dip")
    while True:
        count = int(rng.integers(4, 7))
        before = int(rng.integers(2, count)) if turns else count
        up = sorted(int(v) + 1 for v in rng.permutation(HIGHEST)[:before])
        down = sorted((int(v) + 1 for v in rng.permutation(HIGHEST)[: count - before]), reverse=True)
        if max(up) > max(down, default=0) and max(up) - min(up + down) >= 4:
            return tuple(HIGHEST + 1 - v if mirrored else v for v in up + down)


@lru_cache
def _is_seen(colour: str, paper: str) -> bool:
    apart = np.array(palette.COLOURS[colour], float) - np.array(palette.PAPERS[paper])
    return bool(np.linalg.norm(apart) > _APART)


def _is_dark(paper: str) -> bool:
    return sum(palette.PAPERS[paper]) < 384


def _ink(paper: str) -> palette.RGB:
    return palette.COLOURS["white" if _is_dark(paper) else "black"]


def _canvas(
    paper: str, rng: np.random.Generator, side: int
) -> tuple[Image.Image, ImageDraw.ImageDraw, float]:
    big = side * -(-_CANVAS // side)
    canvas = Image.new("RGB", (big, big), palette.vary(palette.PAPERS[paper], rng, 3))
    return canvas, ImageDraw.Draw(canvas), big / _UNITS


def _rule(pen: ImageDraw.ImageDraw, paper: str, k: float) -> None:
    """A line for each value, a stronger one for each third, which the scale names."""
    for value in range(1, HIGHEST + 1):
        mix = 0.42 if value % 3 == 0 else 0.16
        fill = tuple(
            round(p + mix * (i - p)) for p, i in zip(palette.PAPERS[paper], _ink(paper), strict=True)
        )
        y = _FLOOR - value * _STEP
        pen.rectangle((_LEFT * k, y * k, _RIGHT * k - 1, (y + 1) * k - 1), fill=fill)


def _scale() -> list[_Text]:
    return [_Text(str(value), _LEFT / 2 - 0.5, _FLOOR - value * _STEP + 4) for value in (3, 6, 9)]


def _written(
    canvas: Image.Image, texts: list[_Text], family: str, paper: str, side: int
) -> NDArray[np.uint8]:
    """The canvas with its numbers, reduced to its final side."""
    pen, k = ImageDraw.Draw(canvas), canvas.width / _UNITS
    font = fonts.face(family, True, _NUMERAL * k)
    for text, x, y in texts:
        pen.text((x * k, y * k), text, font=font, fill=_ink(paper), anchor="ms")
    return np.asarray(canvas.reduce(canvas.width // side))


def _number_at(texts: list[_Text], paper: str, x: float, y: float) -> tuple[str, str]:
    for text, middle, foot in texts:
        if abs(x - middle) <= 3 and foot - 7 <= y < foot:
            return text, "white" if _is_dark(paper) else "black"
    return GROUND


def _middles() -> Iterator[tuple[float, float]]:
    middles = [(i + 0.5) * _UNITS / GRID for i in range(GRID)]
    return ((x, y) for y in middles for x in middles)
