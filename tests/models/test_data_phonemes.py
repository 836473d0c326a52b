"""Phoneme labels: the table, espeak's names in it, and that a label is heard where it stands."""

from __future__ import annotations

import numpy as np
import pytest

from edge.media.spectrum import level, log_mel
from models.data.sounds import phonemes, voices
from models.data.sounds.phonemes import NO_LABEL, PHONEMES, phoneme_class
from models.data.sounds.voices import EMOTIONS, Delivery, sample_delivery, say, say_labelled

espeak = pytest.mark.train
LINES = (
    "she sells seven tickets",
    "the quick brown fox asks again",
    "no. yes, please",
    "measure the orange fish",
    "cheese and toast",
)


def test_names_are_brought_to_one_table() -> None:
    assert len(set(PHONEMES)) == len(PHONEMES) < 120
    assert [phoneme_class(name) for name in PHONEMES] == list(range(len(PHONEMES)))
    same = {
        "_:": "_",
        "_!": "_",
        "'i:": "i:",
        "I2": "I",
        "I#": "I",
        "t#": "t",
        "t[": "t",
        "@-": "@",
        "n-": "n",
        "u": "u:",
    }
    assert {name: PHONEMES[phoneme_class(name)] for name in same} == same
    assert len({phoneme_class(name) for name in ("a", "I", "aI", "aI@", "A:", "A@", "3", "3:", "0")}) == 9
    assert phoneme_class("%&") == phoneme_class("") == NO_LABEL


def test_a_moment_has_the_phoneme_that_began_last() -> None:
    said = [(0.1, "s"), (0.2, "i:"), (0.3, "%&"), (0.4, "_:")]
    labels = phonemes.at(np.array([0.0, 0.15, 0.25, 0.35, 0.9]), said)
    assert labels.dtype == np.uint8
    assert labels.tolist() == [0, PHONEMES.index("s"), PHONEMES.index("i:"), NO_LABEL, 0]


def test_a_stop_begins_with_its_closure_and_never_swallows_what_precedes() -> None:
    t, a = PHONEMES.index("t"), PHONEMES.index("a")
    assert phonemes.at(np.array([0.47, 0.48]), [(0.3, "a"), (0.5, "t")]).tolist() == [a, t]
    assert phonemes.at(np.array([0.487, 0.489]), [(0.48, "a"), (0.5, "t")]).tolist() == [a, a]
    assert phonemes.at(np.array([0.48]), [(0.3, "_:"), (0.5, "t")]).tolist() == [0]


@espeak
def test_each_code_has_a_label_and_the_samples_are_those_of_say() -> None:
    rng = np.random.default_rng(2)
    for emotion in (None, *EMOTIONS):
        for split in ("train", "heldout"):
            delivery = sample_delivery(rng, split, emotion)
            samples, labels = say_labelled(LINES[0], delivery)
            assert np.array_equal(samples, say(LINES[0], delivery))
            assert labels.shape == (log_mel(level(samples)).shape[1],)
            assert labels.dtype == np.uint8
            assert np.isin(labels, [*range(len(PHONEMES)), NO_LABEL]).all()


@espeak
def test_a_sentence_reads_as_its_phonemes_in_order() -> None:
    labels = say_labelled("she sells fish", Delivery("en-us", rate=140))[1]
    order = [PHONEMES[c] for i, c in enumerate(labels) if i == 0 or c != labels[i - 1]]
    assert [name for name in order if name != "_"] == ["S", "i:", "s", "E", "l", "z", "f", "I", "S"]


@espeak
@pytest.mark.parametrize("emotion", [None, "happy"])
def test_labels_are_heard_where_they_stand(emotion: voices.Emotion | None) -> None:
    rng = np.random.default_rng(4)
    clips = [say_labelled(LINES[i % len(LINES)], sample_delivery(rng, "train", emotion)) for i in range(40)]
    mel = np.concatenate([log_mel(level(samples)).T for samples, _ in clips])
    mel = mel - mel.mean(0)
    whitener = np.linalg.inv(np.cov(mel.T) + 1e-3 * np.eye(80))

    def told_apart(labels: np.ndarray) -> float:
        means = {c: mel[labels == c].mean(0) for c in np.unique(labels)}
        return float(sum((labels == c).mean() * m @ whitener @ m for c, m in means.items()))

    labels = np.concatenate([labels for _, labels in clips])
    score = {shift: told_apart(np.roll(labels, shift)) for shift in range(-3, 4)}
    assert max(score, key=score.__getitem__) == 0
    assert score[0] > 1.3 * max(score[-3], score[3])

    power = np.exp(mel)
    slope = np.log(power[:, 55:].sum(1) / power[:, :24].sum(1))
    hissed = np.isin(labels, [PHONEMES.index(name) for name in ("s", "S")])
    assert np.median(slope[hissed]) > np.quantile(slope[~hissed], 0.9)
