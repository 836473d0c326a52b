"""Small numbers: sums, differences, products, comparisons, counting, even and odd, word problems.

Job: short conversations with one right answer. Two-digit sums and differences are split by their operands, in every wording
and in both orders of a sum; the rest by wording x operands. Ignorance: tokens, media, other talk.

Digits are single tokens, so "82." straight away asks one step of the model for two look-ups and a carry before the first
digit. With `working="parts"` an answer is "70 + 12 = 82.": tens, ones, carry, one easy step a token; people read it too.
"""

from __future__ import annotations

import re
import zlib
from typing import Literal

import numpy as np

from models.data.text.counting import (
    asked,
    comparison,
    counting,
    neighbour,
    number_words,
    ordering,
    parity,
    words,
)
from models.data.text.turns import EVERY, Kind, Split, Turn, as_typed, choose, held_out, one, pick, some

Working = Literal["parts", "none"]

SUM = (
    "What is {a} + {b}?", "What is {a} plus {b}?", "{a} + {b} = ?", "{a} + {b}", "Add {a} and {b}.", "How much is {a} plus {b}?",
    "What is the sum of {a} and {b}?", "Compute {a} + {b}.", "{a} plus {b}?", "Calculate {a} plus {b}.", "Can you add {a} and {b}?",
    "Please work out {a} + {b}.", "How much is {a} + {b}?", "Tell me the sum of {a} and {b}.", "What do you get if you add {b} to {a}?", "{a}+{b}=",
)  # fmt: skip
DIFFERENCE = (
    "What is {a} - {b}?", "What is {a} minus {b}?", "{a} - {b} = ?", "{a} - {b}", "Take {b} away from {a}.", "How much is {a} minus {b}?",
    "What is the difference of {a} and {b}?", "Compute {a} - {b}.", "{a} minus {b}?", "Calculate {a} minus {b}.", "Can you subtract {b} from {a}?",
    "Please work out {a} - {b}.", "How much is {a} - {b}?", "Subtract {b} from {a}.", "What is left if you take {b} from {a}?", "{a}-{b}=",
)  # fmt: skip
_BRIEF = ("Just the number: ", "Only the result, please: ", "Answer with one number. ")
_PRODUCT = (
    "What is {a} times {b}?", "{a} times {b}?", "How much is {a} times {b}?", "Multiply {a} by {b}.", "What is {a} x {b}?", "{a} x {b} = ?",
    "Compute {a} times {b}.", "What is the product of {a} and {b}?", "{a} * {b}", "Can you multiply {a} and {b}?",
)  # fmt: skip
_QUOTIENT = (
    "What is {a} divided by {b}?", "Divide {a} by {b}.", "{a} / {b} = ?", "How much is {a} divided by {b}?", "{a} divided by {b}?",
    "How many times does {b} go into {a}?", "Share {a} between {b} people. How many does each get?", "Compute {a} / {b}.",
)  # fmt: skip
_NAMES = ("Anna", "Ben", "Tom", "Lisa", "Maria", "Sam", "Omar", "Mia", "Jack", "Nina", "Ravi", "Lucy")
_THINGS = ("apples", "books", "coins", "balls", "eggs", "stars", "cups", "cards", "flowers", "birds", "pens", "cakes", "hats", "boxes", "fish", "toys")  # fmt: skip
_GAINS = (
    "{n} has {a} {x} and gets {b} more. How many {x} does {n} have now?", "There are {a} {x} on the table. {n} puts {b} more there. How many {x} are there?",
    "{n} has {a} {x}. {m} has {b} {x}. How many {x} do they have together?", "I have {a} {x} and buy {b} more. How many do I have?",
    "{n} finds {a} {x} in the morning and {b} in the evening. How many {x} is that?", "A box has {a} {x}. Another box has {b} {x}. How many {x} are there in all?",
    "{n} draws {a} {x}, and {m} draws {b}. How many {x} do they draw?", "We see {a} {x}, then {b} more come. How many {x} are there?",
)  # fmt: skip
_LOSSES = (
    "{n} has {a} {x} and gives away {b}. How many {x} are left?", "There are {a} {x}. {n} takes {b}. How many {x} are left?",
    "{n} had {a} {x} but lost {b}. How many {x} does {n} have now?", "I have {a} {x} and sell {b}. How many do I have left?",
    "{n} has {a} {x}. {m} has {b} less. How many {x} does {m} have?", "A box holds {a} {x}. {b} fall out. How many {x} stay in the box?",
    "{n} had {a} {x}, and {b} broke. How many {x} are whole?", "We see {a} {x}, then {b} go away. How many {x} are still there?",
)  # fmt: skip
_TOO_BIG = (
    "That is too big for me. I only work with small numbers.", "I am not sure. I only know small numbers.",
    "I do not know. Such big numbers are too hard for me.",
)  # fmt: skip


