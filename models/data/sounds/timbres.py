"""How notes, drums and noises sound: formulas at 16 kHz, varied by a generator.

Job: the wave of one note in a timbre, of one hit on an instrument, of one named effect. Ignorance: names of pitches,
melodies, questions, tokens. Waves are float64 of any loudness: whoever plays them sets it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from models.data.sounds.microphone import band_limited

RATE = 16_000
Wave = NDArray[np.float64]
TIMBRES = ("sine", "organ", "string", "flute", "horn")
INSTRUMENTS = ("drum", "click", "clap", "wood")
_HARMONICS = {"sine": (1.0,), "organ": (1, 0.6, 0.4, 0.5, 0.1, 0.3), "string": (1, 0.7, 0.5, 0.35, 0.25, 0.15), "flute": (1, 0.25, 0.08),
              "horn": (0.7, 1, 0.8, 0.5, 0.3, 0.15)}  # fmt: skip


def note(timbre: str, hertz: float, seconds: float, rng: np.random.Generator) -> Wave:
    """One note: harmonics below 7.5 kHz under the timbre's envelope."""
    t = np.arange(int(RATE * seconds)) / RATE
    bend = 0.004 * np.sin(2 * np.pi * rng.uniform(4.5, 6) * t) if timbre == "flute" else 0 * t  # vibrato
    phase = 2 * np.pi * hertz * np.cumsum(1 + bend) / RATE
    strengths = [(k, a) for k, a in enumerate(_HARMONICS[timbre], 1) if k * hertz < 7500]
    wave = sum((a * np.sin(k * phase + rng.uniform(0, 6)) for k, a in strengths), np.zeros(len(t)))
    attack = {"string": 0.004, "horn": 0.05, "flute": 0.06}.get(timbre, 0.015)
    decay = np.exp(-t * rng.uniform(2.5, 5)) if timbre == "string" else 1.0
    return np.asarray(wave * decay * np.minimum(1, np.minimum(t / attack, (t[-1] - t) / 0.02)))


