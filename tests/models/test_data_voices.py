"""Voices and microphones: speakers, moods, and samples that depend on nothing but the delivery."""

from __future__ import annotations

import numpy as np
import pytest

from models.data.sounds import microphone, voices
from models.data.sounds.voices import EMOTIONS, RATE, VOICES, Delivery, sample_delivery, say

TEXT = "the train is late again"
espeak = pytest.mark.train


def test_no_speaker_of_the_test_is_heard_in_training() -> None:
    def speakers(split: str) -> set[str]:
        return {voice.partition("+")[2] for voice in VOICES[split]}

    assert len(VOICES["train"]) >= 10
    assert len(VOICES["heldout"]) >= 3
    assert not speakers("train") & speakers("heldout")
    for split in ("train", "heldout"):
        assert {voices.is_woman(voice) for voice in VOICES[split]} == {True, False}


def test_deliveries_come_from_the_seed_and_cover_rates_and_pitches() -> None:
    drawn = [sample_delivery(np.random.default_rng(i), "heldout") for i in range(300)]
    assert drawn == [sample_delivery(np.random.default_rng(i), "heldout") for i in range(300)]
    assert {d.voice for d in drawn} == set(VOICES["heldout"])
    assert min(d.rate for d in drawn) < 140 < 220 < max(d.rate for d in drawn)
    assert min(d.pitch for d in drawn) >= 20
    assert max(d.pitch for d in drawn) <= 80


def test_moods_differ_in_how_they_are_delivered() -> None:
    rng = np.random.default_rng(0)
    mood = {e: [sample_delivery(rng, "train", e) for _ in range(50)] for e in EMOTIONS}
    assert max(d.rate for d in mood["sad"]) < min(d.rate for d in mood["calm"])
    assert max(d.rate for d in mood["calm"]) < min(d.rate for d in mood["happy"])
    assert max(d.pitch for d in mood["angry"]) < min(d.pitch for d in mood["happy"])
    assert max(d.pitch_range for d in mood["sad"]) < min(d.pitch_range for d in mood["calm"])
    assert min(d.peak for d in mood["angry"]) > max(d.peak for d in mood["happy"])


def test_a_microphone_changes_the_sound_but_neither_its_length_much_nor_its_bounds() -> None:
    clean = np.sin(np.arange(RATE) * 0.3).astype(np.float32) * 0.9
    for seed in range(40):
        heard = microphone.through_a_microphone(clean, np.random.default_rng(seed))
        again = microphone.through_a_microphone(clean, np.random.default_rng(seed))
        assert np.array_equal(heard, again)
        assert heard.dtype == np.float32
        assert abs(len(heard) / len(clean) - 1) < 0.06
        assert 0.2 < float(np.abs(heard).max()) <= 0.991


def test_a_band_limit_removes_what_lies_outside() -> None:
    t = np.arange(RATE) / RATE
    low, high = np.sin(2 * np.pi * 1000 * t), np.sin(2 * np.pi * 7000 * t)
    assert microphone.band_limited(low, 100, 3500).std() == pytest.approx(low.std(), rel=0.05)
    assert microphone.band_limited(high, 100, 3500).std() < 0.1 * high.std()


@espeak
def test_a_delivery_gives_the_same_samples_whatever_was_said_before() -> None:
    first = say(TEXT, Delivery("en-us+f2"))
    say("something else", Delivery("en+m8", 200, 70))
    assert np.array_equal(say(TEXT, Delivery("en-us+f2")), first)


@espeak
def test_every_voice_exists_and_is_another() -> None:
    heard = {voice: say(TEXT, Delivery(voice)) for split in VOICES.values() for voice in split}
    for voice, samples in heard.items():
        assert 0.8 < len(samples) / RATE < 3
        assert float(np.abs(samples).max()) == pytest.approx(0.6, abs=1e-3)
        base, _, variant = voice.partition("+")
        if variant:  # espeak ignores a variant that it does not know
            plain = say(TEXT, Delivery(base))
            assert len(plain) != len(samples) or not np.allclose(plain, samples, atol=0.05)


@espeak
def test_an_unknown_voice_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="a voice 'xx-yy'"):
        say("hello", Delivery("xx-yy"))
    assert len(say("hello", Delivery("en-us"))) > 0


@espeak
def test_moods_of_unheard_voices_are_told_apart_by_a_rule_learnt_on_others() -> None:
    def features(samples: np.ndarray) -> list[float]:
        power = np.abs(np.fft.rfft(samples)) ** 2
        hertz = np.fft.rfftfreq(len(samples), 1 / RATE)
        tilt = np.log10(power[hertz > 1500].sum() / power[(hertz > 150) & (hertz < 1000)].sum())
        frames = samples[: len(samples) // 400 * 400].reshape(-1, 400)
        level = np.sqrt((frames**2).mean(1)) + 1e-4
        return [
            tilt,
            np.log10(level.mean()),
            float(np.abs(np.diff(np.log(level))).mean()),
            len(samples) / RATE,
            1.0,
        ]

    def world(split: str, count: int) -> tuple[np.ndarray, np.ndarray]:
        rng, moods = np.random.default_rng(3), np.arange(count) % len(EMOTIONS)
        return np.array([features(say(TEXT, sample_delivery(rng, split, EMOTIONS[m]))) for m in moods]), moods

    x, y = world("train", 120)
    rule = np.linalg.lstsq(x, np.eye(4)[y], rcond=None)[0]
    x, y = world("heldout", 60)
    assert ((x @ rule).argmax(1) == y).mean() > 0.75
