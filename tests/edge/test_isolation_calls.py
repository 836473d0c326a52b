"""Both ends of a call that is left, cancelled or fails; what stands between them is under the test's hand."""

from __future__ import annotations

import io
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any, cast

import pytest

from edge.errors import CrashError
from edge.events import Finished, Reply, TextDelta, Timings, ToolCall, Usage
from edge.isolation import frames, life
from edge.isolation.chat import IsolatedChat
from edge.isolation.life import Call, Life
from edge.isolation.protocol import Accepted, Cancel, Do, Done, Ran, Said, Talk, Turn, Wanted
from edge.isolation.worker import Worker
from edge.messages import Message, Text
from edge.options import SamplingOptions
from edge.tools import Toolbox
from tests.edge.test_chat import wired
from tests.fakes import FakeEngine

CODE = "import sys, time; sys.stdout.buffer.write({sent!r}); sys.stdout.flush(); time.sleep(60)"


class Script:
    """Where a worker would be: keeps what is posted; `answers` are what comes to the next call."""

    def __init__(self, *answers: Any) -> None:
        self.answers, self.posted, self.asked = list(answers), list[Any](), list[Do]()
        self.during: Callable[[], None] = lambda: None  # a call is being sent
        self.epitaph = "gone"

    def life(self) -> Script:
        return self

    def settled(self, frame: Any) -> Any:
        return frame.value

    def carrying(self) -> bool:
        return False

    def post(self, value: Any) -> None:
        self.posted.append(value)

    def call(self, build: Callable[[int], Do]) -> Call:
        self.asked.append(build(len(self.asked) + 1))
        self.during()
        call = Call(cast(Life, self), self.asked[-1].call)
        for answer in self.answers:
            call.inbox.put(answer._replace(call=call.number))
        return call


def talk(*answers: Any, gone: list[int] | None = None) -> tuple[IsolatedChat, Script]:
    script = Script(*answers)
    return IsolatedChat(cast(Any, script), 1, [] if gone is None else gone), script


def pick(n: int) -> int:
    """Pick."""
    return n


# --- the program's end ----------------------------------------------------------------------------


def test_a_new_turn_first_ends_the_one_that_is_still_open() -> None:
    answer = Message("assistant", (Text("a"),))
    chat, script = talk(
        Accepted(0), Said(0, TextDelta("a")), Done(0, None, ((1, Turn(None)), (3, Turn(answer))))
    )
    events = chat.send("A")
    assert next(events) == TextDelta("a")
    script.answers = [Done(0, "b")]
    chat.ask("B")
    assert script.posted == [Cancel(1)]
    assert [m.parts[0] for m in chat.history] == [Text("A"), Text("a")]
    assert [number for number, _ in script.asked[1].talk.history] == [1, 3]  # type: ignore[union-attr]
    events.close()  # type: ignore[attr-defined]
    assert script.posted == [Cancel(1)]


def test_a_cancel_names_the_newest_call() -> None:
    chat, script = talk(Done(0, "a"))
    chat.cancel()
    chat.ask("A")
    chat.ask("B")
    chat.cancel()
    assert script.posted == [Cancel(2)]


def test_a_cancel_while_a_call_is_being_sent_is_not_lost() -> None:
    chat, script = talk(Done(0, "a"))
    script.during = chat.cancel
    chat.ask("A")
    assert script.posted == [Cancel(1)]


def test_who_leaves_answers_the_tool_calls_that_still_come() -> None:
    tool = ToolCall("pick", {"n": 1})
    chat, script = talk(Wanted(0, tool), Wanted(0, tool), Done(0, None))

    def stopped(n: int) -> int:
        """Ctrl-C comes."""
        raise KeyboardInterrupt

    stopped.__name__ = "pick"
    with pytest.raises(KeyboardInterrupt):
        chat.ask("go", tools=[stopped])
    ran = [frame.tool.error for frame in script.posted if isinstance(frame, Ran)]
    assert ran == ["interrupted", "cancelled"]


def test_a_tool_that_uses_the_chat_that_called_it_is_an_error_of_the_tool() -> None:
    reply = Reply("", (), (), None, Usage(), Timings(), "end")
    chat, script = talk(Wanted(0, ToolCall("again", {})), Done(0, (reply, [])))

    def again() -> str:
        """Ask on."""
        return chat.ask("and?").text

    chat.ask("go", tools=[again])
    (ran,) = script.posted
    assert ran.tool.error.startswith("UsageError: a tool cannot use the chat")


class Odd(Toolbox):
    """A toolbox of the caller's own, whose results no JSON can hold."""

    def run(self, call: ToolCall) -> ToolCall:
        return ToolCall(call.name, call.arguments, result={(1, 2): "x"})


