"""Peak memory follows what was really allocated; speeds are of turns that really ran."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import edge
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


def test_the_peak_of_another_process_is_told() -> None:
    code = f"import sys; block = bytearray(b'x') * {MANY}; print('there', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdout.readline()
        assert measure.peak_memory(child.pid) >= MANY
        child.stdin.close()


def test_every_modality_is_timed_with_prompts_that_no_cache_knows(tiny_bundle: Path) -> None:
    with edge.load(tiny_bundle, engine=edge.EngineOptions(threads=1, cache_bytes=0)) as model:
        found = {speed.what: speed for speed in measure.speeds(model)}
    wanted = ["text", "reads image", "reads audio", "makes image", "makes audio"]
    assert list(found) == wanted
    for speed in found.values():
        assert 0 < speed.first_token < speed.total
        assert speed.prompt == pytest.approx(speed.prompt_tokens / speed.first_token)
        assert speed.generation > 0
    assert found["text"].prompt_tokens > 150  # each word at least one
    assert found["reads image"].prompt_tokens > 64  # the codes of the picture were not known
    assert found["text"].tokens == 64
