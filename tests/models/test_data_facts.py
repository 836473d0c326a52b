"""World facts, words about words, and honest ignorance: consistent, held out by wording x item."""

from __future__ import annotations

import numpy as np
import pytest

from models.data.text import arithmetic, facts, honesty, instructions, talk, world
from models.data.text.turns import Split, Turn, a, as_typed, choose, held_out, judged, wordings

FREE = ("odd_one_out", "follow_up", "name_one", "rhymes")  # more is chosen than the wording and the item
EXACT = [name for name in facts.KINDS if name not in FREE]
OUTSIDE = ["unknown_place", "unknown_person", "unknown_topic", "unknown_fact", "harmful"]


def made(module: object, kind: str, split: Split, count: int = 500) -> list[Turn]:
    rng = np.random.default_rng(11)
    return [module.KINDS[kind].make(rng, split)[0] for _ in range(count)]  # type: ignore[attr-defined]


def plain(question: str) -> str:
    return question.lower().rstrip(".?!")


@pytest.mark.parametrize("kind", EXACT)
def test_one_question_has_one_answer_and_held_out_questions_are_new(kind: str) -> None:
    train, held = made(facts, kind, "train", 1500), made(facts, kind, "heldout", 300)
    answers: dict[str, str] = {}
    for question, answer in train + held:
        assert answers.setdefault(plain(question), answer) == answer
    assert not {plain(q) for q, _ in train} & {plain(q) for q, _ in held}


@pytest.mark.parametrize("kind", OUTSIDE)
def test_held_out_questions_without_an_answer_are_new_too(kind: str) -> None:
    train, held = made(honesty, kind, "train", 1500), made(honesty, kind, "heldout", 300)
    assert not {plain(q) for q, _ in train} & {plain(q) for q, _ in held}


def test_no_question_is_both_taught_and_unknown() -> None:
    taught = {plain(q) for kind in facts.KINDS for q, _ in made(facts, kind, "train")}
    unknown = {plain(q) for kind in honesty.KINDS for q, _ in made(honesty, kind, "train")}
    assert not taught & unknown


def test_everything_outside_is_answered_by_honesty_or_refusal() -> None:
    for kind in honesty.KINDS:
        for question, answer in made(honesty, kind, "train", 300):
            if kind == "harmful":
                assert honesty.is_refusal(answer), question
            elif kind != "despair":
                assert honesty.is_unsure(answer), question


def test_no_taught_answer_sounds_unsure() -> None:
    for kind in facts.KINDS:
        assert not any(honesty.is_unsure(answer) for _, answer in made(facts, kind, "train", 200))


def test_every_item_has_wordings_in_both_splits() -> None:
    for item in world.CAPITALS:
        assert wordings("train", ["w"] * 8, item)
        assert len(wordings("heldout", ["w"] * 8, item)) == 1
    assert [held_out(i) for i in range(9)] == [False] * 7 + [True, False]


def test_choosing_among_nothing_is_an_error() -> None:
    seen = next(item for item in world.CAPITALS if not held_out(0, item))
    with pytest.raises(ValueError, match="heldout"):
        choose(np.random.default_rng(0), "heldout", ["Only way: {x}"], [seen])


def test_unknown_countries_are_not_taught() -> None:
    assert not set(world.UNKNOWN_COUNTRIES) & set(world.CAPITALS)


def test_categories_do_not_overlap_and_answers_agree() -> None:
    listed = [thing for things in world.CATEGORIES.values() for thing in things]
    assert len(listed) == len(set(listed))
    for question, answer in made(facts, "categories", "train"):
        if answer.startswith(("Yes", "No")):
            kind = answer.rstrip(".").split(" is ")[-1]
            assert (kind.lower() in plain(question)) == answer.startswith("Yes")


def test_opposites_are_opposites_both_ways() -> None:
    back = {v: k for k, v in world.OPPOSITES.items()}
    assert len(back) == len(world.OPPOSITES)
    for question, answer in made(facts, "opposites", "train"):
        assert answer.count(" is ") == 1, question
        one, other = answer.removeprefix("The opposite of ").rstrip(".").split(" is ")
        assert world.OPPOSITES.get(one) == other or world.OPPOSITES.get(other) == one


def test_spelling_gives_back_the_word() -> None:
    for question, answer in made(facts, "spelling", "train"):
        assert answer.rstrip(".").replace("-", "") in plain(question)


def test_follow_ups_answer_the_same_question_of_the_new_item() -> None:
    rng = np.random.default_rng(3)
    seen = 0
    for _ in range(300):
        turns = facts.follow_up(rng, "train")
        for question, answer in turns[1:]:
            if answer.startswith("The capital of"):
                country = answer.removeprefix("The capital of ").split(" is ")[0]
                assert country.lower() in question.lower()
                assert answer.endswith(f"{world.CAPITALS[country]}.")
                seen += 1
    assert seen > 50


def test_articles() -> None:
    right = ("an owl", "a dog", "a unicorn", "an hour", "an umbrella")
    assert tuple(a(phrase.split()[1]) for phrase in right) == right


def test_careless_typing_keeps_the_words() -> None:
    rng = np.random.default_rng(0)
    typed = {as_typed(rng, "What is a Cat?") for _ in range(300)}
    assert typed == {"What is a Cat?", "what is a cat?", "what is a cat", "What is a Cat"}
    assert {as_typed(rng, "?") for _ in range(100)} == {"?"}


@pytest.mark.parametrize("module", [facts, honesty, arithmetic, instructions, talk])
def test_nothing_is_empty_or_left_unfilled(module: object) -> None:
    rng = np.random.default_rng(8)
    for _ in range(1500):
        for question, answer in module.sample(rng, "train"):  # type: ignore[attr-defined]
            assert question == question.strip() != ""
            assert answer == answer.strip() != ""
            assert not set("{}<>|") & set(question.replace(" > ", "") + answer), (question, answer)


def test_the_same_seed_gives_the_same_conversation() -> None:
    for module in (facts, honesty):
        first = [module.sample(np.random.default_rng((7, i))) for i in range(60)]
        assert first == [module.sample(np.random.default_rng((7, i))) for i in range(60)]


@pytest.mark.parametrize("module", [facts, honesty, arithmetic, instructions, talk])
def test_every_judge_accepts_the_expected_answer_and_refuses_nonsense(module: object) -> None:
    rng = np.random.default_rng(6)
    for _ in range(400):
        name, turns, judge = judged(module.KINDS, rng, "heldout")  # type: ignore[attr-defined]
        assert judge(turns[-1], turns[-1][1]), (name, turns)
        assert not judge(turns[-1], "Blub blub blub blub."), (name, turns)


def test_other_right_answers_are_right_too() -> None:
    rhyme, name = facts.KINDS["rhymes"].judge, facts.KINDS["name_one"].judge
    assert rhyme is not None
    assert name is not None
    turn = ("What rhymes with cat?", "Cat rhymes with hat.")
    said = ("Cat rhymes with bat.", "Cat rhymes with cat.", "Cat rhymes with dog.")
    assert [rhyme(turn, one) for one in said] == [True, False, False]
    turn = ("Name a fruit.", "An apple.")
    assert [name(turn, one) for one in ("A pear.", "A dog.", "Pear")] == [True, False, True]
