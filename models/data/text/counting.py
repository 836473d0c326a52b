"""Numbers in their order: comparing, neighbours, even and odd, counting, sorting, numbers in words.

Job: short questions with one right answer, split by wording x numbers or by the numbers. Ignorance: reckoning (arithmetic
does that), tokens, media.
"""

from __future__ import annotations

import re
import zlib

import numpy as np

from models.data.text.numerals import DIGITS, TEENS, TENS
from models.data.text.turns import EVERY, Split, Turn, as_typed, choose, held_out, one, some

_BIGGER = (
    "Which is bigger, {a} or {b}?", "Which number is larger, {a} or {b}?", "What is more, {a} or {b}?", "Name the larger number: {a} or {b}.",
    "Is {a} or {b} the bigger number?", "Which of the two is greater: {a}, {b}?", "{a} or {b}: which is more?", "Tell me the bigger one of {a} and {b}.",
)  # fmt: skip
_SMALLER = tuple(re.sub("bigger|larger|greater", "smaller", way).replace("more", "less") for way in _BIGGER)
_MORE = (
    "Is {a} more than {b}?", "Is {a} bigger than {b}?", "Is {a} greater than {b}?", "Is {a} larger than {b}?",
    "True or not: {a} is more than {b}?", "Would you say that {a} is more than {b}?", "{a} > {b}?", "Do {a} apples count more than {b} apples?",
)  # fmt: skip
_AFTER = (
    "What comes after {a}?", "Which number follows {a}?", "What is the next number after {a}?", "Which number comes right after {a}?",
    "I count: {a}. What is next?", "What is one more than {a}?", "The number after {a}?", "What number do you say after {a}?",
)  # fmt: skip
_BEFORE = (
    "What comes before {a}?", "Which number is before {a}?", "What is the number before {a}?", "Which number comes right before {a}?",
    "What is one less than {a}?", "The number before {a}?", "What number do you say before {a}?", "Which number stands just before {a}?",
)  # fmt: skip
_PARITY = (
    "Is {a} even or odd?", "Is {a} odd or even?", "Even or odd: {a}?", "Tell me if {a} is even or odd.", "Is the number {a} even or odd?",
    "{a}: even or odd?", "Would you call {a} even or odd?", "Do you know if {a} is odd or even?",
)  # fmt: skip


def words(n: int) -> str:
    """0 to 100 in words: "forty-two"."""
    if n < 20:
        return (*DIGITS, *TEENS)[n]
    if n == 100:
        return "one hundred"
    return TENS[n // 10 - 2] + ("-" + DIGITS[n % 10] if n % 10 else "")


def comparison(rng: np.random.Generator, split: Split) -> list[Turn]:
    """By wording x operands: the larger, the smaller, or yes and no."""
    sort = int(rng.integers(3))
    while True:
        a, b = (int(n) for n in rng.integers(0, 100 if rng.random() < 0.6 else 13, 2))
        ways = (_BIGGER, _SMALLER, _MORE)[sort]
        i = int(rng.integers(len(ways)))
        if a != b and held_out(i, f"{a} {b}") == (split == "heldout"):
            answers = (f"{max(a, b)}.", f"{min(a, b)}.", "Yes." if a > b else "No.")
            return [asked(rng, ways[i], a, b, answers[sort])]


def neighbour(rng: np.random.Generator, split: Split) -> list[Turn]:
    step = 1 if rng.random() < 0.6 else -1
    way, item = choose(rng, split, _AFTER if step == 1 else _BEFORE, [str(n) for n in range(1, 100)])
    return [asked(rng, way, int(item), 0, f"{int(item) + step}.")]


def parity(rng: np.random.Generator, split: Split) -> list[Turn]:
    way, item = choose(rng, split, _PARITY, [str(n) for n in range(100)])
    return [asked(rng, way, int(item), 0, f"{item} is {'odd' if int(item) % 2 else 'even'}.")]


def counting(rng: np.random.Generator, split: Split) -> list[Turn]:
    """Up, down, in twos or tens; digits, or words where words are asked for."""
    first, last, step = _range(rng, split)
    spelled = rng.random() < 0.3 and max(first, last) <= 20
    said = [words(n) if spelled else str(n) for n in range(first, last + step, step)]
    start, stop, by = said[0], said[-1], {2: " by twos", 10: " by tens"}.get(step, "")
    ways = [
        "Count from {s} to {e}{by}.",
        "Please count{by} from {s} to {e}.",
        "Can you count from {s} to {e}{by}?",
    ]
    if first == 1:
        ways = ["Count to {e}.", "Please count to {e}.", "Can you count to {e}?", "Count up to {e}."]
    if step == -1:
        ways = ["Count down from {s} to {e}.", "Count backwards from {s} to {e}."]
    request = one(rng, ways).format(s=start, e=stop, by=by)
    return [(as_typed(rng, request), ", ".join(said).capitalize() + ".")]


def number_words(rng: np.random.Generator, split: Split) -> list[Turn]:
    ways = (
        "Write {x} in words.",
        "How do you write {x} in words?",
        "Spell the number {x}.",
        "Say {x} as a word.",
    )
    back = (
        "Write {x} in digits.",
        "Which number is {x}?",
        "Write {x} as a number.",
        "Give me {x} in digits.",
    )
    numbers = [str(n) for n in range(101)]
    if rng.random() < 0.5:
        way, item = choose(rng, split, ways, numbers)
        return [(as_typed(rng, way.format(x=item)), words(int(item)).capitalize() + ".")]
    way, item = choose(rng, split, back, numbers)
    return [(as_typed(rng, way.format(x=words(int(item)))), f"{item}.")]


def ordering(rng: np.random.Generator, split: Split) -> list[Turn]:
    """Three or four numbers sorted, or the largest or smallest of them; held out by the set of numbers."""
    while True:
        numbers = some(
            rng, [str(n) for n in range(21 if rng.random() < 0.5 else 100)], int(rng.integers(3, 5))
        )
        ranked = sorted(numbers, key=int)
        if (zlib.crc32(" ".join(ranked).encode()) % EVERY == 0) == (split == "heldout"):
            break
    ways = {
        "Sort these numbers: {x}.": ", ".join(ranked), "Put in order: {x}.": ", ".join(ranked),
        "Sort from small to big: {x}.": ", ".join(ranked), "Sort from big to small: {x}.": ", ".join(ranked[::-1]),
        "Which is the biggest: {x}?": ranked[-1], "What is the largest of {x}?": ranked[-1], "Which is the smallest: {x}?": ranked[0],
    }  # fmt: skip
    way = one(rng, tuple(ways))
    return [(as_typed(rng, way.format(x=", ".join(numbers))), ways[way] + ".")]


def _range(rng: np.random.Generator, split: Split) -> tuple[int, int, int]:
    """(first, last, step) to count, split by all three."""
    while True:
        step = (1, 1, 1, -1, 2, 10)[int(rng.integers(6))]
        first = 1 if step == 1 and rng.random() < 0.4 else int(rng.integers(0, 30))
        first = {2: first // 2 * 2, 10: 10}.get(step, first)
        last = first + step * int(rng.integers(2, 12))
        if 0 <= last <= 100 and (zlib.crc32(f"{first} {last}".encode()) % EVERY == 0) == (split == "heldout"):
            return first, last, step


def asked(rng: np.random.Generator, way: str, a: int, b: int, answer: str) -> Turn:
    return as_typed(rng, way.format(a=a, b=b)), answer
