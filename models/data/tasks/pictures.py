"""What is learnt about pictures: reading, comparing, drawing, editing, and talking about what was drawn.

Job: each task appends turns to a row. Ignorance: how pictures look and became codes, the mixture.
"""

from __future__ import annotations

import numpy as np

from models.data import items
from models.data.pictures import kinds
from models.data.pictures.emoji import EmojiPicture
from models.data.pictures.lettering import Lettering
from models.data.rows import Row, Span, image
from models.data.tasks.desk import Desk, capital_sentence, weigh
from models.data.text import requests

MADE = 0.5  # weight of a drawn code
_VERBATIM = ("Draw", "Draw a picture of", "Show me", "Make a picture of", "Paint", "Please draw")
NULL = 0.1  # of the drawings have no prompt: guidance needs them


def picture(desk: Desk, kind: str, rng: np.random.Generator) -> tuple[items.Picture, Span]:
    """A picture of the bank, and its span with labels."""
    return numbered(desk, kind, desk.banks[kind].any(rng))


def numbered(desk: Desk, kind: str, number: int) -> tuple[items.Picture, Span]:
    """The picture of that number, and its span with labels."""
    shown, _ = items.picture(kind, number, desk.corpus, desk.split)
    return shown, image(desk.banks[kind].codes(number)[0], kinds.labels(shown))


def read(desk: Desk, row: Row, rng: np.random.Generator, kind: str) -> None:
    """Questions about one picture, sometimes a description among them or alone.

    Mostly without it: where it is given, later answers can be read off it instead of the picture.
    """
    shown, span = picture(desk, kind, rng)
    turns = _asked(shown, rng, kind)
    if rng.random() < 0.4:
        told = (requests.ask(rng, desk.split, "describe"), capital_sentence(shown.caption()))
        if rng.random() < 0.4:
            turns.clear()
        turns.insert(int(rng.integers(len(turns) + 1)), told)
    for i, (question, answer) in enumerate(turns):
        parts = [question] if i else ([span, question] if rng.random() < 0.7 else [question, span])
        row.user(*parts)
        row.assistant((answer, weigh(answer)))


def _asked(shown: items.Picture, rng: np.random.Generator, kind: str) -> list[tuple[str, str]]:
    """One to six questions; what the kind is about (the name, the writing) is always among them."""
    asked = shown.questions(rng)
    core = [q for q in asked if q.kind in ("emoji", "ocr", "value", "trend")][: 1 + int(rng.random() < 0.3)]
    rest = [q for q in asked if q not in core]
    chosen = core + rest[: int(rng.integers(1, 3) if core else rng.integers(2, 7))]
    return [(chosen[i].question, chosen[i].answer) for i in rng.permutation(len(chosen))]


def draw(desk: Desk, row: Row, rng: np.random.Generator, kind: str) -> None:
    """A request and the drawing; now and then a question about what was drawn."""
    shown, span = picture(desk, kind, rng)
    if rng.random() < NULL:
        row.null()
    else:
        row.user(_wish(shown, desk, rng))
    row.assistant((span, MADE))
    if rng.random() < 0.15:
        question = shown.questions(rng)[0]
        row.user(question.question)
        row.assistant((question.answer, weigh(question.answer)))


def _wish(shown: items.Picture, desk: Desk, rng: np.random.Generator) -> str:
    """What is asked for. Writing is quoted letter by letter, so those requests are never retyped."""
    caption = shown.caption()
    if isinstance(shown, EmojiPicture) and not shown.relation:
        return requests.ask(rng, desk.split, "draw_emoji", shown.things[0].name)
    if not isinstance(shown, Lettering):
        return requests.ask(rng, desk.split, "draw", caption)
    if caption == f'the word "{shown.text}"' and rng.random() < 0.5:
        return requests.ask(rng, desk.split, "write", f'"{shown.text}"')
    return f"{_VERBATIM[int(rng.integers(len(_VERBATIM)))]} {caption}."


def edit(desk: Desk, row: Row, rng: np.random.Generator) -> None:
    """A picture, given or just drawn, and a change to it."""
    number = desk.banks["edits"].any(rng)
    made, _ = items.edit(number, desk.split)
    before, after = (
        image(codes, kinds.labels(scene))
        for codes, scene in zip(desk.banks["edits"].codes(number), (made.before, made.after), strict=True)
    )
    if rng.random() < 0.5:
        row.user(before, made.instruction)
    else:
        row.user(requests.ask(rng, desk.split, "draw", made.before.caption()))
        row.assistant((before, MADE))
        row.user(made.instruction)
    row.assistant((after, MADE))


def compare(desk: Desk, row: Row, rng: np.random.Generator) -> None:
    """Two pictures and a question about both, or what has changed from one to the other."""
    if rng.random() < 0.3:
        number = desk.banks["edits"].any(rng)
        made, _ = items.edit(number, desk.split)
        scenes, codes = (made.before, made.after), desk.banks["edits"].codes(number)
        question, answer = requests.ask(rng, desk.split, "compare"), made.change
    else:
        number = desk.banks["comparisons"].any(rng)
        both, _ = items.comparison(number, desk.split)
        scenes, codes = (both.first, both.second), desk.banks["comparisons"].codes(number)
        question, answer = both.question, both.answer
    row.user(*(image(c, kinds.labels(s)) for c, s in zip(codes, scenes, strict=True)), question)
    row.assistant((answer, weigh(answer)))
