"""Speech made: said by the model, written down by the model, and as long as it should be.

Job: the round trip over held-out texts. Ignorance: the model. Its own ears judge its voice: a clear voice that it does not
understand counts as wrong, and so does a mistake of its hearing.
"""

from __future__ import annotations

import numpy as np

from models.data import items
from models.data.sounds import voices
from models.evaluation.exam import GREEDY, Exam, heard
from models.evaluation.rows import Row, median, ratio
from models.evaluation.scoring import word_errors


def round_trip(exam: Exam) -> list[Row]:
    """Word errors; and how long it is, over the voice that taught it (espeak-ng, same text)."""
    errors, words, lengths = [], [], []
    for number in exam.numbers(0.2):
        text = items.own_voice(number, exam.corpus, "heldout")[0].text
        made = np.asarray(exam.model.speak(text, seed=number).samples)
        told = exam.model.transcribe(heard(made), sampling=GREEDY)
        errors.append(word_errors(text, told))
        words.append(len(text.split()))
        lengths.append(len(made) / len(voices.say(text, items.OWN_VOICE)))
    return [
        ratio("speech made, heard again: word errors", errors, words, better="less"),
        median("speech made: duration", lengths, "x", better=""),
    ]
