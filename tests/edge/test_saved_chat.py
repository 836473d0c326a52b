"""A conversation as a file: everything is inside, and a stranger's file is an error."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edge import saved_chat
from edge.errors import IntegrityError, NotFoundError
from edge.media import audio, image, video
from edge.messages import Audio, Image, Message, Text, Video

PIXELS = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
FRAMES = np.stack([PIXELS // n for n in (1, 2, 3, 4)])
WAVE = np.sin(np.arange(16000, dtype=np.float32) / 8) / 4


def test_media_travel_inside_of_the_file(tmp_path: Path) -> None:
    shown = image.Picture(PIXELS).save(tmp_path / "desk.png")
    user = Message("user", (Image(shown), Audio(WAVE, 16000), Text("look, “there” \n\x1b[0m")))
    answer = Message("assistant", (Image(PIXELS), Video(FRAMES, 0.25)))
    path = saved_chat.save(tmp_path / "talk.json", [user, answer], "You are brief.")
    shown.unlink()
    (first, second), system = saved_chat.load(path)
    assert system == "You are brief."
    assert (first.role, second.role) == ("user", "assistant")
    assert np.array_equal(image.read(first.parts[0]).pixels, PIXELS)  # type: ignore[arg-type]
    assert np.allclose(audio.read(first.parts[1]).samples, WAVE, atol=1e-4)  # type: ignore[arg-type]
    assert first.parts[2] == user.parts[2]
    assert np.array_equal(image.read(second.parts[0]).pixels, PIXELS)  # type: ignore[arg-type]
    clip = video.read(second.parts[1])  # type: ignore[arg-type]
    assert np.array_equal(clip.frames, FRAMES)


def document(**changes: object) -> str:
    whole = {"format": saved_chat.FORMAT, "system": None, "messages": []} | changes
    return json.dumps(whole)


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "null", "{}", "[" * 100_000,
        document(format="edge conversation 9"),
        document(more=1),
        document(system=3),
        document(messages=None),
        document(messages=[{"role": "system", "parts": [{"text": "x"}]}]),
        document(messages=[{"role": "user", "parts": []}]),
        document(messages=[{"role": "user", "parts": [{"text": "x", "image": "y"}]}]),
        document(messages=[{"role": "user", "parts": [{"path": "/etc/passwd"}]}]),
        document(messages=[{"role": "user", "parts": [{"text": 3}]}]),
        document(messages=[{"role": "user", "parts": [{"image": "no base64!"}]}]),
        document(messages=[{"role": "user", "parts": ["text"]}]),
        document(messages=["hello"]),
    ],
)  # fmt: skip
def test_what_is_no_saved_conversation_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "talk.json"
    path.write_text(text)
    with pytest.raises(IntegrityError, match="no saved conversation"):
        saved_chat.load(path)


def test_a_file_that_is_not_there_and_one_that_is_too_large_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NotFoundError, match=r"gone\.json"):
        saved_chat.load(tmp_path / "gone.json")
    monkeypatch.setattr(saved_chat, "MOST_BYTES", 10)
    (tmp_path / "big.json").write_text(document())
    with pytest.raises(IntegrityError, match="larger than 10 bytes"):
        saved_chat.load(tmp_path / "big.json")


def test_a_medium_that_is_gone_saves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "talk.json"
    with pytest.raises(NotFoundError):
        saved_chat.save(path, [Message("user", (Image(tmp_path / "gone.png"),))])
    assert not path.exists()
