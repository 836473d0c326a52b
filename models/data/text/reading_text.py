"""Text of the open corpus that a very small model can learn from: short, plain, in words it knows.

Job: paragraphs to continue, small talk, definitions, yes-or-no questions with their facts, small word problems, and the
held-out book. Every reader takes the corpus folder. Ignorance: templated text, tokens, media.

Held out: of the children's books that are free everywhere, the one whose file name has the smallest crc32; of definitions and
conversations, an eighth by crc32; the corpus's own test parts.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from models.data.text import world
from models.data.text.turns import EVERY, Split, Turn, a, capital

_PLAIN = re.compile(r"[A-Za-z0-9 ,.;:!?'\"()-]+")
_DEFINED = ("What is {x}?", "What does {w} mean?", "Explain {w}.", "Tell me what {x} is.", "Define {w}.", "What is the meaning of {w}?", "Do you know what {x} is?", "Describe {x} in a few words.")  # fmt: skip
_NOT_PICO = re.compile(
    r"\b(Alice|HAL|Cortana|Microsoft|chatterbot|I am human|born|boyfriend|girlfriend|drunk|sex|god|religion|die|dead|kill|hate|stock|invest)\b", re.I
)  # fmt: skip


_UNCOUNTED = re.compile(
    r"\w+(ness|ity|[ae]nce|ment|tion|sion|ship|hood|ism|ing|th|ss|s)"
)  # "a silence" is no English


def read_lines(path: Path) -> list[str]:
    """Lines of a text file that say something, gzipped or not."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as file:
        return [line.strip() for line in file if line.strip()]


def plain(text: str, longest: int, shortest: int = 1) -> bool:
    """Short enough, ASCII, no markup."""
    return shortest <= len(text) <= longest and _PLAIN.fullmatch(text) is not None


def in_split(text: str, split: Split) -> bool:
    return (zlib.crc32(text.encode()) % EVERY == 0) == (split == "heldout")


def held_out_book(corpus: Path) -> Path:
    """The children's book kept for bits per byte: by the smallest crc32 of its file name among those free everywhere."""
    return min(_books(corpus, everywhere=True), key=lambda path: (zlib.crc32(path.name.encode()), path.name))


def held_out_text(corpus: Path, longest: int = 60_000) -> str:
    """The beginning of the held-out book, a paragraph a line."""
    return "\n".join(read_lines(held_out_book(corpus)))[:longest]


def paragraphs(corpus: Path, longest: int = 300) -> list[str]:
    """To be continued: everyday sentences, picture-book stories, the children's books but the held-out one."""
    found = [row["text"] for row in _rows(corpus / "text/sentences.jsonl.gz")]
    for row in _rows(corpus / "text/stories.jsonl.gz"):
        found += row["text"].split("\n")
    kept = held_out_book(corpus)
    for book in _books(corpus):
        if book != kept:
            found += read_lines(book)
    return [text for text in found if plain(text, longest, 12) and text[-1] in '.!?"']


def passages(corpus: Path, longest: int = 600, levels: tuple[str, ...] = ("children",)) -> list[str]:
    """Neighbouring paragraphs of a story or book joined up to the length: connected reading.

    Levels "children" and "general" of the index; a larger member on a GPU reads both.
    """
    kept = held_out_book(corpus)
    sources = [row["text"].split("\n") for row in _rows(corpus / "text/stories.jsonl.gz")]
    sources += [read_lines(book) for book in _books(corpus, levels) if book != kept]
    found: list[str] = []
    for source in sources:
        passage = ""
        for text in source:
            if len(passage) + len(text) >= longest or not plain(text, longest):
                found.append(passage)
                passage = ""
            if plain(text, longest):
                passage = f"{passage}\n{text}" if passage else text
        found.append(passage)
    return [passage for passage in found if len(passage) > 80]


def chats(corpus: Path, split: Split, longest: int = 240) -> list[list[Turn]]:
    """Small talk that fits a small program: no trivia, no claims of a life or of another name."""
    found = []
    for row in _rows(corpus / "text/smalltalk.jsonl"):
        texts = [turn["text"].strip() for turn in row["turns"]]
        fits = row["topic"] in ("personality", "emotion", "greetings", "conversation", "food", "humor")
        if fits and sum(map(len, texts)) <= longest and all(plain(t, longest) and not _NOT_PICO.search(t) for t in texts) and in_split(texts[0], split):  # fmt: skip
            found.append(list(zip(texts[::2], texts[1::2], strict=False)))
    return found


def definitions(corpus: Path, split: Split, count: int = 1500, longest: int = 70) -> list[list[Turn]]:
    """ "What is a boat?" of the most frequent nouns that take an article; eight wordings in turn; words are held out."""
    found: list[tuple[str, str]] = []
    taught = {
        thing for things in world.CATEGORIES.values() for thing in things
    }  # these have one short answer already
    for row in _rows(corpus / "text/dictionary.jsonl.gz"):
        word, sense = row["word"], row["senses"][0]
        text = re.sub(r" ?\([^)]*\)", "", sense["definition"]).split(";")[0].strip()
        noun = sense["pos"] == "noun" and word.isalpha() and word.islower() and not _UNCOUNTED.fullmatch(word)
        if noun and word not in taught and re.match(r"an? [a-z]", text) and plain(text, longest, 8):
            found.append((word, f"{capital(a(word))} is {text}."))
        if len(found) >= count:
            break
    asked = [(_DEFINED[i % len(_DEFINED)].format(x=a(word), w=word), text, word) for i, (word, text) in enumerate(found)]  # fmt: skip
    return [[(question, text)] for question, text, word in asked if in_split(word, split)]


def yes_no(corpus: Path, split: Split, longest: int = 260) -> list[list[Turn]]:
    """The facts are given, so that reading decides and not knowledge. Held out: the corpus's own part."""
    name = "yesno_train" if split == "train" else "yesno_dev"
    rows = _rows(corpus / f"text/{name}.jsonl.gz")
    asked = [(" ".join(row["facts"]) + " " + row["question"], row["answer"]) for row in rows]
    return [[(text, f"{answer.capitalize()}.")] for text, answer in asked if plain(text, longest)]


def word_problems(corpus: Path, split: Split, longest: int = 200, largest: int = 200) -> list[list[Turn]]:
    """Short problems with the number as answer. Held out: the corpus's own part."""
    name = "gsm8k_train" if split == "train" else "gsm8k_test"
    rows = _rows(corpus / f"text/{name}.jsonl.gz")
    return [
        [(row["question"], f"{row['final']}.")]
        for row in rows
        if plain(row["question"], longest) and row["final"].isdigit() and int(row["final"]) <= largest
    ]


def _books(corpus: Path, levels: tuple[str, ...] = ("children",), *, everywhere: bool = False) -> list[Path]:
    """Books of the levels; `everywhere`: only those free in every country."""
    index = json.loads((corpus / "text/books_index.json").read_text())
    books = [b for b in index if b["level"] in levels and not (everywhere and b.get("us_only"))]
    return sorted(corpus / "text/books" / Path(book["file"]).name for book in books)


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    return (json.loads(line) for line in read_lines(path))