def test_a_result_that_cannot_be_told_still_is_an_answer_to_the_worker() -> None:
    chat, script = talk(Wanted(0, ToolCall("pick", {"n": 1})), Done(0, None))
    with pytest.raises(TypeError, match="keys must be"):
        chat.ask("go", tools=Odd([pick]))
    assert [type(frame) for frame in script.posted] == [Ran, Cancel]


class Shared(list[int]):
    """Another thread takes the last one between a look at the length and the taking."""

    def __len__(self) -> int:
        return super().__len__() + 1


def test_numbers_of_gone_chats_are_told_once_whoever_else_takes_some() -> None:
    gone = Shared([7, 8])
    chat, script = talk(Done(0, "a"), gone=gone)
    chat.ask("A")
    assert set(script.asked[0].talk.forgotten) == {7, 8}  # type: ignore[union-attr]
    assert list(gone) == []


def test_numbers_of_gone_chats_are_kept_where_the_call_fails() -> None:
    gone = [7]
    chat, script = talk(gone=gone)

    def dies() -> None:
        raise CrashError("gone")

    script.during = dies
    with pytest.raises(CrashError):
        chat.ask("A")
    assert gone == [7]


# --- the worker's end -----------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["send", "ask"])
def test_a_cancel_that_comes_before_its_call_has_a_thread_is_not_lost(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # a worker takes it
    source, sink, free = io.BytesIO(), io.BytesIO(), threading.Event()
    said = (Text("hi"),)
    asked = Do(5, method, Talk(1, True, None, SamplingOptions(), (), ()), said, {}, said)
    for frame in (asked, Cancel(5)):
        frames.write(source, frames.packed(frame))
    source.seek(0)
    worker = Worker(source, sink)
    worker._model = cast(Any, SimpleNamespace(wiring=wired(FakeEngine([5] * 50))))
    worker._pool = ThreadPoolExecutor(1)
    worker._pool.submit(free.wait)
    worker.serve()
    free.set()
    worker._pool.shutdown()
    sink.seek(0)
    heard = []
    while not heard or not isinstance(heard[-1], Done):
        heard.append(frames.read(sink))
    reasons = [f.event.reason for f in heard if isinstance(f, Said) and isinstance(f.event, Finished)]
    assert reasons == ["cancelled"] if method == "send" else heard[-1].value.finish_reason == "cancelled"
    assert worker._calls == {}


# --- between them ---------------------------------------------------------------------------------


def framed(data: bytes) -> bytes:
    return frames.struct.pack("<IQ", 1, len(data)) + data


@pytest.mark.parametrize(
    ("sent", "word"),
    [
        (frames.struct.pack("<IQ", 1, 2**62), "MemoryError"),
        (frames.struct.pack("<IQ", 1, 2**63), "OverflowError"),
        (framed(b"cedge.events\nTextDelta\n)R."), "TypeError"), (framed(b"I1\n."), "AttributeError"),
    ],
)  # fmt: skip
def test_a_worker_that_sends_nonsense_is_ended_and_its_callers_hear_it(
    sent: bytes, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(life.children, "command", lambda _: [sys.executable, "-c", CODE.format(sent=sent)])
    worker = Life()
    call = worker.call(lambda number: Cancel(number))
    worker._thread.join(60)
    assert worker.dead
    with pytest.raises(CrashError, match=word):
        call.answer()


def test_whatever_keeps_a_worker_from_starting_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise RuntimeError("a hook forbids it")

    monkeypatch.setattr(subprocess, "Popen", refused)
    with pytest.raises(CrashError, match="a hook forbids it"):
        Life()


class Few(threading.Thread):
    """Threads of which no more than the first can be started."""

    def start(self) -> None:
        if self.name != "edge worker":
            raise RuntimeError("can't start new thread")
        super().start()


def test_a_worker_whose_threads_cannot_start_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    started: SimpleQueue[subprocess.Popen[bytes]] = SimpleQueue()

    class Watched(subprocess.Popen[bytes]):
        def __init__(self, *arguments: Any, **keywords: Any) -> None:
            super().__init__(*arguments, **keywords)
            started.put(self)

    monkeypatch.setattr(life.children, "command", lambda _: [sys.executable, "-c", CODE.format(sent=b"")])
    monkeypatch.setattr(subprocess, "Popen", Watched)
    monkeypatch.setattr(threading, "Thread", Few)
    with pytest.raises(CrashError, match="can't start new thread"):
        Life()
    process = started.get()
    assert process.wait(30) != 0
    for pipe in (process.stdin, process.stdout, process.stderr):
        assert pipe is not None
        pipe.close()
