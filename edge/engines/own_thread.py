"""A thread that only one native library ever computes on.

Job: run calls there, one at a time, and hand back what they return or raise. Ignorance: what the calls do.
Reason: threads keep state. On AMX machines ggml sets its tile shapes once per thread and trusts them ever
after; an int8 product of onnxruntime on the same thread sets others, and the next tokens are garbage. And
OpenMP keeps a team of workers for every thread that ever called; from the second team on it takes the
processors for overcrowded and puts workers to sleep at every barrier: steps of all take 1.4 times as long.
The threads wake each other through pipes: 3 us there and back, half of what a queue takes.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

_WAKE = b"."


class _Desk:
    """What lies between the two threads: one call, then its outcome."""

    def __init__(self) -> None:
        self.call: tuple[Callable[..., Any], tuple[Any, ...]] | None = None
        self.outcome: tuple[Any, BaseException | None] = (None, None)
        self.work, self.worker = os.pipe()  # read end, write end
        self.done, self.finisher = os.pipe()
        self._callers = [self.worker, self.done]

    def leave(self) -> None:
        """The thread's side: its last outcome can still be read."""
        os.close(self.work)
        os.close(self.finisher)

    def close(self) -> None:
        """The callers' side, after the thread's; more than once does no harm."""
        while self._callers:
            os.close(self._callers.pop())

    __del__ = close  # stopped from its own thread, nobody else does


class OwnThread:
    """One daemon thread; callers wait for each other."""

    def __init__(self, name: str) -> None:
        self._desk = _Desk()
        self._turn = threading.Lock()
        self._thread = threading.Thread(target=_serve, args=(self._desk,), name=name, daemon=True)
        self._thread.start()

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Run it there and wait; a Ctrl-C is raised when the call has ended, as in C."""
        with self._turn:
            return self._called(function, *arguments)

    def _called(self, function: Callable[..., Any], *arguments: Any) -> Any:
        desk = self._desk
        desk.call = (function, arguments)
        os.write(desk.worker, _WAKE)
        interrupt: BaseException | None = None
        while True:
            try:
                os.read(desk.done, 1)
                break
            except BaseException as signal:  # wait on, or the next call would find this one's result
                interrupt = signal
        result, error = desk.outcome
        desk.call, desk.outcome = None, (None, None)
        if (raised := interrupt or error) is not None:
            raise raised
        return result

    def stop(self) -> None:
        """End the thread; calls must have ended."""
        self._desk.call = None
        os.write(self._desk.worker, _WAKE)
        if self._thread is not threading.current_thread():  # a collector may finalize an engine here, too
            self._thread.join()
            self._desk.close()


def _serve(desk: _Desk) -> None:
    while os.read(desk.work, 1) and desk.call is not None:
        function, arguments = desk.call
        try:
            desk.outcome = (function(*arguments), None)
        except BaseException as error:
            desk.outcome = (None, error)
        os.write(desk.finisher, _WAKE)
    desk.leave()
