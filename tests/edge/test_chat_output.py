"""What a program asks of a reply: schemas, grammars, stop strings, bias, logprobs, best_of, scores."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from edge.chat import Chat
from edge.errors import DoesNotFitError, IncompleteError, UsageError
from edge.events import Finished, TextDelta
from edge.messages import Message, Text
from edge.options import SamplingOptions
from edge.vocabulary import NATIVE
from tests.edge.test_chat import wired
from tests.fakes import END, IMG, FakeEngine
from tests.grammars import GRAMMARS, derives
from tests.json_validator import valid

SCHEMA = {
    "type": "object", "required": ["name", "n"], "additionalProperties": False,
    "properties": {"name": {"type": "string", "maxLength": 8}, "n": {"type": "integer", "maximum": 99},
                   "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 3}},
}  # fmt: skip


@dataclass
class Answer:
    sure: bool
    why: str


class NoisyEngine(FakeEngine):
    """Random logits over all bytes, fixed by a seed; other ids are unlikely."""

    def __init__(self, seed: int, **options: Any) -> None:
        super().__init__(**options)
        self.random = np.random.default_rng(seed)

    def _peaked(self, token: int) -> Any:
        logits = self.random.normal(0, 3, self.vocab_size).astype(np.float32)
        logits[256:] -= 50
        return logits


def talk(answers: Iterable[int] = (), **options: Any) -> tuple[Chat, FakeEngine]:
    engine = FakeEngine(answers, **options)
    return Chat(wired(engine)), engine


def sampled(**options: Any) -> SamplingOptions:
    return SamplingOptions(temperature=1.0, **options)


# --- schemas --------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
def test_random_logits_write_json_by_the_schema(seed: int) -> None:
    chat = Chat(wired(NoisyEngine(seed)))
    reply = chat.ask("hi", schema=SCHEMA, sampling=sampled(seed=seed))
    assert valid(reply.value, SCHEMA)
    assert json.loads(reply.text) == reply.value
    assert chat.history[-1] == Message("assistant", (Text(reply.text),))


def test_an_answer_comes_back_as_the_type_that_was_asked_for() -> None:
    chat, _ = talk(b'{"sure": true, "why": "so"}')
    assert chat.ask("well?", schema=Answer).value == Answer(True, "so")


def test_the_reply_ends_with_its_json_and_no_media_come_in_between() -> None:
    chat, engine = talk([IMG, *b"}" * 3, END, *b"more"])
    engine.queue.clear()
    engine.queue.extend([IMG, *b"12", END])
    reply = chat.ask("n?", schema={"type": "integer"})
    assert (reply.text[-2:], reply.images, reply.finish_reason) == ("12", (), "end")


def test_json_that_is_cut_off_is_an_error_and_leaves_no_trace() -> None:
    chat, _ = talk(b'{"sure": true')
    with pytest.raises(IncompleteError, match="max_tokens"):
        chat.ask("well?", schema=Answer, sampling=SamplingOptions(max_tokens=9))
    assert chat.history == []


def test_json_that_is_cut_off_in_a_stream_says_so_and_leaves_no_trace() -> None:
    chat, _ = talk(b'{"sure": true', context_length=20)
    *_, last = chat.send("well?", schema=Answer)
    assert isinstance(last, Finished)
    assert (last.reason, chat.history) == ("length", [])


def test_json_that_is_whole_at_max_tokens_is_whole() -> None:
    chat, _ = talk(b"[1]")
    schema = {"type": "array", "items": {"const": 1}, "maxItems": 1}
    assert chat.ask("list", schema=schema, sampling=SamplingOptions(max_tokens=3)).value == [1]


def test_a_pattern_holds_for_the_whole_answer() -> None:
    chat, _ = talk([*b"zzzz", END])
    assert chat.ask("sure?", pattern="yes|no").text in ("yes", "no")


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", ["yes or no", "date", "settings", "nested"])
def test_random_logits_write_text_by_the_grammar(name: str, seed: int) -> None:
    source = GRAMMARS[name].source
    chat = Chat(wired(NoisyEngine(seed, context_length=4096)))
    reply = chat.ask("hi", grammar=source, sampling=sampled(seed=seed))
    assert derives(source, reply.text)
    assert chat.history[-1] == Message("assistant", (Text(reply.text),))


def test_a_grammar_decides_what_the_answer_says() -> None:
    chat, engine = talk([*b"- tea\n- milk\n", END])
    assert chat.ask("list", grammar=GRAMMARS["list"].source).text == "- tea\n- milk\n"
    engine.queue.extend([*b"tea\n", END])
    assert chat.ask("list", grammar='root ::= "- milk" | "- beer\\n"').text in ("- milk", "- beer\n")


@pytest.mark.parametrize(
    "asked",
    [{"schema": {"not": {}}}, {"pattern": "(?=a)"}, {"schema": {}, "make": "image"}, {"schema": complex},
     {"schema": {}, "pattern": "a"}, {"grammar": "root ::= root"}, {"grammar": b"root ::= root"},
     {"grammar": 'root ::= "a"', "pattern": "a"}, {"grammar": 'root ::= "a"', "make": "audio"}],
)  # fmt: skip
def test_what_cannot_be_honoured_is_refused_before_anything_is_computed(asked: Any) -> None:
    chat, engine = talk()
    with pytest.raises(UsageError):
        chat.send("hi", **asked)
    assert engine.fed == []


# --- stop strings ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "stops", "shown", "reason"),
    [
        (b"one STOP two", ("STOP",), "one ", "stop"),
        (b"one STO", ("STOP",), "one STO", "end"),
        (b"aab", ("ab",), "a", "stop"),
        (b"x\nUser: y", ("\nUser:", "\nBot:"), "x", "stop"),
        ("naïve é".encode(), ("ï",), "na", "stop"),
        (b"STOP", ["STOP"], "", "stop"),
        (b"abcabd", ("abd", "cab"), "ab", "stop"),
    ],
)
def test_a_stop_string_ends_the_reply_and_is_not_shown(
    said: bytes, stops: tuple[str, ...], shown: str, reason: str
) -> None:
    chat, _ = talk([*said, END])
    events = list(chat.send("hi", sampling=SamplingOptions(stop=stops)))
    assert "".join(e.text for e in events if isinstance(e, TextDelta)) == shown
    assert isinstance(events[-1], Finished)
    assert events[-1].reason == reason


def test_after_a_stop_the_history_and_the_next_prompt_hold_what_was_shown() -> None:
    chat, engine = talk([*b"one STOP", END])
    chat.ask("hi", sampling=SamplingOptions(stop=("STOP",)))
    assert chat.history[-1] == Message("assistant", (Text("one "),))
    engine.queue.clear()
    chat.ask("so?")
    assert b"one " in bytes(i for i in engine.held[0] if isinstance(i, int) and i < 256)
    assert b"STOP" not in bytes(i for i in engine.held[0] if isinstance(i, int) and i < 256)


def test_a_token_that_holds_more_than_the_stop_string_is_cut_inside() -> None:
    chat, engine = talk([*b"a", 300, END])
    engine.tokenizer.piece = lambda i: b"bcSTOPde" if i == 300 else bytes([i])  # type: ignore[method-assign]
    reply = chat.ask("hi", sampling=SamplingOptions(stop=("STOP",)))
    assert reply.text == "abc"
    assert chat._context.said[chat.history[-1]].ids == (*b"abc",)


@pytest.mark.parametrize("stop", ["STOP", ("",)])
def test_stop_strings_are_a_tuple_of_texts(stop: Any) -> None:
    with pytest.raises(UsageError, match="stop"):
        talk()[0].ask("hi", sampling=SamplingOptions(stop=stop))


# --- bias and logprobs ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["b", ord("b")])
def test_a_bias_by_text_or_id_changes_what_is_chosen(name: Any) -> None:
    chat, _ = talk([*b"aa", END])
    bias = {name: 50.0, "é"[:0] or END: 20.0}
    assert chat.ask("hi", sampling=SamplingOptions(logit_bias=bias, max_tokens=2)).text == "bb"


@pytest.mark.parametrize("bias", [{"two": 1.0}, {-1: 1.0}, {10**6: 1.0}, {"a": 1000.0}])
def test_a_bias_that_means_no_token_is_refused(bias: Any) -> None:
    with pytest.raises(UsageError, match="logit_bias"):
        talk()[0].ask("hi", sampling=SamplingOptions(logit_bias=bias))


def test_logprobs_are_the_models_own_whatever_bias_says() -> None:
    chat, _ = talk([*b"a", END])
    reply = chat.ask("hi", sampling=SamplingOptions(logprobs=2, logit_bias={"b": 50.0}, max_tokens=1))
    (told,) = reply.logprobs
    normal = np.log(np.exp(10) + NATIVE.size - 1)
    assert (told.token, told.piece) == (ord("b"), b"b")
    assert told.logprob == pytest.approx(0 - normal, abs=1e-4)
    assert told.top[0] == (ord("a"), b"a", pytest.approx(10 - normal, abs=1e-4))
    assert len(told.top) == 2


def test_logprobs_tell_each_shown_token_once() -> None:
    chat, _ = talk([*"aé".encode(), *b"bSTOP", END])
    reply = chat.ask("hi", sampling=SamplingOptions(logprobs=0, stop=("STOP",)))
    assert b"".join(told.piece for told in reply.logprobs).decode() == reply.text == "aéb"
    assert talk([*b"a", END])[0].ask("hi").logprobs == ()


# --- the best of several, and scores --------------------------------------------------------------


def test_best_of_keeps_the_likeliest_and_tells_the_others() -> None:
    chat = Chat(wired(NoisyEngine(0)))
    reply = chat.ask("hi", best_of=4, sampling=sampled(seed=1, max_tokens=6))
    scores = [one.score.mean for one in (reply, *reply.others)]
    assert scores == sorted(scores, reverse=True)
    assert (len(scores), len({one.text for one in (reply, *reply.others)})) == (4, 4)
    assert chat.history[-1] == Message("assistant", (Text(reply.text),))
    assert len(chat.history) == 2


def test_best_of_draws_what_single_seeds_draw() -> None:
    def peaked(seed: int) -> Callable[[int], Any]:
        logits = np.random.default_rng(seed).normal(0, 3, NATIVE.size).astype(np.float32)
        logits[256:] -= 50
        return lambda token: logits

    def asked(seed: int, count: int) -> Any:
        chat, engine = talk()
        engine._peaked = peaked(0)  # type: ignore[method-assign]
        return chat.ask("hi", best_of=count, sampling=sampled(seed=seed, max_tokens=5))

    best = asked(3, 3)
    assert {best.text, *(o.text for o in best.others)} == {asked(seed, 1).text for seed in (3, 4, 5)}


@pytest.mark.parametrize("asked", [{"best_of": 0}, {"best_of": 2, "make": "image"}])
def test_best_of_is_of_texts(asked: Any) -> None:
    with pytest.raises(UsageError, match="best_of"):
        talk()[0].ask("hi", **asked)


def test_a_score_is_the_sum_of_the_models_logprobs_and_changes_nothing() -> None:
    chat, engine = talk([*b"ok", END])
    score = chat.score("ok", "hi")
    each = 10 - np.log(np.exp(10) + NATIVE.size - 1)
    assert score.logprob == pytest.approx(2 * each, abs=1e-4)
    assert score.mean == pytest.approx(each, abs=1e-4)
    assert [told.piece for told in score.tokens] == [b"o", b"k"]
    assert chat.history == []
    engine.queue.clear()
    engine.queue.extend([*b"ok", END])
    assert chat.ask("hi").text == "ok"


def test_a_text_too_long_to_score_is_refused() -> None:
    chat, engine = talk(context_length=20)
    with pytest.raises(DoesNotFitError, match="to score"):
        chat.score("x" * 30, "hi")
    assert engine.fed == []
