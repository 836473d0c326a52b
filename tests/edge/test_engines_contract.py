"""The contract of engines/base.py, kept by every engine alike on real, random, tiny models."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from edge.engines.base import Engine, Interrupted
from edge.engines.llama_cpp import LlamaCppEngine
from edge.engines.onnx_engine import OnnxEngine
from edge.errors import DoesNotFitError, EngineError
from edge.options import EngineOptions
from edge.segments import EmbeddingSegment, Segment, TokenSegment
from edge.vocabulary import SPECIAL, VOCABULARY_SIZE, token_names

OPTIONS = EngineOptions(context_length=128, threads=1, batch=16)
Open = Callable[..., Engine]


@pytest.fixture(scope="module", params=["llama_cpp", "onnx"])
def opened(request: pytest.FixtureRequest, tiny_bundle: Path, onnx_decoder: Path) -> Open:
    """How the engine under test is opened."""
    vocabulary = tiny_bundle / "decoder.gguf"
    if request.param == "llama_cpp":
        return lambda options=OPTIONS: LlamaCppEngine(vocabulary, options)
    return lambda options=OPTIONS: OnnxEngine(onnx_decoder, vocabulary, options)


@pytest.fixture(scope="module")
def shared(opened: Open) -> Iterator[Engine]:
    engine = opened()
    yield engine
    engine.close()


@pytest.fixture
def engine(shared: Engine) -> Engine:
    for sequence in range(shared.sequences):
        shared.truncate(0, sequence=sequence)
    return shared


def ids(*tokens: int) -> list[Segment]:
    return [TokenSegment(tokens)]


def random_ids(count: int, seed: int = 0) -> tuple[int, ...]:
    return tuple(np.random.default_rng(seed).integers(0, 8192, count).tolist())


def close(a: np.ndarray, b: np.ndarray) -> bool:
    """Different batches round differently (8-bit activations): the same up to a small part of the spread."""
    return bool(np.abs(a - b).max() <= 0.05 * a.std() and a.argmax() == b.argmax())


def test_the_engine_says_what_it_is(engine: Engine) -> None:
    assert engine.name in ("llama_cpp", "onnx")
    assert (engine.vocab_size, engine.context_length, engine.sequences) == (VOCABULARY_SIZE, 128, 2)


def test_feeding_at_once_in_pieces_and_by_steps_gives_the_same_logits(engine: Engine) -> None:
    tokens = random_ids(40)  # more than two batches
    whole = engine.feed(ids(*tokens))
    assert whole.shape == (VOCABULARY_SIZE,)
    engine.truncate(0)
    pieces = engine.feed([TokenSegment(tokens[:7]), TokenSegment(tokens[7:])])
    engine.truncate(0)
    engine.feed(ids(*tokens[:30]))
    for token in tokens[30:]:
        stepped = engine.step([token])
    assert stepped.shape == (1, VOCABULARY_SIZE)
    assert close(whole, pieces)
    assert close(whole, stepped[0])


def test_the_logits_are_ours_and_not_overwritten_by_the_next_call(engine: Engine) -> None:
    first = engine.feed(ids(1, 2, 3))
    kept = first.copy()
    engine.step([4])
    assert np.array_equal(first, kept)


def test_truncating_and_feeding_again_is_as_if_it_had_never_happened(engine: Engine) -> None:
    tokens = random_ids(12)
    plain = engine.feed(ids(*tokens))
    engine.truncate(5)
    engine.feed(ids(99, 98, 97))
    engine.truncate(5)
    assert engine.length() == 5
    assert close(plain, engine.feed(ids(*tokens[5:])))


def test_sequences_are_independent_in_one_batch(engine: Engine) -> None:
    one, two = random_ids(9, 1), random_ids(6, 2)
    alone = engine.feed(ids(*one, 7))
    engine.truncate(0)
    engine.feed(ids(*one))
    engine.feed(ids(*two), sequence=1)
    both = engine.step([7, 8])
    assert both.shape == (2, VOCABULARY_SIZE)
    assert close(alone, both[0])
    assert (engine.length(0), engine.length(1)) == (10, 7)
    engine.truncate(3, sequence=1)
    assert (engine.length(0), engine.length(1)) == (10, 3)


def test_every_sequence_may_fill_the_whole_context(engine: Engine) -> None:
    for sequence in (0, 1):
        engine.feed(ids(*random_ids(127)), sequence=sequence)
    engine.step([1, 2])
    assert (engine.length(0), engine.length(1)) == (128, 128)


def test_growing_past_the_context_is_refused_before_native_code(engine: Engine) -> None:
    engine.feed(ids(*random_ids(120)))
    with pytest.raises(DoesNotFitError, match=r"holds 120 tokens and 9 more do not fit into 128"):
        engine.feed(ids(*random_ids(9)))
    assert engine.length() == 120
    engine.feed(ids(*random_ids(8)))
    with pytest.raises(DoesNotFitError):
        engine.step([1])


def test_a_failing_native_call_is_an_error_with_its_reason_and_clears_the_sequence(
    engine: Engine,
) -> None:
    engine.feed(ids(1, 2, 3))
    with pytest.raises(EngineError, match="invalid token"):
        engine.step([VOCABULARY_SIZE + 5])
    assert engine.length() == 0
    assert np.isfinite(engine.feed(ids(1, 2, 3))).all()


def test_embeddings_are_read_like_tokens(engine: Engine) -> None:
    rows = np.random.default_rng(0).normal(size=(20, engine.width)).astype(np.float32)
    whole = engine.feed([TokenSegment((1,)), EmbeddingSegment(rows, "k"), TokenSegment((2,))])
    assert engine.length() == 22
    engine.truncate(0)
    engine.feed([TokenSegment((1,)), EmbeddingSegment(rows[:5], "k")])
    assert close(whole, engine.feed([EmbeddingSegment(rows[5:], "k"), TokenSegment((2,))]))
    with pytest.raises(EngineError, match="do not fit width"):
        engine.feed([EmbeddingSegment(rows[:, :-1], "k")])


def test_feeding_nothing_is_an_error(engine: Engine) -> None:
    with pytest.raises(EngineError, match="nothing to feed"):
        engine.feed([])


def test_a_sequence_that_does_not_exist_is_an_error(engine: Engine) -> None:
    with pytest.raises(EngineError, match="sequence 2"):
        engine.feed(ids(1), sequence=2)
    with pytest.raises(EngineError, match="sequence 2"):
        engine.step([1, 2, 3])


def test_text_goes_to_ids_and_back(engine: Engine) -> None:
    text = "the picture of a red circle — öß 😀\n"
    tokens = engine.tokenizer.encode(text)
    assert all(0 <= i < 8192 for i in tokens)
    assert b"".join(map(engine.tokenizer.piece, tokens)).decode() == text
    assert engine.tokenizer.encode("") == []


@pytest.mark.parametrize("name", token_names()[:8256:397] + token_names()[:14])
def test_written_specials_are_text_unless_asked_for(engine: Engine, name: str) -> None:
    special = 8192 + token_names().index(name)
    assert engine.tokenizer.encode(name, special=True) == [special]
    assert special not in engine.tokenizer.encode(f"a{name}b")
    assert all(i < 8192 for i in engine.tokenizer.encode(f"a{name}b"))
    assert engine.tokenizer.piece(special) == b""
    assert engine.tokenizer.name(special) == name


def test_padding_ids_are_never_written(engine: Engine) -> None:
    for special in (False, True):
        assert all(i < 8192 for i in engine.tokenizer.encode("<|unused_3|>", special=special))


def test_the_turn_ends_where_the_file_says(engine: Engine) -> None:
    assert engine.tokenizer.ends() == (SPECIAL["end"],)
    assert engine.tokenizer.bos() == SPECIAL["bos"]


def test_a_closed_engine_says_so_and_may_be_closed_again(opened: Open) -> None:
    engine = opened()
    engine.close()
    engine.close()
    for call in (lambda: engine.step([1]), lambda: engine.feed(ids(1)), lambda: engine.save()):
        with pytest.raises(EngineError, match="closed"):
            call()


def test_a_saved_sequence_goes_on_in_another_one_as_if_it_had_been_fed(engine: Engine) -> None:
    engine.feed(ids(*random_ids(20)))
    saved = engine.save()
    expected = engine.step([7])[0]
    engine.feed(ids(*random_ids(9, 1)), sequence=1)
    engine.restore(saved, sequence=1)
    assert engine.length(1) == 20
    assert close(expected, engine.feed(ids(7), sequence=1))
    engine.restore(saved)
    assert close(expected, engine.step([7])[0])


def test_an_empty_sequence_can_be_saved(engine: Engine) -> None:
    saved = engine.save()
    engine.feed(ids(1, 2, 3))
    engine.restore(saved)
    assert engine.length() == 0
    assert close(engine.feed(ids(5, 6)), engine.feed(ids(5, 6), sequence=1))


def test_what_was_not_saved_by_this_model_is_refused_and_the_sequence_cleared(engine: Engine) -> None:
    engine.feed(ids(*random_ids(20)))
    saved = bytearray(engine.save())
    other, damaged = bytearray(saved), bytearray(saved)
    other[12] ^= 1
    damaged[-1] ^= 1
    for state, told in ((b"", "no saved"), (saved[:50], "no saved"), (saved[:-4], "damaged"),
                        (other, "another model"), (damaged, "damaged")):  # fmt: skip
        engine.feed(ids(1, 2, 3))
        with pytest.raises(EngineError, match=told):
            engine.restore(bytes(state))
        assert engine.length() == 0
    assert np.isfinite(engine.feed(ids(1, 2, 3))).all()


def test_a_sequence_longer_than_the_context_is_not_restored(opened: Open) -> None:
    longer, shorter = opened(), opened(EngineOptions(context_length=16, threads=1))
    longer.feed(ids(*random_ids(20)))
    with pytest.raises(EngineError, match="20 tokens, the context holds 16"):
        shorter.restore(longer.save())
    longer.close()
    shorter.close()


def test_an_interrupted_call_appends_nothing_and_the_next_one_works(engine: Engine) -> None:
    plain = engine.feed(ids(*random_ids(40)))
    engine.truncate(10)
    engine.interrupt()
    with pytest.raises(Interrupted):
        engine.feed(ids(*random_ids(40)[10:]))
    assert engine.length() == 10
    engine.interrupt()
    with pytest.raises(Interrupted):
        engine.step([5])
    assert engine.length() == 10
    assert close(plain, engine.feed(ids(*random_ids(40)[10:])))


def test_an_interrupt_between_two_batches_takes_the_whole_call_back(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, calls = engine._run, []

    def counted(*given: object, **named: object) -> object:
        done = run(*given, **named)
        calls.append(done)
        engine.interrupt()
        return done

    engine.feed(ids(*random_ids(5)))
    monkeypatch.setattr(engine, "_run", counted)
    with pytest.raises(Interrupted):
        engine.feed(ids(*random_ids(40)))
    assert (len(calls), engine.length()) == (1, 5)


def test_closing_waits_for_the_call_that_runs_in_another_thread(opened: Open) -> None:
    engine, failed = opened(), []

    def feed(sequence: int) -> None:
        try:
            while True:
                engine.truncate(0, sequence=sequence)
                engine.feed(ids(*random_ids(120)), sequence=sequence)
        except EngineError as error:
            failed.append(str(error))

    threads = [threading.Thread(target=feed, args=(sequence,)) for sequence in (0, 1)]
    for thread in threads:
        thread.start()
    engine.close()
    for thread in threads:
        thread.join()
    assert len(failed) == 2
