"""Guessing ids from what is there already: which, when, and that the reply is the same as without."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edge
from edge.engines.base import Logits
from edge.engines.llama_cpp import LlamaCppEngine
from edge.errors import EngineError
from edge.generation.constraints import Grammar, Kind
from edge.generation.decode import Decoder, Request, Step, Stop
from edge.generation.lookup import Lookup, Pace
from edge.generation.sampling import Sampler
from edge.options import EngineOptions, SamplingOptions
from edge.segments import TokenSegment
from edge.vocabulary import IMAGE_BASE, NATIVE, SPECIAL
from tests.fakes import IMG, FakeEngine

KINDS: tuple[Kind, ...] = ("text", "image", "audio", "video")


class Reciter(FakeEngine):
    """Says what `said` says comes after what a sequence holds, however it was fed; counts its calls."""

    most_verified = 5

    def __init__(self, said: Sequence[int], prompt: int, **options: Any) -> None:
        super().__init__(**options)
        self._said, self._prompt = said, prompt
        self.calls: list[int] = []  # ids of each verified run

    def verify(self, tokens: Sequence[int], *, sequence: int = 0) -> Logits:
        """One row for each id."""
        self.calls.append(len(tokens))
        return np.concatenate([self.step([token], sequences=[sequence]) for token in tokens])

    def _logits(self, sequence: int) -> Logits:
        held = self.held[sequence]
        opener = self._said.index(IMG) if IMG in self._said else 0
        after = len(held) - self._prompt if SPECIAL["null"] not in held else opener + len(held) - 2
        return self._peaked(self._said[after] if 0 <= after < len(self._said) else SPECIAL["end"])


class Willing(Pace):
    """Always guesses."""

    @property
    def pays(self) -> bool:
        return True


def run(engine: Reciter, prompt: Sequence[int], *, guess: bool, guidance: float = 1.0) -> list[int]:
    options = SamplingOptions(temperature=0, guidance=guidance)
    samplers = {kind: Sampler(options, np.random.default_rng(0)) for kind in KINDS}
    grammar = Grammar(NATIVE, makes=("text", "image"))
    decoder = Decoder(engine)
    decoder._pace = Willing(4 if guess else 0)
    items = list(decoder.stream(Request([TokenSegment(prompt)], grammar, samplers, (SPECIAL["null"], 2))))
    assert isinstance(items[-1], Stop)
    return [item.token for item in items if isinstance(item, Step)]


def test_guesses_are_what_followed_the_last_time() -> None:
    lookup = Lookup([1, 2, 3, 4, 5, 6, 9, 1, 2, 3, 7, 8, 9])
    assert lookup.guesses(4) == ()
    lookup.append([1, 2, 3])
    assert lookup.guesses(4) == (7, 8, 9, 1)
    assert lookup.guesses(2) == (7, 8)


def test_rows_of_a_picture_are_never_guessed() -> None:
    lookup = Lookup([1, 2, 3, 4, ("scene", 0), ("scene", 1), 1, 2, 3])
    assert lookup.guesses(4) == (4,)


@pytest.mark.parametrize(
    "said",
    [
        [*range(10, 30), 99, *range(12, 30), 99, *range(14, 22)],  # true guesses, and false ones at 99
        [10, 11, 12, 40, 10, 11, 12, 41, 10, 11, 12, 42],  # always false after three
        [7] * 40,
    ],
)
def test_a_reply_is_the_same_with_guesses_and_the_engine_holds_it(said: list[int]) -> None:
    prompt = (1, 2, 10, 11, 12, 13, 14)
    plain, guessing = Reciter(said, len(prompt)), Reciter(said, len(prompt))
    assert run(guessing, prompt, guess=True) == run(plain, prompt, guess=False) == [*said, SPECIAL["end"]]
    assert guessing.calls
    assert guessing.held[0] == plain.held[0]


def test_true_guesses_save_calls() -> None:
    said = list(range(10, 60)) * 2
    engine = Reciter(said, 1)
    run(engine, (1,), guess=True)
    assert len(engine.calls) <= 13  # 47 ids, four guesses and one choice a call


def test_a_guided_picture_is_guessed_for_both_prompts() -> None:
    codes = [IMAGE_BASE + i % 8 for i in range(64)]
    said = [5, IMG, *codes, SPECIAL["/img"], 6]
    plain, guessing = Reciter(said, 3), Reciter(said, 3)
    assert run(guessing, (1, 2, 3), guess=True, guidance=2.0) == run(
        plain, (1, 2, 3), guess=False, guidance=2.0
    )
    assert len(guessing.calls) > 10
    assert guessing.held[0] == plain.held[0]


def test_the_pace_stops_guesses_that_do_not_pay_and_tries_again_ever_more_rarely() -> None:
    pace, waits = Pace(4), []
    for _ in range(3):
        waited = 0
        while not pace.pays:
            pace.stepped(1.0)
            waited += 1
        waits.append(waited)
        for _ in range(3):
            pace.verified(4.0, 2)
    assert waits == [1, 32, 64]


def test_the_pace_goes_on_with_guesses_that_pay() -> None:
    pace = Pace(4)
    pace.stepped(1.0)
    for _ in range(50):
        assert pace.pays
        pace.verified(1.5, 3)


def test_llama_cpp_tells_the_logits_after_each_id(tiny_bundle: Path) -> None:
    engine = LlamaCppEngine(
        tiny_bundle / "decoder.gguf", EngineOptions(context_length=64, threads=1, speculate=4)
    )
    engine.feed([TokenSegment((1, 2, 3))])
    steps = [engine.step([token])[0] for token in (4, 5, 6)]
    engine.truncate(3)
    rows = engine.verify([4, 5, 6])
    assert engine.length() == 6
    assert [row.argmax() for row in rows] == [row.argmax() for row in steps]
    assert max(np.abs(a - b).max() for a, b in zip(rows, steps, strict=True)) < 0.05 * rows.std()
    with pytest.raises(EngineError, match="loaded to verify 5"):
        engine.verify([1] * 6)
    engine.close()


def test_a_model_loaded_to_speculate_answers_as_without(tiny_bundle: Path) -> None:
    exact = SamplingOptions(temperature=0, max_tokens=40)
    told = []
    for speculate in (0, 4):
        options = EngineOptions(context_length=256, threads=1, speculate=speculate, cache_bytes=0)
        with edge.load(tiny_bundle, engine=options) as model:
            told.append(model.chat().ask("one two one two one two", make="text", sampling=exact).text)
    assert told[0] == told[1]
