"""The time left is what the last run of the kind took, corrected by this one's pace; unknown is said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from quantize import remaining
from quantize.remaining import Clock

STAGES = (("write", 10.0), ("quantize", 30.0), ("measure", 60.0))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGE_HOME", str(tmp_path))
    return tmp_path


def run(kind: str, scale: int, stages: tuple[tuple[str, float], ...] = STAGES) -> None:
    now = 100.0
    clock = Clock(kind, scale, now)
    for stage, seconds in stages:
        clock.tell(stage, 0, 2, now)
        now += seconds
        clock.tell(stage, 2, 2, now)
    clock.finish(now)


def test_the_first_run_of_a_kind_knows_nothing() -> None:
    clock = Clock("gguf int4", 1000, 0.0)
    clock.tell("write", 1, 2, 5.0)
    assert clock.left(5.0) is None
    run("gguf int4", 1000)
    other = Clock("gguf size", 1000, 0.0)
    other.tell("write", 1, 2, 5.0)
    assert other.left(5.0) is None


def test_the_second_knows_and_larger_models_take_longer() -> None:
    run("gguf int4", 1000)
    clock = Clock("gguf int4", 2000, 0.0)
    clock.tell("write", 0, 2, 0.0)
    assert clock.left(0.0) == pytest.approx(200)
    clock.tell("measure", 0, 2, 80.0)
    assert clock.left(90.0) == pytest.approx(110)


def test_the_present_pace_counts_the_more_the_further_it_is() -> None:
    run("gguf int4", 1000)
    clock = Clock("gguf int4", 1000, 0.0)
    clock.tell("measure", 0, 10, 0.0)
    clock.tell("measure", 9, 10, 180.0)  # three times as slow as expected
    assert clock.left(180.0) == pytest.approx(0.9 * 20 + 0.1 * 0)


def test_a_run_that_went_on_after_a_kill_teaches_nothing(home: Path) -> None:
    run("gguf int4", 1000)
    before = json.loads((home / remaining.FILE_NAME).read_text())
    run("gguf int4", 1000, STAGES[1:])
    assert json.loads((home / remaining.FILE_NAME).read_text()) == before


@pytest.mark.parametrize("text", ["", "[]", "{", '{"x": 3}'])
def test_a_damaged_memory_is_no_memory(text: str, home: Path) -> None:
    (home / remaining.FILE_NAME).write_text(text)
    clock = Clock("gguf int4", 1000, 0.0)
    clock.tell("write", 1, 2, 5.0)
    assert clock.left(5.0) is None
