"""What is learnt from text alone: templated talk and knowledge, open dialogues, plain prose.

Job: each task appends turns or prose to a row. Ignorance: media, the mixture.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from models.data.rows import Row
from models.data.tasks.desk import Desk
from models.data.text import arithmetic, facts, honesty, instructions, reading_text, talk
from models.data.text.turns import Split, Turn

PROSE, ANSWER = 0.5, 1.0
MODULES = {"arithmetic": 0.30, "facts": 0.26, "talk": 0.20, "honesty": 0.14, "instructions": 0.10}
_SAMPLES = {
    "arithmetic": arithmetic.sample, "facts": facts.sample, "talk": talk.sample, "honesty": honesty.sample, "instructions": instructions.sample,
}  # fmt: skip
READ = {"chats": 0.45, "definitions": 0.35, "yes_no": 0.1, "word_problems": 0.1}
_MOST_TOKENS = 220


def talk_a_while(desk: Desk, row: Row, rng: np.random.Generator) -> None:
    """Two to five short templated conversations one after another."""
    for _ in range(int(rng.integers(2, 6))):
        _say(row, conversation(rng, desk.split))


def conversation(rng: np.random.Generator, split: Split = "train") -> list[Turn]:
    """A short templated conversation of any module."""
    module = str(rng.choice(list(MODULES), p=list(MODULES.values())))
    return _SAMPLES[module](rng, split)


def read_dialogue(desk: Desk, row: Row, rng: np.random.Generator) -> None:
    """One conversation of the open corpus."""
    kind = str(rng.choice(list(READ), p=list(READ.values())))
    found = _dialogues(desk.corpus, kind)
    _say(row, found[int(rng.integers(len(found)))])


def prose(desk: Desk, row: Row, rng: np.random.Generator) -> None:
    """A paragraph, or a passage of several, of the open books and stories."""
    found = _prose(desk.corpus, "passages" if rng.random() < 0.7 else "paragraphs")
    row.text(found[int(rng.integers(len(found)))], PROSE, most=_MOST_TOKENS)


def _say(row: Row, turns: list[Turn]) -> None:
    for question, answer in turns:
        row.user(question)
        row.assistant((answer, ANSWER))


@cache
def _dialogues(corpus: Path, kind: str) -> list[list[Turn]]:
    made: list[list[Turn]] = getattr(reading_text, kind)(corpus, "train")
    return made


@cache
def _prose(corpus: Path, kind: str) -> list[str]:
    made: list[str] = getattr(reading_text, kind)(corpus)
    return made
