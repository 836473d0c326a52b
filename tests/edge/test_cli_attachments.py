"""Media named in a command line, and a subject in a task's wording."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from edge.cli import attachments, run
from edge.cli.wording import worded
from edge.errors import NotFoundError, UsageError
from edge.messages import Audio, Image, Part, Text, Video

PROMPTS = {"draw": "Draw {text}.", "speak": "Say: {text}", "animate": "Make a video of {text}."}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("desk.png", "my desk.JPG", "voice.wav", "ball.mp4"):
        (tmp_path / name).write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def told(parts: list[Part]) -> list[str]:
    return [p.text if isinstance(p, Text) else f"{type(p).__name__} {p.source}" for p in parts]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("What is in desk.png?", ["Image desk.png", "What is in ?"]),
        ("desk.png", ["Image desk.png"]),
        ("compare desk.png with 'my desk.JPG'", ["Image desk.png", "Image my desk.JPG", "compare with"]),
        (r"my\ desk.JPG what is it", ["Image my desk.JPG", "what is it"]),
        ("what moves in ball.mp4?", ["Video ball.mp4", "what moves in ?"]),
        ('"voice.wav" What is said?', ["Audio voice.wav", "What is said?"]),
        ("What does .png mean?", ["What does .png mean?"]),
        ("an archive.pngx", ["an archive.pngx"]),
        ("two  spaces", ["two  spaces"]),
        ("  ", []),
    ],
)
def test_a_bare_media_path_is_attached_and_leaves_the_text(
    folder: Path, prompt: str, expected: list[str]
) -> None:
    assert told(attachments.split(prompt)) == expected


def test_a_tilde_is_the_home_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    assert told(attachments.split("~/desk.png")) == [f"Image {folder}/desk.png"]


def test_a_media_path_without_a_file_is_not_taken_for_words(folder: Path) -> None:
    with pytest.raises(NotFoundError, match=r"there is no file dessk\.png"):
        attachments.split("What is in dessk.png?")


def test_an_unknown_ending_is_refused_with_the_known_ones(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"ends in \.txt, and Edge reads \.png"):
        attachments.attach(Path("notes.txt"))


def test_flags_come_before_the_prompt_in_order(folder: Path) -> None:
    parts = attachments.gather([Path("desk.png")], [Path("voice.wav")], "hello")
    assert told(parts) == ["Image desk.png", "Audio voice.wav", "hello"]
    assert [type(part) for part in parts] == [Image, Audio, Text]


def test_a_named_clip_comes_after_pictures_and_sounds(folder: Path) -> None:
    parts = attachments.gather([Path("desk.png")], [], "see", clips=[Path("ball.mp4")])
    assert told(parts) == ["Image desk.png", "Video ball.mp4", "see"]
    assert isinstance(attachments.video(Path("desk.png")), Video)  # whatever its ending
    with pytest.raises(NotFoundError, match=r"gone\.mp4"):
        attachments.attach(Path("gone.mp4"))


def test_a_path_in_piped_text_attaches_nothing(folder: Path) -> None:
    parts = attachments.gather([], [], "what is desk.png", "see voice.wav and gone.png")
    assert told(parts) == ["Image desk.png", "what is\n\nsee voice.wav and gone.png"]
    assert told(attachments.gather([], [], "", "gone.png")) == ["gone.png"]


@pytest.mark.parametrize(
    ("said", "make", "expected", "script"),
    [
        ("a red circle", "image", "Draw a red circle.", ""),
        ("Draw a red circle.", "image", "Draw a red circle.", ""),
        ("seven birds", "audio", "Say: seven birds", "seven birds"),
        ("say: seven birds", "audio", "say: seven birds", "seven birds"),
        ("a falling ball", "video", "Make a video of a falling ball.", ""),
        ("a red circle", "text", "a red circle", ""),
        ("a red circle", None, "a red circle", ""),
    ],
)
def test_a_bare_subject_gets_the_wording_of_its_task_once(
    said: str, make: str, expected: str, script: str
) -> None:
    parts, words = worded(PROMPTS, [Text(said)], make)  # type: ignore[arg-type]
    assert told(parts) == [expected]
    assert words == script


def test_a_question_about_a_picture_keeps_its_words() -> None:
    parts: list[Part] = [Image("a.png"), Text("make it red")]
    assert worded(PROMPTS, parts, "image") == (parts, "")


def test_a_model_without_wordings_gets_the_words_as_they_are() -> None:
    assert worded({}, [Text("a red circle")], "image") == ([Text("a red circle")], "")


@pytest.mark.parametrize("errors", ["strict", "surrogateescape"])  # the latter in the plain C locale
def test_bytes_that_are_piped_in_are_told_from_text(errors: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for held, text in ((b"\x89PNG\r\n\x1a\n", None), ("grüß dich\n".encode(), "grüß dich")):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(held), "utf-8", errors))
        if text is None:
            with pytest.raises(UsageError, match="--image PATH"):
                run.piped()
        else:
            assert run.piped() == text


def test_a_folder_is_not_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no file: name a file"):
        attachments.image(tmp_path)
