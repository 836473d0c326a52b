"""Kept sequences under real engines: conversations that take turns, restarts, damaged files; the same ids."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

import edge
from edge import hardware
from edge.options import EngineOptions, SamplingOptions
from quantize.pipeline import Options, quantize
from tests import tiny

EXACT = SamplingOptions(temperature=0, guidance=1, max_tokens=8)
ENGINE = EngineOptions(threads=1)
WORDS = ["the", "picture", "of", "a", "red", "circle", "and", "the", "sound", "of", "a", "green", "bird"]


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGE_HOME", str(tmp_path))
    monkeypatch.setattr(hardware, "fast_path_is_safe", lambda: True)  # not what is asked here
    return tmp_path / "cache" / "sequences"


@pytest.fixture(scope="module")
def both(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that holds a decoder for each engine."""
    folder = tmp_path_factory.mktemp("both") / "bundle"
    quantize(tiny_checkpoint, folder, "int8", options=Options(format="both"))
    return folder


def talk(model: edge.Model, history: list[edge.Message], words: str) -> edge.Reply:
    chat = model.chat(sampling=EXACT)
    chat.history = history
    return chat.ask(words, make="text")


def long_words(seed: int, count: int = 150) -> str:
    dice = random.Random(seed)
    return " ".join(dice.choice(WORDS) for _ in range(count))


def test_a_second_process_reads_only_what_is_new(tiny_bundle: Path, own_home: Path) -> None:
    with edge.load(tiny_bundle, engine=ENGINE) as model:
        chat = model.chat(sampling=EXACT)
        chat.ask(long_words(1), make="text")
        told = chat.transcript()
    assert len(list(own_home.glob("*.kept"))) == 1
    for engine, cached in ((ENGINE, True), (replace(ENGINE, cache_bytes=0), False)):
        with edge.load(tiny_bundle, engine=engine) as model:
            chat = model.chat(sampling=EXACT)
            chat.resume(told)
            reply = chat.ask("and a bird", make="text")
        assert (reply.usage.prompt_tokens - reply.usage.cached_tokens < 20) == cached


def test_nothing_is_written_where_nothing_is_to_be_kept(tiny_bundle: Path, own_home: Path) -> None:
    with edge.load(tiny_bundle, engine=replace(ENGINE, cache_bytes=0)) as model:
        model.chat(sampling=EXACT).ask(long_words(1), make="text")
    assert not own_home.parent.exists()


def test_a_longer_context_and_other_weights_find_nothing(tiny_bundle: Path, own_home: Path) -> None:
    with edge.load(tiny_bundle, engine=ENGINE) as model:
        talk(model, [], long_words(1))
    with edge.load(tiny_bundle, engine=replace(ENGINE, context_length=400)) as model:
        assert talk(model, [], long_words(1)).usage.cached_tokens == 0


@pytest.mark.parametrize("engine", ["llama.cpp", "onnx"])
def test_cached_answers_are_the_uncached_ones(
    both: Path, own_home: Path, engine: Literal["llama.cpp", "onnx"]
) -> None:
    dice = random.Random(0)
    plain = edge.load(both, engine=replace(ENGINE, cache_bytes=0, engine=engine))
    histories: list[list[edge.Message]] = [[], [], []]
    saved = 0
    for start in range(4):
        if start == 2:
            for path in own_home.glob("*.kept"):
                path.write_bytes(path.read_bytes()[:-1] + b"?")
        with edge.load(both, engine=replace(ENGINE, engine=engine)) as model:
            for _ in range(6):
                history = dice.choice(histories)
                if sum(len(str(m.parts)) for m in history) > 900:
                    del history[: 2 * dice.randrange(1, 3)]
                words = long_words(dice.randrange(3), dice.randrange(2, 90))
                tiny.forget(plain)
                expected = talk(plain, list(history), words)
                got = talk(model, history, words)
                assert got.text == expected.text
                saved += got.usage.cached_tokens
    plain.close()
    assert saved > 300
