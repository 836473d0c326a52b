"""Spoken sentences in many voices and four moods: espeak-ng and some shaping.

Job: who speaks and how (a `Delivery`), 16 kHz mono samples of a text so delivered, and which phoneme is heard when.
Ignorance: what is said (utterances knows), rooms and microphones, tokens, codecs. Not for threads: one caller a process.
Voices of the held-out split are speakers (espeak variants) that training never hears.
A text and a `Delivery` always give the same samples, whatever was said before.
Needs the Debian package `espeak-ng`; training and its tests only, never the runtime.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import soxr
from numpy.typing import NDArray

from edge.media.spectrum import HOP
from models.data.sounds import espeak, phonemes
from models.data.sounds.phonemes import NO_LABEL as NO_LABEL
from models.data.sounds.phonemes import PHONEMES as PHONEMES
from models.data.text.turns import Split

Emotion = Literal["calm", "happy", "angry", "sad"]
EMOTIONS: tuple[Emotion, ...] = get_args(Emotion)
RATE = 16_000
VOICES: dict[Split, tuple[str, ...]] = {
    "train": ("en-us", "en", "en-gb-scotland", "en-gb-x-rp+m7", "en-029+m3", "en-us+m1", "en+m8", "en-us+Andy", "en-us+Michael",
              "en-gb-x-gbclan+john", "en-us+paul", "en-us+f2", "en+f4", "en-us+f5", "en-us+linda", "en-gb-scotland+belinda",
              "en-us-nyc+steph", "en-us+grandma", "en-gb-x-rp+Alicia"),
    "heldout": ("en-us+f3", "en+Annie", "en-us+m4", "en-gb-x-rp+boris"),
}  # fmt: skip
_WOMEN = ("f2", "f3", "f4", "f5", "linda", "belinda", "steph", "grandma", "Alicia", "Annie")


@dataclass(frozen=True)
class Delivery:
    """How a sentence is spoken. `sample_delivery` chooses numbers that fit the emotion."""

    voice: str
    rate: int = 170  # words per minute
    pitch: int = 50  # 0-99, 50 is the voice's own
    pitch_range: int = 50  # 0 flat, 50 normal, 100 widest
    peak: float = 0.6  # largest sample of the clip
    emotion: Emotion | None = None  # None: no emotion was meant


@dataclass(frozen=True)
class _Mood:
    """Where one emotion lies: ranges for espeak, and the shaping of its samples."""

    rate: tuple[int, int]
    pitch: tuple[int, int]
    pitch_range: tuple[int, int]
    peak: tuple[float, float]
    mark: str = "."  # sets the tune of the sentence
    tilt: float = 0.0  # dB per octave above 500 Hz
    onset: float = 0.0  # exponent on (fast envelope / slow envelope): positive makes onsets hard
    drive: float = 0.0  # pressed voice: tanh saturation
    tremble: float = 0.0  # depth of a 5 Hz tremolo
    lilt: float = 0.0  # how far speed and pitch swing, three times a second
    fade: float = 1.0  # loudness at the end over loudness at the start


_MOODS: dict[Emotion, _Mood] = {
    "calm": _Mood((140, 160), (42, 54), (30, 42), (0.30, 0.40)),
    "happy": _Mood((190, 220), (64, 80), (90, 100), (0.50, 0.64), "!", tilt=1.0, lilt=0.09, fade=1.4),
    "angry": _Mood((194, 228), (38, 52), (55, 75), (0.85, 0.97), "!", tilt=2.5, onset=0.7, drive=2.5),
    "sad": _Mood(
        (118, 136), (18, 30), (4, 14), (0.14, 0.20), ".", tilt=-3.0, onset=-0.4, tremble=0.25, fade=0.6
    ),
}


def is_woman(voice: str) -> bool:
    return voice.partition("+")[2] in _WOMEN


def sample_delivery(
    rng: np.random.Generator, split: Split = "train", emotion: Emotion | None = None
) -> Delivery:
    """A voice of the split; without an emotion every rate and pitch, with one only those that express it."""
    voice = str(rng.choice(VOICES[split]))
    if emotion is None:
        return Delivery(voice, _between(rng, (130, 230)), _between(rng, (20, 80)), _between(rng, (30, 70)))
    mood = _MOODS[emotion]
    return Delivery(
        voice,
        _between(rng, mood.rate),
        _between(rng, mood.pitch),
        _between(rng, mood.pitch_range),
        round(float(rng.uniform(*mood.peak)), 3),
        emotion,
    )


def _between(rng: np.random.Generator, bounds: tuple[int, int]) -> int:
    return int(rng.integers(bounds[0], bounds[1] + 1))


def say(text: str, delivery: Delivery) -> NDArray[np.float32]:
    """Samples (n,) float32 at 16 kHz whose peak is the delivery's, silence at the ends trimmed to about 60 ms."""
    return say_labelled(text, delivery)[0]


