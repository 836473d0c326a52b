"""Numbers: answers are right by another reckoning, and held-out operands never show while training."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest

from models.data.text import arithmetic
from models.data.text.arithmetic import (
    KINDS,
    difference_answer,
    held_out_operands,
    result,
    sample,
    sum_answer,
)
from models.data.text.counting import words


def made(kind: str, split: arithmetic.Split, count: int = 600) -> list[arithmetic.Turn]:
    rng = np.random.default_rng(5)
    return [turn for _ in range(count) for turn in KINDS[kind].make(rng, split)]


def numbers(text: str) -> list[int]:
    return [int(n) for n in re.findall(r"\d+", text)]


def test_every_two_digit_sum_ends_in_the_right_number_and_its_working_adds_up() -> None:
    for a in range(100):
        for b in range(100):
            shown = sum_answer(a, b)
            assert result(shown) == a + b == result(sum_answer(a, b, "none"))
            if "=" in shown:
                first, second, total = numbers(shown)
                assert first + second == total
                assert first % 10 == 0


def test_every_difference_ends_in_the_right_number_and_its_working_adds_up() -> None:
    for a in range(100):
        for b in range(a + 1):
            shown = difference_answer(a, b)
            assert result(shown) == a - b
            if "=" in shown:
                first, second, total = numbers(shown)
                assert first - second == total
                assert second < 10


def test_the_working_is_left_out_on_demand() -> None:
    assert sum_answer(37, 45) == "70 + 12 = 82."
    assert sum_answer(37, 45, "none") == "82."
    assert difference_answer(82, 45) == "42 - 5 = 37."
    assert arithmetic.two_digit_sum(np.random.default_rng(1), "train", "none")[0][1].count("=") == 0


def test_operands_held_out_are_held_out_in_both_orders_and_in_every_wording() -> None:
    assert all(
        held_out_operands(a, "+", b) == held_out_operands(b, "+", a) for a in range(99) for b in range(99)
    )
    train = {frozenset(numbers(q)) for q, _ in made("two_digit_sum", "train", 4000)}
    held = {frozenset(numbers(q)) for q, _ in made("two_digit_sum", "heldout", 400)}
    assert len(held) > 200
    assert not train & held


def test_about_an_eighth_of_two_digit_operands_is_held_out() -> None:
    share = np.mean([held_out_operands(a, "+", b) for a in range(10, 100) for b in range(a, 100)])
    assert 0.10 < share < 0.15


@pytest.mark.parametrize("kind", [name for name in KINDS if name not in ("follow_up", "too_big")])
def test_held_out_questions_are_new_and_one_question_has_one_answer(kind: str) -> None:
    def plain(question: str) -> str:
        return question.lower().rstrip(".?!")

    train, held = made(kind, "train"), made(kind, "heldout", 200)
    answers: dict[str, str] = {}
    for question, answer in train + held:
        assert answers.setdefault(plain(question), answer) == answer
    assert not {plain(q) for q, _ in train} & {plain(q) for q, _ in held}


def test_comparisons_name_the_right_number() -> None:
    for question, answer in made("comparison", "train"):
        a, b = numbers(question)
        if answer in ("Yes.", "No."):
            assert (answer == "Yes.") == (a > b)
        else:
            asked_small = any(w in question.lower() for w in ("smaller", "less"))
            assert result(answer) == (min(a, b) if asked_small else max(a, b))


def test_products_and_quotients_are_right() -> None:
    for question, answer in made("product", "train"):
        a, b = numbers(question)
        assert result(answer) == a * b
    for question, answer in made("quotient", "train"):
        a, b = sorted(numbers(question), reverse=True)
        assert result(answer) == a // b
        assert a % b == 0


def test_word_problems_stay_within_twenty() -> None:
    for question, answer in made("word_problem", "train"):
        a, b = numbers(question)[:2]
        assert result(answer) in (a + b, a - b)
        assert 0 < (result(answer) or 0) <= 20


def test_a_follow_up_goes_on_from_the_last_result() -> None:
    rng = np.random.default_rng(2)
    for _ in range(300):
        turns = KINDS["follow_up"].make(rng, "train")
        for (_, before), (question, after) in itertools.pairwise(turns):
            was, now = result(before), numbers(after)[0] if "is" in after else result(after)
            assert was is not None
            step = numbers(question)
            allowed = (was + step[0], was - step[0]) if step else (was * 2, was, abs(was))
            assert now in allowed


def test_counting_moves_in_equal_steps() -> None:
    for _, answer in made("counting", "train"):
        said = numbers(answer)
        assert len({b - a for a, b in itertools.pairwise(said)}) <= 1


def test_numbers_in_words() -> None:
    said = {0: "zero", 13: "thirteen", 20: "twenty", 42: "forty-two", 100: "one hundred"}
    assert {n: words(n) for n in said} == said


def test_the_same_seed_gives_the_same_conversation() -> None:
    first = [sample(np.random.default_rng((7, i))) for i in range(50)]
    assert first == [sample(np.random.default_rng((7, i))) for i in range(50)]
    assert all(len(q) + len(a) < 200 for turns in first for q, a in turns)


def test_the_judge_takes_the_number_with_or_without_working() -> None:
    judge = KINDS["two_digit_sum"].judge
    assert judge is not None
    turn = ("What is 37 + 45?", "70 + 12 = 82.")
    assert [judge(turn, said) for said in ("82.", "70 + 12 = 82.", "70 + 12 = 72.", "")] == [
        True,
        True,
        False,
        False,
    ]
