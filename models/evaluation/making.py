"""Pictures made: drawings, writing, edits, spoken wishes; judged by program and by the model's own eyes.

Job: each task asks for held-out pictures and gives rows. Ignorance: the model, how a picture is judged (scene_checker).
Sampling is the bundle's own, with the item's number as seed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

import edge
from models.data import items
from models.data.pictures.lettering import Lettering
from models.data.pictures.scene_checker import agrees
from models.data.pictures.scenes import Scene
from models.data.text.turns import Split
from models.evaluation.exam import BEYOND, GREEDY, Exam, heard
from models.evaluation.reading import short_word
from models.evaluation.rows import Row, ratio, ratio_of_pairs, share
from models.evaluation.scoring import agreement, letters_right, quoted, slots

READ = "What does it say?"
THERE = ("colour", "shape", "texture", "count", "background")


def drawings(exam: Exam) -> list[Row]:
    """From captions with unseen colour x shape pairs, each told again by the model; then from trained pairs."""
    told, scored = [], []
    for number in exam.numbers(0.35):
        scene, pixels = _drawn(exam, number, "heldout")
        told.append(agrees(scene, pixels))
        again = exam.model.describe(edge.Image(pixels), sampling=GREEDY)
        scored.append(agreement(slots(scene.caption()), slots(again)))
    known = [
        agrees(*_drawn(exam, number + BEYOND, "train"))  # trained pairs, but no scene of the banks
        for number in exam.numbers(0.15)
    ]
    again = ratio_of_pairs("drawn, told again by the model: slot F1", scored)
    return [*_judged("drawn", told), *_judged("drawn, known pairs", known), again]


def _drawn(exam: Exam, number: int, split: Split) -> tuple[Scene, NDArray[np.uint8]]:
    scene, _ = items.picture("scenes", number, exam.corpus, split)
    assert isinstance(scene, Scene)
    return scene, np.asarray(exam.model.draw(scene.caption(), seed=number).pixels)


def _judged(name: str, told: list[dict[str, bool]]) -> list[Row]:
    both = share(f"{name}: colour and shape", [t["colour"] and t["shape"] for t in told])
    return [share(f"{name}: everything asked", [t["all"] for t in told]), both]


def writing(exam: Exam) -> list[Row]:
    """Unseen words of up to six letters drawn, then read by the model."""

    def about(number: int) -> tuple[str, str] | None:
        shown, _ = items.picture("lettering", number, exam.corpus, "heldout")
        if not short_word(shown):
            return None
        assert isinstance(shown, Lettering)
        made = exam.model.draw(f'the word "{shown.text}"', seed=number)
        return shown.text.lower(), quoted(exam.answer(edge.Image(np.asarray(made.pixels)), READ))

    read = list(exam.found(0.18, about))
    right = [letters_right(truth, told) for truth, told in read]
    characters = ratio("words drawn, read by the model: characters right", right, [len(t) for t, _ in read])
    return [characters, share("words drawn, read by the model: exact", [a == b for a, b in read])]


def edits(exam: Exam) -> list[Row]:
    """The change, and everything else where and as it was."""
    told = []
    for number in exam.numbers(0.2):
        edit, rng = items.edit(number, "heldout")
        before = edge.Image(edit.before.draw(np.random.default_rng(int(rng.integers(2**32)))))
        made = exam.drawing(before, edit.instruction, seed=number)
        told.append(agrees(edit.after, made, fixed=True))
    return [
        share("edits: asked change, everything else unchanged", [t["all"] for t in told]),
        share("edits: what is there, wherever it lies", [all(t[name] for name in THERE) for t in told]),
    ]


def spoken_wishes(exam: Exam) -> list[Row]:
    """A drawing wished for aloud, by an unheard voice."""

    def about(number: int) -> dict[str, bool] | None:
        spoken, rng = items.asked(number, exam.corpus, "heldout")
        if spoken.task != "draw":
            return None
        scene, _ = items.picture("scenes", spoken.scene, exam.corpus, "heldout")
        assert isinstance(scene, Scene)
        return agrees(scene, exam.drawing(heard(spoken.samples(rng)[0]), seed=number))

    return _judged("spoken wishes drawn", list(exam.found(0.12, about)))
