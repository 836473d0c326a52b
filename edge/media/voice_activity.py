"""When somebody speaks: from short frames of sound to one utterance.

Job: tell voice from the noise of a room by level, cut one utterance out of a stream; pure functions.
Ignorance: microphones, words. A steady noise is learnt, a sudden loud one that lasts is taken for a voice.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

FRAME_SECONDS = 0.02
_SILENT, _LOUD = -90.0, -35.0  # dB of full scale: no room is quieter, no noise floor is taken to be louder
_FIRST = -45.0  # dB of full scale: nor the first guess, which a voice may be in
_QUIETEST_VOICE = -50.0  # dB of full scale
_BEGINS, _GOES_ON = 9.0, 6.0  # dB over the noise
_FALL, _RISE, _RISE_IN_VOICE = 0.3, 0.06, 0.01  # share of the way down, dB up; per frame


@dataclass(frozen=True)
class Patience:
    """Seconds of one utterance."""

    voice: float = 0.1  # of voice before it counts
    pause: float = 0.8  # that end it
    before: float = 0.3  # kept from before the voice was noticed
    first_word: float = 10.0  # waited for
    longest: float = 30.0


def utterance(frames: Iterable[Samples], patience: Patience = Patience()) -> Samples | None:
    """What was said, (n,), from a stream of frames of FRAME_SECONDS; None where nobody spoke.

    Reads no more frames than it needs; a stream that ends ends the utterance.
    """
    lead = deque[Samples](maxlen=_count(patience.before + patience.voice))
    said: list[Samples] = []
    voiced = quiet = 0
    for number, (frame, voice) in enumerate(_heard(frames), start=1):
        voiced = voiced + 1 if voice else 0
        quiet = 0 if voice else quiet + 1
        if said:
            said.append(frame)
            if quiet >= _count(patience.pause) or len(said) >= _count(patience.longest):
                break
            continue
        lead.append(frame)
        if voiced >= _count(patience.voice):
            said = list(lead)
        elif number >= _count(patience.first_word):
            return None
    return np.concatenate(said) if said else None


def voices(levels: Iterable[float]) -> Iterator[bool]:
    """For each level (dB of full scale, one per frame) whether it is a voice over the noise so far."""
    noise: float | None = None
    speaking = False
    for level in levels:
        noise = min(level, _FIRST) if noise is None else noise
        speaking = level > max(noise + (_GOES_ON if speaking else _BEGINS), _QUIETEST_VOICE)
        if level < noise:
            noise += _FALL * (max(level, _SILENT) - noise)
        else:
            noise = min(noise + (_RISE_IN_VOICE if speaking else _RISE), level, _LOUD)
        yield speaking


def level(frame: Samples) -> float:
    """The loudness of a frame in dB of full scale, without its constant part."""
    power = float(np.mean(np.square(frame - frame.mean(), dtype=np.float64))) if len(frame) else 0.0
    return max(_SILENT, 10 * float(np.log10(power + 1e-12)))


def _heard(frames: Iterable[Samples]) -> Iterator[tuple[Samples, bool]]:
    """Each frame with its verdict, as it comes."""
    current: list[Samples] = []

    def levels() -> Iterator[float]:
        for frame in frames:
            current[:] = [frame]
            yield level(frame)

    for voice in voices(levels()):
        yield current[0], voice


def _count(seconds: float) -> int:
    return max(1, round(seconds / FRAME_SECONDS))
