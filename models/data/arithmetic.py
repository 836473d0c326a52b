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

from models.data.turns import EVERY, Kind, Split, Turn, as_typed, choose, held_out, one, pick, some

Working = Literal["parts", "none"]

_ONES = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
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


def words(n: int) -> str:
    """0 to 100 in words: "forty-two"."""
    if n < 20:
        return _ONES[n]
    if n == 100:
        return "one hundred"
    return _TENS[n // 10 - 2] + ("-" + _ONES[n % 10] if n % 10 else "")


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
    return [_asked(rng, one(rng, SUM), a, b, sum_answer(a, b, working))]


def two_digit_difference(rng: np.random.Generator, split: Split, working: Working = "parts") -> list[Turn]:
    a, b = _operands(rng, split, "-")
    return [_asked(rng, one(rng, DIFFERENCE), a, b, difference_answer(a, b, working))]


def brief(rng: np.random.Generator, split: Split) -> list[Turn]:
    """Only the number is wanted: no working."""
    op = one(rng, "+-")
    a, b = _operands(rng, split, op)
    way = one(rng, _BRIEF) + one(rng, (SUM if op == "+" else DIFFERENCE)[:4])
    return [_asked(rng, way, a, b, f"{a + b if op == '+' else a - b}.")]


def small(rng: np.random.Generator, split: Split) -> list[Turn]:
    """One-digit sums and differences, by wording x operands; a few in words, and a few below zero."""
    op = one(rng, "+-")
    pairs = [f"{a} {b}" for a in range(11) for b in range(11) if op == "+" or a >= b or b - a < 4]
    way, item = choose(rng, split, SUM if op == "+" else DIFFERENCE, pairs)
    a, b = map(int, item.split())
    question = as_typed(rng, way.format(a=a, b=b))
    if op not in way and rng.random() < 0.3:
        question = as_typed(rng, way.format(a=words(a), b=words(b)))  # fmt: skip
    return [(question, f"{a + b if op == '+' else a - b}.")]


def product(rng: np.random.Generator, split: Split) -> list[Turn]:
    way, item = choose(rng, split, _PRODUCT, [f"{a} {b}" for a in range(11) for b in range(11)])
    a, b = map(int, item.split())
    return [_asked(rng, way, a, b, f"{a * b}.")]


def quotient(rng: np.random.Generator, split: Split) -> list[Turn]:
    way, item = choose(rng, split, _QUOTIENT, [f"{a * b} {b}" for a in range(1, 11) for b in range(1, 11)])
    a, b = map(int, item.split())
    return [_asked(rng, way, a, b, f"{a // b}.")]


def comparison(rng: np.random.Generator, split: Split) -> list[Turn]:
    """By wording x operands: the larger, the smaller, or yes and no."""
    sort = int(rng.integers(3))
    while True:
        a, b = (int(n) for n in rng.integers(0, 100 if rng.random() < 0.6 else 13, 2))
        ways = (_BIGGER, _SMALLER, _MORE)[sort]
        i = int(rng.integers(len(ways)))
        if a != b and held_out(i, f"{a} {b}") == (split == "heldout"):
            answers = (f"{max(a, b)}.", f"{min(a, b)}.", "Yes." if a > b else "No.")
            return [_asked(rng, ways[i], a, b, answers[sort])]


def neighbour(rng: np.random.Generator, split: Split) -> list[Turn]:
    step = 1 if rng.random() < 0.6 else -1
    way, item = choose(rng, split, _AFTER if step == 1 else _BEFORE, [str(n) for n in range(1, 100)])
    return [_asked(rng, way, int(item), 0, f"{int(item) + step}.")]


def parity(rng: np.random.Generator, split: Split) -> list[Turn]:
    way, item = choose(rng, split, _PARITY, [str(n) for n in range(100)])
    return [_asked(rng, way, int(item), 0, f"{item} is {'odd' if int(item) % 2 else 'even'}.")]


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
    asked = one(rng, ways).format(s=start, e=stop, by=by)
    return [(as_typed(rng, asked), ", ".join(said).capitalize() + ".")]


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
        asked, now = steps[int(rng.integers(len(steps)))]
        turns.append((as_typed(rng, asked), f"{now}."))
    if rng.random() < 0.3:
        turns.append((one(rng, ("Is that even or odd?", "Is it odd or even?")), f"{now} is {'odd' if now % 2 else 'even'}."))  # fmt: skip
    return turns


def too_big(rng: np.random.Generator, split: Split) -> list[Turn]:
    """Honest about what lies outside; held out by the numbers."""
    while True:
        a, b = (int(n) for n in rng.integers(1000, 99999, 2))
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


def _range(rng: np.random.Generator, split: Split) -> tuple[int, int, int]:
    """(first, last, step) to count, split by all three."""
    while True:
        step = (1, 1, 1, -1, 2, 10)[int(rng.integers(6))]
        first = 1 if step == 1 and rng.random() < 0.4 else int(rng.integers(0, 30))
        first = {2: first // 2 * 2, 10: 10}.get(step, first)
        last = first + step * int(rng.integers(2, 12))
        if 0 <= last <= 100 and (zlib.crc32(f"{first} {last}".encode()) % EVERY == 0) == (split == "heldout"):
            return first, last, step


def _asked(rng: np.random.Generator, way: str, a: int, b: int, answer: str) -> Turn:
    return as_typed(rng, way.format(a=a, b=b)), answer


KINDS: dict[str, Kind] = {
    "two_digit_sum": Kind(two_digit_sum, 0.26),
    "two_digit_difference": Kind(two_digit_difference, 0.14),
    "brief": Kind(brief, 0.04),
    "small": Kind(small, 0.13),
    "product": Kind(product, 0.06),
    "quotient": Kind(quotient, 0.03),
    "comparison": Kind(comparison, 0.06),
    "neighbour": Kind(neighbour, 0.03),
    "parity": Kind(parity, 0.03),
    "counting": Kind(counting, 0.05),
    "number_words": Kind(number_words, 0.03),
    "ordering": Kind(ordering, 0.03),
    "word_problem": Kind(word_problem, 0.06),
    "follow_up": Kind(follow_up, 0.03),
    "too_big": Kind(too_big, 0.02, exact=False),
}


def sample(rng: np.random.Generator, split: Split = "train") -> list[Turn]:
    """One conversation about numbers."""
    return pick(KINDS, rng, split)
