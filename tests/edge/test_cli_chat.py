"""The conversation: messages, commands, attachments, files; its lines come from a pipe here."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edge
from edge.cli.chat import converse, offered
from edge.cli.conversation import COMMANDS, Conversation
from edge.cli.plain_lines import PlainLines
from edge.cli.settings import Settings
from edge.errors import UsageError
from edge.media import image
from edge.messages import Part, Text
from edge.options import SamplingOptions

SHORT = Settings(sampling=SamplingOptions(max_tokens=4, seed=1))


@pytest.fixture(scope="module")
def model(tiny_bundle: Path) -> Iterator[edge.Model]:
    with edge.load(tiny_bundle) as loaded:
        yield loaded


@pytest.fixture
def talk(model: edge.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Conversation:
    monkeypatch.chdir(tmp_path)
    image.Picture(np.zeros((64, 64, 3), np.uint8)).save(tmp_path / "desk.png")
    return Conversation(model, SHORT, waiting=[])


def say(talk: Conversation, lines: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(lines))
    converse(talk, PlainLines())


def texts(talk: Conversation) -> list[str]:
    return [p.text for m in talk.chat.history if m.role == "user" for p in m.parts if isinstance(p, Text)]


def test_lines_are_turns_and_bye_ends(talk: Conversation, monkeypatch: pytest.MonkeyPatch) -> None:
    say(talk, "one\ntwo\n/bye\nthree\n", monkeypatch)
    assert texts(talk) == ["one", "two"]
    assert [m.role for m in talk.chat.history] == ["user", "assistant"] * 2


def test_a_fence_holds_a_longer_text(talk: Conversation, monkeypatch: pytest.MonkeyPatch) -> None:
    say(talk, '"""first\nsecond\n"""\n', monkeypatch)
    assert texts(talk) == ["first\nsecond"]


def test_a_path_in_a_line_and_the_command_attach_the_same(
    talk: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(talk, "what is desk.png\n/image desk.png what is\n/image desk.png\nwhat is\n", monkeypatch)
    kinds = [[type(p).__name__ for p in m.parts] for m in talk.chat.history if m.role == "user"]
    assert kinds == [["Image", "Text"]] * 3


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("/nonsense", "there is no /nonsense"),
        ("/image gone.png", "there is no file gone.png"),
        ("/set heat 3", "/set knows system"),
        ("/set temperature hot", "must be a number"),
        ("/set temperature -1", "temperature is -1.0, but must lie between 0 and 100"),
        ("/set seed -4", "seed is -4, but must lie between"),
        ("/regen", "nothing was said yet"),
        ("/set speak loudly", "speak is on or off, got 'loudly'"),
        ("/edit", "nothing was said yet"),
        ("/save", "name a file"),
        ("/draw", "say what"),
        ("what is gone.png", "there is no file gone.png"),
        ("what is ~nobodyatall/cat.png", "there is no file ~nobodyatall/cat.png"),
        ("/image " + "long" * 99 + ".png", "there is no file long"),
    ],
)
def test_a_failure_is_one_line_and_the_conversation_goes_on(
    talk: Conversation,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    line: str,
    said: str,
) -> None:
    say(talk, f"{line}\nstill here\n", monkeypatch)
    told = capsys.readouterr().err
    assert said in told
    assert told.splitlines()[1:] == ["(cut: max_tokens or the end of the context)"]
    assert texts(talk) == ["still here"]


def test_draw_and_say_make_files_with_the_trained_wording(
    talk: Conversation, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    say(talk, "/draw a red circle\n/say birds\n", monkeypatch)
    assert texts(talk) == ["Draw a red circle.", "Say: birds"]
    assert (tmp_path / "edge-picture-1.png").exists()
    assert (tmp_path / "edge-sound-1.wav").exists()


def test_animate_makes_a_file_and_video_attaches_it(
    video_bundle: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    with edge.load(video_bundle) as films:
        talk = Conversation(films, SHORT, waiting=[])
        say(talk, "/animate a falling ball\n/video edge-video-1.webp what\n", monkeypatch)
    kinds = [[type(p).__name__ for p in m.parts] for m in talk.chat.history if m.role == "user"]
    assert kinds == [["Text"], ["Video", "Text"]]
    assert "![edge-video-1.webp]" in "\n".join(talk.turns[0].told)


def test_set_changes_the_next_reply_and_empty_restores_the_bundles_own(
    talk: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(talk, "/set temp 0.5\n/set top-k 3\n/set seed\n", monkeypatch)
    assert talk.settings.sampling == SamplingOptions(max_tokens=4, temperature=0.5, top_k=3)
    say(talk, "/set system You are brief.\n", monkeypatch)
    assert talk.chat.system == "You are brief."


def test_regen_answers_the_same_message_again(talk: Conversation, monkeypatch: pytest.MonkeyPatch) -> None:
    say(talk, "one\ntwo desk.png\n/regen\n", monkeypatch)
    assert texts(talk) == ["one", "two"]
    assert [type(p).__name__ for p in talk.chat.history[2].parts] == ["Image", "Text"]


def test_clear_starts_over(talk: Conversation, monkeypatch: pytest.MonkeyPatch) -> None:
    say(talk, "one\n/image desk.png\n/clear\ntwo\n", monkeypatch)
    assert texts(talk) == ["two"]
    assert len(talk.chat.history[0].parts) == 1


def test_save_writes_the_conversation_with_its_media(
    talk: Conversation, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    say(talk, "look at desk.png\n/draw a bird\n/save talk.md\n", monkeypatch)
    saved = (tmp_path / "talk.md").read_text()
    assert "> [image: desk.png]" in saved
    assert "> look at" in saved
    assert "![edge-picture-1.png]" in saved


def test_a_saved_conversation_goes_on_where_it_was(
    talk: Conversation, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    say(talk, "/set system You are brief.\nlook at desk.png\n/draw a bird\n/save talk.json\n", monkeypatch)
    said = texts(talk)
    (tmp_path / "desk.png").unlink()  # the file holds it
    say(talk, "/set system\n/load talk.json\n", monkeypatch)
    assert (texts(talk), talk.chat.system, len(talk.turns)) == (said, "You are brief.", 2)
    say(talk, "and now?\n/regen\n", monkeypatch)
    assert texts(talk) == [*said, "and now?"]
    assert talk.turns[1].make == "image"


def test_a_damaged_or_unreadable_file_changes_nothing(
    talk: Conversation, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.json").write_text("{")
    clip = '{"role": "user", "parts": [{"video": "AAAA"}]}'
    document = '{"format": "edge conversation 1", "system": null, "messages": [%s]}'
    (tmp_path / "clip.json").write_text(document % clip)
    say(talk, "one\n/load bad.json\n/load clip.json\n/load gone.json\n/save talk.txt\n", monkeypatch)
    told = capsys.readouterr().err
    for words in (
        "bad.json is no saved",
        "holds video, which tiny does not read",
        "gone.json",
        "end talk.txt in",
    ):
        assert words in told
    assert texts(talk) == ["one"]


def test_show_and_help_answer_on_stdout(
    talk: Conversation, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    say(talk, "/show\n/help\n", monkeypatch)
    told = capsys.readouterr().out
    assert "tiny: reads text, image, audio; makes text, image, audio" in told
    for name in COMMANDS:
        assert f"/{name}" in told


def test_an_edited_message_takes_the_place_of_the_last_and_keeps_its_media(
    talk: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(talk, "one\ntwo desk.png\n/edit three\n", monkeypatch)
    assert texts(talk) == ["one", "three"]
    assert [type(p).__name__ for p in talk.chat.history[2].parts] == ["Image", "Text"]
    assert len(talk.turns) == 2


def test_edit_alone_gives_the_last_message_back_as_a_draft(
    talk: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(talk, "look at desk.png\n/edit\n", monkeypatch)
    assert talk.draft == "look at"
    assert talk.chat.history == []
    assert [type(p).__name__ for p in talk.waiting] == ["Image"]
    say(talk, "/clear\n/draw a bird\n/edit\n", monkeypatch)
    assert talk.draft == "/draw a bird"


def test_an_edit_that_fails_takes_nothing_back(talk: Conversation, monkeypatch: pytest.MonkeyPatch) -> None:
    say(talk, "one\ntwo desk.png\n", monkeypatch)
    history, turns = list(talk.chat.history), list(talk.turns)
    say(talk, "/edit what is in typo.png\n", monkeypatch)
    assert (talk.chat.history, talk.turns, talk.waiting) == (history, turns, [])


def test_what_waits_to_be_sent_still_waits_after_a_failure(
    talk: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(talk, "/image desk.png\n", monkeypatch)
    send, failed = talk.chat.send, []

    def fail_once(*parts: Part, **options: Any) -> Iterator[edge.Event]:
        if not failed:
            failed.append(parts)
            raise UsageError("refused")
        return send(*parts, **options)

    monkeypatch.setattr(talk.chat, "send", fail_once)
    say(talk, "what is it\nonce more\n", monkeypatch)
    assert [type(p).__name__ for p in talk.chat.history[0].parts] == ["Image", "Text"]
    assert talk.waiting == []


def test_what_cannot_be_read_is_dropped_and_said(
    talk: Conversation, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    say(talk, "/audio desk.png\n/show\nhello\nhello again\n", monkeypatch)
    told = capsys.readouterr()
    assert "attached to the next line: " in told.out
    assert "desk.png" in told.out
    assert "dropped: attach it again" in told.out + told.err
    assert texts(talk) == ["hello again"]


def test_a_failed_regen_leaves_the_conversation_as_it_was(
    talk: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(talk, "one\n", monkeypatch)
    history, turns = list(talk.chat.history), list(talk.turns)

    def fail(*parts: object, **options: object) -> None:
        raise UsageError("refused")

    monkeypatch.setattr(talk.chat, "send", fail)
    say(talk, "/regen\n", monkeypatch)
    assert (talk.chat.history, talk.turns) == (history, turns)


def test_a_dropped_file_is_attached_however_its_path_is_written(
    talk: Conversation, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "desk.png").rename(tmp_path / "my desk.png")
    forms = (f"'{tmp_path}/my desk.png'", f"{tmp_path}/my\\ desk.png", f"file://{tmp_path}/my%20desk.png")
    say(talk, "".join(f"{form} what\n/image {form} what\n" for form in forms), monkeypatch)
    kinds = [[type(p).__name__ for p in m.parts] for m in talk.chat.history if m.role == "user"]
    assert kinds == [["Image", "Text"]] * 6


def test_tab_offers_every_command_and_the_files_that_it_takes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("desk.png", "voice.wav", "notes.txt"):
        (tmp_path / name).touch()
    assert [o.text for o in offered("/")] == [f"/{name} " for name in COMMANDS]
    assert [o.text for o in offered("/image ")] == ["desk.png "]
    assert [o.text for o in offered("what ")] == []
    assert [o.text for o in offered("/image d")] == ["desk.png "]
    assert [o.text for o in offered("/audio v")] == ["voice.wav "]
    assert [o.text for o in offered("/image n")] == []
