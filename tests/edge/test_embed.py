"""Embeddings and scores on a real, random, tiny model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import edge
from edge.errors import DoesNotFitError, EngineError, UsageError
from edge.segments import TokenSegment
from tests import tiny


@pytest.fixture(scope="module")
def model(tiny_bundle: Path) -> Iterator[edge.Model]:
    with edge.load(tiny_bundle, engine=edge.EngineOptions(threads=1, context_length=128)) as loaded:
        yield loaded


def test_vectors_are_of_length_one_and_do_not_depend_on_their_neighbours(model: edge.Model) -> None:
    texts = ["the red circle", "a green bird " * 20, "x"]
    vectors = model.embed(texts)
    assert vectors.shape == (3, 256)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    for text, vector in zip(texts, vectors, strict=True):
        assert float(model.embed(text) @ vector) == pytest.approx(1, abs=1e-3)


def test_the_last_state_times_the_head_is_the_logits(model: edge.Model) -> None:
    ids = (*model.wiring.start, *model.wiring.layout.text("the red circle"))
    engine = model.wiring.decoder.engine
    (states,) = engine.hidden([ids])  # type: ignore[attr-defined]
    tiny.forget(model)
    logits = engine.feed([TokenSegment(ids)])
    engine.truncate(0)
    head = tiny.weights()["model.embed_tokens.weight"]  # tied; the bundle holds it in 4 to 6 bits
    assert np.corrcoef(head @ states[-1], logits)[0, 1] > 0.99
    one, other = (model.embed("the red circle", pooling=p, normalised=False) for p in ("last", "mean"))
    assert np.array_equal(one, states[-1])
    assert np.allclose(other, states[len(model.wiring.start) :].mean(axis=0), atol=1e-6)


def test_embedding_leaves_the_conversation_as_it_is(model: edge.Model) -> None:
    exact = edge.SamplingOptions(temperature=0, max_tokens=6)
    plain, disturbed = model.chat(), model.chat()
    expected = [plain.ask(text, make="text", sampling=exact).text for text in ("hi", "so?")]
    first = disturbed.ask("hi", make="text", sampling=exact)
    model.embed(["something else"])
    second = disturbed.ask("so?", make="text", sampling=exact)
    assert [first.text, second.text] == expected
    assert second.usage.cached_tokens > 0


def test_wrong_requests_are_refused(model: edge.Model) -> None:
    with pytest.raises(UsageError, match="pooling"):
        model.embed("a", pooling="max")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="not empty"):
        model.embed(["a", ""])
    with pytest.raises(DoesNotFitError, match="expected 1 to 128"):
        model.embed("a b " * 200)
    with pytest.raises(UsageError, match="not empty"):
        model.embed([])


def test_scores_add_up_and_follow_the_logits(model: edge.Model) -> None:
    score = model.score("the red circle")
    engine, start = model.wiring.decoder.engine, model.wiring.start
    ids = model.wiring.layout.text("the red circle")
    tiny.forget(model)
    logits = engine.feed([TokenSegment((*start, *ids[:-1]))])
    last = float(logits[ids[-1]] - logits.max() - np.log(np.exp(logits - logits.max()).sum()))
    assert score.tokens[-1].logprob == pytest.approx(last, abs=0.05)
    assert score.logprob == pytest.approx(sum(t.logprob for t in score.tokens))
    assert b"".join(t.piece for t in score.tokens) == b"the red circle"
    engine.truncate(0)


def test_the_best_greedy_answer_has_the_score_that_its_logprobs_say(model: edge.Model) -> None:
    sampling = edge.SamplingOptions(temperature=0, max_tokens=5, logprobs=0)
    reply = model.chat().ask("hi", make="text", sampling=sampling)
    told = [t.token for t in reply.logprobs]
    ids = model.wiring.layout.text(reply.text)
    if list(ids) == told:
        assert model.chat().score(reply.text, "hi").mean == pytest.approx(reply.score.mean, abs=0.05)


def test_a_closed_model_is_an_error(tiny_bundle: Path) -> None:
    closed = edge.load(tiny_bundle, engine=edge.EngineOptions(threads=1, context_length=64))
    closed.close()
    with pytest.raises(EngineError, match="closed"):
        closed.embed("a")
