"""Samples to log-mel and back, in numpy.

Job: the one definition of the native family's mel spectrogram and its inversion; training imports exactly
this. Ignorance: files, sample formats, codecs, tokens.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000  # Hz
WINDOW, HOP, MELS = 1024, 320, 80  # samples, samples (20 ms), bands
FLOOR = 1e-5  # magnitudes below it are silence
_BINS = WINDOW // 2 + 1
_BLOCKS = -(-WINDOW // HOP)  # hops one window touches

Samples = NDArray[np.float32]


def log_mel(samples: NDArray[Any]) -> NDArray[np.float32]:
    """Log-mel spectrogram of 16 kHz mono samples: (n,) -> (80, ceil(n / 320)) float32.

    Natural log of the magnitude spectrogram (not power) through slaney-normalised slaney-scale bands 0-8000
    Hz, floor 1e-5; periodic Hann window of 1024, hop 320, frame t centred on sample 320 t, edges reflected
    (librosa: power=1, center=True).
    """
    signal = np.asarray(samples, dtype=np.float32)
    if signal.ndim != 1:
        raise ValueError(f"log_mel reads mono samples of shape (n,), got {signal.shape}")
    frames = -(-len(signal) // HOP)
    if not frames:
        return np.zeros((MELS, 0), dtype=np.float32)
    magnitude = np.abs(_stft(np.pad(signal, WINDOW // 2, mode="reflect"), frames))  # (time, bins)
    mel: NDArray[np.float32] = np.log(np.maximum(magnitude @ mel_filters().T, FLOOR)).T.astype(np.float32)
    return mel


def griffin_lim(mel: NDArray[Any], iterations: int = 32, *, momentum: float = 0.99, seed: int = 0) -> Samples:
    """Samples whose log-mel is near `mel`: (80, T) -> (320 T,) float32, clipped to [-1, 1]. The same seed
    gives the same sound.

    Fast Griffin-Lim: N. Perraudin, P. Balazs, P. Sondergaard, WASPAA 2013.
    """
    if mel.ndim != 2 or mel.shape[0] != MELS:
        raise ValueError(f"griffin_lim reads a log-mel of shape ({MELS}, T), got {mel.shape}")
    frames = mel.shape[1]
    if not frames:
        return np.zeros(0, dtype=np.float32)
    magnitude = _magnitudes(mel)
    turns = np.random.default_rng(seed).random((frames, _BINS), dtype=np.float32)
    phase = np.exp(np.complex64(2j * np.pi) * turns)
    previous: NDArray[Any] | None = None
    for _ in range(iterations):
        rebuilt = _stft(_istft(magnitude * phase), frames)
        ahead = rebuilt if previous is None else rebuilt - np.float32(momentum / (1 + momentum)) * previous
        previous = rebuilt
        phase = ahead / np.maximum(np.abs(ahead), np.float32(1e-16))
    padded = _istft(magnitude * phase)
    return np.clip(padded[WINDOW // 2 : WINDOW // 2 + frames * HOP], -1, 1)


@lru_cache(maxsize=1)
def mel_filters() -> NDArray[np.float32]:
    """The mel bands, (80, 513): triangles on Slaney's scale (Auditory Toolbox, 1998), each of unit area in
    Hz."""
    hertz = np.linspace(0, SAMPLE_RATE / 2, _BINS)
    edges = _mel_to_hertz(np.linspace(0, _hertz_to_mel(SAMPLE_RATE / 2), MELS + 2))
    rising = (hertz[None] - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - hertz[None]) / np.diff(edges)[1:, None]
    area = 2.0 / (edges[2:] - edges[:-2])
    filters: NDArray[np.float32] = (np.maximum(0, np.minimum(rising, falling)) * area[:, None]).astype(
        np.float32
    )
    filters.setflags(write=False)
    return filters


_LINEAR, _KNEE, _LOG_STEP = 200 / 3, 1000.0, np.log(6.4) / 27  # Hz per mel below 1 kHz; nat per mel above


def _hertz_to_mel(hertz: float) -> float:
    if hertz < _KNEE:
        return hertz / _LINEAR
    return float(_KNEE / _LINEAR + np.log(hertz / _KNEE) / _LOG_STEP)


def _mel_to_hertz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    knee = _KNEE / _LINEAR
    return np.where(mel < knee, mel * _LINEAR, _KNEE * np.exp(_LOG_STEP * (mel - knee)))


@lru_cache(maxsize=1)
def _window() -> NDArray[np.float32]:
    window: NDArray[np.float32] = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)).astype(
        np.float32
    )
    return window


def _stft(padded: NDArray[np.float32], frames: int) -> NDArray[np.complex64]:
    """(n + 1024,) -> (frames, 513), the first frame starting at sample 0 of the padded signal."""
    windows = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP][:frames]
    spectrum: NDArray[np.complex64] = np.fft.rfft(windows * _window(), axis=-1).astype(
        np.complex64, copy=False
    )
    return spectrum


def _istft(spectrum: NDArray[np.complex64]) -> NDArray[np.float32]:
    """(frames, 513) -> (320 frames + 960,) by least squares overlap-add; keeps the half window of padding
    at the start."""
    frames = len(spectrum)
    pieces = np.fft.irfft(spectrum, n=WINDOW, axis=-1).astype(np.float32, copy=False) * _window()
    return _overlap_add(pieces) / _window_power(frames)


@lru_cache(maxsize=8)
def _window_power(frames: int) -> NDArray[np.float32]:
    squares = np.broadcast_to(_window() ** 2, (frames, WINDOW))
    power: NDArray[np.float32] = np.maximum(_overlap_add(squares), np.float32(1e-8))
    return power


def _overlap_add(pieces: NDArray[np.float32]) -> NDArray[np.float32]:
    """(frames, 1024) -> (320 (frames + 3),): each piece cut in hops, hops added by diagonals."""
    frames = len(pieces)
    hops = np.zeros((frames, _BLOCKS * HOP), dtype=np.float32)
    hops[:, :WINDOW] = pieces
    total = np.zeros((frames + _BLOCKS - 1, HOP), dtype=np.float32)
    for block in range(_BLOCKS):
        total[block : block + frames] += hops[:, block * HOP : (block + 1) * HOP]
    return total.ravel()


def _magnitudes(mel: NDArray[Any], rounds: int = 24) -> NDArray[np.float32]:
    """Nonnegative least squares of the mel bands: (80, T) -> (T, 513), by multiplicative updates (Lee and
    Seung, 2001)."""
    bands = np.exp(np.minimum(np.asarray(mel, dtype=np.float32), 12.0)).T  # (time, mels)
    filters = mel_filters()
    target = bands @ filters
    guess: NDArray[np.float32] = np.maximum(bands @ _pseudo_inverse(), np.float32(1e-2) * target)
    for _ in range(rounds):
        guess *= target / np.maximum(guess @ filters.T @ filters, np.float32(1e-20))
    return guess


@lru_cache(maxsize=1)
def _pseudo_inverse() -> NDArray[np.float32]:
    inverse: NDArray[np.float32] = np.linalg.pinv(mel_filters()).T.astype(np.float32)
    return inverse


PEAK = 0.6  # the level codecs hear: loudness should not cost codes


def level(samples: NDArray[Any]) -> Samples:
    """Samples scaled so that their peak is 0.6; near-silence (peak under 0.001) is left as it is."""
    peak = float(np.abs(samples).max(initial=0.0))
    return np.asarray(samples * (PEAK / peak) if peak > 1e-3 else samples, dtype=np.float32)
