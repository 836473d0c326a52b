"""Sounds that are not speech: what is played is what the name and the answers say."""

from __future__ import annotations

import numpy as np
import pytest

from models.data.sounds import music, timbres
from models.data.sounds.music import KINDS, RATE, Sound, held_out, hertz, sample


def loudest(samples: np.ndarray) -> float:
    """The frequency in Hz with most power."""
    return float(np.abs(np.fft.rfft(samples, 1 << 17)).argmax() * RATE / (1 << 17))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("split", ["train", "heldout"])
def test_every_kind_plays_short_sounds_of_its_split_from_the_seed(kind: str, split: str) -> None:
    for seed in range(12):
        rng, twin = np.random.default_rng(seed), np.random.default_rng(seed)
        sound, same = sample(rng, split, kind), sample(twin, split, kind)
        samples = sound.play(rng)
        assert sound == same
        assert np.array_equal(samples, same.play(twin))
        assert 0.2 <= len(samples) / RATE <= 2.8
        assert 0.19 < float(np.abs(samples).max()) < 0.71
        assert held_out(sound) == (split == "heldout") or kind in ("beep", "effect")


def test_notes_have_the_pitch_of_their_name() -> None:
    assert hertz(69) == 440
    for pitch in range(music.LOWEST, music.HIGHEST + 1):
        sound = Sound("note", "sine", pitch)
        played = loudest(sound.play(np.random.default_rng(pitch)))
        assert abs(12 * np.log2(played / hertz(pitch))) < 0.25
        assert sound.name == f"the note {music.PITCHES[pitch - 60 - 12 * ((pitch - 60) // 12)]}"


@pytest.mark.parametrize("timbre", timbres.TIMBRES)
def test_a_timbre_holds_only_harmonics_of_its_note(timbre: str) -> None:
    samples = timbres.note(timbre, 440, 1.0, np.random.default_rng(0))
    power = np.abs(np.fft.rfft(samples)) ** 2
    offset = (np.fft.rfftfreq(len(samples), 1 / RATE) + 220) % 440 - 220
    assert power[np.abs(offset) < 30].sum() > 0.97 * power.sum()


@pytest.mark.parametrize("form", music.DIRECTIONS)
def test_melodies_go_the_way_they_are_said_to_go(form: str) -> None:
    for count in (3, 4, 5):
        samples = Sound("melody", "sine", 66, form, count).play(np.random.default_rng(count))
        pitches = [loudest(note) for note in np.array_split(samples, count)]
        assert np.all(np.diff(pitches) > 0) if form == "rising" else np.all(np.diff(pitches) < 0)


@pytest.mark.parametrize("instrument", timbres.INSTRUMENTS)
def test_beats_can_be_counted(instrument: str) -> None:
    for count in range(1, 6):
        for form in ("slow", "fast"):
            samples = Sound("beats", instrument, form=form, count=count).play(np.random.default_rng(count))
            level = np.abs(samples[: len(samples) // 320 * 320]).reshape(-1, 320).max(1)
            loud = level > 0.3 * level.max()
            assert int((loud[1:] & ~loud[:-1]).sum()) == count


def test_a_minor_chord_has_the_smaller_third() -> None:
    for form, third, other in (("major", 64, 63), ("minor", 63, 64)):
        samples = Sound("chord", "sine", 60, form).play(np.random.default_rng(0))
        power = np.abs(np.fft.rfft(samples, RATE)) ** 2
        assert power[round(hertz(third))] > 10 * power[round(hertz(other))]


def test_questions_are_answered_by_what_is_played() -> None:
    answers = {
        a.kind: a.answer
        for a in Sound("beats", "drum", form="slow", count=3).questions(np.random.default_rng(0))
    }
    assert answers == {"sound": "Three drum beats.", "beats": "Three.", "speed": "Slow."}
    for seed in range(20):
        asked = Sound("melody", "horn", 60, "falling", 4).questions(np.random.default_rng(seed))
        way = next(a for a in asked if a.kind == "direction")
        assert way.answer == ("Down." if way.question == "Does it go up or down?" else "Falling.")
    high, middle = Sound("note", "sine", 80), Sound("note", "sine", 71)
    assert "High." in [a.answer for a in high.questions(np.random.default_rng(0))]
    assert "height" not in [a.kind for a in middle.questions(np.random.default_rng(0))]
    assert [a.answer for a in Sound("effect", "an alarm").questions(np.random.default_rng(0))] == [
        "An alarm."
    ]


def test_effects_are_told_apart_by_their_spectra() -> None:
    """One nearest neighbour on 24 bands and their change in time, learnt from other seeds."""

    def features(name: str, seed: int) -> np.ndarray:
        samples = Sound("effect", name).play(np.random.default_rng(seed))
        frames = samples[: len(samples) // 512 * 512].reshape(-1, 512) * np.hanning(512)
        bands = np.stack([b.sum(1) for b in np.array_split(np.abs(np.fft.rfft(frames)) ** 2, 24, axis=1)], 1)
        decibels = np.log10(bands / bands.max() + 1e-6)
        return np.concatenate([decibels.mean(0), decibels.std(0)])

    names = tuple(timbres.EFFECTS)
    known = [(name, features(name, seed)) for name in names for seed in range(12)]
    right = [
        min(known, key=lambda pair: float(np.abs(pair[1] - features_).sum()))[0] == name
        for name in names
        for features_ in (features(name, 100), features(name, 101), features(name, 102))
    ]
    assert np.mean(right) > 0.9
