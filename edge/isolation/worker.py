"""The worker process: opens one model and does what its parent asks.

Job: `python -m edge.isolation.worker`. Frames come in by stdin and go out by what was stdout; the main thread
only reads them, so that a cancel reaches a busy model at once; each call is done by a thread of its own.
Ignorance: who the parent is, the truth about a conversation: the parent has it and tells it with every call.
It ends at the end of its stdin, with the thread that started it, and whenever native code likes.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import traceback
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any, BinaryIO

from edge import children, offline
from edge.chat import Chat
from edge.engines.llama_native import library
from edge.errors import EdgeError, EngineError
from edge.events import Finished, ToolCall
from edge.isolation import frames
from edge.isolation.ledger import Ledger
from edge.isolation.protocol import (
    Accepted,
    Cancel,
    Do,
    Done,
    Failed,
    History,
    Load,
    Loaded,
    Ran,
    Said,
    Talk,
    Tools,
    Turn,
    Wanted,
    Warned,
)  # fmt: skip
from edge.model import Model, open_model
from edge.tools import Toolbox

_AT_ONCE = 64  # calls; more wait
_OOM_SCORE = (
    "300"  # of -1000 to 1000: where memory runs out, this process goes before the program that uses it
)


class FarToolbox(Toolbox):
    """Tools that the parent has."""

    def __init__(self, told: Tools, run: Callable[[ToolCall], ToolCall]) -> None:
        self.limit, self._told, self._run = told.limit, told, run
        self.ran: list[ToolCall] = []

    def instructions(self) -> str:
        return self._told.instructions

    def schema(self, *, calls: bool) -> dict[str, Any]:
        return self._told.schemas[calls]

    def listed(self) -> list[dict[str, Any]]:
        return self._told.listed

    def run(self, call: ToolCall) -> ToolCall:
        self.ran.append(self._run(call))
        return self.ran[-1]


class FarChat(Chat):
    """A turn of it begins where its call is read, in the order of frames: a cancel that comes right behind
    is not forgotten when the call's thread gets to it."""

    def begin(self) -> None:
        """A turn was asked for."""
        super()._begin()

    def _begin(self) -> None:
        """It has begun."""


class Conversation:
    """One chat, as far as this worker has heard of it."""

    def __init__(self, model: Model) -> None:
        self.chat = FarChat(model.wiring)
        self._ledger = Ledger(1)

    def take(self, talk: Talk) -> None:
        """Hold what the parent holds."""
        turns = self._ledger.heard(talk.history)
        self.chat.resume([(t.message, t.ids) for t in turns if t.message is not None])
        self.chat.system, self.chat.sampling = talk.system, talk.sampling

    def told(self, said: tuple[Any, ...]) -> History:
        """What the history is now; the message that the call said is not sent back."""
        turns = [Turn(message, ids) for message, ids in self.chat.transcript()]

        def shown(turn: Turn) -> Turn:
            asked = turn.message is not None and turn.message.role == "user" and turn.message.parts == said
            return Turn(None) if asked else turn

        return self._ledger.told(turns, shown)


