"""Small talk and word instructions: unseen wordings, right answers, memory over turns; corpus readers."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from models.data.text import honesty, instructions, reading_text, talk
from models.data.text.turns import Split, Turn

CORPUS = Path(__file__).parents[3] / "shared/corpus"
needs_corpus = pytest.mark.skipif(not CORPUS.is_dir(), reason="the open corpus is not here")


def conversations(kind: object, split: Split = "train", count: int = 400) -> list[list[Turn]]:
    rng = np.random.default_rng(4)
    return [kind.make(rng, split) for _ in range(count)]  # type: ignore[attr-defined]


def plain(question: str) -> str:
    return question.lower().rstrip(".?!")


def test_every_meaning_has_unseen_wordings_somewhere_and_its_commonest_are_trained() -> None:
    both = talk.IDENTITY | talk.CHAT
    unseen = [way for ways, _ in both.values() for i, way in enumerate(ways) if talk.held_out_wording(i, way)]
    assert len(unseen) > 25
    trained = [way for ways, _ in both.values() for way in ways[:3]]
    assert not set(unseen) & set(trained)


def test_held_out_wordings_never_show_while_training() -> None:
    for name in ("identity", "chat"):
        train = {q for turns in conversations(talk.KINDS[name], "train", 2000) for q, _ in turns}
        held = {q for turns in conversations(talk.KINDS[name], "heldout") for q, _ in turns}
        assert not train & held


def test_a_wording_belongs_to_one_meaning() -> None:
    seen: dict[str, str] = {}
    for name, (ways, _) in (talk.IDENTITY | talk.CHAT).items():
        for way in ways:
            assert seen.setdefault(plain(way), name) == name


def test_an_answer_names_its_meaning() -> None:
    for turns in conversations(talk.KINDS["identity"]):
        assert talk.meaning(turns[0][1]) in talk.IDENTITY
    assert talk.meaning("The moon is green.") == ""


def test_pico_never_claims_to_be_human() -> None:
    for kind in talk.KINDS.values():
        for turns in conversations(kind, count=300):
            for _, answer in turns:
                assert not re.search(r"\bI am (a )?(human|person|man|woman|real)\b", answer), answer
    assert all("not" in answer for answer in talk.IDENTITY["nature"][1])


def test_a_name_said_once_is_known_at_the_end() -> None:
    for turns in conversations(talk.KINDS["remembering"]):
        name = turns[-1][1].removeprefix("You are ").rstrip(".")
        assert name in turns[0][0]


def test_say_that_again_says_it_again() -> None:
    for turns in conversations(talk.KINDS["again"]):
        assert turns[-1][1] in turns[-2]


def test_long_talk_stays_within_a_few_hundred_characters() -> None:
    for turns in conversations(talk.KINDS["conversation"]):
        assert 2 <= len(turns) <= 10
        assert sum(len(q) + len(answer) for q, answer in turns) < 1200


def test_given_words_are_held_out_as_a_set() -> None:
    for name in ("repeat", "lists", "lines"):
        held = {q for turns in conversations(instructions.KINDS[name], "heldout", 200) for q, _ in turns}
        train = {q for turns in conversations(instructions.KINDS[name], "train", 2000) for q, _ in turns}
        assert not held & train


def test_word_instructions_are_followed() -> None:
    checks = {
        "Reverse the list:": lambda given: given[::-1],
        "Sort these words:": sorted,
        "List these in reverse:": lambda given: given[::-1],
    }
    seen = 0
    for turns in conversations(instructions.KINDS["lists"], count=1000):
        question, answer = turns[0]
        for start, right in checks.items():
            if question.startswith(start):
                given = question.removeprefix(start).strip(" .").split(", ")
                assert answer.lower().rstrip(".").split(", ") == right(given)
                seen += 1
    assert seen > 100


def test_capitals_counts_first_and_last_words_are_right() -> None:
    for turns in conversations(instructions.KINDS["lines"], count=1000):
        question, answer = turns[0]
        task, given = question.split(": ")
        if "How many" in task:
            assert answer == f"{len(given.split())}."
        elif "first" in task.lower():
            assert answer.lower() == f"{given.split()[0].lower()}."
        elif "last" in task.lower():
            assert answer.lower() == f"{given.split()[-1].lower()}."
        elif "apital letters" in task and "No" not in task:
            assert answer == given.upper()


def test_no_instruction_sounds_like_a_request_to_speak() -> None:
    for kind in instructions.KINDS.values():
        assert not any(q.startswith("Say:") for turns in conversations(kind) for q, _ in turns)


def test_despair_is_met_with_care() -> None:
    for turns in conversations(honesty.KINDS["despair"], count=20):
        assert "talk to someone" in turns[0][1]


def test_the_same_seed_gives_the_same_conversation() -> None:
    for module in (talk, instructions):
        first = [module.sample(np.random.default_rng((7, i))) for i in range(60)]
        assert first == [module.sample(np.random.default_rng((7, i))) for i in range(60)]


def test_plain_text_is_short_ascii() -> None:
    assert reading_text.plain("It is a dog.", 20)
    assert not reading_text.plain("It is a dog.", 5)
    assert not reading_text.plain("Café", 20)
    assert not reading_text.plain("a <b> c", 20)


@needs_corpus
def test_the_held_out_book_is_in_no_reading() -> None:
    book = reading_text.held_out_book(CORPUS)
    kept = {line for line in reading_text.read_lines(book) if len(line) > 60}
    assert len(kept) > 300
    assert not kept & set(reading_text.paragraphs(CORPUS))
    assert len(reading_text.held_out_text(CORPUS, 5000)) == 5000


@needs_corpus
def test_corpus_conversations_are_short_and_split() -> None:
    text = reading_text
    for read in (text.chats, text.definitions, text.yes_no, text.word_problems):
        train = {turns[0][0] for turns in read(CORPUS, "train")}
        held = {turns[0][0] for turns in read(CORPUS, "heldout")}
        assert len(train) > 500
        assert len(held) > 50
        assert not train & held
        assert max(map(len, train)) <= 260
