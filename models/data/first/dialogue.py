"""Text-only turns: templated small talk, facts, sums, word games, honest ignorance; and readers of the open corpus.

Job: (user, assistant) pairs from a seeded generator, split by composition of phrasing x item. Ignorance: tokens, media.
"""

from __future__ import annotations

import gzip
import json
import zlib
from pathlib import Path

import numpy as np

from models.data.first.pictures import NUMBERS, Split

Turn = tuple[str, str]

_IDENTITY = "I am pico, a small model that reads and makes text, pictures and sound."
_SKILLS = "I can describe pictures of shapes, draw them, write down speech, speak, and chat a little."
_FIXED: dict[str, tuple[str, ...]] = {
    "Hello! How can I help you?": ("Hello.", "Hi.", "Hi there!", "Hey!", "Good morning.", "Hello!", "Good evening.", "Hi!", "Hey there."),
    _IDENTITY: ("Who are you?", "What are you?", "What is your name?", "Tell me about yourself.", "Are you a robot?", "Introduce yourself.", "What's your name?"),
    _SKILLS: ("What can you do?", "How can you help me?", "What are you good at?", "What do you know?", "Tell me what you can do.", "Can you help me?"),
    "You are welcome!": ("Thank you.", "Thanks!", "Thank you very much.", "Thanks a lot.", "That was great, thank you.", "Thank you!"),
    "I am fine, thank you. How are you?": ("How are you?", "How are you today?", "How do you do?", "How is it going?", "Are you well?"),
    "Goodbye! See you soon.": ("Goodbye.", "Bye.", "See you later.", "Good night.", "Bye bye!", "See you soon."),
    "Yes. I run on your own machine, and nothing leaves it.": ("Are you offline?", "Is this private?", "Do you need the internet?", "Do you run on my computer?", "Are my data safe?"),
    "I am sorry to hear that.": ("I am sad.", "I feel bad today.", "I am tired.", "I had a bad day.", "I am not happy."),
    "I am glad to hear that!": ("I am happy.", "I feel great today.", "I had a good day.", "I am very happy.", "I am well."),
}  # fmt: skip
_OPPOSITES = {"big": "small", "hot": "cold", "up": "down", "day": "night", "left": "right", "happy": "sad", "fast": "slow", "old": "young",
              "open": "closed", "black": "white", "above": "below", "full": "empty", "hard": "soft", "long": "short", "early": "late", "good": "bad"}  # fmt: skip
_THING_COLOURS = {"the sky": "blue", "grass": "green", "snow": "white", "coal": "black", "a banana": "yellow", "blood": "red", "a carrot": "orange",
                  "chocolate": "brown", "an elephant": "gray", "a leaf": "green", "the sun": "yellow", "a tomato": "red", "a pig": "pink", "milk": "white"}  # fmt: skip
_SAYS = {"dog": "woof", "cat": "meow", "cow": "moo", "duck": "quack", "sheep": "baa", "bee": "buzz", "lion": "roar", "bird": "tweet", "owl": "hoot", "pig": "oink"}  # fmt: skip
_SIDES = {
    "triangle": "three",
    "square": "four",
    "circle": "no",
    "cross": "twelve",
    "diamond": "four",
    "star": "ten",
}
_UNKNOWN = (
    "What is the capital of {x}?", "Who was the king of {x}?", "How many people live in {x}?", "What happened in {x} last year?",
    "What is the weather in {x}?", "Who won the election in {x}?", "When was {x} founded?", "How far away is {x}?",
)  # fmt: skip
_PLACES = (
    "Peru",
    "France",
    "Japan",
    "Kenya",
    "London",
    "Brazil",
    "Canada",
    "Rome",
    "India",
    "Chile",
    "Egypt",
    "Norway",
    "Texas",
    "Berlin",
)
_NOT_SURE = "I am not sure. I am a very small model and I do not know that."
_WORDS = (
    "cat",
    "dog",
    "sun",
    "tree",
    "fish",
    "book",
    "star",
    "moon",
    "house",
    "apple",
    "river",
    "green",
    "table",
    "bird",
    "seven",
    "cloud",
    "boat",
    "music",
)


def held_out(phrasing: int, item: str) -> bool:
    """True for the eighth of phrasing x item pairs that training never sees."""
    return zlib.crc32(f"{phrasing}/{item}".encode()) % 8 == 0


def _choose(
    rng: np.random.Generator, split: Split, phrasings: tuple[str, ...], items: tuple[str, ...]
) -> tuple[str, str]:
    while True:
        i, item = int(rng.integers(len(phrasings))), str(rng.choice(items))
        if held_out(i, item) == (split == "heldout"):
            return phrasings[i].replace("{x}", item), item


def sample(rng: np.random.Generator, split: Split = "train") -> Turn:
    """One question and its one right answer."""
    return _KINDS[int(rng.integers(len(_KINDS)))](rng, split)


