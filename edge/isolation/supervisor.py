"""One isolated model's workers, one after another.

Job: load the model into a worker; start a fresh one where the last one died, at the next call, so that a
machine that ran out of memory is not filled again unasked; give up when each one dies.
Ignorance: what is asked of them, conversations.
"""

from __future__ import annotations

import os
import threading
from typing import Any

from edge import offline
from edge.errors import CLOSED, CrashError, EngineError, UsageError
from edge.isolation.life import Life, started
from edge.isolation.protocol import Do, Done, Failed, Load, Loaded
from edge.options import EngineOptions

MOST_DEATHS = 3  # in a row, without a call that came to its end


class Supervisor:
    """Keeps one worker with one model."""

    def __init__(self, name: str, options: EngineOptions) -> None:
        self._name, self._options = name, options
        self._lock = threading.RLock()
        self._life: Life | None = None
        self._deaths, self._epitaph = 0, ""
        self._closed = False
        self._owner = os.getpid()
        self.loaded: Loaded  # once a worker lives

    def life(self) -> Life:
        """The worker; where there is none, a fresh one with the model in it.

        Raises:
            CrashError: workers die again and again, or this one died while it loaded.
            EngineError: the model was closed. UsageError: this process was forked from the model's owner.
            EdgeError: the model cannot be loaded.
        """
        with self._lock:
            if self._closed:
                raise EngineError(CLOSED)
            if os.getpid() != self._owner:
                raise UsageError("a forked process cannot use its parent's model; load the model in it")
            if self._life is not None and self._life.dead:
                self._deaths, self._epitaph, self._life = self._deaths + 1, self._life.epitaph, None
            if self._life is None:
                self._life = self._started()
            return self._life

    def result(self, method: str, *arguments: Any, **keywords: Any) -> Any:
        """What a method of the model returns."""
        guarded = offline.guarded()
        call = self.life().call(lambda n: Do(n, method, None, arguments, keywords, guarded=guarded))
        return self.settled(call.answer())

    def settled(self, frame: Any) -> Any:
        """The value in a call's last frame; what it raised is raised."""
        self._deaths = 0  # this worker is none that dies at once
        if isinstance(frame, Failed):
            raise frame.error
        assert isinstance(frame, Done), frame
        return frame.value

    def close(self) -> None:
        """End the worker."""
        with self._lock:
            self._closed = True
            life, self._life = self._life, None
        if life is not None and os.getpid() == self._owner:
            life.stop()

    def _started(self) -> Life:
        if self._deaths >= MOST_DEATHS:
            raise CrashError(
                f"{self._epitaph}. That makes {self._deaths} in a row, so no other one is started: load the "
                "model again, with a shorter context or another type, and check its files with `edge verify`"
            )
        life = started()
        try:
            self._load(life)
        except CrashError:
            self._deaths, self._epitaph = self._deaths + 1, life.epitaph
            raise
        except BaseException:
            life.stop()
            raise
        return life

    def _load(self, life: Life) -> None:
        guarded = offline.guarded()
        frame = life.call(lambda number: Load(number, self._name, self._options, guarded)).answer()
        if isinstance(frame, Failed):
            raise frame.error
        assert isinstance(frame, Done), frame
        self.loaded = frame.value  # a loaded model did not work yet: the deaths count on