def say_labelled(text: str, delivery: Delivery) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """What `say` gives, and the class of the phoneme at the centre of each 20 ms code, uint8 (T,).

    T is the number of frames of edge.media.spectrum.log_mel of these samples; frame t is centred on sample 320 t.
    A class is a place in PHONEMES, or NO_LABEL.
    """
    mood = _MOODS[delivery.emotion] if delivery.emotion else None
    spoken = espeak.synthesize(
        text + (mood.mark if mood else ""),
        delivery.voice,
        rate=delivery.rate,
        pitch=delivery.pitch,
        pitch_range=delivery.pitch_range,
    )
    whole = soxr.resample(np.frombuffer(spoken.samples, "<i2").astype(np.float64) / 32768, spoken.hertz, RATE)
    start, end = _ends(whole)
    samples = _shaped(whole[start:end], mood) if mood else whole[start:end]
    scaled = (samples * (delivery.peak / max(1e-3, float(np.abs(samples).max())))).astype(np.float32)
    centres = np.arange(0, len(samples), HOP) / RATE  # s
    origin = start / RATE + _lilted(centres, mood.lilt if mood else 0.0)  # when espeak said it
    return scaled, phonemes.at(origin, [(p.start / spoken.hertz, p.name) for p in spoken.phonemes])


def _ends(samples: NDArray[np.float64]) -> tuple[int, int]:
    """From 60 ms before the first loud sample to 60 ms after the last."""
    loud = np.flatnonzero(np.abs(samples) > 0.01)
    if len(loud) == 0:
        return 0, min(len(samples), RATE // 5)
    edge = RATE * 60 // 1000
    return max(0, int(loud[0]) - edge), min(len(samples), int(loud[-1]) + edge)


def _shaped(samples: NDArray[np.float64], mood: _Mood) -> NDArray[np.float64]:
    """What espeak cannot do: spectral tilt, onsets, a pressed or trembling voice, loudness over the sentence."""
    shaped = _tilted(_lilting(samples, mood.lilt), mood.tilt)
    if mood.onset:
        shaped = shaped * (_envelope(shaped, 0.008) / _envelope(shaped, 0.08)).clip(0.4, 2.5) ** mood.onset
    if mood.drive:
        shaped = np.tanh(shaped * (mood.drive / max(1e-3, float(np.abs(shaped).max()))))
    t = np.arange(len(shaped)) / RATE
    contour = np.linspace(1, mood.fade, len(shaped)) * (
        1 - mood.tremble * (0.5 + 0.5 * np.sin(10 * np.pi * t))
    )
    return np.asarray(shaped * contour)


def _lilting(samples: NDArray[np.float64], depth: float) -> NDArray[np.float64]:
    """Time runs by turns faster and slower, so that the pitch swings by 17 semitones times `depth` either way."""
    t = np.arange(len(samples)) / RATE
    return np.interp(_lilted(t, depth), t, samples) if depth else samples


def _lilted(t: NDArray[np.float64], depth: float) -> NDArray[np.float64]:
    """The second of the even sentence that is heard at second `t` of the lilting one."""
    swing = 2 * np.pi * 3
    return t + depth * np.sin(swing * t) / swing


def _tilted(samples: NDArray[np.float64], decibels: float) -> NDArray[np.float64]:
    """The spectrum tilted by so many dB per octave from 500 to 4000 Hz."""
    spectrum = np.fft.rfft(samples)
    hertz = np.fft.rfftfreq(len(samples), 1 / RATE).clip(500, 4000)
    return np.asarray(np.fft.irfft(spectrum * 10 ** (decibels / 20 * np.log2(hertz / 500)), len(samples)))


def _envelope(samples: NDArray[np.float64], seconds: float) -> NDArray[np.float64]:
    """Mean magnitude over a window centred on each sample, never zero."""
    half = int(seconds * RATE / 2)
    total = np.concatenate([[0.0], np.cumsum(np.pad(np.abs(samples), half))])
    return np.asarray((total[2 * half :] - total[: -2 * half])[: len(samples)] / (2 * half) + 1e-4)