def hit(instrument: str, rng: np.random.Generator) -> Wave:
    """One stroke of at most 0.25 s."""
    t = np.arange(RATE // 4) / RATE
    if instrument == "drum":
        sweep = rng.uniform(70, 110) * (1 + np.exp(-t * 30))
        return np.exp(-t * 18) * (
            np.sin(2 * np.pi * np.cumsum(sweep) / RATE) + 0.2 * rng.normal(size=len(t)) * np.exp(-t * 60)
        )
    if instrument == "click":
        return np.exp(-t * 200) * _tone(t, rng.uniform(2000, 3500))
    if instrument == "clap":
        return np.exp(-t * 45) * band_limited(rng.normal(size=len(t)), 700, 3000)
    return np.exp(-t * 55) * (_tone(t, rng.uniform(650, 950)) + 0.4 * _tone(t, rng.uniform(1700, 2200)))


def _tone(t: Wave, hertz: float) -> Wave:
    return np.asarray(np.sin(2 * np.pi * hertz * t))


def _swept(hertz: Wave) -> Wave:
    return np.asarray(np.sin(2 * np.pi * np.cumsum(hertz) / RATE))


def _siren(t: Wave, rng: np.random.Generator) -> Wave:
    return _swept(
        rng.uniform(650, 850) + 300 * np.sin(2 * np.pi * rng.uniform(1.5, 3) * t + rng.uniform(0, 6))
    )


def _alarm(t: Wave, rng: np.random.Generator) -> Wave:
    """Two pitches by turns, hard-edged, as a clock or a smoke detector."""
    low = rng.uniform(900, 1300)
    second = (t * rng.uniform(6, 9)) % 2 >= 1
    return np.tanh(3 * _swept(np.where(second, low * rng.uniform(1.2, 1.4), low)))


def _bell(t: Wave, rng: np.random.Generator) -> Wave:
    base = rng.uniform(450, 900)
    return np.exp(-t * 3.5) * sum((_tone(t, base * k) / k for k in (1, 2.76, 5.4)), 0 * t)


def _doorbell(t: Wave, rng: np.random.Generator) -> Wave:
    """Ding dong: the second a third below the first."""
    high, half = rng.uniform(620, 720), len(t) // 2
    ding, dong = t[:half], t[: len(t) - half]
    return np.concatenate(
        [
            np.exp(-s * 5) * (_tone(s, f) + 0.3 * _tone(s, 3 * f))
            for s, f in ((ding, high), (dong, high * 0.794))
        ]
    )


def _telephone(t: Wave, rng: np.random.Generator) -> Wave:
    """Two bells struck twenty times a second, ringing and resting."""
    ring = (np.sin(2 * np.pi * rng.uniform(18, 24) * t) > 0) * ((t % 0.7) < 0.45)
    return ring * (_tone(t, rng.uniform(1300, 1500)) + _tone(t, rng.uniform(1700, 1900)))


def _whistle(t: Wave, rng: np.random.Generator) -> Wave:
    """A referee's: a high pitch that the pea makes tremble, with breath."""
    trill = 0.5 + 0.5 * np.sin(2 * np.pi * rng.uniform(28, 40) * t)
    return (0.4 + 0.6 * trill) * _swept(rng.uniform(2500, 3200) * (1 + 0.02 * trill)) + 0.05 * rng.normal(
        size=len(t)
    )


def _buzzer(t: Wave, rng: np.random.Generator) -> Wave:
    return np.sign(_tone(t, rng.uniform(110, 160))) + 0.5 * np.sign(_tone(t, rng.uniform(220, 240)))


def _clock(t: Wave, rng: np.random.Generator) -> Wave:
    """Tick tock, four to five a second."""
    gap = rng.uniform(0.22, 0.26)
    beat, tock = t % gap, (t // gap) % 2
    return np.exp(-beat * 250) * np.sin(2 * np.pi * np.where(tock, 1500, 2300) * beat)


def _noise(t: Wave, rng: np.random.Generator) -> Wave:
    return rng.normal(size=len(t))


def _wind(t: Wave, rng: np.random.Generator) -> Wave:
    """Low-passed noise that swells slowly."""
    swell = 0.55 + 0.45 * np.sin(2 * np.pi * rng.uniform(0.6, 1.1) * t + rng.uniform(0, 6))
    return swell * band_limited(rng.normal(size=len(t)), rng.uniform(150, 250), rng.uniform(450, 700))


def _rain(t: Wave, rng: np.random.Generator) -> Wave:
    """A soft hiss and some hundred drops a second."""
    drops = np.where(rng.random(len(t)) < rng.uniform(150, 400) / RATE, rng.exponential(1, len(t)), 0)
    patter = np.convolve(drops, np.exp(-np.arange(60) / 12) * np.sin(np.arange(60) * 1.3))[: len(t)]
    return np.asarray(patter + 0.06 * band_limited(rng.normal(size=len(t)), 1500, 7000))


def _thunder(t: Wave, rng: np.random.Generator) -> Wave:
    """A crack, then a rumble that dies away."""
    rumble = band_limited(rng.normal(size=len(t)), 30, rng.uniform(90, 160))
    crack = np.exp(-t * 12) * rng.normal(size=len(t))
    return np.asarray(np.exp(-t * 1.8) * rumble / max(1e-6, float(rumble.std())) + 0.7 * crack)


def _engine(t: Wave, rng: np.random.Generator) -> Wave:
    """A motor: a low saw with a shiver of each stroke."""
    turns = np.cumsum(rng.uniform(45, 75) * (1 + 0.04 * np.sin(2 * np.pi * 1.2 * t))) / RATE
    saw = 2 * (turns % 1) - 1
    return np.asarray(
        band_limited(saw * (1 + 0.5 * np.sin(np.pi * turns)) + 0.15 * rng.normal(size=len(t)), 40, 900)
    )


def _laser(t: Wave, rng: np.random.Generator) -> Wave:
    """A toy's zaps: fast falls of pitch."""
    zap = t % rng.uniform(0.25, 0.35)
    return np.exp(-zap * 6) * _swept(250 + rng.uniform(1800, 2600) * np.exp(-zap * 14))


EFFECTS: dict[str, Callable[[Wave, np.random.Generator], Wave]] = {
    "a siren": _siren, "an alarm": _alarm, "a bell": _bell, "a doorbell": _doorbell, "a telephone": _telephone, "a whistle": _whistle,
    "a buzzer": _buzzer, "a ticking clock": _clock, "noise": _noise, "wind": _wind, "rain": _rain, "thunder": _thunder, "an engine": _engine,
    "a laser": _laser,
}  # fmt: skip
