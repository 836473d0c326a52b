"""One worker process, from its start to its end.

Job: start it, carry frames, hand every call its answers, find out how it died; its stderr never reaches ours,
its last words do. Three threads: one starts the worker and reads it (the kernel ends a worker whose starting
thread ends, so that one stays), one writes to it (so that a signal, a finalizer or a full pipe stops nobody),
one keeps its last words.
Ignorance: what is said, whether another worker follows.
"""

from __future__ import annotations

import builtins
import contextlib
import itertools
import signal
import subprocess
import threading
import warnings
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, BinaryIO, cast

from edge import children
from edge.errors import CLOSED, CrashError, EdgeError, EngineError
from edge.isolation import frames
from edge.isolation.protocol import Accepted, Done, Failed, Said, Wanted, Warned

WORKER = "edge.isolation.worker"
_WORDS = 3  # last lines that an error tells
_LINE = 300  # characters of one that are told
_PATIENCE = 2.0  # seconds for a worker to see that nobody needs it
_LAST_WORDS = 0.5  # seconds to hear them; a child of the worker may keep its stderr open


class Call:
    """One question to the worker, and its answers."""

    def __init__(self, life: Life, number: int) -> None:
        self.number = number
        self.life = life
        self.inbox: SimpleQueue[Any] = SimpleQueue()
        self.over = False
        self.in_tool = False  # the worker waits for what a tool comes to

    def answer(self) -> Accepted | Said | Wanted | Done | Failed:
        """The next frame; `Done` or `Failed` is the last.

        Raises:
            CrashError: the worker died.
        """
        while True:
            frame = self.inbox.get()
            if isinstance(frame, Warned):
                warnings.warn(frame.text, _category(frame.category), stacklevel=3)
                continue
            self.over = frame is None or isinstance(frame, Done | Failed)
            if self.over:
                self.inbox.put(None)  # for a finalizer that waits for the end too: it may run anywhere
            if frame is None:
                raise self.life.gone()
            return cast("Accepted | Said | Wanted | Done | Failed", frame)


