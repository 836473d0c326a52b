"""A conversation with an isolated model: the doors of `edge.chat.Chat`.

Job: keep the history where the program is, hand it to whichever worker lives, pass events on; tools and the
types behind schemas stay in this process.
Ignorance: how a reply is made. Not thread-safe but for `cancel`, like every chat.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from edge import offline
from edge.async_turns import AsyncTurns
from edge.errors import UsageError
from edge.events import Event, Reply, Score, ToolCall
from edge.generation.shapes.python_types import described
from edge.isolation.ledger import Ledger
from edge.isolation.life import Call, Life
from edge.isolation.protocol import (
    Accepted,
    Cancel,
    Do,
    Done,
    Failed,
    Ran,
    Said,
    Talk,
    Tools,
    Turn,
    Wanted,
)
from edge.isolation.supervisor import Supervisor
from edge.messages import Message, Part, Text, as_part
from edge.options import SamplingOptions
from edge.store import at_home
from edge.tools import Toolbox


class IsolatedChat(AsyncTurns):
    """One conversation; its model lives elsewhere."""

    def __init__(
        self,
        supervisor: Supervisor,
        number: int,
        gone: list[int],
        *,
        system: str | None = None,
        sampling: SamplingOptions | None = None,
    ) -> None:
        """`number`: its name at the worker; `gone`: where numbers of conversations go that nobody has."""
        self.system = system
        self.sampling = sampling or SamplingOptions()
        self.history: list[Message] = []  # without the system message; may be edited between turns
        self._supervisor, self._number, self._gone = supervisor, number, gone
        self._ids: dict[Message, tuple[int, ...]] = {}  # replies, as the very ids that were generated
        self._life: Life | None = None  # the worker that the ledger is about
        self._newest: Call | None = None  # the only one that may be open, or tell what the history is
        self._said = Message("user", ())  # by the newest call
        self._cancelled = False  # its turn
        self._asking = threading.RLock()  # questions of several threads wait for one another
        self._ledger = Ledger(0)
        weakref.finalize(self, gone.append, number).atexit = False

    def send(self, *parts: str | Part, **wishes: Any) -> Iterator[Event]:
        """Say something and stream the answer, as `Chat.send` does; the worker makes it as fast as it can.

        Raises:
            CrashError: the worker died; in the stream too. All else as `Chat.send`.
        """
        self._cancelled = False
        if wishes.get("schema") is not None:
            wishes["schema"] = described(wishes["schema"])[0]
        message = _message(parts)
        with self._asking:
            reply = Replying(self, self._call("send", message, message.parts, wishes))
            self._answer(reply.call)  # accepted, or refused
        return reply

    def ask(
        self,
        *parts: str | Part,
        schema: Any = None,
        tools: Sequence[Callable[..., Any]] | Toolbox = (),
        **wishes: Any,
    ) -> Reply:
        """The whole answer, as `Chat.ask` gives it; tools run in this process.

        Raises:
            CrashError: the worker died. All else as `Chat.ask`.
        """
        self._cancelled = False
        shape, build = (None, None) if schema is None else described(schema)
        box = _toolbox(tools) if tools else None
        message, done = _message(parts), list[ToolCall]()
        with self._asking:
            call = self._call("ask", message, message.parts, {**wishes, "schema": shape}, box)
            value = self._value(call, box, done)
        reply: Reply = value
        if box is not None:
            reply, ours = value
            mine = iter(done)
            calls = [next(mine) if our else one for our, one in zip(ours, reply.calls, strict=True)]
            reply = replace(reply, calls=tuple(calls))
        return reply if build is None else replace(reply, value=build(json.loads(reply.text)))

    def score(self, answer: str, *parts: str | Part) -> Score:
        """How likely the model finds an answer, as `Chat.score` tells.

        Raises:
            CrashError: the worker died. DoesNotFitError: both do not fit into the context.
        """
        message = _message(parts)
        return cast(Score, self._value(self._call("score", message, (answer, *message.parts), {})))

    def cancel(self) -> None:
        """Stop the running reply; safe from any thread and from a signal handler."""
        self._cancelled = True  # first: a call that begins just now looks at it
        if self._newest is not None:
            _stop(self._newest)

    def transcript(self) -> list[tuple[Message, tuple[int, ...] | None]]:
        """The history, each reply with the very ids that it was made of, as `Chat.transcript` tells."""
        return [(message, self._ids.get(message)) for message in self.history]

    def resume(self, transcript: Sequence[tuple[Message, tuple[int, ...] | None]]) -> None:
        """Go on from what `transcript` told, instead of the history."""
        self.history = [message for message, _ in transcript]
        self._ids.update((message, ids) for message, ids in transcript if ids is not None)

    # --- one call ---------------------------------------------------------------------------------

    def _call(
        self,
        method: str,
        message: Message,
        arguments: Sequence[Any],
        keywords: dict[str, Any],
        box: Toolbox | None = None,
    ) -> Call:
        if self._newest is not None:
            if self._newest.in_tool:
                raise UsageError("a tool cannot use the chat that called it; let it open one of its own")
            self.leave(self._newest)
        life = self._supervisor.life()
        fresh = life is not self._life  # a fresh worker has heard nothing yet
        if fresh:
            self._life, self._ledger = life, Ledger(0)
        forgotten = _emptied(self._gone)
        try:
            turns = [Turn(m, self._ids.get(m)) for m in self.history]
            told = self._ledger.told(turns, _portable)
            talk = Talk(self._number, fresh, self.system, self.sampling, told, forgotten)
            given, said = tuple(map(_absolute, arguments)), tuple(map(_absolute, message.parts))
            tools = None if box is None else _told(box)
            guarded = offline.guarded()
            call = life.call(lambda number: Do(number, method, talk, given, keywords, said, tools, guarded))
        except BaseException:
            self._life = None  # nobody knows what was heard: tell all of it again
            self._gone += forgotten
            raise
        self._newest, self._said = call, message
        if self._cancelled:
            _stop(call)
        return call

    def _value(self, call: Call, box: Toolbox | None = None, done: list[ToolCall] | None = None) -> Any:
        """What a call without events comes to; its tools run here, and stand in `done`."""
        try:
            while isinstance(frame := self._answer(call), Wanted):
                ran = _run(call, box, frame.tool)
                if done is not None:
                    done.append(ran)
        except BaseException:
            self.leave(call)
            raise
        assert isinstance(frame, Done), frame
        return frame.value

    def _answer(self, call: Call) -> Accepted | Said | Wanted | Done:
        """The next frame of a call, its news of the history taken over; what it raised is raised."""
        frame = call.answer()
        if call is self._newest and isinstance(frame, Said | Done | Failed) and frame.history is not None:
            turns = self._ledger.heard(frame.history, self._said)
            self._ids.update((t.message, t.ids) for t in turns if t.message is not None and t.ids is not None)
            self.history[:] = [t.message for t in turns if t.message is not None]
        if isinstance(frame, Done | Failed):
            self._supervisor.settled(frame)
        return cast("Accepted | Said | Wanted | Done", frame)

    def leave(self, call: Call) -> None:
        """The caller went away before the end: stop, and hear what that leaves."""
        if call.over:
            return
        _stop(call)
        if call.life.carrying():  # whoever carries the frames cannot wait for one: the next call will
            return
        while not call.over:
            with contextlib.suppress(Exception):
                if isinstance(frame := self._answer(call), Wanted):
                    call.life.post(Ran(call.number, replace(frame.tool, error="cancelled")))


class Replying:
    """The events of one reply. Leaving it ends the reply: what was said by then stays in the history."""

    def __init__(self, chat: IsolatedChat, call: Call) -> None:
        self._chat, self.call = chat, call

    def __iter__(self) -> Replying:
        return self

    def __next__(self) -> Event:
        if self.call.over:
            raise StopIteration
        frame = self._chat._answer(self.call)
        if isinstance(frame, Said):
            return frame.event
        raise StopIteration

    def close(self) -> None:
        """Stop here."""
        self._chat.leave(self.call)

    __del__ = close


def _run(call: Call, box: Toolbox | None, tool: ToolCall) -> ToolCall:
    """Run a tool and tell the worker; its result stays here, what JSON makes of it goes over."""
    assert box is not None
    plain = replace(tool, error="interrupted")
    call.in_tool = True
    try:
        ran = box.run(tool)
        plain = replace(ran, result=json.loads(json.dumps(ran.result, default=str)))
        return ran
    finally:
        call.in_tool = False
        call.life.post(Ran(call.number, plain))  # whatever happened: the worker waits for it


def _stop(call: Call) -> None:
    call.life.post(Cancel(call.number))


def _emptied(gone: list[int]) -> tuple[int, ...]:
    """All that a list holds that other threads change too."""
    held = []
    with contextlib.suppress(IndexError):
        while True:
            held.append(gone.pop())
    return tuple(held)


def _toolbox(tools: Sequence[Callable[..., Any]] | Toolbox) -> Toolbox:
    return tools if isinstance(tools, Toolbox) else Toolbox(tools)


def _told(box: Toolbox) -> Tools:
    schemas = {calls: box.schema(calls=calls) for calls in (True, False)}
    return Tools(box.limit, box.instructions(), box.listed(), schemas)


def _message(parts: Sequence[str | Part]) -> Message:
    return Message("user", tuple(as_part(part) for part in parts))


def _portable(turn: Turn) -> Turn:
    message = turn.message
    assert message is not None
    return Turn(replace(message, parts=tuple(map(_absolute, message.parts))), turn.ids)


def _absolute(part: Any) -> Any:
    """A part whose file is found from anywhere: the worker stays where it was started."""
    source = None if isinstance(part, Text) else getattr(part, "source", None)
    if isinstance(source, str | Path) and str(source):
        return replace(part, source=os.path.abspath(at_home(source)))
    return part
