"""Clips watched and made: descriptions, questions, animations, the next frame.

Job: each task uses held-out clips and gives rows. Ignorance: the model, how frames are judged (clips.checker).
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

import edge
from models.data import items
from models.data.clips.checker import judge
from models.data.clips.clips import Clip
from models.data.pictures.scene_checker import agrees
from models.evaluation.exam import GREEDY, Exam
from models.evaluation.rows import Row, ratio_of_pairs, share
from models.evaluation.scoring import agreement, slots

MOTION = ("direction", "speed", "order")


def shown(number: int) -> tuple[Clip, edge.Video, np.random.Generator]:
    """A held-out clip, what the model is shown, and the generator that drew it."""
    clip, rng = items.clip(number, "heldout")
    return clip, edge.Video(np.stack(clip.draw(rng))), rng


def watching(exam: Exam) -> list[Row]:
    """Descriptions; and of each kind one question, motion and order apart from the rest."""
    scored, exact = [], []
    hits: dict[bool, list[bool]] = defaultdict(list)  # by whether it is about motion or order
    for number in exam.numbers(0.2):
        clip, video, rng = shown(number)
        truth, told = slots(clip.caption()), slots(exam.model.describe(video, sampling=GREEDY))
        scored.append(agreement(truth, told))
        exact.append(truth == told)
        for asked in {q.kind: q for q in clip.questions(rng)}.values():
            moving = asked.kind in MOTION
            if moving or len(hits[False]) < 2 * len(exact):  # the rest: two a clip are enough
                hits[moving].append(exam.answer(video, asked.question) == asked.answer)
    return [
        share("clip questions: motion and order", hits[True]),
        share("clip questions: all else", hits[False]),
        share("clips described: all slots", exact),
        ratio_of_pairs("clips described: slot F1", scored),
    ]


def animations(exam: Exam) -> list[Row]:
    """From a wish, judged by program; things that were to go one way, or to turn back, apart."""
    told = []
    for number in exam.numbers(0.07):
        clip, _ = items.clip(number, "heldout")
        made = exam.model.animate(clip.wish(), seed=number)
        told.append((bool(clip.heading()) or clip.kind == "bounce", judge(clip, list(made.frames))))
    return [
        share("clips made: asked motion", [t["change"] for moves, t in told if moves]),
        share("clips made: what was asked happens", [t["change"] for _, t in told]),
        share("clips made: colour and shape", [t["colour"] and t["shape"] for _, t in told]),
        share("clips made: everything asked", [t["all"] for _, t in told]),
    ]


def next_frames(exam: Exam) -> list[Row]:
    """The frame that follows from those before it, everything in its place."""

    def about(number: int) -> bool | None:
        clip, rng = items.clip(number, "heldout")
        known = clip.continuation(rng)
        if known is None:
            return None
        before, after = known
        seed = int(rng.integers(2**32))
        frames = [edge.Image(scene.draw(np.random.default_rng(seed))) for scene in before]
        made = exam.drawing(*frames, exam.request("next_frame", number), seed=number)
        return agrees(after, made, fixed=True)["all"]

    return [share("next frame drawn: everything in its place", list(exam.found(0.1, about)))]
