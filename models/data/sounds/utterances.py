"""What is said aloud: closed phrases and an open vocabulary, lower case, with no punctuation but the apostrophe.

Job: sample a short text of a kind and a split; say whether a text is held out.
Ignorance: voices, sounds, tokens. The words of the open kinds are read from the shared corpus by `read_lexicon`.
The hold-out, by fixed rules: some words (`held_out_word`) and, of texts of three words and more, every sixteenth
(`held_out`). Single words of the closed world, pairs of them and fixed phrases are in both splits.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np

from models.data.pictures.things import COLOURS, SHAPES
from models.data.text.numerals import DIGITS, TEENS, TENS
from models.data.text.turns import Split, one

Kind = Literal["digits", "numbers", "phrase", "things", "command", "sentence", "words", "names"]
KINDS: tuple[Kind, ...] = get_args(Kind)
LONGEST_WORDS, LONGEST_LETTERS = 8, 38  # at most 4 s in the slowest plain voice

PHRASES = (
    "hello", "hello there", "good morning", "good evening", "good night", "goodbye", "thank you", "thank you very much", "how are you",
    "i am fine", "see you soon", "see you tomorrow", "yes please", "no thank you", "what is your name", "my name is pico",
    "nice to meet you", "where are you", "i am here", "the sun is warm", "it is time to go", "open the door", "close the window",
    "turn on the light", "turn off the light", "tell me a story", "what can you do", "who are you", "please help me", "stop",
    "wait a moment", "say it again", "i do not know", "i am not sure", "that is right", "that is wrong", "what time is it",
    "what do you see", "what do you hear", "please speak slowly", "are you there", "come here", "look at this", "listen to me",
)  # fmt: skip
_COMMANDS = (
    "draw",
    "please draw",
    "paint",
    "show me",
    "make",
    "can you draw",
    "i want",
    "add",
    "remove",
    "find",
)
_THINGS = (
    "bird",
    "cat",
    "dog",
    "tree",
    "car",
    "flower",
    "house",
    "boat",
    "apple",
    "book",
    "star",
    "ball",
    "cup",
    "chair",
    "hat",
)
_PLACES = ("on the table", "in the garden", "by the river", "under the tree", "near the house", "in the box")  # fmt: skip
_CLOSED = frozenset(
    word
    for text in (*DIGITS, *TEENS, *TENS, *PHRASES, *_COMMANDS, *_THINGS, *_PLACES, *COLOURS, *SHAPES,
                 "hundred thousand above below plus minus times it green left right of the "
                 "really something every little these years tonight looking everyone around answer first anyone")
    for word in text.split()
)  # fmt: skip
WORD_LISTS = ("common_words", "nouns", "adjectives", "adverbs", "animals", "fruits", "vegetables", "household_objects", "body_parts",
               "clothing", "instruments", "sports", "flowers", "occupations", "weather", "rooms", "metals", "fabrics", "moods")  # fmt: skip


class Said(NamedTuple):
    kind: Kind
    text: str


@dataclass(frozen=True)
class Lexicon:
    """The open vocabulary, every text short enough to be said."""

    sentences: tuple[str, ...]
    words: tuple[str, ...]
    names: tuple[str, ...]


def held_out_word(word: str) -> bool:
    """True for one in sixteen words of five letters and more that is neither closed nor very common: training never hears them."""
    return (
        len(word) >= 5
        and "'" not in word
        and word not in _CLOSED
        and zlib.crc32(f"word/{word}".encode()) % 16 == 0
    )


def held_out(text: str) -> bool:
    words = text.split()
    if any(held_out_word(word) for word in words):
        return True
    return len(words) >= 3 and text not in PHRASES and zlib.crc32(text.encode()) % 16 == 0


def plain(text: str) -> str | None:
    """The text as it is said, or None where it has signs, figures or letters that are not plainly said."""
    if re.search(r"[^A-Za-z',.!?;:\" -]", text):
        return None
    words = re.sub(r"[^a-z' ]", " ", text.lower()).split()
    return " ".join(kept for word in words if (kept := word.strip("'")))


def short(text: str) -> bool:
    return 0 < len(text) <= LONGEST_LETTERS and len(text.split()) <= LONGEST_WORDS


def read_lexicon(corpus: Path) -> Lexicon:
    """Sentences, words and first names of the shared corpus, in a fixed order."""
    with gzip.open(corpus / "text/sentences.jsonl.gz", "rt", encoding="utf-8") as file:
        spoken = [json.loads(line)["text"] for line in file]
    sentences = _said(spoken + _items(corpus, "harvard_sentences"))
    listed = (text for name in WORD_LISTS for text in _items(corpus, name) if text.islower())
    words = {word for text in (*_said(listed), *sentences) for word in text.split()}
    names = _said(_items(corpus, "first_names"))
    return Lexicon(
        tuple(text for text in sentences if " " in text),
        tuple(sorted(word for word in words - set(names) if 2 <= len(word) <= 12 and "'" not in word)),
        tuple(name for name in names if " " not in name),
    )


def _items(corpus: Path, name: str) -> list[str]:
    return [str(text) for text in json.loads((corpus / f"words/{name}.json").read_text())["items"]]


def _said(texts: Iterable[str]) -> list[str]:
    """Each short text once, in the order of its first coming."""
    return list(dict.fromkeys(said for text in texts if (said := plain(text)) and short(said)))


def sample(
    rng: np.random.Generator, split: Split = "train", lexicon: Lexicon | None = None, kind: Kind | None = None
) -> Said:
    """Something to say. Without a lexicon only the closed kinds come; fixed phrases are the same in both splits.

    Raises:
        ValueError: an open kind was asked for without a lexicon.
    """
    kind = kind or _KIND_BAG[int(rng.integers(len(_KIND_BAG) if lexicon else _KIND_BAG.index("sentence")))]
    if lexicon is None and kind in ("sentence", "words", "names"):
        raise ValueError(f"{kind!r} needs a lexicon: read_lexicon(corpus)")
    while True:
        text = _sample(kind, rng, lexicon)
        if kind == "phrase" or (short(text) and held_out(text) == (split == "heldout")):
            return Said(kind, text)


def sample_unheard(rng: np.random.Generator, lexicon: Lexicon) -> Said:
    """For the test of the open vocabulary: a sentence of the corpus, or words, with a word that training never heard."""
    new = held_out_words(lexicon)
    if rng.random() < 0.5:
        told = [text for text in lexicon.sentences if any(map(held_out_word, text.split()))]
        return Said("sentence", one(rng, told))
    words = [*(one(rng, lexicon.words) for _ in range(int(rng.integers(0, 4)))), one(rng, new)]
    text = " ".join(str(word) for word in rng.permutation(words))
    return Said("words", text) if short(text) else sample_unheard(rng, lexicon)


def held_out_words(lexicon: Lexicon) -> list[str]:
    return [word for word in lexicon.words if held_out_word(word)]


def number(value: int) -> str:
    """0-9999 in words, as Americans say them: "one hundred five"."""
    if value < 10:
        return DIGITS[value]
    if value < 20:
        return TEENS[value - 10]
    for size, name in ((1000, " thousand"), (100, " hundred")):
        if value >= size:
            return f"{number(value // size)}{name}{_and_rest(value % size)}"
    return TENS[value // 10 - 2] + _and_rest(value % 10)


def _and_rest(rest: int) -> str:
    return f" {number(rest)}" if rest else ""


def _sample(kind: Kind, rng: np.random.Generator, lexicon: Lexicon | None) -> str:
    if lexicon and kind == "sentence":
        return one(rng, lexicon.sentences)
    if lexicon and kind == "words":
        return " ".join(one(rng, lexicon.words) for _ in range(int(rng.integers(1, 6))))
    if lexicon and kind == "names":
        return _with_name(rng, one(rng, lexicon.names))
    return {
        "digits": _digits,
        "numbers": _numbers,
        "phrase": _phrase,
        "things": _things,
        "command": _command,
    }[kind](rng)


def _digits(rng: np.random.Generator) -> str:
    return " ".join(one(rng, DIGITS) for _ in range(int(rng.integers(1, 6))))


def _numbers(rng: np.random.Generator) -> str:
    value = number(int(rng.integers(0, 10 ** int(rng.integers(2, 5)))))
    if rng.random() < 0.6:
        return value
    sign = one(rng, ("plus", "minus", "times"))
    return f"{number(int(rng.integers(0, 100)))} {sign} {number(int(rng.integers(0, 20)))}"


def _phrase(rng: np.random.Generator) -> str:
    return one(rng, PHRASES)


def _things(rng: np.random.Generator) -> str:
    colour, thing = one(rng, tuple(COLOURS)), one(rng, (*SHAPES, *_THINGS))
    form = int(rng.integers(3))
    if form == 0:
        return f"{_article(colour)} {colour} {thing}"
    if form == 1:
        return f"the {one(rng, _THINGS)} is {one(rng, _PLACES)}"
    return f"the {thing} is {colour}"


def _command(rng: np.random.Generator) -> str:
    first, second = one(rng, SHAPES), one(rng, SHAPES)
    a, b = one(rng, tuple(COLOURS)), one(rng, tuple(COLOURS))
    form = int(rng.integers(6))
    if form == 0:
        return f"draw {_article(first)} {first} {one(rng, ('above', 'below'))} {_article(second)} {second}"
    if form == 1:
        return f"make the {first} {a}"
    if form == 2:
        return f"{_article(a)} {a} {first} and {_article(b)} {b} {second}"
    return f"{one(rng, _COMMANDS)} {_article(a)} {a} {first}"


def _with_name(rng: np.random.Generator, name: str) -> str:
    return one(
        rng, ("{}", "my name is {}", "this is {}", "call {} please", "where is {}", "good morning {}")
    ).format(name)


def _article(noun: str) -> str:
    return "an" if noun[0] in "aeiou" else "a"


_KIND_BAG: Sequence[Kind] = ("digits", "digits", "numbers", "numbers", "phrase", "things", "things", "command", "command",
                             "sentence", "sentence", "sentence", "sentence", "sentence", "sentence", "words", "words", "words", "names")  # fmt: skip
