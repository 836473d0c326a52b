"""Data made ahead: the same items in the same order, whoever makes them."""

from __future__ import annotations

import itertools
import math
import os

import pytest

from models.data.ahead import ahead


def squared_root(n: int) -> float:
    return math.sqrt(n)


def process(_: int) -> int:
    return os.getpid()


@pytest.mark.parametrize("workers", [0, 2])
def test_items_come_in_order_from_any_start(workers: int) -> None:
    made = ahead(squared_root, 5, workers=workers)
    assert list(itertools.islice(made, 9)) == [math.sqrt(n) for n in range(5, 14)]
    made.close()  # type: ignore[attr-defined]


def test_workers_are_other_processes() -> None:
    made = ahead(process, workers=1)
    assert next(made) != os.getpid()
    made.close()  # type: ignore[attr-defined]


def test_what_a_worker_raises_arrives() -> None:
    made = ahead(squared_root, -1, workers=1)
    with pytest.raises(ValueError, match=r"math domain|nonnegative"):
        next(made)
