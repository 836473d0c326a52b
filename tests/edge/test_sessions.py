"""Many conversations of one model at once: the answers of serial runs, from any threads."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import edge
from edge import EngineOptions, SamplingOptions
from edge.events import Finished, TextDelta
from tests import tiny

WORDS = ("the red bird", "a blue circle", "seven", "and", "green squares above", "hello", "one", "what is it")
EXACT = SamplingOptions(temperature=0, max_tokens=10)


@pytest.fixture(scope="module", params=[2, 4])
def model(request: pytest.FixtureRequest, tiny_bundle: Path) -> Iterator[edge.Model]:
    """With fewer sequences than conversations."""
    options = EngineOptions(context_length=256, threads=1, sequences=request.param, cache_bytes=0)
    with edge.load(tiny_bundle, engine=options) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def serial(model: edge.Model) -> dict[str, str]:
    return {word: model.chat().ask(word, make="text", sampling=EXACT).text for word in WORDS}


def told(events: list[edge.Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def test_interleaved_in_one_thread_they_say_what_they_say_alone(
    model: edge.Model, serial: dict[str, str]
) -> None:
    streams = {word: model.chat().send(word, make="text", sampling=EXACT) for word in WORDS}
    said: dict[str, list[edge.Event]] = {word: [] for word in WORDS}
    while streams:
        for word in list(streams):
            event = next(streams[word], None)
            if event is None:
                del streams[word]
            else:
                said[word].append(event)
    assert {word: told(events) for word, events in said.items()} == serial


def test_threads_get_the_answers_of_serial_runs(model: edge.Model, serial: dict[str, str]) -> None:
    wrong: list[object] = []

    def talk(word: str) -> None:
        try:
            for _ in range(12):
                answer = model.chat().ask(word, make="text", sampling=EXACT).text
                if answer != serial[word]:
                    wrong.append((word, answer))
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=talk, args=(word,)) for word in WORDS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert wrong == []


@pytest.mark.slow
@pytest.mark.parametrize("model", [4], indirect=True)
def test_of_4000_requests_by_8_threads_none_is_lost_or_changed(model: edge.Model) -> None:
    short = SamplingOptions(temperature=0, max_tokens=2)
    prompts = [f"{word} {number}" for word in WORDS for number in range(5)]

    def asked(prompt: str) -> str:
        return model.chat().ask(prompt, make="text", sampling=short).text

    alone = {prompt: asked(prompt) for prompt in prompts}
    before = threading.active_count()
    with ThreadPoolExecutor(8) as pool:
        said = [pool.submit(lambda own=own: [(p, asked(p)) for p in own]) for own in shares(prompts)]
        answers = [answer for thread in said for answer in thread.result(300)]
    assert len(answers) == 8 * 500
    assert [(prompt, text) for prompt, text in answers if text != alone[prompt]] == []
    assert threading.active_count() == before


def shares(prompts: list[str]) -> list[list[str]]:
    """500 requests for each of 8 threads, each in an order of its own."""
    return [
        [prompts[(i * (2 * thread + 1) + thread) % len(prompts)] for i in range(500)] for thread in range(8)
    ]


def test_pictures_are_drawn_while_others_talk(model: edge.Model, serial: dict[str, str]) -> None:
    drawing = SamplingOptions(temperature=0, guidance=2.0)
    alone = model.draw("a red circle", sampling=drawing).pixels
    made: list[object] = []
    threads = [
        threading.Thread(
            target=lambda: made.append(model.draw("a red circle", sampling=drawing).pixels.tobytes())
        )
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for word in WORDS:
        assert model.chat().ask(word, make="text", sampling=EXACT).text == serial[word]
    for thread in threads:
        thread.join(120)
    assert [len(pixels) for pixels in made] == [alone.nbytes] * 3  # type: ignore[arg-type]
    if (
        model.engine.sequences == 2
    ):  # else batches of other sizes round otherwise, and random weights have ties
        assert made == [alone.tobytes()] * 3


def test_a_stream_that_nobody_reads_holds_nobody_up(model: edge.Model, serial: dict[str, str]) -> None:
    idle = [model.chat().send(word, make="text", sampling=EXACT) for word in WORDS]
    for stream in idle:
        next(stream)
    assert model.chat().ask("seven", make="text", sampling=EXACT).text == serial["seven"]
    rest = [told([event for event in stream if isinstance(event, TextDelta)]) for stream in idle]
    for word, text in zip(WORDS, rest, strict=True):
        assert serial[word].endswith(text)


def test_cancelling_one_leaves_the_others(model: edge.Model, serial: dict[str, str]) -> None:
    long = SamplingOptions(temperature=0, max_tokens=100)
    chat = model.chat()
    stream = chat.send("hello", make="text", sampling=long)
    next(stream)
    chat.cancel()
    assert [event.reason for event in stream if isinstance(event, Finished)] == ["cancelled"]
    assert model.chat().ask("one", make="text", sampling=EXACT).text == serial["one"]


def test_events_come_to_an_event_loop(model: edge.Model, serial: dict[str, str]) -> None:
    async def one(word: str) -> str:
        return told([event async for event in model.chat().asend(word, make="text", sampling=EXACT)])

    async def every() -> list[str]:
        return list(await asyncio.gather(*map(one, WORDS)))

    assert asyncio.run(every()) == [serial[word] for word in WORDS]


def test_a_cancelled_task_cancels_its_reply_and_keeps_what_was_told(model: edge.Model) -> None:
    chat, seen = model.chat(), []

    async def listen() -> None:
        async for event in chat.asend(
            "hello", make="text", sampling=SamplingOptions(temperature=0, max_tokens=150)
        ):
            seen.append(event)
            if len(seen) == 3:
                started.set()

    async def both() -> None:
        task = asyncio.create_task(listen())
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    started = asyncio.Event()
    asyncio.run(both())
    assert len(chat.history) == 2
    assert told(seen) in chat.history[1].parts[0].text  # type: ignore[union-attr]


def test_a_prompt_is_interrupted_while_it_is_read(tiny_bundle: Path) -> None:
    """The call is made long by many tokens; what is left of it is not computed."""
    options = EngineOptions(context_length=4096, threads=1, cache_bytes=0)
    with edge.load(tiny_bundle / "decoder.gguf", engine=options) as model:
        chat, text = model.chat(), "red bird " * 900
        threading.Timer(0.02, chat.cancel).start()
        events = list(chat.send(text, sampling=EXACT))
        assert [event.reason for event in events if isinstance(event, Finished)] == ["cancelled"]
        assert told(events) == ""
        again = model.chat().ask("one", sampling=EXACT).text
        tiny.forget(model)
        assert model.chat().ask("one", sampling=EXACT).text == again


def test_closing_the_model_ends_its_replies_with_an_error(tiny_bundle: Path) -> None:
    model = edge.load(tiny_bundle, engine=EngineOptions(context_length=256, threads=1, cache_bytes=0))
    errors: list[BaseException] = []

    def talk() -> None:
        try:
            while True:
                model.chat().ask("hello", make="text", sampling=EXACT)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=talk) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    model.close()
    for thread in threads:
        thread.join(30)
    assert [type(error) for error in errors] == [edge.EngineError] * 4
