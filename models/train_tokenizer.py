"""Stage 0: train the text tokenizer. `python -m models.train_tokenizer --corpus ../shared/corpus`

Job: plain paragraphs of the corpus plus our own templated text, so that the words of our world are single pieces.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from models import tokenizer
from models.data import dialogue, pictures, speech


def texts(corpus: Path) -> Iterator[str]:
    """Corpus paragraphs, then about as much templated text."""
    yield from dialogue.corpus_paragraphs(corpus)
    rng = np.random.default_rng(0)
    for _ in range(20_000):
        scene = pictures.sample(rng)
        yield pictures.caption(scene).capitalize() + "."
        for _, question, answer in pictures.questions(scene, rng):
            yield f"{question}\n{answer}"
        yield speech.sample_sentence(rng)
        yield "\n".join(dialogue.sample(rng))


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("--corpus", type=Path, required=True)
    parse.add_argument("--folder", type=Path, default=Path("runs/tokenizer"))
    args = parse.parse_args()
    made = tokenizer.train(texts(args.corpus))
    tokenizer.save(made, args.folder)
    print(made.get_vocab_size(), made.encode("A small red circle at the top left. Count to 25!").tokens)


if __name__ == "__main__":
    main()
