"""Pictures of written text: one word, a number, or a word on each of two lines, in several open fonts.

Job: a Lettering from a seeded generator and a list of words, its pixels, the letter in each cell, caption, questions.
Ignorance: where the words come from, tokens, codecs. Fonts: see fonts.FAMILIES; sampling measures text, so it needs them.

The text always fits: sampling measures it at 64 px. Two words in five are made up, so that reading does not become
guessing. Held out by word: an eighth of all words, and of all numbers above 9, never occur in training.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
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
SIDE = 64  # the side that sizes are given for
_CANVAS = 256  # pixels a side at least, before reduction: hinting moves letters by less than a quarter pixel
SMALLEST, LARGEST = 10.0, 18.0  # pixels per em at SIDE
NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight")
LETTERS = "abcdefghijklmnopqrstuvwxyz"
_MARGIN = 2.0  # pixels at SIDE that stay free on every side
_LEADING = 1.3  # from line to line, in ems
_KEPT = {2: 0.3, 3: 1.0, 4: 1.0, 5: 1.0, 6: 0.9, 7: 0.45, 8: 0.35}  # how often a word of this length is taken
_ONSETS = ("b", "bl", "br", "c", "ch", "cl", "d", "dr", "f", "fl", "g", "gr", "h", "j", "k", "l", "m", "n", "p", "pl", "pr",
           "qu", "r", "s", "sh", "sk", "sl", "sp", "st", "t", "th", "tr", "v", "w", "x", "y", "z", "")  # fmt: skip
_VOWELS = ("a", "e", "i", "o", "u", "a", "e", "i", "o", "u", "ai", "ea", "ee", "oo", "ou", "y")
_CODAS = (
    "",
    "",
    "",
    "b",
    "ck",
    "d",
    "f",
    "g",
    "l",
    "m",
    "n",
    "nd",
    "ng",
    "p",
    "r",
    "rk",
    "s",
    "st",
    "t",
    "x",
    "zz",
)


def held_out(text: str) -> bool:
    """True for the eighth of words and of numbers above 9 that training never shows, in whatever case."""
    return not (text.isdigit() and len(text) == 1) and zlib.crc32(text.lower().encode()) % 8 == 0


class _Line(NamedTuple):
    text: str
    x: float  # of the pen at the start
    baseline: float
    box: tuple[float, float, float, float]  # of the ink: left, top, right, bottom


@dataclass(frozen=True)
class Lettering:
    """One or two lines of text. `across` and `down` place the block: shares of the free space before it."""

    lines: tuple[str, ...]
    family: str
    bold: bool
    size: float  # pixels per em at SIDE
    ink: str  # a key of palette.COLOURS
    paper: str  # a key of palette.PAPERS
    across: float = 0.5
    down: float = 0.5
    align: float = 0.5  # of a shorter line: 0 left, 1 right
    tells_colour: bool = False  # in the caption

    @property
    def kind(self) -> Literal["word", "words", "number"]:
        return "words" if len(self.lines) > 1 else "number" if self.lines[0].isdigit() else "word"

    @property
    def text(self) -> str:
        return " ".join(self.lines)

    def draw(self, rng: np.random.Generator, side: int = SIDE) -> NDArray[np.uint8]:
        big = side * -(-_CANVAS // side)
        canvas = Image.new("RGB", (big, big), palette.vary(palette.PAPERS[self.paper], rng, 4))
        ink = palette.vary(palette.COLOURS[self.ink], rng, 12)
        pen = ImageDraw.Draw(canvas)
        font = fonts.face(self.family, self.bold, self.size * big / SIDE)
        for line in self._layout(big):
            pen.text((line.x, line.baseline), line.text, font=font, fill=ink, anchor="ls")
        return np.asarray(canvas.reduce(big // side))

    def _layout(self, side: int) -> list[_Line]:
        em = self.size * side / SIDE
        boxes = [_box(line, self.family, self.bold, em) for line in self.lines]
        width = max(right - left for left, _, right, _ in boxes)
        step, margin = _LEADING * em, _MARGIN * side / SIDE
        height = step * (len(boxes) - 1) + boxes[-1][3] - boxes[0][1]
        x0 = margin + self.across * (side - 2 * margin - width)
        first = margin + self.down * (side - 2 * margin - height) - boxes[0][1]
        lines = []
        for i, (text, (left, top, right, bottom)) in enumerate(zip(self.lines, boxes, strict=True)):
            x, y = x0 + self.align * (width - right + left), first + i * step
            lines.append(_Line(text, x - left, y, (x, y + top, x + right - left, y + bottom)))
        return lines

    def cells(self) -> list[tuple[str, str]]:
        """(letter, colour of the ink) where the box of a letter, as high as its line, covers the middle."""
        middles = [(i + 0.5) * _CANVAS / GRID for i in range(GRID)]
        layout = self._layout(_CANVAS)
        letters = [self._letter(layout, x, y) for y in middles for x in middles]
        return [(letter, self.ink) if letter else GROUND for letter in letters]

    def _letter(self, layout: list[_Line], x: float, y: float) -> str:
        font = fonts.face(self.family, self.bold, self.size * _CANVAS / SIDE)
        for line in layout:
            left, top, right, bottom = line.box
            if top <= y < bottom and left <= x < right:
                ends = (line.x + font.getlength(line.text[: i + 1]) for i in range(len(line.text)))
                return next((letter for letter, end in zip(line.text, ends, strict=True) if x < end), line.text[-1])  # fmt: skip
        return ""

    def caption(self) -> str:
        said = self.text if self.kind == "number" else f'"{self.text}"'
        return f"the {self.kind} {said}" + (f" in {self.ink}" if self.tells_colour else "")

    def questions(self, rng: np.random.Generator) -> list[Asked]:
        asked = {"word": self._about_word, "words": self._about_words, "number": self._about_number}[self.kind](rng)  # fmt: skip
        noun = "text" if self.kind == "words" else self.kind
        colour = say(rng, f"What color is the {noun}?", f"What colour is the {noun}?", f"Which color has the {noun}?")  # fmt: skip
        asked.append(Asked("colour", colour, f"{self.ink.capitalize()}."))
        asked.append(self._exists(rng))
        return [asked[i] for i in rng.permutation(len(asked))]

    def _about_word(self, rng: np.random.Generator) -> list[Asked]:
        word = self.text
        read = say(rng, "What does it say?", "Read the word.", "What is written here?", "Which word is it?", "What word is this?")  # fmt: skip
        count = say(rng, "How many letters has the word?", "How many letters does the word have?", "Count the letters.")  # fmt: skip
        return [
            Asked("ocr", read, f'It says "{word}".'),
            Asked("letter", "What is the first letter?", f"{word[0].upper()}."),
            Asked("letter", "What is the last letter?", f"{word[-1].upper()}."),
            Asked("count", count, f"{NUMBERS[len(word)].capitalize()}."),
        ]

    def _about_words(self, rng: np.random.Generator) -> list[Asked]:
        read = say(rng, "What does it say?", "Read the words.", "What is written here?", "Read the text.")
        return [
            Asked("ocr", read, f'It says "{self.text}".'),
            Asked("ocr", say(rng, "What is the first word?", "What does the first line say?"), f'It says "{self.lines[0]}".'),
            Asked("ocr", say(rng, "What is the second word?", "What does the second line say?"), f'It says "{self.lines[1]}".'),
            Asked("count", "How many words are there?", "Two."),
        ]  # fmt: skip

    def _about_number(self, rng: np.random.Generator) -> list[Asked]:
        read = say(
            rng, "Which number is it?", "What number is this?", "Read the number.", "What does it say?"
        )
        return [
            Asked("ocr", read, f"{self.text}."),
            Asked("letter", "What is the first digit?", f"{self.text[0]}."),
            Asked("letter", "What is the last digit?", f"{self.text[-1]}."),
            Asked("count", "How many digits has the number?", f"{NUMBERS[len(self.text)].capitalize()}."),
        ]

    def _exists(self, rng: np.random.Generator) -> Asked:
        """Asks for the text, or for one that differs in one letter: only reading helps."""
        yes = rng.random() < 0.5
        text = self.text if yes else _misspelt(rng, self.text)
        said = text if self.kind == "number" else f'"{text}"'
        return Asked("exists", f"Does it say {said}?", "Yes." if yes else "No.")


def _misspelt(rng: np.random.Generator, text: str) -> str:
    at = int(rng.choice([i for i, c in enumerate(text) if c != " "]))
    others = "0123456789" if text[at].isdigit() else LETTERS
    other = say(rng, *(c for c in others if c != text[at].lower()))
    return text[:at] + (other.upper() if text[at].isupper() else other) + text[at + 1 :]


@lru_cache(maxsize=65536)
def _box(text: str, family: str, bold: bool, size: float) -> tuple[float, float, float, float]:
    return fonts.face(family, bold, size).getbbox(text, anchor="ls")


def sample(rng: np.random.Generator, split: Split = "train", *, words: Sequence[str]) -> Lettering:
    """A word three times in five, a number or two lines once each. In the held-out split all its words are."""
    kind = say(rng, "word", "word", "word", "number", "words")
    while True:
        count = 2 if kind == "words" else 1
        texts = [_number(rng, split) if kind == "number" else _word(rng, split, words) for _ in range(count)]
        case = rng.random()
        if case < 0.3:
            texts = [t.capitalize() if case < 0.12 else t.upper() for t in texts]
        family, bold = say(rng, *fonts.FAMILIES), bool(rng.random() < 0.5)
        if size := _fitting(texts, family, bold, float(rng.uniform(SMALLEST, LARGEST + 0.5))):
            return _styled(rng, Lettering(tuple(texts), family, bold, size, *_colours(rng, size)))


def _fitting(texts: Sequence[str], family: str, bold: bool, size: float) -> float:
    """The size in half pixels at which every line fits, at most the given one; 0 where even the smallest is too wide."""
    size, scale = int(size * 2) / 2, _CANVAS / SIDE
    while size >= SMALLEST:
        widths = (right - left for left, _, right, _ in (_box(t, family, bold, size * scale) for t in texts))
        if max(widths) <= _CANVAS - 2 * _MARGIN * scale:
            return size
        size -= 0.5
    return 0.0


def _styled(rng: np.random.Generator, plain: Lettering) -> Lettering:
    across, down = (float(np.clip(rng.normal(0.5, 0.25), 0, 1)) for _ in range(2))
    tells = plain.ink not in ("black", "white") and rng.random() < 0.35
    align = float(say(rng, "0", "0.5", "1"))
    return Lettering(plain.lines, plain.family, plain.bold, plain.size, plain.ink, plain.paper, across, down, align, tells)  # fmt: skip


def _colours(rng: np.random.Generator, size: float) -> tuple[str, str]:
    """(ink, paper) that can be read: the contrast is 3.5 or more, 4.5 for small text."""
    needed = 4.5 if size < 12 else 3.5
    ink = say(rng, *["black"] * 5, "white", "white", *palette.COLOURS)
    seen = [p for p, rgb in palette.PAPERS.items() if palette.contrast(palette.COLOURS[ink], rgb) >= needed]
    return ink, "white" if "white" in seen and rng.random() < 0.4 else say(rng, *seen)


def _word(rng: np.random.Generator, split: Split, words: Sequence[str]) -> str:
    while True:
        made_up = rng.random() < 0.4
        word = pronounceable(rng) if made_up else words[int(rng.integers(len(words)))]
        fine = word.isascii() and word.isalpha() and rng.random() < _KEPT.get(len(word), 0.0)
        if fine and held_out(word) == (split == "heldout"):
            return word.lower()


def _number(rng: np.random.Generator, split: Split) -> str:
    while True:
        digits = int(rng.integers(1, 6))
        number = str(int(rng.integers(10 ** (digits - 1) if digits > 1 else 0, 10**digits)))
        if held_out(number) == (split == "heldout"):
            return number


def pronounceable(rng: np.random.Generator) -> str:
    """A made-up word of one to three syllables."""
    syllables = (say(rng, *_ONSETS) + say(rng, *_VOWELS) + say(rng, *_CODAS) for _ in range(int(rng.integers(1, 4))))  # fmt: skip
    return "".join(syllables)
