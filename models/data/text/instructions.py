"""Short instructions about words: repeat, reverse, sort, count, capitals, first and last, make a sentence, answer in a form.

Job: instructions in many wordings whose answers follow from the words given; split by the words given.
Ignorance: what the words mean, other talk, tokens, media.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable

import numpy as np

from models.data.text.turns import EVERY, Kind, Split, Turn, a, capital, one, pick, some

_THINGS = (
    "cat", "dog", "sun", "tree", "fish", "book", "star", "moon", "house", "apple", "river", "table", "bird", "cloud", "boat", "music", "water", "bread", "milk", "horse", "chair", "window", "garden",
    "flower", "rabbit", "circle", "pencil", "letter", "king", "queen", "rain", "snow", "wind", "fire", "stone", "ship", "train", "plane", "lemon", "tiger", "bell", "hat", "key", "lamp", "ring", "cup",
    "door", "egg", "frog", "goat", "hand", "island", "jacket", "kite", "leaf", "mouse", "nest", "owl", "pear", "road", "shoe", "tower", "uncle", "violin", "wolf", "year",
)  # fmt: skip
_MASS = ("music", "water", "bread", "milk", "rain", "snow", "wind", "fire")
_COUNTED = tuple(word for word in _THINGS if word not in _MASS)
_WORDS = (*_THINGS, "red", "green", "blue", "happy", "small", "big", "old", "new", "fast", "slow", "good", "seven", "three", "ten", "run", "sing", "jump", "sleep")  # fmt: skip
_REPEAT = (
    "Repeat: {x}", "Repeat after me: {x}", "Copy this: {x}", "Write: {x}", "Please repeat: {x}", "Write exactly this: {x}", "Type this: {x}", "Echo: {x}", "Repeat these words: {x}",
)  # fmt: skip
_JOIN = ("Write {x} without commas.", "Write these words in one line: {x}.", "Take out the commas: {x}.", "Remove the commas from: {x}.")  # fmt: skip
_REVERSE = ("Reverse the list: {x}.", "Write these backwards: {x}.", "Turn the order around: {x}.", "Reverse: {x}.", "List these in reverse: {x}.", "Start with the last: {x}.")  # fmt: skip
_SORT = ("Sort these words: {x}.", "Put in order of the alphabet: {x}.", "Sort from A to Z: {x}.", "Order these: {x}.", "Sort alphabetically: {x}.", "Which order has the alphabet for {x}?")  # fmt: skip
_UPPER = ("Write in capitals: {x}", "Write in capital letters: {x}", "Make it upper case: {x}", "In big letters: {x}", "Uppercase: {x}")  # fmt: skip
_LOWER = ("Write in small letters: {x}", "Make it lower case: {x}", "Lowercase: {x}", "No capitals, please: {x}")  # fmt: skip
_COUNT = ("How many words are here: {x}", "Count the words: {x}", "How many words do you see: {x}", "Number of words: {x}", "Count these words, please: {x}")  # fmt: skip
_FIRST = ("What is the first word: {x}", "Which word comes first: {x}", "Give me the first word of: {x}", "First word only: {x}", "Give only the first: {x}")  # fmt: skip
_LAST = tuple(way.replace("first", "last").replace("First", "Last") for way in _FIRST)
_LONGEST = ("Which word is longest: {x}?", "What is the longest word: {x}?", "Name the longest of {x}.")
_MIDDLE = ("Which word is in the middle: {x}?", "Name the middle word: {x}.", "What stands in the middle: {x}?")  # fmt: skip
_SENTENCE = (
    "Make a sentence with {x}.", "Use {x} in a sentence.", "Write a sentence with the word {x}.", "Give me a sentence about {a}.", "Say something about {a}.", "Tell me something about {a}.", "Form a sentence with {x}.",
    "Can you write a sentence with {x}?",
)  # fmt: skip
_FRAMES = (
    "I see {a}.", "The {x} is very nice.", "There is {a} in the picture.", "My friend has {a}.", "We found {a} today.", "I like the {x}.", "She looks at the {x}.", "This is my {x}.",
)  # fmt: skip
_FORMS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("Double the word {x}.", lambda x: f"{capital(x)}, {x}."),
    ("Three times {x}, please.", lambda x: f"{capital(x)}, {x}, {x}."),
    ("Write {x} twice.", lambda x: f"{capital(x)}, {x}."),
    ("Repeat {x} three times.", lambda x: f"{capital(x)}, {x}, {x}."),
    ("Answer with one word: {x}.", lambda x: f"{capital(x)}."),
    ("Write only {x}.", lambda x: f"{capital(x)}."),
    ("Put {x} in quotes.", lambda x: f'"{x}"'),
    ("Write {x} backwards.", lambda x: f"{'-'.join(x[::-1])}."),
    ("Spell {x} backwards.", lambda x: f"{'-'.join(x[::-1])}."),
    ("Shout {x}!", lambda x: f"{x.upper()}!"),
    ("Ask if I have {a}.", lambda x: f"Do you have {a(x)}?"),
    ("Ask me about the {x}.", lambda x: f"Do you like the {x}?"),
    ("Greet the {x}.", lambda x: f"Hello, {x}!"),
    ("Tell the {x} no.", lambda x: f"No, {x}."),
    ("Thank the {x}.", lambda x: f"Thank you, {x}!"),
)


def held_out(words: list[str]) -> bool:
    """An eighth of the sets of given words, whatever is to be done with them."""
    return zlib.crc32(" ".join(sorted(words)).encode()) % EVERY == 0


def given(rng: np.random.Generator, split: Split, least: int, most: int) -> list[str]:
    """Different words of the split."""
    while True:
        words = some(rng, _WORDS, int(rng.integers(least, most + 1)))
        if held_out(words) == (split == "heldout"):
            return words


def repeat(rng: np.random.Generator, split: Split) -> list[Turn]:
    words = " ".join(given(rng, split, 1, 6))
    return [(one(rng, _REPEAT).format(x=words), words)]


def lists(rng: np.random.Generator, split: Split) -> list[Turn]:
    """Reverse, sort, join, longest, middle."""
    words = given(rng, split, 2, 5)
    tasks = [(_REVERSE, words[::-1]), (_REVERSE, words[::-1]), (_SORT, sorted(words)), (_SORT, sorted(words)), (_JOIN, [" ".join(words)])]  # fmt: skip
    sizes = sorted(len(word) for word in words)
    if sizes[-1] > sizes[-2]:
        tasks.append((_LONGEST, [max(words, key=len)]))
    if len(words) in (3, 5):
        tasks.append((_MIDDLE, [words[len(words) // 2]]))
    ways, answer = tasks[int(rng.integers(len(tasks)))]
    return [(one(rng, ways).format(x=", ".join(words)), capital(", ".join(answer)) + ".")]


def lines(rng: np.random.Generator, split: Split) -> list[Turn]:
    """Capitals, small letters, number of words, first and last word."""
    words = given(rng, split, 2, 5)
    said = " ".join(words)
    sort = int(rng.integers(5))
    if sort == 1:
        said = capital(said) if rng.random() < 0.5 else said.upper()
    ways = (_UPPER, _LOWER, _COUNT, _FIRST, _LAST)[sort]
    answer = (said.upper(), said.lower(), f"{len(words)}.", f"{capital(words[0])}.", f"{capital(words[-1])}.")  # fmt: skip
    return [(one(rng, ways).format(x=said), answer[sort])]


def form(rng: np.random.Generator, split: Split) -> list[Turn]:
    """One word in an asked form; held out by wording x word."""
    while True:
        i, word = int(rng.integers(len(_FORMS))), one(rng, _COUNTED)
        if held_out([str(i), word]) == (split == "heldout"):
            way, made = _FORMS[i]
            return [(way.format(x=word, a=a(word)), made(word))]


def sentence(rng: np.random.Generator, split: Split) -> list[Turn]:
    """Several answers are right: any sentence with the word."""
    while True:
        i, word = int(rng.integers(len(_SENTENCE))), one(rng, _COUNTED)
        if held_out([str(i), word]) == (split == "heldout"):
            return [(_SENTENCE[i].format(x=word, a=a(word)), one(rng, _FRAMES).format(x=word, a=a(word)))]


def continued(rng: np.random.Generator, split: Split) -> list[Turn]:
    """A list worked on for some turns: "Sort them." "Now backwards." "What is the first?" """
    words = given(rng, split, 3, 4)
    turns = [(one(rng, _REPEAT[:5]).format(x=", ".join(words)), ", ".join(words))]
    for _ in range(int(rng.integers(1, 4))):
        sort = int(rng.integers(5))
        if sort < 2:
            words = sorted(words) if sort else words[::-1]
            answer = capital(", ".join(words)) + "."
        else:
            answer = (f"{capital(words[0])}.", f"{capital(words[-1])}.", f"{len(words)}.")[sort - 2]
        ways = (("Now backwards.", "Reverse them."), ("Sort them.", "Now sort it."), ("Which is first?", "What is the first?"), ("Which is last?", "What is the last?"), ("How many are there?", "How many words?"))[sort]  # fmt: skip
        turns.append((one(rng, ways), answer))
    return turns


def has_the_word(turn: Turn, said: str) -> bool:
    """A sentence of at least three words with the word that the expected one has from the question."""
    asked = set(re.findall("[a-z]+", turn[0].lower())) & set(_COUNTED)
    return len(said.split()) >= 3 and bool(asked & set(re.findall("[a-z]+", said.lower())))


KINDS: dict[str, Kind] = {
    "repeat": Kind(repeat, 0.22),
    "lists": Kind(lists, 0.24),
    "lines": Kind(lines, 0.22),
    "form": Kind(form, 0.12),
    "sentence": Kind(sentence, 0.10, has_the_word),
    "continued": Kind(continued, 0.10),
}


def sample(rng: np.random.Generator, split: Split = "train") -> list[Turn]:
    """One conversation about given words."""
    return pick(KINDS, rng, split)
