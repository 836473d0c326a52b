"""Markdown as it arrives, on a small terminal that obeys the codes."""

from __future__ import annotations

import io
import os
import random
import re

import pytest

from edge.cli import live_markdown
from edge.cli.live_markdown import LiveMarkdown, end_of_block, rendered, rewritten

TEXT = """\
# Birds

There are **seven** green birds
in the `tree`, and <b>one</b> is [far](https://example.org/bird).

- one
- two

  still two
- three

```python
birds = ["a",

         "b"]
```

| bird | legs |
|------|------|
| wren | 2    |

The end.
"""


class Terminal(io.StringIO):
    """A window: text, line feeds, carriage returns, cursor up, erase to the end of the line or the screen."""

    encoding = "utf-8"

    def __init__(self, lines: int = 200) -> None:
        super().__init__()
        self.rows, self.row, self.column, self.lines = [""], 0, 0, lines

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        for code, plain in re.findall(r"(\x1b\[[\d;]*[A-Za-z])|([^\x1b])", text):
            self._obey(code) if code else self._put(plain)
        return super().write(text)

    def _obey(self, code: str) -> None:
        if code[-1] == "A":
            self.row -= int(code[2:-1])
            assert self.row >= max(0, len(self.rows) - self.lines), "the cursor left the window"
        elif code[-1] in "KJ":
            self.rows[self.row] = self.rows[self.row][: self.column]
            if code[-1] == "J":
                del self.rows[self.row + 1 :]
        else:
            assert code[-1] == "m", f"an unexpected code {code!r}"

    def _put(self, letter: str) -> None:
        if letter == "\r":
            self.column = 0
        elif letter == "\n":
            self.row += 1
            self.rows += [""] * (self.row + 1 - len(self.rows))
        else:
            line = self.rows[self.row].ljust(self.column)
            self.rows[self.row] = line[: self.column] + letter + line[self.column + 1 :]
            self.column += 1


@pytest.fixture(autouse=True)
def window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    set_window(monkeypatch, 60, 200)


def set_window(monkeypatch: pytest.MonkeyPatch, columns: int, lines: int) -> None:
    monkeypatch.setattr(live_markdown.shutil, "get_terminal_size", lambda: os.terminal_size((columns, lines)))


def shown(text: str, cuts: list[int], screen: Terminal) -> list[str]:
    live = LiveMarkdown(screen, clock=iter(range(10_000)).__next__)
    for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
        live.add(text[start:end])
    live.close()
    return [row.rstrip() for row in screen.rows]


def test_however_the_text_arrives_the_screen_ends_the_same() -> None:
    whole = shown(TEXT, [], Terminal())
    assert shown(TEXT, list(range(1, len(TEXT))), Terminal()) == whole
    for seed in range(20):
        cuts = sorted(random.Random(seed).sample(range(1, len(TEXT)), 15))
        assert shown(TEXT, cuts, Terminal()) == whole


def test_nothing_that_was_written_is_lost_or_hidden() -> None:
    rows = shown(TEXT, [], Terminal())
    screen = " ".join(rows)
    for word in (
        "Birds", "seven", "tree", "<b>one</b>", "https://example.org/bird", "still two", "three", '"b"]',
        "wren", "The end.",
    ):  # fmt: skip
        assert word in screen
    assert "**" not in screen
    assert "There are seven green birds" in rows  # an end of a line is one


def test_a_short_window_is_never_left_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    set_window(monkeypatch, 20, 5)
    text = " ".join(f"word{i}" for i in range(60))
    rows = shown(text, list(range(1, len(text))), Terminal(lines=5))
    assert " ".join(" ".join(rows).split()) == text
    assert max(map(len, rows)) < 20


def test_a_line_that_is_written_anew_is_not_cleared_before() -> None:
    assert rewritten(["one", "tw"], ["one", "two"], reach=10) == "\rtwo\x1b[K"
    assert rewritten(["one", "two"], ["One", "two"], reach=10) == "\r\x1b[1AOne\x1b[K\r\ntwo\x1b[K"
    assert rewritten(["one", "two"], ["one"], reach=10) == "\r\x1b[1Aone\x1b[K\x1b[J"
    assert rewritten(["one", "two"], ["One", "Two"], reach=1) == "\rTwo\x1b[K"


def test_after_the_window_changed_nothing_above_is_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    live = LiveMarkdown(screen, clock=iter(range(100)).__next__)
    live.add("some words that fill a line of the window, and then ")
    set_window(monkeypatch, 30, 200)
    live.add("more")
    live.close()
    assert "\x1b[1A" not in screen.getvalue()
    assert "more" in screen.rows[-2]


def test_a_block_is_drawn_at_most_once_in_an_interval_and_always_at_the_end() -> None:
    screen = Terminal()
    live = LiveMarkdown(screen, clock=lambda: 0.0)
    for letter in "hello":
        live.add(letter)
    assert screen.rows == ["h"]
    live.close()
    assert screen.rows == ["hello", ""]


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("one", None),
        ("one\n", None),
        ("one\n\n", None),
        ("one\n\ntwo", 4),
        ("```\na\n\nb", None),
        ("```\na\n```\n\nb", 10),
        ("- one\n\n- two\n", None),
        ("- one\n\n  more\n", None),
        ("- one\n\nafter\n", 6),
        ("\n\none", None),
    ],
)
def test_a_block_ends_where_no_later_text_can_change_it(text: str, end: int | None) -> None:
    assert end_of_block(text) == end


def test_no_colour_where_it_is_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    codes = re.findall(r"\x1b\[([\d;]*)m", "\n".join(rendered("# A\n`b` **c** [d](e)", 40, Terminal())))
    assert {n for code in codes for n in code.split(";")} <= {"0", "1", "2", "3", "4", "7", "9", ""}
