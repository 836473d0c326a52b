"""Recorded digits: read, labelled by their names, held out by speaker and take, varied and joined."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from models.data.sounds import recordings
from models.data.sounds.recordings import RATE, find, held_out, read, sample
from models.data.sounds.utterances import DIGITS

CORPUS = Path(__file__).parents[2] / "../shared/corpus/speech/fsdd"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """0.3 s of a tone whose pitch is the digit's, said by two known speakers and the stranger."""
    t = np.arange(2400) / 8000
    for speaker in ("ann", "bob", recordings.HELD_OUT_SPEAKER):
        for take in (5, 9, 10, 11):
            for digit in range(10):
                wave = 0.3 * np.sin(2 * np.pi * (300 + 100 * digit) * t)
                soundfile.write(tmp_path / f"{digit}_{speaker}_{take}.wav", wave, 8000, subtype="PCM_16")
    return tmp_path


def test_held_out_are_a_speaker_and_some_takes_of_all_others(folder: Path) -> None:
    assert held_out(recordings.HELD_OUT_SPEAKER, 20) == "speaker"
    assert held_out("ann", 9) == "take"
    assert held_out("ann", 10) is None
    train, strangers, takes = (
        find(folder),
        find(folder, "heldout", "speaker"),
        find(folder, "heldout", "take"),
    )
    assert {r.speaker for r in train} == {"ann", "bob"}
    assert {r.take for r in train} == {10, 11}
    assert {r.speaker for r in strangers} == {recordings.HELD_OUT_SPEAKER}
    assert {r.take for r in takes} == {5, 9}
    assert sorted(strangers + takes) == find(folder, "heldout")
    assert len(train) + len(strangers) + len(takes) == 120


def test_a_recording_is_read_at_16_khz_under_the_name_of_its_digit(folder: Path) -> None:
    for recording in find(folder)[:10]:
        samples = read(recording)
        assert len(samples) == pytest.approx(0.3 * RATE, abs=2)
        assert float(np.abs(samples).max()) == pytest.approx(0.6, abs=1e-3)
        loudest = int(np.abs(np.fft.rfft(samples)).argmax()) * RATE / len(samples)
        assert recording.text == DIGITS[round((loudest - 300) / 100)]


def test_sequences_are_of_one_speaker_varied_and_the_same_for_the_same_seed(folder: Path) -> None:
    known = find(folder)
    lengths = set()
    for seed in range(40):
        text, samples = sample(np.random.default_rng(seed), known)
        again, same = sample(np.random.default_rng(seed), known)
        words = text.split()
        lengths.add(len(words))
        assert (text, len(samples)) == (again, len(same))
        assert np.array_equal(samples, same)
        assert set(words) <= set(DIGITS)
        assert 0.27 * len(words) < len(samples) / RATE < 0.6 * len(words) + 0.1
        assert float(np.abs(samples).max()) <= 1
    assert lengths == {1, 2, 3, 4}


@pytest.mark.train
@pytest.mark.skipif(not CORPUS.exists(), reason="the shared corpus is not here")
def test_the_corpus_has_2700_recordings_of_which_a_quarter_is_held_out() -> None:
    assert len(find(CORPUS)) == 2000
    assert len(find(CORPUS, "heldout", "speaker")) == 450
    assert len(find(CORPUS, "heldout", "take")) == 250
    text, samples = sample(np.random.default_rng(0), find(CORPUS))
    assert 0.2 < len(samples) / RATE / len(text.split()) < 1.5
