"""The prompt, fed with the very bytes that a terminal sends."""

from __future__ import annotations

import os
import pty
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output import DummyOutput

from edge.cli import line_editor
from edge.cli.completion import Offer
from edge.cli.line_editor import LineEditor, history, unseen_typing

ALT_ENTER, CTRL_C, CTRL_D, TAB, UP = "\x1b\r", "\x03", "\x04", "\t", "\x1b[A"


@pytest.fixture
def keys() -> Iterator[PipeInput]:
    with create_pipe_input() as made:
        yield made


def editor(keys: PipeInput, *offers: Offer) -> LineEditor:
    return LineEditor(lambda before: offers, InMemoryHistory(), (keys, DummyOutput()))


def pasted(text: str) -> str:
    return f"\x1b[200~{text}\x1b[201~"


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("hello\r", "hello"),
        (f"one{ALT_ENTER}two\r", "one\ntwo"),
        ('"""one\r\rtwo"""\r', "one\n\ntwo"),
        ('"""one"""\r', "one"),
        (pasted("one\r\ntwo\rthree") + "\r", "one\ntwo\nthree"),
        (f"no{CTRL_C}yes\r", "yes"),
        (f"ab\x1b[D{CTRL_D}c\r", "ac"),
        ("  \r", ""),
    ],
)
def test_keys_become_one_message(keys: PipeInput, typed: str, message: str) -> None:
    keys.send_text(typed)
    assert editor(keys).read() == message


def test_ctrl_d_on_an_empty_line_is_the_end(keys: PipeInput) -> None:
    keys.send_text(CTRL_D)
    assert editor(keys).read() is None


def test_ctrl_c_on_an_empty_line_interrupts_and_the_next_line_is_read(keys: PipeInput) -> None:
    made = editor(keys)
    keys.send_text(CTRL_C)
    with pytest.raises(KeyboardInterrupt):
        made.read()
    keys.send_text("still here\r")
    assert made.read() == "still here"


def test_tab_takes_the_only_offer(keys: PipeInput) -> None:
    def offering(before: str) -> Iterator[Offer]:
        yield Offer("desk.png ", 2)
        keys.send_text("\r")  # only once it was asked for

    keys.send_text(f"see de{TAB}")
    assert LineEditor(offering, InMemoryHistory(), (keys, DummyOutput())).read() == "see desk.png"


def test_a_draft_can_be_changed(keys: PipeInput) -> None:
    keys.send_text("!\r")
    assert editor(keys).read("hello") == "hello!"


def test_a_dropped_path_with_spaces_is_quoted_but_a_text_is_not(keys: PipeInput, tmp_path: Path) -> None:
    path = tmp_path / "it's my desk.png"
    path.touch()
    keys.send_text(f"see {pasted(str(path))}\r")
    quoted = str(path).replace("'", "'\"'\"'")
    assert editor(keys).read() == f"see '{quoted}'"
    keys.send_text(pasted("it is my desk") + "\r")
    assert editor(keys).read() == "it is my desk"


def test_the_arrow_up_brings_back_what_was_said_before(keys: PipeInput) -> None:
    made = editor(keys)
    keys.send_text("first\r")
    made.read()
    keys.send_text(f"{UP} again\r")
    assert made.read() == "first again"


def test_the_history_outlives_the_process_and_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "home" / "chat_history"
    history(path).append_string("one\ntwo")
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(history(path).load_history_strings()) == ["one\ntwo"]


def test_a_history_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    path = tmp_path / "chat_history"
    path.touch(0o644)
    history(path)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_long_history_keeps_its_newer_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_editor, "KEPT_BYTES", 2000)
    path = tmp_path / "chat_history"
    for number in range(100):
        history(path).append_string(f"line {number}")
    kept = list(history(path).load_history_strings())
    assert kept[0] == "line 99"
    assert 10 < len(kept) < 60
    assert path.stat().st_mode & 0o777 == 0o600


def test_without_a_place_for_the_history_one_note_tells_and_the_prompt_works(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "home").touch()
    made = history(tmp_path / "home" / "chat_history")
    assert "not kept for the next time" in capsys.readouterr().err
    made.append_string("one")
    assert made.get_strings() == ["one"]


def test_keys_pressed_during_a_reply_are_not_echoed_and_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    master, slave = pty.openpty()
    with os.fdopen(slave) as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        with unseen_typing():
            assert not termios.tcgetattr(terminal)[3] & termios.ECHO
            os.write(master, b"typed ahead\n")
        assert termios.tcgetattr(terminal)[3] & termios.ECHO
        assert terminal.readline() == "typed ahead\n"
    os.close(master)
