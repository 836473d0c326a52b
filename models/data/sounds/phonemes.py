"""Phonemes as classes: the table, espeak's many names brought to it, and the class at each moment.

Job: `PHONEMES` (an index is a class, 0 is silence) and `at`, which labels moments by what was begun last.
Ignorance: espeak itself, samples, frames, tokens. The names are espeak-ng's mnemonics for English.

The rule: `_` and all that begins so are silence. Of another name the stress marks before it are dropped; one that is
then in the table is its own class, so diphthongs and r-coloured vowels are. Any other is looked up in `_MERGED`, and
at last without the length and variant marks after it (I2 and I# are I, t# is t). What is still unknown has no label.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

PHONEMES: tuple[str, ...] = (
    "_",
    "p", "b", "t", "d", "k", "g", "?", "tS", "dZ",
    "f", "v", "T", "D", "s", "z", "S", "Z", "x", "h",
    "m", "n", "N", "l", "r", "w", "j", "@L",
    "I", "i", "i:", "E", "a", "aa", "A:", "0", "O:", "U", "u:", "V", "@", "3", "3:",
    "eI", "aI", "OI", "oU", "aU",
    "A@", "O@", "o@", "e@", "i@", "i@3", "U@", "aI@",
)  # fmt: skip
NO_LABEL = 255

_CLASSES = {name: index for index, name in enumerate(PHONEMES)}
_MERGED = {
    "a#": "@",  # the weak a of "about"
    "A": "A:", "O": "O:", "O2": "O:", "u": "u:", "o": "oU", "e": "eI",  # the same vowels without length
    "IR": "3:", "VR": "3:",  # Scottish: "bird", "word"
    "aI3": "aI@",
    ";": "j",  # the glide of "she is"
}  # fmt: skip
_VOICELESS_STOPS = {_CLASSES[name] for name in ("p", "t", "k", "tS")}
_VOICED = ("b", "d", "g", "dZ", "v", "D", "z", "Z", "m", "n", "N", "l", "r", "w", "j")
_VOICED_CONSONANTS = {_CLASSES[name] for name in _VOICED}
_VOWELS = set(range(_CLASSES["@L"], len(PHONEMES)))
_STRESS, _VARIANT = "',%=", re.compile(r"(?<=.)[\d:#\-\[^~]+$")


@cache
def phoneme_class(name: str) -> int:
    """The class of one of espeak's names, or NO_LABEL."""
    if name.startswith("_"):
        return 0
    unstressed = name.lstrip(_STRESS)
    bare = _VARIANT.sub("", unstressed)
    for known in (unstressed, _MERGED.get(unstressed), bare, _MERGED.get(bare)):
        if known in _CLASSES:
            return _CLASSES[known]
    return NO_LABEL


def at(seconds: NDArray[np.float64], phonemes: Sequence[tuple[float, str]]) -> NDArray[np.uint8]:
    """Classes at some moments, given when espeak says that each phoneme begins, in order; before all is silence."""
    classes = [0, *(phoneme_class(name) for _, name in phonemes)]
    begins = [start for start, _ in phonemes]
    for i in range(1, len(begins)):
        begins[i] -= _lead(classes[i], classes[i + 1], phonemes[i][0] - phonemes[i - 1][0])
    return np.array(classes, dtype=np.uint8)[np.searchsorted(begins, seconds, side="right")]


def _lead(before: int, now: int, seconds: float) -> float:
    """By how much a phoneme is heard before espeak's event, which comes `seconds` after that of the one before.

    The event of a voiceless stop follows its closure, that of a vowel its transition from a voiced consonant, and
    that of an l after a vowel most of the l. The numbers are those for which spectra are told apart best.
    """
    if now == _CLASSES["l"] and before in _VOWELS:
        return 0.35 * seconds
    if now in _VOICELESS_STOPS and before != 0:
        return min(0.025, seconds / 2)
    return min(0.015, seconds / 2) if now in _VOWELS and before in _VOICED_CONSONANTS else 0.0


def stretched(labels: NDArray[np.uint8], count: int) -> NDArray[np.uint8]:
    """The same labels on `count` frames, after the sound was played faster or slower."""
    return labels[np.arange(count) * len(labels) // max(1, count)]
