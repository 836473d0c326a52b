"""The conversation: commands, attachments, Ctrl-C; piped, and behind a real pseudo-terminal."""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import pty
import re
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import edge
from edge.cli.chat import converse, offered
from edge.cli.conversation import COMMANDS, Conversation
from edge.cli.plain_lines import PlainLines
from edge.cli.settings import Settings
from edge.errors import UsageError
from edge.media import image
from edge.messages import Text
from edge.options import SamplingOptions

EDGE = (sys.executable, "-m", "edge.cli.main")
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


LOGIN = (  # the pseudo-terminal becomes the child's own: Ctrl-C is a key here, as for a person
    "import os, sys; os.login_tty(int(sys.argv[1]))\n"
    "os.execv(sys.executable, [sys.executable, *sys.argv[2:]])"
)


class Terminal:
    """`edge chat` behind a pseudo-terminal of its own, as a person has it."""

    def __init__(self, bundle: Path, work: Path, *flags: str, **environment: str) -> None:
        self.master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (40, 100))
        known = {"TERM": "xterm-256color", "PYTHONPATH": str(Path.cwd()), "PROMPT_TOOLKIT_NO_CPR": "1"}
        ours = os.environ | known | environment
        if "NO_COLOR" not in environment:
            ours.pop("NO_COLOR", None)
        self.child = subprocess.Popen(
            [sys.executable, "-c", LOGIN, str(slave), *EDGE[1:], "chat", str(bundle), *flags],
            cwd=work, env=ours, pass_fds=[slave],
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

    def type(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def leave(self) -> int:
        """The exit code; what is still written is read, so that nothing blocks."""
        end = time.monotonic() + 30
        while self.child.poll() is None and time.monotonic() < end:
            with contextlib.suppress(OSError):  # BlockingIOError, and EIO once the child is gone
                self.seen += self.decoder.decode(os.read(self.master, 65536))
            time.sleep(0.02)
        return self.child.wait(1)

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
    assert "makes text, image, audio" in terminal.until(">>>")
    terminal.type("/draw a red circle\r")
    drawn = terminal.until(r"picture saved to .*edge-picture-1\.png[\s\S]*>>>")
    assert drawn.count("▀") >= 64 * 32
    assert "\x1b[8A\r" in drawn  # a preview of a quarter was drawn over
    terminal.type("/bye\r")
    assert terminal.leave() == 0


def test_pasted_lines_are_one_message(terminal: Terminal) -> None:
    terminal.until(">>>")
    terminal.type("/set max_tokens 4\r")
    terminal.until(">>>")
    terminal.type("\x1b[200~one\ntwo\nthree\x1b[201~\r")
    terminal.until(r"three[\s\S]*\(cut[\s\S]*>>>")
    terminal.type("/show\r")
    assert "messages: 2" in terminal.until("messages: \\d")


def test_ctrl_c_at_the_prompt_warns_and_a_second_one_leaves(terminal: Terminal) -> None:
    terminal.until(">>>")
    terminal.type("\x03")
    terminal.until(r"Ctrl-D or /bye leaves[\s\S]*>>>")
    terminal.type("\x03")
    assert terminal.leave() == 130


def test_ctrl_d_leaves(terminal: Terminal) -> None:
    terminal.until(">>>")
    terminal.type("\x04")
    assert terminal.leave() == 0


def test_ctrl_c_stops_a_reply_and_the_conversation_goes_on_but_a_second_one_leaves(
    terminal: Terminal,
) -> None:
    terminal.until(">>>")
    terminal.type("/set max_tokens 400\r")
    terminal.until(">>>")
    terminal.type("tell me a very long story\r")
    terminal.until("story[\\s\\S]*<unused")
    terminal.type("\x03")
    terminal.until(r"stopped; Ctrl-C again leaves[\s\S]*>>>")
    terminal.type("/show\r")
    assert "messages: 2" in terminal.until("messages: \\d")
    terminal.type("tell me another one\r")
    terminal.until("another one[\\s\\S]*<unused")
    terminal.type("\x03")
    terminal.until(r"stopped; Ctrl-C again leaves[\s\S]*>>>")
    terminal.type("\x03")
    assert terminal.leave() == 130


def test_what_was_typed_is_there_the_next_time_for_its_owner_alone(
    tiny_bundle: Path, tmp_path: Path, terminal: Terminal
) -> None:
    terminal.until(">>>")
    terminal.type("/set seed 12345\r")
    terminal.until(">>>")
    kept = Path(os.environ["EDGE_HOME"], "chat_history")
    assert "+/set seed 12345\n" in kept.read_text()
    assert kept.stat().st_mode & 0o777 == 0o600
    again = Terminal(tiny_bundle, tmp_path)
    again.until(">>>")
    again.type("\x1b[A")  # the arrow up
    again.until("/set seed 12345")
    again.close()


def test_no_history_keeps_nothing(tiny_bundle: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    secret = Terminal(tiny_bundle, tmp_path, "--no-history", EDGE_HOME=str(home))
    secret.until(">>>")
    secret.type("/set seed 54321\r")
    secret.until(">>>")
    secret.close()
    assert not (home / "chat_history").exists()


def test_a_terminal_that_can_only_print_gets_no_escape_codes(tiny_bundle: Path, tmp_path: Path) -> None:
    dumb = Terminal(tiny_bundle, tmp_path, "-n", "4", TERM="dumb")
    dumb.until(">>>")
    dumb.type("/draw a red circle\n")
    dumb.until(r"picture saved to [\s\S]*>>>")
    dumb.type("/bye\n")
    assert dumb.leave() == 0
    assert "\x1b" not in dumb.seen


def test_no_color_means_none(tiny_bundle: Path, tmp_path: Path) -> None:
    plain = Terminal(tiny_bundle, tmp_path, "-n", "4", NO_COLOR="1")
    plain.until(">>>")
    plain.type("/draw a red circle\r")
    plain.until(r"picture saved to [\s\S]*>>>")
    plain.type("/bye\r")
    assert plain.leave() == 0
    assert not re.search(r"\x1b\[[0-9;]*\b(3[0-7]|38|4[0-7]|48|9[0-7]|10[0-7])\b[0-9;]*m", plain.seen)
