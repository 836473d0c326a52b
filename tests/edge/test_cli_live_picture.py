"""A picture that grows in place, and a clip that plays there."""

from __future__ import annotations

import io
import os

import numpy as np
import pytest

from edge.cli import live_picture, terminal_image
from edge.cli.live_picture import LivePicture, fitting, play

PICTURE = np.zeros((64, 64, 3), np.uint8)
PICTURE[16:48, 16:48] = (250, 10, 20)


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_IMAGES", "blocks")
    set_window(monkeypatch, 80, 40)


def set_window(monkeypatch: pytest.MonkeyPatch, columns: int, lines: int) -> None:
    monkeypatch.setattr(live_picture.shutil, "get_terminal_size", lambda: os.terminal_size((columns, lines)))


def test_a_picture_grows_over_itself_and_is_wiped() -> None:
    out = Terminal()
    picture = LivePicture(out)
    assert picture.draw(PICTURE[:16], 64)
    assert picture.draw(PICTURE[:32], 64)
    assert out.getvalue().split("\x1b[8A\r")[1].count("\n") == 16
    picture.wipe()
    assert out.getvalue().endswith("\x1b[16A\r\x1b[J")
    picture.wipe()
    assert out.getvalue().count("\x1b[16A") == 1


def test_a_picture_is_never_higher_than_the_window(monkeypatch: pytest.MonkeyPatch) -> None:
    set_window(monkeypatch, 80, 12)
    out = Terminal()
    assert LivePicture(out).draw(PICTURE, 64)
    assert out.getvalue().count("\n") <= 11
    assert fitting(64, 64, os.terminal_size((80, 12))) == 20
    assert fitting(64, 64, os.terminal_size((1, 1))) == 2


def test_a_window_that_changed_is_not_written_over(monkeypatch: pytest.MonkeyPatch) -> None:
    out = Terminal()
    picture = LivePicture(out)
    picture.draw(PICTURE[:16], 64)
    set_window(monkeypatch, 40, 40)
    picture.draw(PICTURE, 64)
    set_window(monkeypatch, 30, 40)
    picture.wipe()
    assert "A\r" not in out.getvalue()


def test_nothing_is_drawn_where_nobody_looks() -> None:
    out = io.StringIO()
    picture = LivePicture(out)
    assert not picture.draw(PICTURE, 64)
    picture.wipe()
    assert out.getvalue() == ""


def test_a_clip_plays_once_over_itself_in_half_blocks() -> None:
    out, waits = Terminal(), []
    assert play(np.stack([PICTURE] * 4), 0.25, out, wait=waits.append)
    assert waits == [0.25] * 3
    assert out.getvalue().count("\x1b[32A\r") == 3


def test_a_clip_shows_its_first_frame_where_pictures_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_IMAGES", "kitty")
    one, clip = Terminal(), Terminal()
    terminal_image.show(PICTURE, one)
    assert play(np.stack([PICTURE] * 4), 0.25, clip, wait=lambda s: pytest.fail("waited"))
    assert clip.getvalue() == one.getvalue()
    assert not play(np.stack([PICTURE] * 4), 0.25, io.StringIO())