def held_out_operands(a: int, op: str, b: int) -> bool:
    """True for the eighth of sums and differences with an operand of two digits that no wording of training shows."""
    if max(a, b) < 10:
        return False  # the table of one-digit sums has to be known by heart
    first, second = sorted((a, b)) if op == "+" else (a, b)
    return zlib.crc32(f"{first}{op}{second}".encode()) % EVERY == 0


def sum_answer(a: int, b: int, working: Working = "parts") -> str:
    """ "82." or, with working, tens and ones first: "70 + 12 = 82."."""
    if working == "none" or max(a, b) < 10:
        return f"{a + b}."
    return f"{(a // 10 + b // 10) * 10} + {a % 10 + b % 10} = {a + b}."


def difference_answer(a: int, b: int, working: Working = "parts") -> str:
    """ "37." or, with working, the tens taken away first: "42 - 5 = 37."."""
    if working == "none" or b < 10:
        return f"{a - b}."
    return f"{a - b // 10 * 10} - {b % 10} = {a - b}."


def result(answer: str) -> int | None:
    """The number that an answer ends with, however it was worked out."""
    found = re.findall(r"-?\d+", answer)
    return int(found[-1]) if found else None


def two_digit_sum(rng: np.random.Generator, split: Split, working: Working = "parts") -> list[Turn]:
    a, b = _operands(rng, split, "+")
    return [_typed(rng, one(rng, SUM), a, b, sum_answer(a, b, working))]


def two_digit_difference(rng: np.random.Generator, split: Split, working: Working = "parts") -> list[Turn]:
    a, b = _operands(rng, split, "-")
    return [_typed(rng, one(rng, DIFFERENCE), a, b, difference_answer(a, b, working))]


def brief(rng: np.random.Generator, split: Split) -> list[Turn]:
    """Only the number is wanted: no working."""
    op = one(rng, "+-")
    a, b = _operands(rng, split, op)
    way = one(rng, _BRIEF) + one(rng, (SUM if op == "+" else DIFFERENCE)[:4])
    return [_typed(rng, way, a, b, f"{a + b if op == '+' else a - b}.")]


def small(rng: np.random.Generator, split: Split) -> list[Turn]:
    """One-digit sums and differences, by wording x operands; a few in words, and a few below zero."""
    op = one(rng, "+-")
    pairs = [f"{a} {b}" for a in range(11) for b in range(11) if op == "+" or a >= b or b - a < 4]
    way, item = choose(rng, split, SUM if op == "+" else DIFFERENCE, pairs)
    a, b = map(int, item.split())
    answer = f"{a + b if op == '+' else a - b}."
    if op not in way and rng.random() < 0.3:
        return [(as_typed(rng, way.format(a=words(a), b=words(b))), answer)]
    return [_typed(rng, way, a, b, answer)]


def product(rng: np.random.Generator, split: Split) -> list[Turn]:
    way, item = choose(rng, split, _PRODUCT, [f"{a} {b}" for a in range(11) for b in range(11)])
    a, b = map(int, item.split())
    return [_typed(rng, way, a, b, f"{a * b}.")]


def quotient(rng: np.random.Generator, split: Split) -> list[Turn]:
    way, item = choose(rng, split, _QUOTIENT, [f"{a * b} {b}" for a in range(1, 11) for b in range(1, 11)])
    a, b = map(int, item.split())
    return [_typed(rng, way, a, b, f"{a // b}.")]