class Worker:
    """One model, many calls."""

    def __init__(self, source: BinaryIO, sink: BinaryIO) -> None:
        self._source, self._sink = source, sink
        self._writing = threading.Lock()
        self._talks: dict[int, Conversation] = {}
        self._calls: dict[int, Conversation] = {}  # that run, or wait for a thread
        self._waiting: dict[int, SimpleQueue[ToolCall]] = {}  # calls whose tool runs
        self._pool = ThreadPoolExecutor(_AT_ONCE, "edge call")
        self._serving = threading.local()
        self._model: Model

    def serve(self) -> None:
        """Until the parent is gone."""
        warnings.showwarning = self._warned
        with contextlib.suppress(EOFError, OSError):
            while True:
                frame = frames.read(self._source)
                if isinstance(frame, Cancel):
                    if (talk := self._calls.get(frame.call)) is not None:
                        talk.chat.cancel()
                elif isinstance(frame, Ran):
                    self._waiting[frame.call].put(frame.tool)
                else:
                    if isinstance(frame, Do) and frame.talk is not None:
                        self._calls[frame.call] = self._begun(frame.talk)
                    self._pool.submit(self._do, frame)

    def finish(self) -> None:
        """Wait for files that are still being written for later processes, as long as the parent waits."""
        for files in self._model.kept if hasattr(self, "_model") else ():
            files.close()

    def _tell(self, value: Any) -> None:
        frame = frames.packed(value)
        with self._writing:
            frames.write(self._sink, frame)

    # --- one call ---------------------------------------------------------------------------------

    def _do(self, frame: Load | Do) -> None:
        self._serving.call = frame.call
        told: Callable[[], History | None] = lambda: None  # noqa: E731
        try:
            if frame.guarded:
                offline.guard()
            if isinstance(frame, Load):
                value = self._load(frame)
            elif frame.talk is None:
                value = getattr(self._model, frame.method)(*frame.arguments, **frame.keywords)
            else:
                talk = self._calls[frame.call]
                try:
                    talk.take(frame.talk)
                    told = partial(talk.told, frame.said)
                    value = self._converse(frame, talk)
                finally:
                    del self._calls[frame.call]  # before its end is told: the next may follow
            self._tell(Done(frame.call, value, told()))
        except BaseException as error:
            self._tell(Failed(frame.call, _portable(error), told()))

    def _load(self, frame: Load) -> Loaded:
        self._model = model = open_model(frame.name, engine=frame.options)
        return Loaded(model.manifest, model.reads, model.makes, model.exact)

    def _begun(self, told: Talk) -> Conversation:
        for number in told.forgotten:
            self._talks.pop(number, None)
        if told.fresh or told.number not in self._talks:
            self._talks[told.number] = Conversation(self._model)
        talk = self._talks[told.number]
        talk.chat.begin()
        return talk

    def _converse(self, frame: Do, talk: Conversation) -> Any:
        chat = talk.chat
        if frame.method == "send":
            events = chat.send(*frame.arguments, **frame.keywords)
            self._tell(Accepted(frame.call))
            for event in events:
                history = talk.told(frame.said) if isinstance(event, Finished) else None
                self._tell(Said(frame.call, event, history))
            return None
        if frame.tools is None:
            return getattr(chat, frame.method)(*frame.arguments, **frame.keywords)
        box = FarToolbox(frame.tools, partial(self._run, frame.call))
        reply = chat.ask(*frame.arguments, **frame.keywords, tools=box)
        ours = [any(call is ran for ran in box.ran) for call in reply.calls]
        return reply, ours

    def _run(self, call: int, tool: ToolCall) -> ToolCall:
        """Let the parent run a tool, and wait for it."""
        answers = self._waiting[call] = SimpleQueue()
        try:
            self._tell(Wanted(call, tool))
            return answers.get()
        finally:
            del self._waiting[call]

    def _warned(self, message: Warning | str, category: type[Warning], *about: Any, **more: Any) -> None:
        self._tell(Warned(getattr(self._serving, "call", 0), str(message), category.__name__))


def _portable(error: BaseException) -> BaseException:
    """An error that the parent can raise, and that shows a programmer where it arose."""
    if not isinstance(error, EdgeError):
        if type(error).__module__ != "builtins":
            error = EngineError(f"{type(error).__name__} in the model's own process: {error}")
        error.add_note("".join(traceback.format_exception(error)))
    return error.with_traceback(None)


def _own_pipes() -> tuple[BinaryIO, BinaryIO]:
    """The pipes that were stdin and stdout; what prints, prints to stderr from here on."""
    source, sink = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return os.fdopen(source, "rb"), os.fdopen(sink, "wb")


def _expendable() -> None:
    """Memory that runs out ends this process first, and no conversation is left in a core dump."""
    with contextlib.suppress(OSError, ValueError, ImportError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
        Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE)


def main() -> int:
    """Serve until the parent is gone."""
    children.die_with_parent()
    _expendable()
    worker = Worker(*_own_pipes())
    with contextlib.suppress(EngineError):  # loading will say it
        library()  # while the parent is not ready yet
    worker.serve()
    worker.finish()
    os._exit(0)  # native threads may still compute; nobody waits for them


if __name__ == "__main__":
    sys.exit(main())
