"""asend: the events of send, a loop that never waits, and what is left when somebody leaves."""

from __future__ import annotations

import asyncio
import threading
from contextlib import aclosing
from pathlib import Path

import pytest

import edge
from edge.errors import EngineError, UsageError
from edge.events import Finished, TextDelta
from edge.messages import Text
from tests.edge.test_chat import talk
from tests.fakes import END

GREEDY = edge.SamplingOptions(temperature=0.0, max_tokens=12)


def told(events: list[object]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def test_the_events_are_those_of_send_and_the_turn_is_kept() -> None:
    chat, _ = talk([*b"Hello", END])

    async def main() -> list[object]:
        return [event async for event in chat.asend("hi", make="text")]

    events = asyncio.run(main())
    assert told(events) == "Hello"
    assert isinstance(events[-1], Finished)
    assert chat.history[1].parts == (Text("Hello"),)


def test_an_error_of_send_is_raised_in_the_loop() -> None:
    chat, _ = talk()

    async def main() -> None:
        async for _ in chat.asend():
            pass

    with pytest.raises(UsageError, match="nothing was said"):
        asyncio.run(main())


def test_who_leaves_keeps_what_was_made_until_then() -> None:
    chat, _ = talk([*b"Hello", END])

    async def main() -> str:
        async with aclosing(chat.asend("hi")) as events:
            async for event in events:
                if isinstance(event, TextDelta):
                    return event.text
        return ""

    first = asyncio.run(main())
    assert chat.history[1].parts == (Text(first),)
    assert first == "H"


def test_a_cancelled_task_cancels_the_reply_and_the_loop_goes_on_meanwhile() -> None:
    """The engine waits in its step until the task is cancelled: only a loop that is free can do that."""
    chat, engine = talk([*b"Hello", END])
    reached, interrupted, step = threading.Event(), threading.Event(), engine.step

    def waits(tokens: list[int], *, sequences: list[int]) -> object:
        reached.set()
        assert interrupted.wait(10)
        return step(tokens, sequences=sequences)

    engine.step, engine.interrupt = waits, interrupted.set  # type: ignore[method-assign, assignment]

    async def listen() -> None:
        async for _ in chat.asend("hi"):
            pass

    async def main() -> None:
        task = asyncio.create_task(listen())
        while not reached.is_set():
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert interrupted.is_set()
    assert [message.role for message in chat.history] == ["user", "assistant"]
    for thread in [t for t in threading.enumerate() if t.name.startswith("edge.asend")]:
        thread.join(10)
        assert not thread.is_alive()


def test_closing_a_model_ends_the_stream_of_another_thread_with_an_error(tiny_bundle: Path) -> None:
    model = edge.load(tiny_bundle)
    begun, failed = threading.Event(), []

    def listen() -> None:
        try:
            while True:
                for _ in model.chat().send("hi", make="text", sampling=GREEDY):
                    begun.set()
        except EngineError as error:
            failed.append(str(error))

    thread = threading.Thread(target=listen)
    thread.start()
    assert begun.wait(30)
    model.close()
    thread.join(30)
    assert failed
    assert "closed" in failed[0]


def test_aask_gives_the_reply_of_ask() -> None:
    chat, _ = talk([*b"Hello", END])
    reply = asyncio.run(chat.aask("hi", make="text"))
    assert (reply.text, reply.finish_reason) == ("Hello", "end")
    assert chat.history[1].parts == (Text("Hello"),)


def test_an_error_of_ask_is_raised_in_the_loop() -> None:
    chat, _ = talk()
    with pytest.raises(UsageError, match="nothing was said"):
        asyncio.run(chat.aask())


def test_a_cancelled_question_ends_its_reply_and_leaves_no_thread(tiny_bundle: Path) -> None:
    long = edge.SamplingOptions(temperature=0.0, max_tokens=400)
    before = threading.active_count()

    async def main(chat: edge.Chat, delay: float) -> None:
        task = asyncio.create_task(chat.aask("hello", make="text", sampling=long))
        await asyncio.sleep(delay)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with edge.load(tiny_bundle, engine=edge.EngineOptions(threads=1, cache_bytes=0)) as model:
        for delay in (0.0, 0.001, 0.1):  # before, while and after it begins
            asyncio.run(main(model.chat(), delay))
        assert model.chat().ask("hello", make="text", sampling=GREEDY).text
    assert threading.active_count() <= before + 1  # of no question


def test_a_question_that_the_chat_cancels_gives_what_was_said(tiny_bundle: Path) -> None:
    never = edge.SamplingOptions(temperature=0.0, max_tokens=400)

    async def main(chat: edge.Chat) -> edge.Reply:
        task = asyncio.create_task(chat.aask("hello", make="text", sampling=never))
        while not task.done():
            await asyncio.sleep(0.02)
            chat.cancel()
        return await task

    with edge.load(tiny_bundle, engine=edge.EngineOptions(threads=1, cache_bytes=0)) as model:
        assert asyncio.run(main(model.chat())).finish_reason == "cancelled"


@pytest.mark.parametrize("isolated", [False, True])
def test_who_leaves_without_closing_stops_nothing_of_the_next_question(
    isolated: bool, tiny_bundle: Path
) -> None:
    async def main(model: edge.Model) -> tuple[str, int]:
        chat = model.chat()
        async for _ in chat.asend("Tell me.", make="text", sampling=GREEDY):
            break  # the loop closes the generator whenever it gets to it
        reply = await chat.aask("hi", make="text", sampling=GREEDY)
        return reply.finish_reason, len(chat.history)

    with edge.load(tiny_bundle, isolated=isolated) as model:
        reason, messages = asyncio.run(main(model))
    assert (reason == "cancelled", messages) == (False, 4)
