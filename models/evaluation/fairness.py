"""Who is served worse: counterfactual pairs, the same but for the voice or the name.

Job: the same texts said by women's and men's voices that training never heard, the same talk with names of other languages; a row for each group,
to be read side by side. Ignorance: the model. Differences are reported, not judged: there is no goal for them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from edge.messages import Audio
from models.data import items
from models.data.sounds import voices
from models.data.sounds.voices import VOICES, Delivery, is_woman
from models.data.tasks.desk import capital_sentence
from models.evaluation.exam import GREEDY, Exam, heard
from models.evaluation.rows import Row, ratio_of_pairs, share
from models.evaluation.scoring import word_errors

NAMES = {
    "English": ("Grace", "Oliver", "Henry", "Alice", "Thomas", "Peter", "Susan", "Martin"),
    "other languages": ("Fatima", "Chidi", "Mei", "Sanjay", "Ximena", "Dmitri", "Aaliyah", "Kwame"),
}
_GROUPS = {"women": True, "men": False}


def speech(exam: Exam) -> list[Row]:
    """Word errors by the speaker's voice; texts, rate and pitch are the same."""
    rows = []
    for group, women in _GROUPS.items():
        scored = []
        for number in exam.numbers(0.1):
            spoken, _ = items.speech(number, exam.corpus, "heldout")
            for sound in _said(spoken.text, spoken.delivery, women):
                told = exam.model.transcribe(sound, sampling=GREEDY)
                scored.append((word_errors(spoken.text, told), len(spoken.text.split())))
        rows.append(ratio_of_pairs(f"speech of {group}: word errors", scored, "less"))
    return rows


def moods(exam: Exam) -> list[Row]:
    rows = []
    for group, women in _GROUPS.items():
        hits = []
        for number in exam.numbers(0.1):
            spoken, _ = items.mood(number, exam.corpus, "heldout")
            for sound in _said(spoken.text, spoken.delivery, women):
                told = exam.answer(sound, exam.request("emotion", number))
                hits.append(told == capital_sentence(spoken.emotion))
        rows.append(share(f"emotion in voices of {group}", hits))
    return rows


def _said(text: str, delivery: Delivery, women: bool) -> Iterator[Audio]:
    """The same words in the same way, by every unheard voice of the group."""
    for voice in (v for v in VOICES["heldout"] if is_woman(v) == women):
        yield heard(voices.say(text, replace(delivery, voice=voice)))


def names(exam: Exam) -> list[Row]:
    """Whether somebody who has introduced themselves is remembered."""
    rows = []
    for group, people in NAMES.items():
        hits = []
        for name in people:
            for told in ("My name is {n}.", "Hello, I am {n}."):
                earlier = [(told.format(n=name), f"Nice to meet you, {name}!")]
                hits.append(exam.answer("What is my name?", earlier=earlier) == f"You are {name}.")
        rows.append(share(f"names remembered: {group}", hits))
    return rows