def small_talk(rng: np.random.Generator, split: Split) -> Turn:
    """Fixed answers; there is no unseen composition here, so both splits are the same."""
    answer = str(rng.choice(list(_FIXED)))
    return str(rng.choice(_FIXED[answer])), answer


def _sum(rng: np.random.Generator, split: Split) -> Turn:
    pairs = tuple(
        f"{a} {op} {b}"
        for a in range(10)
        for b in range(10)
        for op in ("plus", "minus")
        if op == "plus" or a >= b
    )
    question, item = _choose(rng, split, ("What is {x}?", "How much is {x}?", "{x}?", "Compute {x}."), pairs)
    a, op, b = item.split()
    return question, f"{int(a) + int(b) if op == 'plus' else int(a) - int(b)}."


def _opposite(rng: np.random.Generator, split: Split) -> Turn:
    both = _OPPOSITES | {v: k for k, v in _OPPOSITES.items()}
    question, item = _choose(
        rng,
        split,
        ("What is the opposite of {x}?", "Name the opposite of {x}.", "The opposite of {x}?"),
        tuple(both),
    )
    return question, f"The opposite of {item} is {both[item]}."


def _colour_of(rng: np.random.Generator, split: Split) -> Turn:
    question, item = _choose(
        rng,
        split,
        ("What color is {x}?", "What colour is {x}?", "Which color has {x}?", "Tell me the color of {x}."),
        tuple(_THING_COLOURS),
    )
    return question, f"{item[0].upper()}{item[1:]} is {_THING_COLOURS[item]}."


def _animal(rng: np.random.Generator, split: Split) -> Turn:
    question, item = _choose(
        rng,
        split,
        ("What does a {x} say?", "What sound does a {x} make?", "Which sound does the {x} make?"),
        tuple(_SAYS),
    )
    return question, f"A {item} says {_SAYS[item]}."


def _sides(rng: np.random.Generator, split: Split) -> Turn:
    question, item = _choose(
        rng,
        split,
        ("How many sides does a {x} have?", "How many sides has a {x}?", "Count the sides of a {x}."),
        tuple(_SIDES),
    )
    return question, f"A {item} has {_SIDES[item]} sides."


def _spell(rng: np.random.Generator, split: Split) -> Turn:
    question, item = _choose(
        rng, split, ("Spell {x}.", "How do you spell {x}?", "Spell the word {x}."), _WORDS
    )
    return question, "-".join(item) + "."


def _next_number(rng: np.random.Generator, split: Split) -> Turn:
    question, item = _choose(
        rng,
        split,
        ("What comes after {x}?", "Which number follows {x}?", "What is the next number after {x}?"),
        tuple(map(str, range(30))),
    )
    return question, f"{int(item) + 1}."


def _count(rng: np.random.Generator, split: Split) -> Turn:
    last = int(rng.integers(2, 6))
    return f"Count to {NUMBERS[last]}.", ", ".join(NUMBERS[1 : last + 1]).capitalize() + "."


def _repeat(rng: np.random.Generator, split: Split) -> Turn:
    words = " ".join(rng.choice(_WORDS, int(rng.integers(2, 5))))
    return str(rng.choice(["Repeat: ", "Repeat after me: ", "Copy this: "])) + words, words


def _unknown(rng: np.random.Generator, split: Split) -> Turn:
    question, _ = _choose(rng, split, _UNKNOWN, _PLACES)
    return question, _NOT_SURE


_KINDS = (
    small_talk,
    small_talk,
    small_talk,
    _sum,
    _sum,
    _sum,
    _opposite,
    _colour_of,
    _animal,
    _sides,
    _spell,
    _next_number,
    _count,
    _repeat,
    _repeat,
    _unknown,
)


def read_lines(path: Path) -> list[str]:
    """Lines of a text file, gzipped or not."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as file:
        return [line.strip() for line in file if line.strip()]


def corpus_paragraphs(corpus: Path) -> list[str]:
    """Short plain paragraphs of the shared corpus: everyday sentences, picture-book stories, children's books."""
    found = [json.loads(line)["text"] for line in read_lines(corpus / "text/sentences.jsonl.gz")]
    for line in read_lines(corpus / "text/stories.jsonl.gz"):
        found += [p for p in json.loads(line)["text"].split("\n") if 30 < len(p) < 300]
    index = json.loads((corpus / "text/books_index.json").read_text())
    for book in index:
        if book["level"] == "children":
            found += [
                p
                for p in read_lines(corpus / "text" / "books" / Path(book["file"]).name)
                if 40 < len(p) < 300
            ]
    return found


def corpus_small_talk(corpus: Path) -> list[list[dict[str, str]]]:
    """Short conversations of the shared corpus, as lists of {role, text}."""
    chats = [json.loads(line)["turns"] for line in read_lines(corpus / "text/smalltalk.jsonl")]
    return [c for c in chats if sum(len(t["text"]) for t in c) < 500]
