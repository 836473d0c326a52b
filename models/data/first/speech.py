"""Spoken sentences: a closed world of phrases, and espeak-ng through its library (no process per sentence).

Job: sample what is said, and by which voice, rate and pitch; give 16 kHz mono samples.
Ignorance: tokens, codecs, chat. Voices of the held-out split are never heard in training.
Needs the Debian package `espeak-ng`; training and its tests only, never the runtime.
"""

from __future__ import annotations

import ctypes
from ctypes import util
from dataclasses import dataclass
from functools import cache

import numpy as np
import soxr
from numpy.typing import NDArray

from models.data.first import pictures
from models.data.first.pictures import Split

RATE = 16_000
VOICES = {
    "train": ("en-us", "en", "en-us+f2", "en+f4", "en-us+m3", "en-gb-scotland", "en-us+f5", "en-gb-x-rp+m7", "en-us+linda", "en+adam"),
    "heldout": ("en-us+f3", "en+m5"),
}  # fmt: skip
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
NOUNS = (
    "birds",
    "cats",
    "dogs",
    "fish",
    "trees",
    "cars",
    "flowers",
    "houses",
    "boats",
    "apples",
    "books",
    "stars",
)
SINGULAR = ("bird", "cat", "dog", "fish", "tree", "car", "flower", "house", "boat", "apple", "book", "star")
PLACES = ("on the table", "in the garden", "by the river", "under the tree", "near the house", "in the box")
PHRASES = (
    "hello", "good morning", "good night", "thank you", "how are you", "i am fine", "see you soon", "yes please", "no thank you",
    "what is your name", "my name is pico", "nice to meet you", "where are you", "i am here", "the sun is warm", "it is time to go",
    "open the door", "close the window", "turn on the light", "tell me a story",
)  # fmt: skip


@dataclass(frozen=True)
class Delivery:
    """How a sentence is spoken: espeak voice, words per minute, pitch 0-99."""

    voice: str
    rate: int
    pitch: int


def sample_delivery(rng: np.random.Generator, split: Split = "train") -> Delivery:
    return Delivery(str(rng.choice(VOICES[split])), int(rng.integers(150, 215)), int(rng.integers(35, 65)))


def sample_digits(rng: np.random.Generator, longest: int = 4) -> str:
    return " ".join(rng.choice(DIGITS, int(rng.integers(1, longest + 1))))


def sample_sentence(rng: np.random.Generator) -> str:
    """Lower case words without punctuation."""
    kind = rng.random()
    if kind < 0.3:
        return sample_digits(rng)
    if kind < 0.55:
        return f"{rng.choice(DIGITS[2:])} {rng.choice(list(pictures.COLOURS))} {rng.choice(NOUNS)}"
    if kind < 0.7:
        return f"the {rng.choice(list(pictures.COLOURS))} {rng.choice(SINGULAR)} is {rng.choice(PLACES)}"
    if kind < 0.85:
        return f"a {rng.choice(list(pictures.COLOURS))} {rng.choice(pictures.SHAPES)}"
    return str(rng.choice(PHRASES))


@cache
def _espeak() -> tuple[ctypes.CDLL, int, list[NDArray[np.int16]], object]:
    """The library, its rate in Hz, the list its callback fills, and the callback (kept alive)."""
    path = util.find_library("espeak-ng")
    if path is None:
        raise RuntimeError("espeak-ng is missing; it makes the training speech: apt-get install espeak-ng")
    library = ctypes.CDLL(path)
    chunks: list[NDArray[np.int16]] = []
    kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)

    @kind
    def receive(samples, count, events):  # type: ignore[no-untyped-def]
        if samples and count > 0:
            chunks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    rate = library.espeak_Initialize(2, 0, None, 0)  # 2: synchronous, samples go to the callback
    library.espeak_SetSynthCallback(receive)
    return library, int(rate), chunks, receive


def say(text: str, delivery: Delivery) -> NDArray[np.float32]:
    """Samples (n,) float32 at 16 kHz, silence at the ends trimmed to about 60 ms."""
    library, rate, chunks, _ = _espeak()
    chunks.clear()
    if library.espeak_SetVoiceByName(delivery.voice.encode()) != 0:
        raise RuntimeError(f"espeak-ng has no voice {delivery.voice!r}")
    library.espeak_SetParameter(1, delivery.rate, 0)  # 1: words per minute
    library.espeak_SetParameter(3, delivery.pitch, 0)  # 3: pitch
    data = text.encode() + b"\0"
    library.espeak_Synth(data, ctypes.c_size_t(len(data)), 0, 0, 0, 1, None, None)  # 1: UTF-8
    library.espeak_Synchronize()
    wave = np.concatenate(chunks).astype(np.float32) / 32768
    samples: NDArray[np.float32] = soxr.resample(wave, rate, RATE).astype(np.float32)
    loud = np.flatnonzero(np.abs(samples) > 0.01)
    if len(loud) == 0:
        return samples[: RATE // 5]
    edge = RATE * 60 // 1000
    samples = samples[max(0, loud[0] - edge) : loud[-1] + edge]
    return np.asarray(samples * (0.6 / max(1e-3, float(np.abs(samples).max()))), np.float32)


def through_a_microphone(samples: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Another loudness and a little noise."""
    noise = rng.normal(0, 10 ** rng.uniform(-4, -2.4), len(samples))
    return np.asarray(samples * rng.uniform(0.4, 1.3) + noise, np.float32).clip(-1, 1)
