"""One call of an engine at a time.

Job: let threads wait for each other at an engine's door. Ignorance: what the calls do.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, Protocol, TypeVar


class HasDoor(Protocol):
    """What has a lock; a thread that holds it may come in again."""

    door: threading.RLock


Owner = TypeVar("Owner", bound=HasDoor)
Given = ParamSpec("Given")
Result = TypeVar("Result")


def one_at_a_time(
    method: Callable[Concatenate[Owner, Given], Result],
) -> Callable[Concatenate[Owner, Given], Result]:
    """The method, for one thread at a time."""

    @wraps(method)
    def guarded(self: Owner, /, *args: Given.args, **named: Given.kwargs) -> Result:
        with self.door:
            return method(self, *args, **named)

    return guarded
