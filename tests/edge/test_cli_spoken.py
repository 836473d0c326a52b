"""Replies said aloud and questions spoken, through a device that hears and plays what a test gives it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import edge
from edge.cli import sound_device, spoken
from edge.cli.conversation import Conversation
from edge.cli.settings import Settings
from edge.cli.spoken import sentences
from edge.errors import ModalityError
from edge.media.audio import SAMPLE_RATE, Sound
from edge.messages import Audio, Text
from edge.options import SamplingOptions


class Device(ModuleType):
    """As much of sounddevice as Edge uses: its calls, its error, its streams."""

    class PortAudioError(Exception):
        pass

    def __init__(self, hears: np.ndarray | None = None) -> None:
        super().__init__("sounddevice")
        self.hears, self.played, self.closed = hears, list[np.ndarray](), 0
        self.missing: set[str] = set()

    def query_devices(self, *, kind: str) -> dict[str, Any]:
        if kind in self.missing:
            raise self.PortAudioError(f"Error querying device -1: no {kind}")
        return {"name": kind}

    def InputStream(self, **options: Any) -> Stream:
        assert (options["samplerate"], options["channels"], options["dtype"]) == (SAMPLE_RATE, 1, "float32")
        return Stream(self)

    def OutputStream(self, **options: Any) -> Stream:
        assert (options["channels"], options["dtype"]) == (1, "float32")
        return Stream(self)


class Stream:
    def __init__(self, device: Device) -> None:
        self.device, self.at = device, 0

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *error: object) -> None:
        self.device.closed += 1

    def read(self, count: int) -> tuple[np.ndarray, bool]:
        assert self.device.hears is not None
        if self.at + count > len(self.device.hears):
            raise self.device.PortAudioError("the test's sound is over")
        self.at += count
        return self.device.hears[self.at - count : self.at, None], False

    def write(self, samples: np.ndarray) -> None:
        assert (samples.ndim, samples.dtype, samples.flags.c_contiguous) == (2, np.float32, True)
        self.device.played.append(samples[:, 0])


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Device:
    made = Device()
    monkeypatch.setitem(sys.modules, "sounddevice", made)
    return made


@pytest.fixture(scope="module")
def model(tiny_bundle: Path) -> Iterator[edge.Model]:
    with edge.load(tiny_bundle) as loaded:
        yield loaded


def talk(model: edge.Model) -> Conversation:
    return Conversation(model, Settings(sampling=SamplingOptions(max_tokens=4, seed=1)), waiting=[])


def spoken_question() -> np.ndarray:
    """A quiet room, a second of a loud tone, a quiet room."""
    noise = np.random.default_rng(0).standard_normal(6 * SAMPLE_RATE) * 1e-3
    t = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    noise[SAMPLE_RATE : 2 * SAMPLE_RATE] += np.sin(2 * np.pi * 200 * t) / 4
    return noise.astype(np.float32)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("Version 3.5 is out.\n\n- **Yes**, it is.\n- No", ["Version 3.5 is out.", "Yes, it is.", "No"]),
        ("Look:\n```\nx = 1. y\n```\nDone.", ["Look:", "Done."]),
        ('He said "go." Then left', ['He said "go.', "Then left"]),
        ("... !", []),
        ("", []),
    ],
)
def test_a_reply_is_said_sentence_by_sentence_without_code_and_signs(text: str, pieces: list[str]) -> None:
    assert sentences(text) == pieces


def test_mic_sends_what_was_said_and_the_words_with_it(
    device: Device, model: edge.Model, capsys: pytest.CaptureFixture[str]
) -> None:
    device.hears = spoken_question()
    conversation = talk(model)
    conversation.turn("/mic what is this?")
    sound, text = conversation.chat.history[0].parts
    assert isinstance(sound, Audio)
    assert text == Text("what is this?")
    assert len(sound.source) / SAMPLE_RATE == pytest.approx(0.3 + 1 + 0.8, abs=0.15)
    assert device.closed == 1
    assert "(heard 2.1 s)" in capsys.readouterr().err


def test_mic_sends_nothing_where_nobody_speaks(device: Device, model: edge.Model) -> None:
    device.hears = np.zeros(11 * SAMPLE_RATE, np.float32)
    conversation = talk(model)
    conversation.turn("/mic")
    assert conversation.chat.history == []
    assert device.closed == 1


def test_a_text_is_said_in_order(device: Device, model: edge.Model) -> None:
    spoken.speak(model, "One bird. Two birds.")
    assert device.closed == 2  # a stream for each sentence
    assert sum(map(len, device.played)) > 0


def test_a_sound_is_played_whole(device: Device) -> None:
    wave = np.linspace(-1, 1, 2500, dtype=np.float32)
    spoken.play(Sound(wave, SAMPLE_RATE))
    assert np.array_equal(np.concatenate(device.played), wave)
    assert max(map(len, device.played)) <= 800  # a stop is heard within 50 ms


def test_once_stopped_nothing_more_is_heard(device: Device) -> None:
    player = sound_device.Player(lambda: len(device.played) >= 3)
    player.put(Sound(np.zeros(SAMPLE_RATE, np.float32), SAMPLE_RATE))
    player.put(Sound(np.zeros(SAMPLE_RATE, np.float32), SAMPLE_RATE))
    player.finish()
    assert len(device.played) == 3


def test_a_model_without_a_voice_cannot_be_made_to_speak(device: Device, tiny_bundle: Path) -> None:
    with edge.load(tiny_bundle / "decoder.gguf") as mute:
        for line, words in (("/set speak on", "does not speak"), ("/mic", "does not read sound")):
            with pytest.raises(ModalityError, match=words):
                talk(mute).turn(line)


@pytest.mark.parametrize("line", ["/mic", "/set speak on", "/set play on"])
@pytest.mark.parametrize("lacks", ["the package", "PortAudio", "a device"])
def test_what_is_missing_is_said_with_its_cure(
    monkeypatch: pytest.MonkeyPatch, device: Device, model: edge.Model, line: str, lacks: str
) -> None:
    cure = {
        "the package": "pip install 'edge-multimodal[mic]'",
        "PortAudio": "libportaudio2",
        "a device": "connect one",
    }
    device.missing = {"input", "output"}
    if lacks == "the package":
        monkeypatch.setitem(sys.modules, "sounddevice", None)
    elif lacks == "PortAudio":
        monkeypatch.delitem(sys.modules, "sounddevice")
        monkeypatch.setattr(sys, "meta_path", [NoPortAudio(), *sys.meta_path])
    conversation = talk(model)
    before = conversation.settings
    with pytest.raises(ModalityError) as refused:
        conversation.turn(line)
    assert cure[lacks] in str(refused.value)
    assert conversation.settings == before
    assert not sound_device.there("output")


class NoPortAudio:
    """sounddevice is installed, the library that it opens is not."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name == "sounddevice":
            raise OSError("PortAudio library not found")


def test_a_device_that_fails_while_it_plays_is_an_error_of_one_line(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Stream, samples: np.ndarray) -> None:
        raise device.PortAudioError("unplugged")

    monkeypatch.setattr(Stream, "write", fail)
    with pytest.raises(ModalityError, match="unplugged"):
        spoken.play(Sound(np.zeros(800, np.float32), SAMPLE_RATE))
