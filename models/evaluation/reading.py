"""Pictures read: questions by type, captions, comparisons, emoji, words, charts.

Job: each task asks about held-out pictures and gives rows. Exact match is word for word, marks included.
Ignorance: the model, how pictures are drawn and worded.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

import edge
from models.data import items
from models.data.pictures import emoji
from models.data.pictures.emoji import EmojiPicture
from models.data.pictures.lettering import Lettering
from models.data.pictures.picture import Asked, Picture
from models.data.tasks.desk import capital_sentence
from models.evaluation.exam import GREEDY, Exam
from models.evaluation.rows import Row, ratio, ratio_of_pairs, share, share_of_types
from models.evaluation.scoring import agreement, letters_right, quoted, slots

MAIN = ("colour", "shape", "count", "position", "relation")  # the five
MORE = ("size", "texture", "exists", "comparison", "background")
TOP_EMOJI = 1000
LONGEST_WORD = 6


def questions(exam: Exam) -> list[Row]:
    """One question of each type per scene, until every type has its number."""
    left = dict.fromkeys(MAIN, exam.count(0.4)) | dict.fromkeys(MORE, exam.count(0.2))
    hits: dict[str, list[bool]] = defaultdict(list)
    for number in exam.numbers(10):
        shown, picture, rng = exam.picture("scenes", number)
        for asked in _one_of_each(shown.questions(rng)):
            if left.get(asked.kind, 0):
                left[asked.kind] -= 1
                hits[asked.kind].append(exam.answer(picture, asked.question) == asked.answer)
        if not any(left.values()):
            break
    rows = [share(f"picture questions: {kind}", hits[kind]) for kind in (*MAIN, *MORE)]
    return [share_of_types("picture questions", [hits[kind] for kind in MAIN]), *rows]


def _one_of_each(asked: list[Asked]) -> list[Asked]:
    return list({question.kind: question for question in reversed(asked)}.values())


def captions(exam: Exam) -> list[Row]:
    scored, exact = [], []
    for number in exam.numbers(0.3):
        shown, picture, _ = exam.picture("scenes", number)
        told = exam.model.describe(picture, sampling=GREEDY)
        scored.append(agreement(slots(shown.caption()), slots(told)))
        exact.append(told == capital_sentence(shown.caption()))
    f1 = ratio_of_pairs("captions: slot F1", scored)
    return [f1, share("captions: exact", exact)]


def comparisons(exam: Exam) -> list[Row]:
    """A question about two pictures, or what has changed."""
    hits = []
    for number in exam.numbers(0.4):
        pair, rng = items.comparison(number, "heldout")
        seed = int(
            rng.integers(2**32)
        )  # equal generators, as in training: only what differs is drawn differently
        two = [edge.Image(scene.draw(np.random.default_rng(seed))) for scene in (pair.first, pair.second)]
        hits.append(exam.answer(*two, pair.question) == pair.answer)
    return [share("two pictures compared", hits)]


def named_emoji(exam: Exam) -> list[Row]:
    known = {e.name for e in emoji.names()[:TOP_EMOJI]}

    def about(number: int) -> bool | None:
        shown, picture, rng = exam.picture("emoji", number)
        assert isinstance(shown, EmojiPicture)
        if shown.relation or shown.things[0].name not in known:
            return None
        asked = next(q for q in shown.questions(rng) if q.kind == "emoji")
        return exam.answer(picture, asked.question) == asked.answer

    return [share("emoji named, top 1,000", list(exam.found(0.75, about)))]


def written_words(exam: Exam) -> list[Row]:
    """Unseen words of up to six letters, whatever the case."""

    def about(number: int) -> tuple[str, str] | None:
        shown, picture, rng = exam.picture("lettering", number)
        if not short_word(shown):
            return None
        asked = next(q for q in shown.questions(rng) if q.kind == "ocr")
        return quoted(asked.answer), quoted(exam.answer(picture, asked.question))

    read = list(exam.found(0.6, about))
    right = [letters_right(truth, told) for truth, told in read]
    characters = ratio("words read: characters right", right, [len(truth) for truth, _ in read])
    return [characters, share("words read: exact", [truth == told for truth, told in read])]


def short_word(shown: Picture) -> bool:
    return isinstance(shown, Lettering) and shown.kind == "word" and len(shown.text) <= LONGEST_WORD


def charts(exam: Exam) -> list[Row]:
    """A value of a bar or of the ends of a line."""
    hits = []
    for number in exam.numbers(0.3):
        shown, picture, rng = exam.picture("charts", number)
        asked = next(q for q in shown.questions(rng) if q.kind == "value")
        hits.append(exam.answer(picture, asked.question) == asked.answer)
    return [share("chart values", hits)]