def word_problem(rng: np.random.Generator, split: Split) -> list[Turn]:
    """Numbers up to 20; held out by template x operands."""
    gain = bool(rng.random() < 0.5)
    while True:
        a, b = (int(n) for n in rng.integers(2, 20, 2))
        i = int(rng.integers(8))
        if (b < a and a + b <= 20) and held_out(i, f"{a} {b}") == (split == "heldout"):
            break
    n, m = some(rng, _NAMES, 2)
    x = one(rng, _THINGS)
    total = a + b if gain else a - b
    shown = {"boxes": "box", "fish": "fish"}.get(x, x[:-1]) if total == 1 else x
    question = (_GAINS if gain else _LOSSES)[i].format(a=a, b=b, x=x, n=n, m=m)
    return [(question, f"{total} {shown}.")]


def follow_up(rng: np.random.Generator, split: Split) -> list[Turn]:
    """A small result taken further: "Now add 3." "Double it." "Is that even?" Operands of the split's first step."""
    turns = small(rng, split)
    now = result(turns[0][1]) or 0
    for _ in range(int(rng.integers(1, 4))):
        b = int(rng.integers(1, 10))
        steps = [(w.format(b=b), now + b) for w in ("Now add {b}.", "Plus {b}?", "And {b} more?")]
        steps += [(w.format(b=b), now - b) for w in ("Take away {b}.", "Minus {b}?") if b <= now]
        steps += [(w, now * 2) for w in ("Double it.", "And twice that?") if 0 <= now <= 10]
        request, now = steps[int(rng.integers(len(steps)))]
        turns.append((as_typed(rng, request), f"{now}."))
    if rng.random() < 0.3:
        turns.append((one(rng, ("Is that even or odd?", "Is it odd or even?")), f"{now} is {'odd' if now % 2 else 'even'}."))  # fmt: skip
    return turns


def too_big(rng: np.random.Generator, split: Split) -> list[Turn]:
    """Honest about what lies outside; held out by the numbers."""
    while True:
        a, b = (int(10**n) for n in rng.uniform(2.3, 5, 2))
        if (zlib.crc32(f"{a}/{b}".encode()) % EVERY == 0) == (split == "heldout"):
            break
    way = one(rng, ("What is {a} times {b}?", "What is {a} + {b}?", "Multiply {a} by {b}.", "What is {a} divided by {b}?", "What is the square root of {a}?"))  # fmt: skip
    return [(as_typed(rng, way.format(a=a, b=b)), one(rng, _TOO_BIG))]


def _operands(rng: np.random.Generator, split: Split, op: str) -> tuple[int, int]:
    """At least one of two digits, mostly both; no negative result."""
    while True:
        a, b = (int(n) for n in rng.integers(10, 100, 2))
        if rng.random() < 0.15:
            b %= 10
        if rng.random() < 0.05:
            a, b = b, a
        if (op == "+" or a >= b) and max(a, b) > 9 and held_out_operands(a, op, b) == (split == "heldout"):
            return a, b


def _typed(rng: np.random.Generator, way: str, a: int, b: int, answer: str) -> Turn:
    """Now and then without spaces around the sign: "2+2"."""
    if rng.random() < 0.2:
        way = re.sub(r"} ([-+*/x]) {", r"}\1{", way)
    return asked(rng, way, a, b, answer)


def declined(turn: Turn, said: str) -> bool:
    return any(sign in said for sign in ("too big", "too hard", "not sure", "do not know"))


def same_result(turn: Turn, said: str) -> bool:
    """The same number at the end, with or without working."""
    return result(said) == result(turn[1])


KINDS: dict[str, Kind] = {
    "two_digit_sum": Kind(two_digit_sum, 0.26, same_result),
    "two_digit_difference": Kind(two_digit_difference, 0.14, same_result),
    "brief": Kind(brief, 0.04, same_result),
    "small": Kind(small, 0.13, same_result),
    "product": Kind(product, 0.06, same_result),
    "quotient": Kind(quotient, 0.03, same_result),
    "comparison": Kind(comparison, 0.06),
    "neighbour": Kind(neighbour, 0.03),
    "parity": Kind(parity, 0.03),
    "counting": Kind(counting, 0.05),
    "number_words": Kind(number_words, 0.03),
    "ordering": Kind(ordering, 0.03),
    "word_problem": Kind(word_problem, 0.06, same_result),
    "follow_up": Kind(follow_up, 0.03),
    "too_big": Kind(too_big, 0.02, declined),
}


def sample(rng: np.random.Generator, split: Split = "train") -> list[Turn]:
    """One conversation about numbers."""
    return pick(KINDS, rng, split)
