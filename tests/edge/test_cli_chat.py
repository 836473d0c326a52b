"""The conversation: commands, attachments, Ctrl-C; piped, and behind a real pseudo-terminal."""

from __future__ import annotations

import codecs
import io
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import edge
from edge.cli import chat as cli_chat
from edge.cli.chat import Talk, first_word
from edge.errors import UsageError
from edge.media import image
from edge.messages import Text
from edge.options import SamplingOptions

EDGE = (sys.executable, "-m", "edge.cli.main")
SHORT = SamplingOptions(max_tokens=4, seed=1)


@pytest.fixture(scope="module")
def model(tiny_bundle: Path) -> Iterator[edge.Model]:
    with edge.load(tiny_bundle) as loaded:
        yield loaded


@pytest.fixture
def talk(model: edge.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Talk:
    monkeypatch.chdir(tmp_path)
    image.Picture(np.zeros((64, 64, 3), np.uint8)).save(tmp_path / "desk.png")
    return Talk(model, system=None, sampling=SHORT, waiting=[])


def say(talk: Talk, lines: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(lines))
    talk.run()


def texts(talk: Talk) -> list[str]:
    return [p.text for m in talk.chat.history if m.role == "user" for p in m.parts if isinstance(p, Text)]


def test_lines_are_turns_and_bye_ends(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    say(talk, "one\ntwo\n/bye\nthree\n", monkeypatch)
    assert texts(talk) == ["one", "two"]
    assert [m.role for m in talk.chat.history] == ["user", "assistant"] * 2


def test_a_fence_holds_a_longer_text(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    say(talk, '"""first\nsecond\n"""\n', monkeypatch)
    assert texts(talk) == ["first\nsecond"]


def test_a_path_in_a_line_and_the_command_attach_the_same(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
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
        ("/save", "name a file"),
        ("/draw", "say what"),
        ("what is gone.png", "there is no file gone.png"),
    ],
)
def test_a_failure_is_one_line_and_the_conversation_goes_on(
    talk: Talk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], line: str, said: str
) -> None:
    say(talk, f"{line}\nstill here\n", monkeypatch)
    told = capsys.readouterr().err
    assert said in told
    assert told.splitlines()[1:] == ["(cut: max_tokens or the end of the context)"]
    assert texts(talk) == ["still here"]


def test_draw_and_say_make_files_with_the_trained_wording(
    talk: Talk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
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
        talk = Talk(films, system=None, sampling=SHORT, waiting=[])
        say(talk, "/animate a falling ball\n/video edge-video-1.webp what\n", monkeypatch)
    kinds = [[type(p).__name__ for p in m.parts] for m in talk.chat.history if m.role == "user"]
    assert kinds == [["Text"], ["Video", "Text"]]
    assert "![edge-video-1.webp]" in "\n".join(talk.transcript)


def test_set_changes_the_next_reply_and_empty_restores_the_bundles_own(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(talk, "/set temp 0.5\n/set top-k 3\n/set seed\n", monkeypatch)
    assert talk.sampling == SamplingOptions(max_tokens=4, temperature=0.5, top_k=3)
    say(talk, "/set system You are brief.\n", monkeypatch)
    assert talk.chat.system == "You are brief."


def test_regen_answers_the_same_message_again(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    say(talk, "one\ntwo desk.png\n/regen\n", monkeypatch)
    assert texts(talk) == ["one", "two"]
    assert [type(p).__name__ for p in talk.chat.history[2].parts] == ["Image", "Text"]


def test_clear_starts_over(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    say(talk, "one\n/image desk.png\n/clear\ntwo\n", monkeypatch)
    assert texts(talk) == ["two"]
    assert len(talk.chat.history[0].parts) == 1


def test_save_writes_the_conversation_with_its_media(
    talk: Talk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    say(talk, "look at desk.png\n/draw a bird\n/save talk.md\n", monkeypatch)
    saved = (tmp_path / "talk.md").read_text()
    assert "> [image: desk.png]" in saved
    assert "> look at" in saved
    assert "![edge-picture-1.png]" in saved


def test_show_and_help_answer_on_stdout(
    talk: Talk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    say(talk, "/show\n/help\n", monkeypatch)
    told = capsys.readouterr().out
    say(talk, "/?\n", monkeypatch)
    assert capsys.readouterr().out == told[told.index("Write a line") :]
    assert "tiny: reads text, image, audio; makes text, image, audio" in told
    for name in cli_chat.COMMANDS.keys() - {"help", "?"}:
        assert f"/{name}" in told


def test_the_first_word_may_be_quoted() -> None:
    assert first_word("'my desk.png' what is it") == ("my desk.png", "what is it")
    assert first_word("desk.png what") == ("desk.png", "what")
    with pytest.raises(UsageError):
        first_word("")


class Terminal:
    """`edge chat` behind a pseudo-terminal, as a person has it."""

    def __init__(self, bundle: Path, work: Path, *flags: str) -> None:
        self.master, slave = pty.openpty()
        environment = os.environ | {"TERM": "xterm-256color", "PYTHONPATH": str(Path.cwd()), "COLUMNS": "80"}
        environment.pop("NO_COLOR", None)
        self.child = subprocess.Popen(
            [*EDGE, "chat", str(bundle), *flags],
            stdin=slave, stdout=slave, stderr=slave, cwd=work, env=environment, start_new_session=True,
        )  # fmt: skip
        os.close(slave)
        self.seen = ""
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def until(self, pattern: str, seconds: float = 60) -> str:
        """Read on until something appears."""
        end, start = time.monotonic() + seconds, len(self.seen)
        os.set_blocking(self.master, False)
        while not re.search(pattern, self.seen[start:]):
            assert time.monotonic() < end, f"waited for {pattern!r}, saw {self.seen[-500:]!r}"
            try:
                self.seen += self.decoder.decode(os.read(self.master, 65536))
            except BlockingIOError:
                time.sleep(0.02)
        return self.seen[start:]

    def type(self, line: str) -> None:
        os.write(self.master, line.encode())

    def close(self) -> None:
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait()
        os.close(self.master)


@pytest.fixture
def terminal(tiny_bundle: Path, tmp_path: Path) -> Iterator[Terminal]:
    opened = Terminal(tiny_bundle, tmp_path, "--temp", "0", "--seed", "1")
    yield opened
    opened.close()


def test_in_a_terminal_it_greets_shows_pictures_and_leaves_with_bye(
    terminal: Terminal, tmp_path: Path
) -> None:
    assert "makes text, image, audio" in terminal.until(">>> ")
    terminal.type("/draw a red circle\n")
    drawn = terminal.until(r"picture saved to .*edge-picture-1\.png[\s\S]*>>> ")
    assert drawn.count("▀") >= 64 * 32
    terminal.type("/bye\n")
    assert terminal.child.wait(20) == 0


def test_pasted_lines_are_one_message(terminal: Terminal) -> None:
    terminal.until(">>> ")
    time.sleep(0.5)  # readline switches the terminal's pasting mode on after its prompt
    terminal.type("/set max_tokens 4\n")
    terminal.until(">>> ")
    time.sleep(0.5)
    terminal.type("\x1b[200~one\ntwo\nthree\x1b[201~\n")
    terminal.until(r"three[\s\S]*\(cut[\s\S]*>>> ")
    terminal.type("/show\n")
    assert "messages: 2" in terminal.until("messages: \\d")


def test_ctrl_c_at_the_prompt_does_not_leave_but_ctrl_d_does(terminal: Terminal) -> None:
    terminal.until(">>> ")
    time.sleep(0.5)  # readline sleeps through a signal between its prompt and its first wait
    os.killpg(terminal.child.pid, signal.SIGINT)
    terminal.until(r"Ctrl-D leaves[\s\S]*>>> ")
    terminal.type("\x04")
    assert terminal.child.wait(20) == 0


def test_ctrl_c_stops_a_reply_and_the_conversation_goes_on(terminal: Terminal) -> None:
    terminal.until(">>> ")
    terminal.type("/set max_tokens 400\n")
    terminal.until(">>> ")
    terminal.type("tell me a very long story\n")
    terminal.until("story[\\s\\S]*<unused")
    os.killpg(terminal.child.pid, signal.SIGINT)
    terminal.until(r"\(stopped\)[\s\S]*>>> ")
    terminal.type("/show\n")
    assert "messages: 2" in terminal.until("messages: \\d")
    terminal.type("/bye\n")
    assert terminal.child.wait(20) == 0
