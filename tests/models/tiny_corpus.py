"""A corpus folder with a handful of lines, in the layout of the shared one, for tests of what reads it."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import soundfile

from models.data.pictures import kinds
from models.data.sounds import utterances

WORDS = ("apple", "boat", "cat", "dog", "egg", "fish", "green", "happy", "river", "table", "yellow", "window")
_LINE = "The little boat went down the river, and the cat saw a big fish near the table."


def write(folder: Path) -> Path:
    """The folder itself."""
    for name in ("words", "text/books", "speech/fsdd"):
        (folder / name).mkdir(parents=True)
    for name in {*kinds.WORD_LISTS, *utterances.WORD_LISTS, "harvard_sentences", "first_names"}:
        items = ("Anna", "Tom") if name == "first_names" else WORDS
        (folder / f"words/{name}.json").write_text(json.dumps({"items": items}))
    turn = [{"role": "user", "text": "Hello you."}, {"role": "assistant", "text": "Hello there."}]
    _lines(folder, "text/sentences.jsonl.gz", [{"text": f"The {a} saw a {b}."} for a in WORDS for b in WORDS])
    _lines(folder, "text/stories.jsonl.gz", [{"text": "\n".join([_LINE] * 4)}])
    chats = [{"turns": [{**turn[0], "text": f"Hello {w}."}, turn[1]], "topic": "greetings"} for w in WORDS]
    _lines(folder, "text/smalltalk.jsonl", chats)
    sense = {"pos": "noun", "definition": "a thing that people like"}
    nouns = ("lamp", "coat", "door", "leaf", "road", "hill", "lake", "gate")
    _lines(folder, "text/dictionary.jsonl.gz", [{"word": w, "senses": [sense]} for w in nouns])
    question = {"question": "Is it so?", "answer": "yes", "facts": ["It is so."]}
    problem = {"question": "Tom has 2 eggs and 3 apples. How many things?", "final": "5"}
    for split in ("train", "dev", "test"):
        _lines(folder, f"text/yesno_{split}.jsonl.gz", [question])
        _lines(folder, f"text/gsm8k_{split}.jsonl.gz", [problem])
    books = [{"file": f"text/books/{n}.txt.gz", "level": "children"} for n in "ab"]
    (folder / "text/books_index.json").write_text(json.dumps(books))
    for name in "ab":
        (folder / f"text/books/{name}.txt.gz").write_bytes(gzip.compress("\n".join([_LINE] * 8).encode()))
    hum = np.sin(np.arange(4000) / 5).astype(np.float32) / 2
    for digit in range(10):
        for speaker in ("george", "yweweler"):
            for take in (5, 20):
                soundfile.write(folder / f"speech/fsdd/{digit}_{speaker}_{take}.wav", hum, 8000)
    return folder


def _lines(folder: Path, name: str, rows: list[dict[str, object]]) -> None:
    text = "\n".join(json.dumps(row) for row in rows).encode()
    (folder / name).write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
