"""A model in a process of its own has the same doors and gives the same answers."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edge
from edge.errors import EngineError
from edge.isolation import life
from edge.options import EngineOptions, SamplingOptions
from tests.isolated import told, words

ENGINE = EngineOptions(threads=1, cache_bytes=0)  # what one model keeps shortens the prompts of another
SHORT = SamplingOptions(seed=1, max_tokens=6)
LONG = SamplingOptions(seed=1, max_tokens=400)


@pytest.fixture(scope="module")
def model(tiny_bundle: Path) -> Iterator[edge.Model]:
    with edge.load(tiny_bundle, engine=ENGINE, isolated=True) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def here(tiny_bundle: Path) -> Iterator[edge.Model]:
    """The same model in this process."""
    with edge.load(tiny_bundle, engine=ENGINE) as loaded:
        yield loaded


def test_every_public_door_of_a_model_and_a_chat_is_there(model: edge.Model, here: edge.Model) -> None:
    parts = {"wiring", "engine", "codecs", "kept"}  # of a model: they live in its process
    assert {n for n in dir(here) if not n.startswith("_")} - parts <= set(dir(model))
    steps = {"transcript", "resume"}  # how a chat moves between processes
    assert {n for n in dir(here.chat()) if not n.startswith("_")} - steps <= set(dir(model.chat()))
    assert (model.name, model.reads, model.makes) == (here.name, here.reads, here.makes)
    assert (model.manifest, model.vocabulary, model.exact) == (here.manifest, here.vocabulary, here.exact)  # type: ignore[attr-defined]


def test_a_conversation_says_the_same_as_in_this_process(model: edge.Model, here: edge.Model) -> None:
    picture = edge.Image(np.arange(64 * 64 * 3, dtype=np.uint8).reshape(64, 64, 3))
    said = []
    for chat in (here.chat("Be brief.", SHORT), model.chat("Be brief.", SHORT)):
        mine = told(chat.send("hello"))
        mine += told(chat.send("what is this", picture, make="text"))
        mine += told(chat.send("draw", make="image", sampling=SamplingOptions(seed=2)))
        del chat.history[:2]
        mine += told(chat.send("and now?", sampling=SamplingOptions(seed=3, max_tokens=4, logprobs=2)))
        said.append((mine, words(chat), chat.history[0].parts[1] is picture))
    assert said[0] == said[1]
    assert said[1][2]


def test_tasks_and_bare_text_say_the_same(model: edge.Model, here: edge.Model) -> None:
    tone = edge.Audio(np.sin(np.arange(8000, dtype=np.float32) / 8), sample_rate=16000)
    for one, other in (
        (model.draw("a red circle", seed=1).pixels, here.draw("a red circle", seed=1).pixels),
        (model.embed(["a red", "bird"]), here.embed(["a red", "bird"])),
    ):
        np.testing.assert_array_equal(one, other)
    assert model.transcribe(tone, sampling=SHORT) == here.transcribe(tone, sampling=SHORT)
    assert model.score("the red circle") == here.score("the red circle")
    assert model.chat().score("a robin", "a bird") == here.chat().score("a robin", "a bird")


@dataclass
class Scene:
    count: int


def test_a_type_of_this_process_comes_back_as_its_value(model: edge.Model) -> None:
    reply = model.chat().ask("how many", schema=Scene, sampling=SamplingOptions(seed=1, max_tokens=60))
    assert isinstance(reply.value, Scene)


def test_tools_run_in_this_process(model: edge.Model, here: edge.Model) -> None:
    secret = object()
    ran: list[tuple[int, int]] = []

    def look(n: int) -> object:
        ran.append((n, os.getpid()))
        return secret

    def broken(n: int) -> int:
        raise RuntimeError("no")

    hasty: dict[int | str, float] = {'"': 90, "t": 60, "}": 80}  # a random model ends strings, calls tools …
    outcomes: list[list[Any]] = []
    for one in (model, here):
        chat, calls = one.chat(), list[edge.ToolCall]()
        for first in "lb":  # … and prefers names that begin with this
            sampling = SamplingOptions(seed=1, max_tokens=120, logit_bias={**hasty, first: 50})
            calls += chat.ask("hello", tools=edge.Toolbox([look, broken], limit=1), sampling=sampling).calls
        outcomes.append([calls, words(chat)])
    assert outcomes[0] == outcomes[1]
    look_call, broken_call = outcomes[0][0]
    assert look_call.result is secret
    assert broken_call.error == "RuntimeError: no"
    assert {process for _, process in ran} == {os.getpid()}


def test_errors_are_the_same_before_anything_is_computed(model: edge.Model, tmp_path: Path) -> None:
    with pytest.raises(edge.ModalityError):
        model.chat().send(edge.Video(tmp_path / "clip.gif"))
    with pytest.raises(edge.UsageError):
        model.chat().send()
    with pytest.raises(TypeError):
        model.chat().send("hello", nonsense=1)  # type: ignore[call-arg]
    with pytest.raises(edge.NotFoundError):
        model.chat().ask(edge.Image(tmp_path / "gone.png"))
    with pytest.raises(edge.UsageError, match="cannot be handed"):
        model.chat().ask(edge.Image(lambda: 1))
    assert model.chat().ask("hello", sampling=SHORT).text


def test_a_relative_path_is_found_from_wherever_this_process_went(
    model: edge.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    edge.Picture(np.zeros((64, 64, 3), np.uint8)).save("here.png")
    assert isinstance(model.describe(edge.Image("here.png"), sampling=SHORT), str)


def test_cancel_ends_a_long_reply_and_keeps_what_was_said(model: edge.Model) -> None:
    chat = model.chat()
    events = chat.send("hello", sampling=LONG)
    seen = [next(events)]
    chat.cancel()
    seen += events
    finished = seen[-1]
    assert isinstance(finished, edge.Finished)
    assert finished.reason == "cancelled"
    assert words(chat)[1][1].startswith(seen[0].text)  # type: ignore[union-attr]


def test_leaving_the_loop_ends_the_reply_and_keeps_what_was_said(model: edge.Model) -> None:
    chat = model.chat()
    for event in chat.send("hello", sampling=LONG):
        first = event
        break
    assert words(chat)[1][1].startswith(first.text)  # type: ignore[union-attr]
    assert len(words(chat)[1][1]) < 400 * 4
    assert chat.ask("and?", sampling=SHORT).usage.cached_tokens > 0


def test_a_reply_dropped_after_the_next_began_leaves_that_and_the_history_alone(model: edge.Model) -> None:
    chat = model.chat()
    events = chat.send("A", sampling=LONG)
    first = next(events)
    events = chat.send("B", sampling=SHORT)  # the first reply is dropped now
    finished = list(events)[-1]
    assert isinstance(finished, edge.Finished)
    assert finished.reason != "cancelled"
    events = chat.send("C", sampling=LONG)
    next(events)
    chat.ask("D", sampling=SHORT)
    before = words(chat)
    del events
    assert words(chat) == before
    assert [said for role, said in before if role == "user"] == ["A", "B", "C", "D"]
    assert before[1][1].startswith(first.text)  # type: ignore[union-attr]
    assert chat.ask("and?", sampling=SHORT).usage.cached_tokens > 0


def test_a_warning_of_the_worker_is_a_warning_here(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_HOME", str(tmp_path))
    from edge import hardware

    hardware.remember(tmp_path / "probe.json", {hardware.machine_key(): {"ok": False, "how": "died"}})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        edge.load(tiny_bundle, engine=ENGINE, isolated=True).close()
    assert [w.category for w in caught] == [RuntimeWarning]
    assert "fast path died" in str(caught[0].message)


def test_a_process_that_was_started_ahead_serves_the_next_model(tiny_bundle: Path) -> None:
    life.start_ahead()
    (waiting,) = life._ahead
    with edge.load(tiny_bundle, engine=edge.EngineOptions(cache_bytes=0), isolated=True) as model:
        assert model._supervisor.life() is waiting  # type: ignore[attr-defined]
        assert model.chat().ask("hello", make="text", sampling=edge.SamplingOptions(max_tokens=2)).text
    assert life._ahead == []


def test_a_process_that_was_started_ahead_and_died_is_replaced(tiny_bundle: Path) -> None:
    life.start_ahead()
    (waiting,) = life._ahead
    waiting.stop()
    with edge.load(tiny_bundle, engine=edge.EngineOptions(cache_bytes=0), isolated=True) as model:
        assert model._supervisor.life() is not waiting  # type: ignore[attr-defined]


def test_a_transcript_goes_from_a_process_of_its_own_to_this_one_and_back(tiny_bundle: Path) -> None:
    options = edge.EngineOptions(context_length=256, threads=1, cache_bytes=0)
    exact = edge.SamplingOptions(temperature=0, max_tokens=8)
    with (
        edge.load(tiny_bundle, engine=options, isolated=True) as apart,
        edge.load(tiny_bundle, engine=options) as here,
    ):
        first = apart.chat(sampling=exact)
        first.ask("the red bird", make="text")
        told = first.transcript()
        assert [ids is None for _, ids in told] == [True, False]
        plain = here.chat(sampling=exact)
        plain.ask("the red bird", make="text")
        assert [ids for _, ids in plain.transcript()] == [ids for _, ids in told]
        said = []
        for model in (here, apart):
            again = model.chat(sampling=exact)
            again.resume(told)
            said.append(again.ask("and the blue circle", make="text"))
        assert said[0].text == said[1].text
        assert said[0].usage.prompt_tokens == said[1].usage.prompt_tokens


def test_questions_of_several_threads_wait_for_one_another(model: edge.Model) -> None:
    chat = model.chat(sampling=SHORT)
    with ThreadPoolExecutor(4) as pool:
        replies = list(pool.map(lambda number: chat.ask(f"{number}?", make="text"), range(4)))
    assert "cancelled" not in {reply.finish_reason for reply in replies}
    assert [message.role for message in chat.history] == ["user", "assistant"] * 4


def test_a_model_that_is_closed_during_a_reply_says_so(tiny_bundle: Path) -> None:
    model = edge.load(tiny_bundle, engine=ENGINE, isolated=True)
    events = model.chat(sampling=LONG).send("Tell me all.", make="text")
    next(events)
    model.close()
    with pytest.raises(EngineError, match="the model is closed"):
        for _ in events:
            pass
