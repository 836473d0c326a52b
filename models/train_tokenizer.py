"""Stage 0: train the text tokenizer. `python -m models.train_tokenizer --corpus ../shared/corpus`

Job: prose of the corpus plus our own templated text, so that the words of our world are single pieces.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from models import tokenizer
from models.data import items
from models.data.pictures import emoji, kinds
from models.data.tasks import text
from models.data.text import reading_text, requests

TEMPLATED = 30_000  # conversations, pictures and utterances each


def texts(corpus: Path) -> Iterator[str]:
    """Paragraphs and definitions of the corpus, then about as much templated text."""
    yield from reading_text.paragraphs(corpus)
    for turns in reading_text.definitions(corpus, "train"):
        yield "\n".join(part for turn in turns for part in turn)
    for wordings in requests.WAYS.values():
        yield from wordings
    yield from [entry.name for entry in emoji.names()] * 3
    yield from kinds.words(corpus)
    rng = np.random.default_rng(0)
    for number in range(TEMPLATED):
        picture = kinds.sample(rng, "train", corpus, None if number % 4 else "scenes")
        yield picture.caption().capitalize() + "."
        for asked in picture.questions(rng):
            yield f"{asked.question}\n{asked.answer}"
        yield items.speech(number, corpus)[0].text
        yield "\n".join(part for turn in text.conversation(rng) for part in turn)


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("--corpus", type=Path, required=True)
    parse.add_argument("--folder", type=Path, default=Path("runs/tokenizer"))
    args = parse.parse_args()
    made = tokenizer.train(texts(args.corpus))
    tokenizer.save(made, args.folder)
    print(made.get_vocab_size(), made.encode("A small red circle at the top left. 70 + 12 = 82.").tokens)


if __name__ == "__main__":
    main()
