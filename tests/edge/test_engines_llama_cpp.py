"""What only the llama.cpp engine does; what every engine does stands in test_engines_contract."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

from edge import hardware
from edge.engines import llama_cpp
from edge.engines.llama_cpp import LlamaCppEngine
from edge.engines.probe import tiny_gguf
from edge.errors import IntegrityError
from edge.options import EngineOptions
from edge.segments import Segment, TokenSegment

OPTIONS = EngineOptions(context_length=128, threads=1, batch=16)


def ids(*tokens: int) -> list[Segment]:
    return [TokenSegment(tokens)]


def close(a: np.ndarray, b: np.ndarray) -> bool:
    """Different batches round differently (8-bit activations): the same up to a small part of the spread."""
    return bool(np.abs(a - b).max() <= 0.05 * a.std() and a.argmax() == b.argmax())


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
    assert 1 <= engine._threads.governor.threads <= hardware.usable_cpus()
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
    engine._threads.governor.threads = 2
    busy = iter([1.2])
    monkeypatch.setattr(engine._threads.meter, "others", lambda: next(busy, None))
    engine._threads.looked = 0.0
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
