"""Templated talk is split by composition and its answers are right."""

from __future__ import annotations

import re
import zlib

import numpy as np

from models.data.first import dialogue
from models.evaluate import slots, word_errors


def test_training_and_held_out_questions_do_not_meet_where_there_is_a_composition() -> None:
    rng = np.random.default_rng(0)
    train = {dialogue.sample(rng)[0] for _ in range(6000)}
    held = {dialogue.sample(rng, "heldout")[0] for _ in range(1500)}
    sums = {q for q in held if " plus " in q or " minus " in q}
    assert len(sums) > 20
    assert not sums & train


def test_sums_are_right() -> None:
    rng = np.random.default_rng(1)
    checked = 0
    for _ in range(2000):
        question, answer = dialogue.sample(rng)
        found = re.search(r"(\d+) (plus|minus) (\d+)", question)
        if found:
            a, op, b = int(found[1]), found[2], int(found[3])
            assert answer == f"{a + b if op == 'plus' else a - b}."
            checked += 1
    assert checked > 100


def test_the_hold_out_is_the_same_on_every_machine() -> None:
    assert dialogue.held_out(0, "3 plus 4") == (zlib.crc32(b"0/3 plus 4") % 8 == 0)


def test_word_errors_count_edits() -> None:
    assert word_errors("seven green birds", "seven green birds") == 0
    assert word_errors("seven green birds", "Seven birds.") == 1
    assert word_errors("one two", "two one two three") == 2


def test_slots_keep_what_carries_meaning() -> None:
    assert slots("Three green crosses.") == {"three", "green", "crosse"}
    assert slots("a red ring to the left of a blue star") == {"red", "ring", "leftof", "blue", "star"}
