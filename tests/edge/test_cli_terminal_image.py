"""Pictures as escape codes, checked by reading the codes back."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest

from edge.cli import terminal_image
from edge.media import image

PICTURE = np.zeros((64, 64, 3), np.uint8)
PICTURE[16:48, 16:48] = (250, 10, 20)
PICTURE[..., 2] += (np.arange(64, dtype=np.uint8) * 3)[None]


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environment", "way"),
    [
        ({}, None),
        ({"TERM": "dumb"}, None),
        ({"TERM": "xterm-256color"}, "blocks"),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, None),
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"TERM": "xterm-256color", "KITTY_WINDOW_ID": "1"}, "kitty"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "ghostty"}, "kitty"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, "iterm"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}, "iterm"),
        ({"TERM": "foot"}, "sixel"),
        ({"TERM": "tmux-256color", "KITTY_WINDOW_ID": "1"}, "blocks"),
        ({"TERM": "xterm-kitty", "TMUX": "/tmp/x"}, "blocks"),
        ({"TERM": "xterm-kitty", "EDGE_IMAGES": "off"}, None),
        ({"TERM": "xterm-kitty", "EDGE_IMAGES": "sixel"}, "sixel"),
    ],
)
def test_the_environment_chooses_the_protocol(environment: dict[str, str], way: str | None) -> None:
    assert terminal_image.protocol(environment) == way


def test_nothing_is_written_where_nobody_looks() -> None:
    out = io.StringIO()
    assert not terminal_image.show(PICTURE, out)
    assert out.getvalue() == ""


def test_half_blocks_hold_every_pixel() -> None:
    lines = terminal_image.encode(PICTURE, "blocks", 64).split("\n")
    back = np.zeros_like(PICTURE)
    for y, line in enumerate(lines):
        x, colours = 0, [0] * 6
        for numbers, _ in re.findall(r"\x1b\[38;2;([\d;]+)m|(▀)", line):
            if numbers:
                colours = [int(n) for n in numbers.replace(";48;2", "").split(";")]
            else:
                back[2 * y, x], back[2 * y + 1, x] = colours[:3], colours[3:]
                x += 1
        assert x == 64
        assert line.endswith("\x1b[0m")
    np.testing.assert_array_equal(back, PICTURE)


def test_half_blocks_fit_the_columns_and_know_256_colours() -> None:
    text = terminal_image.encode(PICTURE, "blocks", 20, truecolor=False)
    assert {line.count("▀") for line in text.split("\n")} == {20}
    assert len(text.split("\n")) == 10
    codes = {int(n) for n in re.findall(r"[34]8;5;(\d+)", text)}
    assert codes
    assert all(16 <= c <= 231 for c in codes)


def test_kitty_carries_the_png_in_small_chunks_and_asks_no_answer() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    codes = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", terminal_image.encode(noise, "kitty", 64))
    assert len(codes) > 1
    assert "q=2" in codes[0][0]
    assert "a=T" in codes[0][0]
    assert [c[0][-3:] for c in codes] == ["m=1"] * (len(codes) - 1) + ["m=0"]
    assert all(len(c[1]) <= 4096 for c in codes)
    png = base64.b64decode("".join(c[1] for c in codes))
    np.testing.assert_array_equal(image.read(png).pixels, noise)


def test_iterm_carries_the_png() -> None:
    found = re.fullmatch(
        r"\x1b\]1337;File=inline=1;size=(\d+);[^:]*:(.*)\a", terminal_image.encode(PICTURE, "iterm", 64)
    )
    assert found
    png = base64.b64decode(found[2])
    assert len(png) == int(found[1])
    np.testing.assert_array_equal(image.read(png).pixels, PICTURE)


def read_sixel(code: str) -> np.ndarray:
    """A plain Sixel decoder."""
    head = re.match(r'\x1bPq"1;1;(\d+);(\d+)', code)
    assert head
    assert code.endswith("\x1b\\")
    width, height = int(head[1]), int(head[2])
    pixels, colours = np.zeros((height + 6, width, 3)), {}
    x = y = colour = 0
    for token in re.findall(r"#\d+(?:;2;\d+;\d+;\d+)?|!\d+.|[?-~]|\$|-", code[head.end() : -2]):
        if token[0] == "#":
            numbers = [int(n) for n in token[1:].split(";")]
            if len(numbers) > 1:
                colours[numbers[0]] = np.array(numbers[2:]) * 2.55
            colour = numbers[0]
        elif token == "$":
            x = 0
        elif token == "-":
            x, y = 0, y + 6
        else:
            count = int(token[1:-1]) if token[0] == "!" else 1
            bits = ord(token[-1]) - 63
            for row in range(6):
                if bits >> row & 1:
                    pixels[y + row, x : x + count] = colours[colour]
            x += count
    return pixels[:height]


def test_sixel_shows_the_enlarged_picture() -> None:
    back = read_sixel(terminal_image.encode(PICTURE, "sixel", 64))
    assert back.shape == (320, 320, 3)
    assert np.abs(back[::5, ::5] - PICTURE).max() < 14  # 256 colours, percent steps
    assert np.abs(back - PICTURE.repeat(5, 0).repeat(5, 1)).max() < 14


def test_a_terminal_gets_the_picture_at_its_width(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("EDGE_IMAGES", "NO_COLOR", "TMUX", "KITTY_WINDOW_ID", "TERM_PROGRAM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "31")
    out = Terminal()
    assert terminal_image.show(PICTURE, out)
    assert {line.count("▀") for line in out.getvalue().splitlines()} == {30}


def test_an_ascii_terminal_gets_no_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_IMAGES", "blocks")
    out = Terminal()
    monkeypatch.setattr(Terminal, "encoding", "ascii")
    assert not terminal_image.show(PICTURE, out)
