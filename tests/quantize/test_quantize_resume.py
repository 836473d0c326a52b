"""A step that ended is not made again; one that did not, or whose files changed, is."""

from __future__ import annotations

from pathlib import Path

import pytest

from quantize import resume


def test_a_finished_step_is_made_once(tmp_path: Path) -> None:
    made, mark, calls = tmp_path / "a.bin", tmp_path / "a.done", []

    def make() -> None:
        calls.append(1)
        made.write_bytes(b"12")

    for _ in range(3):
        resume.once(mark, make, made)
    assert len(calls) == 1
    made.write_bytes(b"123")
    resume.once(mark, make, made)
    assert len(calls) == 2
    made.unlink()
    resume.once(mark, make, made)
    assert len(calls) == 3


def test_a_step_that_failed_has_no_mark(tmp_path: Path) -> None:
    def fail() -> None:
        (tmp_path / "a.bin").write_bytes(b"half")
        raise ValueError

    with pytest.raises(ValueError):
        resume.once(tmp_path / "a.done", fail, tmp_path / "a.bin")
    assert not (tmp_path / "a.done").exists()


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"a.bin": 3}', b"\xff"])
def test_a_damaged_mark_counts_for_nothing(text: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"12")
    (tmp_path / "a.done").write_bytes(text)
    resume.once(tmp_path / "a.done", lambda: (tmp_path / "a.bin").write_bytes(b"1234"), tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == b"1234"


def test_what_no_step_finished_is_swept(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    resume.once(work / "a.done", lambda: (tmp_path / "a.bin").write_bytes(b"12"), tmp_path / "a.bin")
    (tmp_path / "half.bin").write_bytes(b"1")
    resume.sweep(tmp_path, work)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.bin", "work"]


def test_the_key_follows_facts_and_files(tmp_path: Path) -> None:
    path = tmp_path / "w.bin"
    path.write_bytes(b"1")
    first = resume.key(("int4",), [path])
    assert first == resume.key(("int4",), [path])
    assert first != resume.key(("int8",), [path])
    path.write_bytes(b"12")
    assert first != resume.key(("int4",), [path])
