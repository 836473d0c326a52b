"""What only the ONNX engine does; what every engine does stands in test_engines_contract."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest

from edge import hardware, onnx_session
from edge.engines.llama_cpp import LlamaCppEngine
from edge.engines.onnx_engine import OnnxEngine
from edge.errors import DoesNotFitError, EngineError, IntegrityError, UsageError
from edge.options import EngineOptions
from edge.segments import TokenSegment
from tests import tiny

OPTIONS = EngineOptions(context_length=128, threads=1, batch=16)


@pytest.fixture
def copy(onnx_decoder: Path, tmp_path: Path) -> Path:
    """The graph and its weights, to be damaged."""
    for path in onnx_decoder.parent.glob("decoder.onnx*"):
        shutil.copy(path, tmp_path)
    return tmp_path / "decoder.onnx"


@pytest.fixture
def vocabulary(tiny_bundle: Path) -> Path:
    return tiny_bundle / "decoder.gguf"


def never(*_: object) -> None:
    raise AssertionError("native code saw the file")


def test_both_engines_say_nearly_the_same_of_one_checkpoint(onnx_decoder: Path, vocabulary: Path) -> None:
    tokens = [TokenSegment(tuple(range(40)))]
    ours, theirs = OnnxEngine(onnx_decoder, vocabulary, OPTIONS), LlamaCppEngine(vocabulary, OPTIONS)
    assert np.corrcoef(ours.feed(tokens), theirs.feed(tokens))[0, 1] > 0.9  # int8 against int4
    ours.close()
    theirs.close()


def test_weights_cut_short_never_reach_native_code(
    copy: Path, vocabulary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = copy.with_name("decoder.onnx.data")
    data.write_bytes(data.read_bytes()[:-5000])
    monkeypatch.setattr(onnx_session, "_open", never)
    with pytest.raises(IntegrityError, match=r"decoder\.onnx\.data holds .* bytes, the graph reads up to"):
        OnnxEngine(copy, vocabulary, OPTIONS)


def test_weights_behind_a_link_never_reach_native_code(
    copy: Path, vocabulary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = copy.with_name("decoder.onnx.data")
    data.rename(copy.with_name("elsewhere"))
    data.symlink_to(copy.with_name("elsewhere"))
    monkeypatch.setattr(onnx_session, "_open", never)
    with pytest.raises(IntegrityError, match="is a link"):
        OnnxEngine(copy, vocabulary, OPTIONS)


def test_a_graph_that_is_no_decoder_is_refused(tmp_path: Path, vocabulary: Path) -> None:
    onnx.save(tiny.image_encoder(), tmp_path / "decoder.onnx")
    with pytest.raises(IntegrityError, match="is no decoder graph of Edge"):
        OnnxEngine(tmp_path / "decoder.onnx", vocabulary, OPTIONS)


def test_a_decoder_that_does_not_say_how_long_its_context_is_is_refused(copy: Path, vocabulary: Path) -> None:
    model = onnx.load(copy, load_external_data=False)
    del model.metadata_props[:]
    copy.write_bytes(model.SerializeToString())
    with pytest.raises(IntegrityError, match="is no decoder graph of Edge"):
        OnnxEngine(copy, vocabulary, OPTIONS)


def test_the_context_is_never_longer_than_the_graphs_own(onnx_decoder: Path, vocabulary: Path) -> None:
    engine = OnnxEngine(onnx_decoder, vocabulary, EngineOptions(context_length=4096, threads=1))
    assert engine.context_length == tiny.CONTEXT
    engine.close()


def test_what_does_not_fit_into_memory_is_refused_before_it_is_taken(
    onnx_decoder: Path, vocabulary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hardware, "memory", lambda: (1 << 30, 1 << 20))
    with pytest.raises(DoesNotFitError, match="2 x 128 tokens"):
        OnnxEngine(onnx_decoder, vocabulary, OPTIONS)


def test_adapters_are_refused(onnx_decoder: Path, vocabulary: Path) -> None:
    with pytest.raises(UsageError, match=r"run on llama\.cpp only"):
        OnnxEngine(onnx_decoder, vocabulary, EngineOptions(adapters=("a.gguf",)))


def test_an_id_outside_of_the_vocabulary_never_stands_for_an_embedding(
    onnx_decoder: Path, vocabulary: Path
) -> None:
    engine = OnnxEngine(onnx_decoder, vocabulary, OPTIONS)
    with pytest.raises(EngineError, match="invalid token"):
        engine.feed([TokenSegment((1, -1))])
    engine.close()


def test_steps_take_no_memory(onnx_decoder: Path, vocabulary: Path) -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    engine = OnnxEngine(onnx_decoder, vocabulary, EngineOptions(threads=1))
    for run in range(4):
        engine.truncate(0)
        for token in range(200):
            engine.step([token])
        if run == 0:
            before = resident()
    assert resident() - before <= 2 << 20
    engine.close()


def test_nothing_is_printed_by_native_code(
    onnx_decoder: Path, vocabulary: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        OnnxEngine(onnx_decoder, vocabulary, OPTIONS).close()
    assert capfd.readouterr() == ("", "")
