"""`edge.fit` and `edge fit`: from headers alone, on this machine and on named ones."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import edge
from edge import fitting, hardware, throughput
from edge.cli import main
from edge.engines import room
from edge.errors import IntegrityError, NotFoundError, UsageError
from edge.formats import gguf, manifest
from edge.options import EngineOptions
from edge.throughput import Throughput
from tests import tiny


@pytest.fixture(autouse=True)
def known_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throughput, "here", lambda: Throughput(10e9, 50e9))
    monkeypatch.setattr(hardware, "memory", lambda: (8 * room.GIB, 6 * room.GIB))


def beginning(path: Path, target: Path, count: int | None = None) -> Path:
    """The first bytes of a file, by default its header and nothing of its weights."""
    target.write_bytes(path.read_bytes()[: count or gguf.read_header(path).data_start])
    return target


def test_a_bundle_is_judged_as_it_would_be_loaded(tiny_bundle: Path) -> None:
    found = edge.fit(tiny_bundle)
    assert (found.engine, found.context, found.sequences) == ("llama.cpp", tiny.CONTEXT, 2)
    assert found.fits
    assert found.largest_context == tiny.CONTEXT
    assert found.room.weights == (tiny_bundle / "decoder.gguf").stat().st_size
    assert found.room.codecs > sum((tiny_bundle / f"{role}.onnx").stat().st_size for role in tiny.CODECS)
    assert 0 < found.decode[0] < found.decode[1]
    assert found.prefill
    assert 0 < found.prefill[0] < found.prefill[1]


def test_the_beginning_of_a_download_is_judged_as_the_whole_file(tiny_bundle: Path, tmp_path: Path) -> None:
    whole = tiny_bundle / "decoder.gguf"
    part = beginning(whole, tmp_path / "part.gguf")
    assert part.stat().st_size < whole.stat().st_size / 2
    assert edge.fit(part).room == edge.fit(whole).room
    assert edge.fit(part).decode == edge.fit(whole).decode


def test_a_beginning_that_ends_inside_of_the_header_says_so(tiny_bundle: Path, tmp_path: Path) -> None:
    short = beginning(tiny_bundle / "decoder.gguf", tmp_path / "short.gguf", 5000)
    with pytest.raises(IntegrityError, match="get more of its beginning"):
        edge.fit(short)


def test_a_bundle_is_judged_before_its_download_from_manifest_and_header(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    shutil.copy(tiny_bundle / manifest.FILE_NAME, tmp_path)
    with pytest.raises(NotFoundError, match=r"decoder\.gguf.*get its beginning"):
        edge.fit(tmp_path)
    beginning(tiny_bundle / "decoder.gguf", tmp_path / "decoder.gguf")
    assert edge.fit(tmp_path).room == edge.fit(tiny_bundle).room


def test_an_onnx_bundle_is_judged_from_manifest_and_vocabulary(tmp_path: Path) -> None:
    from quantize.pipeline import Options, quantize

    source, made = tiny.checkpoint(tmp_path / "checkpoint"), tmp_path / "made"
    quantize(source, made, "int4", options=Options(format="onnx"))
    there = tmp_path / "there"
    there.mkdir()
    for name in (manifest.FILE_NAME, "vocabulary.gguf"):
        shutil.copy(made / name, there)
    found = edge.fit(there)
    assert found.engine == "onnx"
    assert found.room == edge.fit(made).room
    assert found.room.weights > (made / "decoder.onnx.data").stat().st_size
    assert (
        found.room.cache == 2 * tiny.CONTEXT * 2 * 2 * 64 * 4
    )  # sequences, KV heads of 64, keys and values, f32


def test_a_file_without_weights_is_refused(tiny_bundle: Path, tmp_path: Path) -> None:
    from quantize import vocabulary_export
    from quantize.checkpoint import open_checkpoint

    path = tmp_path / "vocabulary.gguf"
    vocabulary_export.write(open_checkpoint(tiny_bundle.with_name("tiny.checkpoint")), path)
    with pytest.raises(UsageError, match="no weights"):
        edge.fit(path)


def test_a_model_too_large_for_a_named_machine_gets_the_context_that_fits(tiny_bundle: Path) -> None:
    options = EngineOptions(context_length=2**24)
    found = edge.fit(tiny_bundle / "decoder.gguf", machine="phone-4gb", engine=options)
    assert not found.fits
    assert found.room.total > found.machine.free
    assert found.prefill is None
    less = EngineOptions(context_length=found.largest_context)
    assert edge.fit(tiny_bundle / "decoder.gguf", machine="phone-4gb", engine=less).fits


def test_a_larger_machine_is_faster_and_holds_more() -> None:
    phone, small, large = fitting.MACHINES.values()
    assert phone.free < small.free < large.free
    assert phone.reads < small.reads < large.reads
    with pytest.raises(UsageError, match="phone-4gb, laptop-8gb"):
        edge.fit("pico", machine="mainframe")


def test_the_verb_prints_a_table_and_ends_well(tiny_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main(["fit", str(tiny_bundle)])
    told = capsys.readouterr().out
    assert ended.value.code == 0
    for name in ("weights", "KV cache", "media codecs", "compute buffers", "largest context", "tokens/s"):
        assert name in told


def test_the_verb_as_json_says_the_same_and_exits_with_5_where_it_does_not_fit(
    tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main(
            ["fit", str(tiny_bundle / "decoder.gguf"), "--machine", "phone-4gb", "-c", str(2**24), "--json"]
        )
    told = capsys.readouterr()
    facts = json.loads(told.out)
    assert ended.value.code == 5
    assert not facts["fits"]
    assert facts["room"]["total"] == sum(
        bytes_ for purpose, bytes_ in facts["room"].items() if purpose != "total"
    )
    assert f"choose a context of {facts['largest_context']} (-c)" in told.err


def test_a_measurement_is_remembered_unless_others_disturbed_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # the real `here`
    monkeypatch.setenv("EDGE_HOME", str(tmp_path))
    monkeypatch.setattr(throughput, "_reads", lambda threads: 5.0e9)
    monkeypatch.setattr(throughput, "_flops", lambda: 7.0e9)
    monkeypatch.setattr(hardware, "others_now", lambda: 1.0)
    assert throughput.here() == Throughput(5.0e9, 7.0e9)
    monkeypatch.setattr(throughput, "_reads", lambda threads: 6.0e9)
    monkeypatch.setattr(hardware, "others_now", lambda: 0.0)
    assert throughput.here().reads == 6.0e9
    monkeypatch.setattr(throughput, "_reads", lambda threads: 1.0)
    assert throughput.here().reads == 6.0e9


def test_this_machine_reads_and_multiplies() -> None:
    assert throughput._reads(1) > 1e8
    assert throughput._flops() > 1e8
