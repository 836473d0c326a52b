"""A thread that only one native library ever computes on.

Job: run calls there, one at a time, and hand back what they return or raise. Ignorance: what the calls do.
Reason: processor state belongs to a thread. On AMX machines ggml sets its tile shapes once per thread and trusts
them ever after; an int8 product of onnxruntime on the same thread sets others, and the next tokens are garbage.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any


class OwnThread:
    """One daemon thread; `call` is for one caller at a time."""

    def __init__(self, name: str) -> None:
        self._jobs: SimpleQueue[tuple[Callable[..., Any], tuple[Any, ...]] | None] = SimpleQueue()
        self._results: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
        self._thread = threading.Thread(
            target=_serve, args=(self._jobs, self._results), name=name, daemon=True
        )
        self._thread.start()

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Run it there and wait; an interrupt of the caller is raised after the call has ended, as in C code."""
        self._jobs.put((function, arguments))
        interrupt: BaseException | None = None
        while True:
            try:
                result, error = self._results.get()
                break
            except BaseException as signal:  # Ctrl-C: wait on, or the next call would find this one's result
                interrupt = signal
        if (raised := interrupt or error) is not None:
            raise raised
        return result

    def stop(self) -> None:
        """End the thread; calls must have ended."""
        self._jobs.put(None)
        if self._thread is not threading.current_thread():
            self._thread.join()


def _serve(
    jobs: SimpleQueue[tuple[Callable[..., Any], tuple[Any, ...]] | None],
    results: SimpleQueue[tuple[Any, BaseException | None]],
) -> None:
    while (job := jobs.get()) is not None:
        function, arguments = job
        try:
            results.put((function(*arguments), None))
        except BaseException as error:
            results.put((None, error))
