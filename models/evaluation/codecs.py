"""The codecs by themselves: what is lost on the way through the codes, by kind of picture and of sound.

Job: held-out media to codes and back through the bundle's own graphs. Ignorance: the decoder; Griffin-Lim, as sounds are
compared before it. A picture decoded larger than it was read is compared with the drawing of that size.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge.media.spectrum import level, log_mel
from models.data import items
from models.data.banks import PICTURES
from models.evaluation.exam import Exam, heard
from models.evaluation.rows import Row, mean, number

SOUNDS = ("speech", "own voice", "moods", "real digits", "sounds")


def pictures(exam: Exam) -> list[Row]:
    """PSNR by kind, and how many of the codes all of them used."""
    codec = exam.model.wiring.frontends["image"]
    rows, used, seen = [], set(), 0
    for kind in PICTURES:
        scores = []
        for n in exam.numbers(0.1):
            _, picture, _ = exam.picture(kind, n)
            ids = codec.encode(picture).ids[1:-1]
            used |= set(ids)
            seen += len(ids)
            made = codec.decode(ids)
            again, rng = items.picture(kind, n, exam.corpus, "heldout")
            scores.append(psnr(again.draw(rng, len(made)), made))
        rows.append(mean(f"picture codec: {kind}", scores, "dB"))
    return [*rows, number("picture codec: different codes", len(used), "codes", seen)]


def psnr(truth: NDArray[np.uint8], made: NDArray[np.uint8]) -> float:
    """dB against full scale, mean squared error of one picture."""
    error = float(((made.astype(float) - truth) ** 2).mean()) / 255**2
    return -10 * float(np.log10(max(error, 1e-7)))


def sounds(exam: Exam) -> list[Row]:
    """L1 of the log-mel by kind, and how many of the codes all of them used."""
    codec = exam.model.wiring.frontends["audio"]
    rows, used, seen = [], set(), 0
    for kind in SOUNDS:
        scores = []
        for n in exam.numbers(0.06):
            samples = _samples(exam, kind, n)
            ids = codec.encode(heard(samples)).ids[1:-1]
            used |= set(ids)
            seen += len(ids)
            mel = log_mel(level(samples))
            scores.append(float(np.abs(codec.mel(ids)[:, : mel.shape[1]] - mel).mean()))
        rows.append(mean(f"sound codec: {kind}", scores, "nat", "less"))
    return [*rows, number("sound codec: different codes", len(used), "codes", seen)]


def _samples(exam: Exam, kind: str, n: int) -> NDArray[np.float32]:
    if kind == "real digits":
        return items.recording(n, exam.corpus, "heldout")[1]
    if kind == "sounds":
        sound, rng = items.sound(n, "heldout")
        return sound.play(rng)
    sampler = {"speech": items.speech, "own voice": items.own_voice, "moods": items.mood}[kind]
    spoken, rng = sampler(n, exam.corpus, "heldout")
    return spoken.samples(rng)[0]
