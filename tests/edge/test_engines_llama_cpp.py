"""The llama.cpp engine on a real, random, tiny GGUF: the contract of engines/base.py."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edge import hardware
from edge.engines import llama_cpp
from edge.engines.llama_cpp import LlamaCppEngine
from edge.engines.probe import tiny_gguf
from edge.errors import DoesNotFitError, EngineError, IntegrityError
from edge.options import EngineOptions
from edge.segments import EmbeddingSegment, Segment, TokenSegment
from edge.vocabulary import SPECIAL, VOCABULARY_SIZE, token_names

OPTIONS = EngineOptions(context_length=128, threads=1, batch=16)


@pytest.fixture(scope="module")
def shared(tiny_bundle: Path) -> Iterator[LlamaCppEngine]:
    engine = LlamaCppEngine(tiny_bundle / "decoder.gguf", OPTIONS)
    yield engine
    engine.close()


@pytest.fixture
def engine(shared: LlamaCppEngine) -> LlamaCppEngine:
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


def test_the_engine_says_what_it_is(engine: LlamaCppEngine) -> None:
    assert (engine.name, engine.vocab_size, engine.context_length, engine.sequences) == (
        "llama_cpp", VOCABULARY_SIZE, 128, 2,
    )  # fmt: skip


def test_feeding_at_once_in_pieces_and_by_steps_gives_the_same_logits(engine: LlamaCppEngine) -> None:
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


def test_the_logits_are_ours_and_not_overwritten_by_the_next_call(engine: LlamaCppEngine) -> None:
    first = engine.feed(ids(1, 2, 3))
    kept = first.copy()
    engine.step([4])
    assert np.array_equal(first, kept)


def test_truncating_and_feeding_again_is_as_if_it_had_never_happened(engine: LlamaCppEngine) -> None:
    tokens = random_ids(12)
    plain = engine.feed(ids(*tokens))
    engine.truncate(5)
    engine.feed(ids(99, 98, 97))
    engine.truncate(5)
    assert engine.length() == 5
    assert close(plain, engine.feed(ids(*tokens[5:])))


def test_sequences_are_independent_in_one_batch(engine: LlamaCppEngine) -> None:
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


def test_every_sequence_may_fill_the_whole_context(engine: LlamaCppEngine) -> None:
    for sequence in (0, 1):
        engine.feed(ids(*random_ids(127)), sequence=sequence)
    engine.step([1, 2])
    assert (engine.length(0), engine.length(1)) == (128, 128)


def test_growing_past_the_context_is_refused_before_native_code(engine: LlamaCppEngine) -> None:
    engine.feed(ids(*random_ids(120)))
    with pytest.raises(DoesNotFitError, match=r"holds 120 tokens and 9 more do not fit into 128"):
        engine.feed(ids(*random_ids(9)))
    assert engine.length() == 120
    engine.feed(ids(*random_ids(8)))
    with pytest.raises(DoesNotFitError):
        engine.step([1])


def test_a_failing_native_call_is_an_error_with_its_reason_and_clears_the_sequence(
    engine: LlamaCppEngine,
) -> None:
    engine.feed(ids(1, 2, 3))
    with pytest.raises(EngineError, match="invalid token"):
        engine.step([VOCABULARY_SIZE + 5])
    assert engine.length() == 0
    assert np.isfinite(engine.feed(ids(1, 2, 3))).all()


def test_embeddings_are_read_like_tokens(engine: LlamaCppEngine) -> None:
    rows = np.random.default_rng(0).normal(size=(20, engine._width)).astype(np.float32)
    whole = engine.feed([TokenSegment((1,)), EmbeddingSegment(rows, "k"), TokenSegment((2,))])
    assert engine.length() == 22
    engine.truncate(0)
    engine.feed([TokenSegment((1,)), EmbeddingSegment(rows[:5], "k")])
    assert close(whole, engine.feed([EmbeddingSegment(rows[5:], "k"), TokenSegment((2,))]))
    with pytest.raises(EngineError, match="do not fit width"):
        engine.feed([EmbeddingSegment(rows[:, :-1], "k")])


def test_feeding_nothing_is_an_error(engine: LlamaCppEngine) -> None:
    with pytest.raises(EngineError, match="nothing to feed"):
        engine.feed([])


def test_a_sequence_that_does_not_exist_is_an_error(engine: LlamaCppEngine) -> None:
    with pytest.raises(EngineError, match="sequence 2"):
        engine.feed(ids(1), sequence=2)
    with pytest.raises(EngineError, match="sequence 2"):
        engine.step([1, 2, 3])


def test_text_goes_to_ids_and_back(engine: LlamaCppEngine) -> None:
    text = "the picture of a red circle — öß 😀\n"
    tokens = engine.tokenizer.encode(text)
    assert all(0 <= i < 8192 for i in tokens)
    assert b"".join(map(engine.tokenizer.piece, tokens)).decode() == text
    assert engine.tokenizer.encode("") == []


@pytest.mark.parametrize("name", token_names()[:8256:397] + token_names()[:14])
def test_written_specials_are_text_unless_asked_for(engine: LlamaCppEngine, name: str) -> None:
    special = 8192 + token_names().index(name)
    assert engine.tokenizer.encode(name, special=True) == [special]
    assert special not in engine.tokenizer.encode(f"a{name}b")
    assert all(i < 8192 for i in engine.tokenizer.encode(f"a{name}b"))
    assert engine.tokenizer.piece(special) == b""
    assert engine.tokenizer.name(special) == name


def test_padding_ids_are_never_written(engine: LlamaCppEngine) -> None:
    for special in (False, True):
        assert all(i < 8192 for i in engine.tokenizer.encode("<|unused_3|>", special=special))


def test_the_turn_ends_where_the_file_says(engine: LlamaCppEngine) -> None:
    assert engine.tokenizer.ends() == (SPECIAL["end"],)
    assert engine.tokenizer.bos() == SPECIAL["bos"]


def test_a_closed_engine_says_so_and_may_be_closed_again(tiny_bundle: Path) -> None:
    engine = LlamaCppEngine(tiny_bundle / "decoder.gguf", OPTIONS)
    engine.close()
    engine.close()
    for call in (lambda: engine.step([1]), lambda: engine.feed(ids(1)), lambda: engine.truncate(0)):
        with pytest.raises(EngineError, match="closed"):
            call()


def test_a_file_that_lies_never_reaches_native_code(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("native code saw the file")

    monkeypatch.setattr(LlamaCppEngine, "_load", never)
    data = (tiny_bundle / "decoder.gguf").read_bytes()
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(data[: len(data) // 2])
    with pytest.raises(IntegrityError):
        LlamaCppEngine(cut, OPTIONS)


def test_where_the_fast_path_kills_it_is_not_taken(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = []
    native = llama_cpp.library()
    load = native.llama_model_load_from_file

    def spy(path: bytes, params: object) -> object:
        chosen.append(params.use_extra_bufts)  # type: ignore[attr-defined]
        return load(path, params)

    monkeypatch.setattr(native, "llama_model_load_from_file", spy)
    for verdict in (True, False):
        monkeypatch.setattr(hardware, "fast_path_is_safe", lambda verdict=verdict: verdict)
        engine = LlamaCppEngine(tiny_bundle / "decoder.gguf", OPTIONS)
        assert np.isfinite(engine.feed(ids(1, 2, 3))).all()
        engine.close()
    assert chosen == [True, False]


def test_the_probes_model_is_a_sound_file_and_runs_with_and_without_the_fast_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "probe.gguf"
    path.write_bytes(tiny_gguf())
    answers = []
    for verdict in (True, False):
        monkeypatch.setattr(hardware, "fast_path_is_safe", lambda verdict=verdict: verdict)
        engine = LlamaCppEngine(path, EngineOptions(context_length=64, threads=1))
        answers.append(engine.feed(ids(*range(20))))
        engine.close()
    assert np.corrcoef(answers[0], answers[1])[0, 1] > 0.99


def test_threads_are_chosen_within_what_is_usable_and_the_context_is_left_empty(tiny_bundle: Path) -> None:
    engine = LlamaCppEngine(tiny_bundle / "decoder.gguf", EngineOptions(context_length=64))
    assert 1 <= engine._governor.threads <= hardware.usable_cpus()
    assert engine.length() == 0
    assert close(
        engine.feed(ids(5, 6)), LlamaCppEngine(tiny_bundle / "decoder.gguf", OPTIONS).feed(ids(5, 6))
    )
    engine.close()


def test_when_another_process_takes_a_core_the_native_thread_count_follows(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hardware, "usable_cpus", lambda: 2)
    engine = LlamaCppEngine(tiny_bundle / "decoder.gguf", EngineOptions(context_length=64))
    engine._governor.threads = 2
    busy = iter([1.2])
    monkeypatch.setattr(engine._meter, "others", lambda: next(busy, None))
    engine._looked = 0.0
    engine.step([1])
    native = llama_cpp.library()
    assert native.llama_n_threads(engine._context) == 1
    assert native.llama_n_threads_batch(engine._context) == 1
    engine.close()


def test_nothing_is_printed_by_native_code(tiny_bundle: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LlamaCppEngine(tiny_bundle / "decoder.gguf", OPTIONS).close()
    assert capfd.readouterr() == ("", "")
