"""Sounds heard: speech, real digits, spoken questions, moods, sounds, notes.

Job: each task plays held-out voices and sounds and gives rows. Ignorance: the model, how sounds are made.
"""

from __future__ import annotations

import re
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.data import items
from models.data.sounds import music, recordings, utterances, voices
from models.data.tasks.desk import capital_sentence
from models.evaluation.exam import GREEDY, Exam, heard
from models.evaluation.rows import Row, ratio_of_pairs, share
from models.evaluation.scoring import word_errors

_NOTE = re.compile(rf"\bnote ({'|'.join(sorted(music.PITCHES, key=len, reverse=True))})\b")


def speech(exam: Exam) -> list[Row]:
    """Anything said by unheard voices; and texts with a word that training never heard."""
    lexicon = items.lexicon(exam.corpus)
    spoken = []
    for number in exam.numbers(0.4):
        item, rng = items.speech(number, exam.corpus, "heldout")
        spoken.append(_written_down(exam, item.text, item.samples(rng)[0]))
    unheard = []
    if utterances.held_out_words(lexicon):
        for number in exam.numbers(0.25):
            rng = exam.rng("unheard", number)
            text = utterances.sample_unheard(rng, lexicon).text
            samples = voices.say(text, voices.sample_delivery(rng, "heldout"))
            unheard.append(_written_down(exam, text, samples))
    return [
        _errors("speech written down: word errors", spoken),
        _errors("speech with unheard words: word errors", unheard),
    ]


def digits(exam: Exam) -> list[Row]:
    """Real people: takes of known speakers that training never heard, and a speaker it never heard."""
    return [_digits(exam, "take"), _digits(exam, "speaker")]


def _digits(exam: Exam, because: Literal["take", "speaker"]) -> Row:
    found = recordings.find(exam.corpus / "speech/fsdd", "heldout", because)
    heard_as = []
    for number in exam.numbers(0.3) if found else ():
        text, samples = recordings.sample(exam.rng(f"digits/{because}", number), found)
        heard_as.append(_written_down(exam, text, samples))
    return _errors(f"real digits, unheard {because}{'s' if because == 'take' else ''}: word errors", heard_as)


def _written_down(exam: Exam, text: str, samples: NDArray[np.float32]) -> tuple[int, int]:
    """(word errors, words)."""
    told = exam.model.transcribe(heard(samples), sampling=GREEDY)
    return word_errors(text, told), len(text.split())


def _errors(task: str, scored: list[tuple[int, int]]) -> Row:
    return ratio_of_pairs(task, scored, "less")


def spoken_questions(exam: Exam) -> list[Row]:
    """A scene, and a question about it in an unheard voice."""

    def about(number: int) -> bool | None:
        spoken, rng = items.asked(number, exam.corpus, "heldout")
        if spoken.task != "question":
            return None
        _, picture, _ = exam.picture("scenes", spoken.scene)
        return exam.answer(picture, heard(spoken.samples(rng)[0])) == spoken.answer

    return [share("spoken questions about a picture", list(exam.found(0.4, about)))]


def moods(exam: Exam) -> list[Row]:
    hits = []
    for number in exam.numbers(0.4):
        spoken, rng = items.mood(number, exam.corpus, "heldout")
        told = exam.answer(heard(spoken.samples(rng)[0]), exam.request("emotion", number))
        hits.append(told == capital_sentence(spoken.emotion))
    return [share("emotion of a voice", hits)]


def sounds(exam: Exam) -> list[Row]:
    """Sounds named word for word; notes within a semitone, whatever the octave."""
    named = [_named(exam, number) for number in exam.numbers(0.5)]
    hits = [told == capital_sentence(sound.name) for sound, told in named]

    def about(number: int) -> bool | None:
        if items.sound(number, "heldout")[0].kind != "note":
            return None
        return within_a_semitone(*_named(exam, number))

    near = list(exam.found(0.25, about))
    return [share("sounds named", hits), share("notes named within a semitone", near)]


def _named(exam: Exam, number: int) -> tuple[music.Sound, str]:
    sound, rng = items.sound(number, "heldout")
    return sound, exam.answer(heard(sound.play(rng)), exam.request("name_sound", number))


def within_a_semitone(sound: music.Sound, told: str) -> bool:
    """Whether the answer names the note or one of its neighbours."""
    found = _NOTE.search(told)
    return found is not None and (music.PITCHES.index(found[1]) - sound.pitch + 1) % 12 <= 2
