"""What is learnt across the senses: questions asked aloud, drawings wished for aloud, answers spoken.

Job: each task appends turns to a row. Ignorance: how media became codes, the mixture.
"""

from __future__ import annotations

import numpy as np

from models.data import items
from models.data.pictures import kinds
from models.data.rows import Row, audio, image
from models.data.tasks.desk import Desk, weigh
from models.data.tasks.pictures import MADE


def asked_aloud(desk: Desk, row: Row, rng: np.random.Generator) -> None:
    """A spoken question about a picture, often typed ones after it, or a spoken wish for one."""
    number = desk.banks["asked"].any(rng)
    spoken, _ = items.asked(number, desk.corpus, desk.split)
    clip = desk.banks["asked"].sound(number)
    voice = audio(clip.codes, clip.phonemes)
    scene, _ = items.picture("scenes", spoken.scene, desk.corpus, desk.split)
    picture = image(desk.banks["scenes"].codes(spoken.scene)[0], kinds.labels(scene))
    if spoken.task == "draw":
        row.user(voice)
        row.assistant((picture, MADE))
        return
    row.user(*((picture, voice) if rng.random() < 0.8 else (voice, picture)))
    row.assistant((spoken.answer, weigh(spoken.answer)))
    for typed in scene.questions(rng)[: int(rng.integers(0, 4))]:
        row.user(typed.question)
        row.assistant((typed.answer, weigh(typed.answer)))
