"""The conversation behind a real pseudo-terminal: keys, windows, colours, ways to leave."""

from __future__ import annotations

import codecs
import contextlib
import os
import pty
import re
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

EDGE = (sys.executable, "-m", "edge.cli.main")
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


def test_what_is_typed_during_a_reply_is_the_next_message(terminal: Terminal) -> None:
    terminal.until(">>>")
    terminal.type("/set max_tokens 60\r")
    terminal.until(">>>")
    terminal.type("tell me a story\r")
    terminal.until("story[\\s\\S]*<unused")
    terminal.type("/show\r")
    terminal.until("messages: 2")


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