class Life:
    """A worker. `dead` once it ended, whatever ended it."""

    def __init__(self) -> None:
        """Starts it.

        Raises:
            UsageError, CrashError: it cannot be started.
        """
        self.calls: dict[int, Call] = {}
        self.dead = False
        self.epitaph = "the model's own process was ended"
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()  # between a new call and death
        self._outbox: SimpleQueue[frames.Frame | None] = SimpleQueue()
        self._words: deque[str] = deque(maxlen=_WORDS)
        self._stopped = False
        self._command, self._environment = children.command(WORKER), _quiet(children.environment(WORKER))
        self._process: subprocess.Popen[bytes]  # once there is one
        started: SimpleQueue[Exception | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._live, args=(started,), name="edge worker", daemon=True)
        self._others: list[threading.Thread] = []
        self._thread.start()
        if (error := started.get()) is not None:
            raise CrashError(
                f"no process can be started for the model ({_told(error)}); free memory and try again"
            ) from error

    @property
    def pid(self) -> int:
        return self._process.pid

    def call(self, build: Callable[[int], Any]) -> Call:
        """Send what `build` makes of the call's number.

        Raises:
            CrashError: the worker died meanwhile. UsageError: something cannot travel.
        """
        call = Call(self, next(self._numbers))
        frame = frames.packed(build(call.number))
        with self._lock:
            if self.dead:
                raise self.gone()
            self.calls[call.number] = call
        self._outbox.put(frame)
        return call

    def post(self, value: Any) -> None:
        """Send without a call; to a dead worker, nothing."""
        self._outbox.put(frames.packed(value))

    def carrying(self) -> bool:
        """Whether this is a thread that carries frames; a finalizer may run anywhere."""
        return threading.current_thread() in (self._thread, *self._others)

    def gone(self) -> EngineError:
        """What to raise where it cannot answer any more."""
        if self._stopped:
            return EngineError(CLOSED)
        return CrashError(f"{self.epitaph}. What was said before is kept: ask again")

    def stop(self) -> None:
        """End it, and wait until it has ended."""
        self._stopped = True
        self._outbox.put(None)
        if self.carrying():
            return
        self._thread.join(_PATIENCE)
        if self._thread.is_alive():
            self._process.kill()
            self._thread.join()

    # --- the thread that reads --------------------------------------------------------------------

    def _live(self, started: SimpleQueue[Exception | None]) -> None:
        try:
            process = self._process = subprocess.Popen(
                self._command, env=self._environment, start_new_session=True,  # Ctrl-C reaches us alone
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )  # fmt: skip
        except Exception as error:  # hooks raise what they like, and somebody waits for this
            started.put(error)
            return
        try:
            self._carry(process)
            started.put(None)
            self._read(cast(BinaryIO, process.stdout))
        except Exception as error:  # whatever a worker that went wrong sent: its callers wait for its end
            self._words.append(_told(error))
            started.put(error)  # no thread could be started
        finally:
            process.kill()  # where it went on without making sense
            self._die(self._buried(process))

    def _carry(self, process: subprocess.Popen[bytes]) -> None:
        for target, pipe, what in (
            (_write, process.stdin, self._outbox), (_listen, process.stderr, self._words),
        ):  # fmt: skip
            thread = threading.Thread(target=target, args=(pipe, what), daemon=True)
            thread.start()
            self._others.append(thread)

    def _read(self, pipe: BinaryIO) -> None:
        with contextlib.suppress(EOFError):
            while True:
                frame = frames.read(pipe)
                call = self.calls.get(frame.call)
                if call is not None:
                    if isinstance(frame, Done | Failed):
                        del self.calls[frame.call]
                    call.inbox.put(frame)

    def _buried(self, process: subprocess.Popen[bytes]) -> int:
        """Its exit code, once its last words were heard."""
        code = process.wait()
        self._outbox.put(None)
        _close(process.stdout)
        for thread in self._others:
            thread.join(_LAST_WORDS)
        return code

    def _die(self, code: int) -> None:
        if not self._stopped:
            self.epitaph = _epitaph(code, " / ".join(self._words))
        with self._lock:
            self.dead = True
            calls = list(self.calls.values())
            self.calls.clear()
        for call in calls:
            call.inbox.put(None)


_ahead: list[Life] = []


def start_ahead() -> None:
    """Start a worker for the next `started`: it imports while its owner still does other things."""
    with contextlib.suppress(EdgeError):  # `started` will say it
        _ahead.append(Life())


def started() -> Life:
    """The worker that was started ahead, else a new one.

    Raises:
        UsageError, CrashError: it cannot be started.
    """
    life = _ahead.pop() if _ahead else None
    return Life() if life is None or life.dead else life


def _write(pipe: Any, outbox: SimpleQueue[frames.Frame | None]) -> None:
    while (frame := outbox.get()) is not None:
        try:
            frames.write(pipe, frame)
        except (OSError, ValueError):  # it died: whoever reads it will tell
            break
    _close(pipe)


def _listen(pipe: Any, words: deque[str]) -> None:
    for line in pipe:
        if text := line.decode("utf-8", "replace").strip():
            words.append(text[:_LINE])
    _close(pipe)


def _close(pipe: Any) -> None:
    with contextlib.suppress(OSError):  # what was not written yet has no reader
        pipe.close()


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:_LINE]


def _epitaph(code: int, words: str) -> str:
    """How a worker ended."""
    told = f"; its last words: {words}" if words else ""
    if code == -signal.SIGKILL:
        return (
            "the model's own process was killed (SIGKILL), most often because memory ran out (close "
            f"something, load a shorter context or a smaller model){told}"
        )
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    return f"the model's own process {how}{told}"


def _quiet(environment: dict[str, str]) -> dict[str, str]:
    """ggml's abort would start a debugger to print a trace; its message is enough."""
    return environment | {"GGML_NO_BACKTRACE": "1"}


def _category(name: str) -> type[Warning]:
    found = getattr(builtins, name, None)
    return found if isinstance(found, type) and issubclass(found, Warning) else UserWarning
