"""Hundreds of chats of every kind on one model leave nothing behind; what measures it would see a leak."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import edge
from benchmarks import endurance
from benchmarks.endurance import MIB, Sample

CHATS, SAMPLES, WARM = 400, 20, 7
SLACK = 4 * MIB  # the allocator's own; 10 KiB per chat would be more


@pytest.fixture(scope="module")
def model(tiny_bundle: Path) -> Iterator[edge.Model]:
    """It keeps no sequences on purpose, so that all growth is a leak."""
    options = edge.EngineOptions(context_length=256, threads=1, cache_bytes=0)
    with edge.load(tiny_bundle, engine=options) as loaded:
        loaded.wiring.decoder._scheduler._slots._cache._recent.limit = 0
        yield loaded


def test_the_chats_are_of_every_kind() -> None:
    assert {endurance.kind_of(number) for number in range(100)} == {kind for _, kind in endurance.KINDS}


def test_hundreds_of_chats_leave_memory_files_and_threads_as_they_were(model: edge.Model) -> None:
    found = endurance.watched(lambda number: endurance.converse(model, number), CHATS, SAMPLES)
    before, after = found[WARM], found[-1]
    assert after.resident - before.resident < SLACK
    assert (after.files, after.threads) == (before.files, before.threads)


def test_loading_and_closing_leaves_memory_files_and_threads_as_they_were(tiny_bundle: Path) -> None:
    def work(number: int) -> None:
        with edge.load(tiny_bundle, engine=edge.EngineOptions(threads=1, cache_bytes=0)) as model:
            endurance.plain(model, number)

    found = endurance.watched(work, 30, samples=15)
    before, after = found[5], found[-1]
    assert after.resident - before.resident < SLACK
    assert (after.files, after.threads) == (before.files, before.threads)


def test_what_measures_sees_memory_files_and_threads() -> None:
    before, done = endurance.sample(0), threading.Event()
    kept = np.ones(64 * MIB, np.uint8)
    thread = threading.Thread(target=done.wait)
    thread.start()
    with open(os.devnull, "rb"):
        after = endurance.sample(len(kept))
    done.set()
    thread.join()
    assert after.resident - before.resident > 60 * MIB
    assert (after.files, after.threads) == (before.files + 1, before.threads + 1)


def test_growth_is_told_per_thousand_and_without_the_warm_up() -> None:
    warm = [Sample(i, i * 9 * MIB, 5, 2) for i in range(10)]
    then = [Sample(i, 90 * MIB + i * 2000, 5, 2) for i in range(10, 50)]
    found = endurance.judged(warm + then, 1000)
    assert found["growth_mib_per_1000"] == pytest.approx(2_000_000 / MIB, abs=0.001)
