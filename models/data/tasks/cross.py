"""What is learnt across the senses: questions and wishes asked aloud, pictures told aloud, their sounds, clips with a sound track.

Job: each task appends turns to a row. Ignorance: how media became codes, the mixture.
"""

from __future__ import annotations

import numpy as np

from models.data import items
from models.data.banks import Sound
from models.data.pictures import kinds
from models.data.rows import Row, audio, image
from models.data.tasks import sounds
from models.data.tasks.clips import clip_of
from models.data.tasks.desk import Desk, capital_sentence, weigh
from models.data.tasks.pictures import MADE, numbered
from models.data.text import requests


def asked_aloud(desk: Desk, row: Row, rng: np.random.Generator) -> None:
    """A spoken question about a picture, often typed ones after it, or a spoken wish for one."""
    number = desk.banks["asked"].any(rng)
    spoken, _ = items.asked(number, desk.corpus, desk.split)
    clip = desk.banks["asked"].sound(number)
    voice = audio(clip.codes, clip.phonemes)
    scene, picture = numbered(desk, "scenes", spoken.scene)
    if spoken.task == "draw":
        row.user(voice)
        row.assistant((picture, MADE))
        return
    row.user(*((picture, voice) if rng.random() < 0.8 else (voice, picture)))
    row.assistant((spoken.answer, weigh(spoken.answer)))
    for typed in scene.questions(rng)[: int(rng.integers(0, 4))]:
        row.user(typed.question)
        row.assistant((typed.answer, weigh(typed.answer)))


def told_aloud(desk: Desk, row: Row, rng: np.random.Generator) -> None:
    """A scene, and its caption in words and in the own voice."""
    bank = desk.banks["own_voice"]
    while (scene := items.own_voice(number := bank.any(rng), desk.corpus, desk.split)[0].scene) < 0:
        pass
    clip = bank.sound(number)
    _, picture = numbered(desk, "scenes", scene)
    row.user(picture, requests.ask(rng, desk.split, "describe_aloud"))
    row.assistant((clip.text, 2.0), (audio(clip.codes, clip.phonemes), sounds.MADE))


def sound_of_picture(desk: Desk, row: Row, rng: np.random.Generator) -> None:
    """An emoji and the sound it makes; often what it is called, after it."""
    number = desk.banks["sounding"].any(rng)
    (shown, sound), _ = items.sounding(number, desk.split)
    picture = image(desk.banks["sounding"].codes(number)[0], kinds.labels(shown))
    row.user(picture, requests.ask(rng, desk.split, "sound_of_picture"))
    row.assistant((audio(_effect(desk, sound, rng).codes), sounds.MADE))
    if rng.random() < 0.5:
        row.user(requests.ask(rng, desk.split, "name_sound"))
        row.assistant((answer := capital_sentence(sound), weigh(answer)))


def watch_with_sound(desk: Desk, row: Row, rng: np.random.Generator) -> None:
    """A clip with a sound track, and questions about either."""
    shown, _, span = clip_of(desk, rng)
    bank = desk.banks["sounds"]
    heard = items.sound(track := bank.any(rng), desk.split)[0]
    asked = [
        *shown.questions(rng)[: int(rng.integers(1, 4))],
        *heard.questions(rng)[: int(rng.integers(1, 3))],
    ]
    for i, at in enumerate(rng.permutation(len(asked))):
        about = asked[int(at)]
        row.user(*((about.question,) if i else (span, audio(bank.sound(track).codes), about.question)))
        row.assistant((about.answer, weigh(about.answer)))


def _effect(desk: Desk, name: str, rng: np.random.Generator) -> Sound:
    """A sound of the bank that has this name."""
    bank = desk.banks["sounds"]
    while items.sound(number := bank.any(rng), desk.split)[0].name != name:
        pass
    return bank.sound(number)
