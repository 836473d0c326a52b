"""Real people saying digits: the recordings of the free spoken digit dataset in the shared corpus.

Job: find `<digit>_<speaker>_<take>.wav`, give 16 kHz samples with what is said, vary them, join them to sequences.
Ignorance: espeak, tokens, codecs. The folder is an argument; nothing of it is copied.
Held out, by a fixed rule: all takes of one speaker, and takes 5-9 of all others (0-4 are not in the corpus).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from models.data.sounds.microphone import at_speed, noise
from models.data.sounds.utterances import DIGITS
from models.data.text.turns import Split

RATE = 16_000
HELD_OUT_SPEAKER = "yweweler"
HELD_OUT_TAKES = range(5, 10)
_EDGE = 80  # samples of fade at each end of a recording: 5 ms


@dataclass(frozen=True, order=True)
class Recording:
    """One digit said once by one person."""

    digit: int
    speaker: str
    take: int
    path: Path

    @property
    def text(self) -> str:
        return DIGITS[self.digit]


def held_out(speaker: str, take: int) -> Literal["speaker", "take"] | None:
    """Why training never hears it: a stranger, or another take of a known speaker; None where training may."""
    if speaker == HELD_OUT_SPEAKER:
        return "speaker"
    return "take" if take in HELD_OUT_TAKES else None


def find(
    folder: Path, split: Split = "train", because: Literal["speaker", "take"] | None = None
) -> list[Recording]:
    """The recordings of a split in a fixed order; `because` narrows the held-out ones to one reason."""
    found = sorted(_named(path) for path in folder.glob("*_*_*.wav"))
    if split == "train":
        return [r for r in found if held_out(r.speaker, r.take) is None]
    return [r for r in found if (why := held_out(r.speaker, r.take)) and because in (None, why)]


def _named(path: Path) -> Recording:
    digit, speaker, take = path.stem.split("_")
    return Recording(int(digit), speaker, int(take), path)


def read(recording: Recording) -> NDArray[np.float32]:
    """The recording as it is, at 16 kHz, largest sample 0.6."""
    return _read(recording.path).copy()


@lru_cache(maxsize=4096)
def _read(path: Path) -> NDArray[np.float32]:
    wave, rate = soundfile.read(path, dtype="float32")
    samples = soxr.resample(wave, rate, RATE)
    return np.asarray(samples * (0.6 / max(1e-3, float(np.abs(samples).max()))), np.float32)


def sample(
    rng: np.random.Generator, recordings: Sequence[Recording], longest: int = 4
) -> tuple[str, NDArray[np.float32]]:
    """One to `longest` digits of one speaker, varied in speed, loudness and noise: what is said, and samples (n,)."""
    first = recordings[int(rng.integers(len(recordings)))]
    same = [r for r in recordings if r.speaker == first.speaker]
    chosen = [first, *(same[int(rng.integers(len(same)))] for _ in range(int(rng.integers(longest))))]
    wave = np.concatenate(
        [_gap(rng, 0.05), *(part for r in chosen for part in (_faded(read(r)), _gap(rng, 0.2)))]
    )
    wave = at_speed(wave, rng.uniform(0.92, 1.08)) * 10 ** (rng.uniform(-8, 3) / 20)
    wave = wave + noise(len(wave), rng)
    return " ".join(r.text for r in chosen), wave.clip(-1, 1).astype(np.float32)


def _gap(rng: np.random.Generator, longest: float) -> NDArray[np.float64]:
    return np.zeros(int(RATE * rng.uniform(0.02, longest)))


def _faded(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """Its ends at zero, so that joining does not click."""
    wave = samples.astype(np.float64)
    wave[:_EDGE] *= np.linspace(0, 1, _EDGE)[: len(wave)]
    wave[-_EDGE:] *= np.linspace(1, 0, _EDGE)[-len(wave) :]
    return wave
