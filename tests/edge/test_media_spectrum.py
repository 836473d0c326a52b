"""The fast spectrum against a plain one, and sounds that come back."""

from __future__ import annotations

import time

import numpy as np
import pytest

from edge.media.audio import griffin_lim, log_mel
from edge.media.spectrum import FLOOR, _mel_to_hertz, level, mel_filters


def tone(hertz: float, seconds: float = 1.0, loud: float = 0.5) -> np.ndarray:
    return (loud * np.sin(2 * np.pi * hertz * np.arange(int(16000 * seconds)) / 16000)).astype(np.float32)


def plain_log_mel(samples: np.ndarray) -> np.ndarray:
    """The definition, frame by frame, by an explicit Fourier sum in float64."""
    padded = np.pad(samples.astype(np.float64), 512, mode="reflect")
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1024) / 1024)
    basis = np.exp(-2j * np.pi * np.outer(np.arange(513), np.arange(1024)) / 1024)
    columns = []
    for start in range(0, len(samples), 320):
        magnitude = np.abs(basis @ (padded[start : start + 1024] * window))
        columns.append(np.log(np.maximum(mel_filters().astype(np.float64) @ magnitude, 1e-5)))
    return np.stack(columns, axis=1)


@pytest.mark.parametrize("samples", [1, 319, 320, 321, 1023, 5000])
def test_fast_log_mel_equals_the_plain_definition(samples: int) -> None:
    signal = np.random.default_rng(samples).standard_normal(samples).astype(np.float32) * 0.1
    fast = log_mel(signal)
    assert fast.shape == (80, -(-samples // 320))
    assert fast.dtype == np.float32
    np.testing.assert_allclose(fast, plain_log_mel(signal), atol=2e-3)


def test_mel_bands_follow_slaney() -> None:
    filters = mel_filters()
    assert filters.shape == (80, 513)
    assert (filters >= 0).all()
    np.testing.assert_allclose(filters.sum(axis=1) * 15.625, 1, atol=0.05)  # unit area in Hz
    np.testing.assert_allclose(_mel_to_hertz(np.array([0.0, 15.0, 42.0])), [0, 1000, 6400], rtol=1e-9)


@pytest.mark.parametrize("hertz", [220, 440, 1000, 3000, 7000])
def test_a_tone_lights_the_band_around_it(hertz: int) -> None:
    loudest = int(log_mel(tone(hertz))[:, 25].argmax())
    centre = mel_filters()[loudest].argmax() * 15.625
    assert abs(centre - hertz) < max(45, 0.06 * hertz)


def test_silence_is_the_floor_and_nothing_has_no_frames() -> None:
    np.testing.assert_allclose(log_mel(np.zeros(1000, np.float32)), np.log(FLOOR), rtol=1e-6)
    assert log_mel(np.zeros(0, np.float32)).shape == (80, 0)
    assert griffin_lim(np.zeros((80, 0), np.float32)).shape == (0,)


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="mono"):
        log_mel(np.zeros((2, 100), np.float32))
    with pytest.raises(ValueError, match="80"):
        griffin_lim(np.zeros((64, 10), np.float32))


@pytest.mark.parametrize("hertz", [250, 440, 1500])
def test_griffin_lim_gives_the_pitch_back(hertz: int) -> None:
    back = griffin_lim(log_mel(tone(hertz, 1.0)))
    assert back.dtype == np.float32
    assert len(back) == 16000
    peak = np.abs(np.fft.rfft(back * np.hanning(16000))).argmax()
    assert abs(12 * np.log2(peak / hertz)) < 1  # within a semitone
    assert 0.1 < np.abs(back[2000:-2000]).max() <= 1


def test_iterations_bring_the_mel_nearer() -> None:
    rng = np.random.default_rng(0)
    chirp = (0.4 * np.sin(np.cumsum(np.linspace(0.05, 0.8, 16000)))).astype(np.float32)
    mel = log_mel(chirp + 0.02 * rng.standard_normal(16000).astype(np.float32))
    errors = [np.abs(log_mel(griffin_lim(mel, n)) - mel).mean() for n in (0, 32)]
    assert errors[1] < 0.2
    assert errors[1] < 0.7 * errors[0]


def test_the_same_seed_gives_the_same_sound() -> None:
    mel = log_mel(tone(330, 0.3))
    np.testing.assert_array_equal(griffin_lim(mel, 4, seed=3), griffin_lim(mel, 4, seed=3))
    assert not np.array_equal(griffin_lim(mel, 4, seed=3), griffin_lim(mel, 4, seed=4))


def test_two_seconds_are_made_in_under_a_third_of_a_second() -> None:
    mel = log_mel(tone(440, 2.0))
    griffin_lim(mel, 1)  # tables
    spent = []
    for _ in range(3):
        start = time.perf_counter()
        griffin_lim(mel)
        spent.append(time.perf_counter() - start)
    assert min(spent) < 0.3  # 0.06 s measured; the machine may be busy


def test_level_scales_sound_but_not_silence() -> None:
    assert np.abs(level(tone(440, 0.1, 0.05))).max() == pytest.approx(0.6, rel=1e-3)
    hush = np.full(100, 1e-4, np.float32)
    np.testing.assert_array_equal(level(hush), hush)
