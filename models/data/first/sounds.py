"""Sounds that are not speech: beeps, sirens, noise, drums, bells, made from formulas at 16 kHz.

Job: samples and the name of what is heard. Ignorance: tokens, codecs, chat.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RATE = 16_000
NAMES = ("a low beep", "a high beep", "a siren", "noise", "a drum", "a bell", "a chord")


def sample(rng: np.random.Generator, name: str | None = None) -> tuple[str, NDArray[np.float32]]:
    """A name and samples (n,) float32, 0.5-1.0 s."""
    name = str(rng.choice(NAMES)) if name is None else name
    t = np.arange(int(RATE * rng.uniform(0.5, 1.0))) / RATE
    wave = _MAKERS[name](t, rng)
    fade = np.minimum(1, np.minimum(np.arange(len(t)), np.arange(len(t))[::-1]) / 160)
    return name, (wave / max(1e-3, np.abs(wave).max()) * rng.uniform(0.2, 0.7) * fade).astype(np.float32)


def _tone(t: NDArray[np.float64], hertz: float) -> NDArray[np.float64]:
    return np.sin(2 * np.pi * hertz * t)


def _siren(t: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    sweep = 700 + 300 * np.sin(2 * np.pi * rng.uniform(2, 4) * t)
    return np.sin(2 * np.pi * np.cumsum(sweep) / RATE)


def _drum(t: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    beat = t % rng.uniform(0.22, 0.35)
    return np.exp(-beat * 22) * (_tone(beat, rng.uniform(70, 120)) + 0.3 * rng.normal(size=len(t)))


def _bell(t: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    base = rng.uniform(500, 900)
    return np.exp(-t * 4) * sum(_tone(t, base * k) / k for k in (1, 2.76, 5.4))


def _chord(t: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    base = rng.uniform(200, 330)
    return _tone(t, base) + _tone(t, base * 1.26) + _tone(t, base * 1.5)


_MAKERS = {
    "a low beep": lambda t, rng: _tone(t, rng.uniform(180, 320)),
    "a high beep": lambda t, rng: _tone(t, rng.uniform(1200, 2400)),
    "a siren": _siren,
    "noise": lambda t, rng: rng.normal(size=len(t)),
    "a drum": _drum,
    "a bell": _bell,
    "a chord": _chord,
}
