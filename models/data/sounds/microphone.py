"""What a room and a microphone do to a clean sound.

Job: another speed, room, band, loudness and noise for samples at 16 kHz, drawn from a generator.
Ignorance: what is heard; tokens, codecs. Loudness changes by a few decibels only, since it tells moods apart.
"""

from __future__ import annotations

import numpy as np
import soxr
from numpy.typing import NDArray

RATE = 16_000


def through_a_microphone(samples: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Samples (m,) within [-1, 1]; m differs from n by at most 5 %. Each effect comes in some clips only."""
    wave = samples.astype(np.float64)
    if rng.random() < 0.5:
        wave = at_speed(wave, rng.uniform(0.95, 1.05))
    if rng.random() < 0.35:
        wave = in_a_room(wave, rng)
    if rng.random() < 0.5:
        wave = band_limited(wave, rng.uniform(60, 300), rng.uniform(3400, 7800))
    wave = wave * 10 ** (rng.uniform(-6, 2) / 20) + noise(len(wave), rng)
    return (wave * min(1.0, 0.99 / max(1e-3, float(np.abs(wave).max())))).astype(np.float32)


def at_speed(wave: NDArray[np.float64], speed: float) -> NDArray[np.float64]:
    """Faster and higher above 1, slower and lower below, as a tape would."""
    return np.asarray(soxr.resample(wave, RATE * speed, RATE), np.float64)


def in_a_room(wave: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """The direct sound and an exponentially dying tail of 80-300 ms, 9-20 dB below it in energy; the length stays."""
    tail = rng.normal(size=int(RATE * rng.uniform(0.08, 0.3)))
    tail *= np.exp(-6.9 * np.arange(len(tail)) / len(tail))  # -60 dB at its end
    tail *= 10 ** (-rng.uniform(9, 20) / 20) / np.sqrt((tail**2).sum())
    size = 1 << (len(wave) + len(tail)).bit_length()
    wet = np.fft.irfft(np.fft.rfft(wave, size) * np.fft.rfft(tail, size), size)
    return np.asarray(wave + wet[: len(wave)])


def band_limited(wave: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    """Gentle second-order slopes below `low` and above `high` Hz."""
    size = 1 << len(wave).bit_length()
    hertz = np.fft.rfftfreq(size, 1 / RATE) + 1e-3
    gain = 1 / np.sqrt((1 + (low / hertz) ** 4) * (1 + (hertz / high) ** 8))
    return np.asarray(np.fft.irfft(np.fft.rfft(wave, size) * gain, size)[: len(wave)])


def noise(length: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Hiss or hum-like rumble, -80 to -46 dB of full scale."""
    hiss = rng.normal(size=length)
    if rng.random() < 0.5:
        hiss = band_limited(hiss, 20, rng.uniform(300, 1500))
        hiss /= max(1e-6, float(hiss.std()))
    return np.asarray(hiss * 10 ** rng.uniform(-4, -2.3))
