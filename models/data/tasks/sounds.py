"""What is learnt about sounds: writing down speech, speaking, moods, naming and making sounds.

Job: each task appends turns to a row. Ignorance: how sounds became codes, the mixture.
"""

from __future__ import annotations

import numpy as np

from models.data import items
from models.data.rows import Row, audio
from models.data.tasks.desk import Desk, capital_sentence, weigh
from models.data.text import requests

MADE = 0.4  # weight of a made code
TOLD = 1.5  # weight of a transcript
NULL = 0.08


def hear(desk: Desk, row: Row, rng: np.random.Generator, bank: str = "speech") -> None:
    """A voice, synthetic or a real recording, and what it says."""
    clip = desk.banks[bank].sound(desk.banks[bank].any(rng))
    kind = "digits" if items.are_digits(clip.text) and rng.random() < 0.4 else "transcribe"
    span = audio(clip.codes, clip.phonemes)
    request = requests.ask(rng, desk.split, kind)
    row.user(*((span, request) if rng.random() < 0.8 else (request, span)))
    row.assistant((clip.text, TOLD))


def speak(desk: Desk, row: Row, rng: np.random.Generator) -> None:
    """The transcript first, then the sound; always the same voice, so that a small model has one thing to learn."""
    clip = desk.banks["own_voice"].sound(desk.banks["own_voice"].any(rng))
    span = audio(clip.codes, clip.phonemes)
    if rng.random() < NULL:
        row.null()
        row.assistant((span, MADE))
        return
    row.user(requests.ask(rng, desk.split, "speak", clip.text))
    row.assistant((clip.text, 1.0), (span, MADE))


def mood(desk: Desk, row: Row, rng: np.random.Generator) -> None:
    """How a voice sounds, and often what it says."""
    number = desk.banks["moods"].any(rng)
    clip, (spoken, _) = desk.banks["moods"].sound(number), items.mood(number, desk.corpus, desk.split)
    row.user(audio(clip.codes), requests.ask(rng, desk.split, "emotion"))
    row.assistant((capital_sentence(spoken.emotion), weigh(spoken.emotion)))
    if rng.random() < 0.4:
        row.user(requests.ask(rng, desk.split, "transcribe"))
        row.assistant((clip.text, TOLD))


def name_sound(desk: Desk, row: Row, rng: np.random.Generator) -> None:
    """What a sound is, and questions about it."""
    number = desk.banks["sounds"].any(rng)
    clip, (made, _) = desk.banks["sounds"].sound(number), items.sound(number, desk.split)
    turns = [(requests.ask(rng, desk.split, "name_sound"), capital_sentence(made.name))]
    turns += [(q.question, q.answer) for q in made.questions(rng)[: int(rng.integers(0, 3))]]
    for i, (question, answer) in enumerate(turns):
        row.user(*((question,) if i else (audio(clip.codes), question)))
        row.assistant((answer, weigh(answer)))


def make_sound(desk: Desk, row: Row, rng: np.random.Generator) -> None:
    """A named sound, made."""
    number = desk.banks["sounds"].any(rng)
    clip = desk.banks["sounds"].sound(number)
    row.user(requests.ask(rng, desk.split, "make_sound", items.sound(number, desk.split)[0].name))
    row.assistant((audio(clip.codes), MADE))
