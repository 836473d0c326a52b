"""Make training data ahead of the trainer, in processes, in a fixed order.

Job: item n is `make(n)`, whoever makes it and however many workers there are. Ignorance: what an item is.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeVar

from edge.children import die_with_parent

T = TypeVar("T")

DEPTH = 3  # items under way per worker


def ahead(make: Callable[[int], T], start: int = 0, *, workers: int = 0) -> Iterator[T]:
    """make(start), make(start + 1), ... without end; with workers, `make` must be importable by name.

    Close the iterator to end the workers.
    """
    if workers == 0:
        for number in itertools.count(start):
            yield make(number)
    with ProcessPoolExecutor(workers, get_context("spawn"), die_with_parent) as pool:
        numbers = itertools.count(start)
        waiting: deque[Future[T]] = deque()
        try:
            while True:
                while len(waiting) < workers * DEPTH:
                    waiting.append(pool.submit(make, next(numbers)))
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
