"""Utterances cut out of generated sound: a room, voices, clicks, hums."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from edge.media.audio import SAMPLE_RATE
from edge.media.voice_activity import FRAME_SECONDS, Patience, Samples, level, utterance, voices

FRAME = round(FRAME_SECONDS * SAMPLE_RATE)


def loud(decibel: float) -> float:
    return float(10 ** (decibel / 20))


def room(seconds: float, decibel: float = -60, seed: int = 0) -> Samples:
    noise = np.random.default_rng(seed).standard_normal(round(seconds * SAMPLE_RATE))
    return (noise * loud(decibel)).astype(np.float32)


def voice(seconds: float, decibel: float = -25, noise: float = -60) -> Samples:
    """A tone of 150 Hz with overtones that swells five times a second, as syllables do."""
    t = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    tone = sum(np.sin(2 * np.pi * 150 * k * t) / k for k in range(1, 8))
    swell = 0.3 + 0.7 * np.abs(np.sin(2 * np.pi * 2.5 * t))
    return (tone * swell * loud(decibel)).astype(np.float32) + room(seconds, noise, seed=1)


def frames(*sounds: Samples) -> Iterator[Samples]:
    whole = np.concatenate(sounds)
    for at in range(0, len(whole) - FRAME + 1, FRAME):
        yield whole[at : at + FRAME]


def seconds(said: Samples | None) -> float:
    assert said is not None
    return len(said) / SAMPLE_RATE


@pytest.mark.parametrize("noise", [-75, -60, -48])
def test_an_utterance_is_the_voice_with_a_little_before_and_the_pause_after(noise: float) -> None:
    stream = frames(room(1, noise), voice(1.5, noise=noise), room(5, noise))
    assert seconds(utterance(stream)) == pytest.approx(0.3 + 1.5 + 0.8, abs=0.15)
    assert len(list(stream)) > 150  # no more was read than it needed


def test_pauses_between_words_do_not_end_it() -> None:
    said = utterance(frames(room(1), voice(0.8), room(0.5), voice(0.8), room(3)))
    assert seconds(said) == pytest.approx(0.3 + 2.1 + 0.8, abs=0.2)


def test_a_voice_from_the_first_frame_on_is_heard_to_its_end() -> None:
    assert seconds(utterance(frames(voice(1.5), room(3)))) > 1.9


@pytest.mark.parametrize("sound", [room(12, -75), room(12, -40), np.zeros(12 * SAMPLE_RATE, np.float32)])
def test_a_room_without_a_voice_is_no_utterance(sound: Samples) -> None:
    assert utterance(frames(sound)) is None


def test_waiting_for_the_first_word_ends() -> None:
    stream = frames(room(20))
    assert utterance(stream, Patience(first_word=2)) is None
    assert len(list(stream)) == pytest.approx(900, abs=2)


def test_a_click_is_no_voice() -> None:
    click = room(0.04, -10)
    assert utterance(frames(room(1), click, room(2), click, room(8))) is None


def test_a_steady_hum_is_learnt() -> None:
    t = np.arange(12 * SAMPLE_RATE) / SAMPLE_RATE
    hum = (np.sin(2 * np.pi * 50 * t) * loud(-40)).astype(np.float32)
    assert utterance(frames(hum)) is None


def test_an_endless_voice_is_cut() -> None:
    said = utterance(frames(room(0.5), voice(8)), Patience(longest=3))
    assert seconds(said) == pytest.approx(3, abs=0.05)


def test_a_stream_that_ends_ends_the_utterance() -> None:
    assert seconds(utterance(frames(room(0.5), voice(1)))) == pytest.approx(1.3, abs=0.1)
    assert utterance(iter(())) is None


def test_levels_alone_decide_and_a_voice_is_held_on_to_longer_than_it_takes_to_begin() -> None:
    heard = list(voices([-60, -60, -45, -52.5, -58, -52.5]))
    assert heard == [False, False, True, False, False, False]
    assert list(voices([-60, -40, -47, -49, -60])) == [False, True, True, True, False]


def test_a_constant_offset_is_silence() -> None:
    assert level(np.full(320, 0.5, np.float32)) == level(np.zeros(320, np.float32)) == -90
    assert level(np.tile(np.float32([1, -1]), 160)) == pytest.approx(0, abs=1e-6)
