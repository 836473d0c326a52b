"""One reply on a screen: order of text, saved media, progress, Ctrl-C."""

from __future__ import annotations

import io
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edge.cli import output
from edge.cli.screen import Screen, free_name, interruptible
from edge.events import AudioChunk, Event, Finished, ImageMade, MediaProgress, TextDelta, Usage, VideoMade
from edge.media import audio, image, video

PIXELS = np.full((8, 8, 3), (200, 10, 10), np.uint8)
WAVE = np.linspace(-0.5, 0.5, 320, dtype=np.float32)


def reply() -> Iterator[Event]:
    yield TextDelta("Here ")
    yield TextDelta("you are.")
    yield MediaProgress("image", 32, 64)
    yield ImageMade(PIXELS, (1, 2))
    yield AudioChunk(WAVE, 16000)
    yield AudioChunk(WAVE, 16000)
    yield Finished("end", Usage(prompt_tokens=5, text_tokens=2))


def test_text_arrives_as_it_is_made() -> None:
    out = io.StringIO()
    seen = []

    def events() -> Iterator[Event]:
        for event in reply():
            yield event
            seen.append(out.getvalue())

    Screen(out, folder=None, pictures=False).show(events())
    assert seen[:2] == ["Here ", "Here you are."]


class Watched(io.StringIO):
    """What a terminal gets."""

    def isatty(self) -> bool:
        return True


EVIL = "red\x1b[31m bell\x07 title\x1b]0;x\x07 clear\x9b2J back\rwards\x7f\tend\n"


@pytest.mark.parametrize("markdown", [False, True])
def test_characters_that_command_a_terminal_reach_it_as_signs(markdown: bool) -> None:
    out = Watched()
    events = [TextDelta(character) for character in EVIL]  # one at a time
    Screen(out, folder=None, pictures=False, progress=False, markdown=markdown).show(events)
    told = out.getvalue()
    assert not {"\x07", "\x9b", "\x7f"} & set(told)
    assert not any(command in told for command in ("\x1b[31m", "\x1b]0", "back\r"))
    assert "red␛[31m bell␇ title␛]0;x␇" in " ".join(told.split())
    assert markdown or told == "red␛[31m bell␇ title␛]0;x␇ clear\ufffd2J back␍wards␡\tend\n"


def test_pipes_and_files_get_every_character() -> None:
    out = io.StringIO()
    shown = Screen(out, folder=None, pictures=False).show([TextDelta(EVIL)])
    assert out.getvalue() == shown.text == EVIL


def test_notes_and_tables_command_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    out, err = Watched(), Watched()
    monkeypatch.setattr("sys.stdout", out)
    monkeypatch.setattr("sys.stderr", err)
    output.note("file \x1b[2J.gguf")
    output.table(["name"], [["\x1b[2Jpico"]])
    output.as_json({"name": "\x9b2J"})
    assert "\x1b[2J" not in out.getvalue() + err.getvalue()
    assert "\x9b" not in out.getvalue()
    assert "␛[2J.gguf" in err.getvalue()


def test_everything_is_gathered_and_sound_is_joined() -> None:
    shown = Screen(None, folder=None, pictures=False).show(reply())
    assert shown.text == "Here you are."
    assert shown.pictures[0].size == (8, 8)
    assert shown.sound is not None
    assert len(shown.sound.samples) == 640
    assert shown.finished.usage.prompt_tokens == 5
    assert shown.files == []


def test_made_media_are_saved_beside_others_and_named_on_stderr(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "edge-picture-1.png").write_bytes(b"mine")
    shown = Screen(None, folder=tmp_path, pictures=False).show(reply())
    assert shown.files == [tmp_path / "edge-picture-2.png", tmp_path / "edge-sound-1.wav"]
    assert (tmp_path / "edge-picture-1.png").read_bytes() == b"mine"
    assert np.array_equal(image.read(shown.files[0]).pixels, PIXELS)
    assert audio.read(shown.files[1]).seconds == pytest.approx(0.04)
    told = capsys.readouterr()
    assert told.out == ""
    assert "edge-picture-2.png" in told.err


def test_a_made_clip_is_saved_as_an_animation(tmp_path: Path) -> None:
    frames = np.stack([PIXELS // n for n in (1, 2, 3, 4)])
    made = iter([VideoMade(frames, 0.5), Finished("end")])
    shown = Screen(None, folder=tmp_path, pictures=False).show(made)
    assert shown.files == [tmp_path / "edge-video-1.webp"]
    back = video.read(shown.files[0])
    assert np.array_equal(back.frames, frames)
    assert (back.frame_seconds, len(shown.clips)) == (0.5, 1)


def test_progress_is_drawn_on_stderr_and_wiped(capsys: pytest.CaptureFixture[str]) -> None:
    Screen(None, folder=None, pictures=False, progress=True).show(reply())
    told = capsys.readouterr().err
    assert "[image: 32 of 64 tokens]" in told
    assert told.endswith("\r" + " " * len("[image: 32 of 64 tokens]") + "\r")


def test_the_bar_never_wipes_text_of_the_answer() -> None:
    out = io.StringIO()
    screen = Screen(out, folder=None, pictures=False, progress=True)
    screen.show(
        iter([TextDelta("birds"), MediaProgress("audio", 25, None), TextDelta("more"), Finished("end")])
    )
    screen.new_line()
    screen.new_line()
    assert out.getvalue() == "birds\nmore\n"


def test_no_progress_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    Screen(None, folder=None, pictures=False).show(reply())
    assert capsys.readouterr().err == ""


def test_names_count_up_to_a_free_one(tmp_path: Path) -> None:
    (tmp_path / "edge-sound-1.wav").touch()
    assert free_name(tmp_path, "sound", ".wav").name == "edge-sound-2.wav"


def test_ctrl_c_cancels_the_reply_and_a_second_one_interrupts() -> None:
    cancelled = []
    before = signal.getsignal(signal.SIGINT)

    def press_twice() -> None:
        with interruptible(lambda: cancelled.append(True)):
            os.kill(os.getpid(), signal.SIGINT)
            assert cancelled == [True]
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        press_twice()
    assert cancelled == [True]
    assert signal.getsignal(signal.SIGINT) is before
