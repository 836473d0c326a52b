"""What is learnt about clips: telling what happens, making one, going on with one.

Job: each task appends turns to a row. Ignorance: how clips look and became codes, the mixture.
"""

from __future__ import annotations

import numpy as np

from models.data import items
from models.data.pictures import kinds
from models.data.rows import Row, Span, image, video
from models.data.tasks.desk import Desk, capital_sentence, weigh
from models.data.tasks.pictures import MADE
from models.data.text import requests


def clip_of(desk: Desk, rng: np.random.Generator) -> tuple[items.Clip, list[Span], Span]:
    """A clip of the bank, its frames as pictures, and the whole as a span."""
    number = desk.banks["clips"].any(rng)
    shown, _ = items.clip(number, desk.split)
    codes = desk.banks["clips"].codes(number)
    labels = [kinds.labels(scene) for scene in shown.frames()]
    return shown, [image(c, told) for c, told in zip(codes, labels, strict=True)], video(list(codes), labels)


def watch(desk: Desk, row: Row, rng: np.random.Generator) -> None:
    """Questions about a clip, sometimes a description among them."""
    shown, _, span = clip_of(desk, rng)
    turns = [(q.question, q.answer) for q in shown.questions(rng)[: int(rng.integers(2, 7))]]
    if rng.random() < 0.5:
        told = (requests.ask(rng, desk.split, "describe_video"), capital_sentence(shown.caption()))
        turns.insert(int(rng.integers(len(turns) + 1)), told)
    for i, (question, answer) in enumerate(turns):
        row.user(*((question,) if i else (span, question)))
        row.assistant((answer, weigh(answer)))


def animate(desk: Desk, row: Row, rng: np.random.Generator) -> None:
    """A clip from words."""
    shown, _, span = clip_of(desk, rng)
    if rng.random() < 0.1:
        row.null()
    else:
        row.user(requests.ask(rng, desk.split, "animate", shown.wish()))
    row.assistant((span, MADE))


def go_on(desk: Desk, row: Row, rng: np.random.Generator) -> None:
    """The first frames as pictures; the next one is drawn."""
    shown, frames, _ = clip_of(desk, rng)
    known = shown.continuation(rng)
    if known is None:
        return animate(desk, row, rng)
    count = len(known[0])
    row.user(*frames[:count], requests.ask(rng, desk.split, "next_frame"))
    row.assistant((frames[count], MADE))
