"""Peak memory follows what was really allocated."""

from __future__ import annotations

import subprocess
import sys

import pytest

from edge import measure

MANY = 60_000_000  # bytes


def test_the_peak_sees_an_allocation_that_is_already_gone() -> None:
    measure.reset_peak_memory()
    before = measure.peak_memory()
    block = bytearray(b"x") * (4 * MANY)
    assert len(block) == 4 * MANY
    del block
    assert measure.peak_memory() >= before + 2 * MANY


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can start a new peak")
def test_a_reset_forgets_it() -> None:
    block = bytearray(b"x") * (3 * MANY)
    del block
    high = measure.peak_memory()
    assert measure.reset_peak_memory()
    assert measure.peak_memory() < high - MANY


def test_the_peak_of_children_sees_a_child() -> None:
    subprocess.run([sys.executable, "-c", f"x = bytearray(b'x') * {3 * MANY}"], check=True)
    assert measure.peak_of_children() >= 3 * MANY
