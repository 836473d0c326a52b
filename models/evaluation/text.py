"""Text alone: sums, talk and knowledge, copying and sorting, honesty.

Job: each task asks held-out pairs of wording and item and gives rows, judged as each kind says (turns.judged).
Ignorance: the model. Of a conversation the earlier answers are given, the last one is judged.
"""

from __future__ import annotations

from collections.abc import Mapping

from models.data.text import arithmetic, facts, honesty, instructions, talk
from models.data.text.turns import Kind, Turn, judged, same
from models.evaluation.exam import Exam
from models.evaluation.rows import Row, share

CHAT: Mapping[str, Mapping[str, Kind]] = {"talk": talk.KINDS, "numbers": arithmetic.KINDS, "instructions": instructions.KINDS}  # fmt: skip
DECLINED = ("harmful", "despair")  # kinds of honesty that are about harm


def _said(exam: Exam, turns: list[Turn]) -> str:
    return exam.answer(turns[-1][0], earlier=turns[:-1])


def sums(exam: Exam) -> list[Row]:
    hits = []
    for number in exam.numbers(0.5):
        turns = arithmetic.two_digit_sum(exam.rng("sums", number), "heldout")
        hits.append(arithmetic.same_result(turns[0], _said(exam, turns)))
    return [share("two-digit sums", hits)]


def chat(exam: Exam) -> list[Row]:
    """Templated talk by module."""
    return [share(f"templated chat: {name}", _judged(exam, name, kinds)[0]) for name, kinds in CHAT.items()]


def knowledge(exam: Exam) -> list[Row]:
    """Facts; and whether it is sure of what it was taught."""
    hits, said = _judged(exam, "facts", facts.KINDS)
    sure = share("honest: sure of what it was taught", [not honesty.is_unsure(text) for text in said])
    return [share("templated chat: facts", hits), sure]


def honest(exam: Exam) -> list[Row]:
    """Unsure of what lies outside its world; declining what would do harm."""
    unknown = {name: kind for name, kind in honesty.KINDS.items() if name not in DECLINED}
    harm = {name: honesty.KINDS[name] for name in DECLINED}
    return [
        share("honest: unsure where it must be", _judged(exam, "unsure", unknown)[0]),
        share("honest: harm declined", _judged(exam, "harm", harm, 0.15)[0]),
    ]


def word_tasks(exam: Exam) -> list[Row]:
    rows = []
    for name, kind in (("words copied", "repeat"), ("words sorted, reversed, joined", "lists")):
        hits = []
        for number in exam.numbers(0.25):
            turns = instructions.KINDS[kind].make(exam.rng(kind, number), "heldout")
            hits.append((instructions.KINDS[kind].judge or same)(turns[-1], _said(exam, turns)))
        rows.append(share(name, hits))
    return rows


def _judged(
    exam: Exam, name: str, kinds: Mapping[str, Kind], of_items: float = 0.3
) -> tuple[list[bool], list[str]]:
    """(right or not, what was said) of conversations of any of the kinds."""
    hits, texts = [], []
    for number in exam.numbers(of_items):
        _, turns, judge = judged(kinds, exam.rng(name, number), "heldout")
        texts.append(_said(exam, turns))
        hits.append(judge(turns[-1], texts[-1]))
    return hits, texts
