"""`edge quantize`: the table on stdout, one sentence on stderr when it fails, the right exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from quantize.cli import stored_as
from quantize.report import CodecResult, CodecTrial, Report

ROOT = Path(__file__).parents[2]


def edge(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edge.cli.main", "quantize", *map(str, arguments)]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )


def test_the_table_goes_to_stdout_and_nothing_to_stderr(tiny_checkpoint: Path, tmp_path: Path) -> None:
    done = edge(tiny_checkpoint, "-o", tmp_path / "b", "--recipe", "int8")
    assert (done.returncode, done.stderr) == (0, "")
    for word in ("tiny as int8 (Q8_0)", "decoder", "9.3 MB", "5.4 MB", "image_encoder", "same ids", "total",
                 "against f16", "top-1 agreement", "KL 99.9 %",
                 "none: nothing that is written uses it"):  # fmt: skip
        assert word in done.stdout


def test_both_decoders_stand_in_the_tables(tiny_checkpoint: Path, tmp_path: Path) -> None:
    done = edge(tiny_checkpoint, "-o", tmp_path / "b", "-r", "int4", "--format", "both")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    for name, told in (("decoder ", "Q4_K_M"), ("decoder_onnx ", "ONNX 4-bit blocks"), ("text ", "×"),
                       ("text (ONNX) ", "×"), ("audio (ONNX) ", "×")):  # fmt: skip
        assert any(name in line and told in line for line in lines), (name, done.stdout)
    assert "importance matrix: gathered on" in done.stdout.replace("\n", " ")


@pytest.mark.parametrize(
    ("role", "value", "limit", "told"),
    [
        ("image_encoder", 0.951, 0.97, "float (refused: int8 gave 95.1% same ids, the gate is at least 97%)"),
        (
            "audio_decoder",
            0.4,
            0.3,
            "float (refused: int8 gave +0.40 dB error, the gate is less than 0.3 dB)",
        ),
    ],
)
def test_a_refused_codec_is_told_with_both_numbers(role: str, value: float, limit: float, told: str) -> None:
    codec = CodecResult("float", (CodecTrial("int8", value, limit, passed=False),), "held-out items")
    report = Report("tiny", "int8", "Q8_0", 1, 8.5, 0.1, {}, {}, "not measured", {role: codec})
    assert stored_as(report, role) == told


def test_json_is_the_report_in_the_bundle(tiny_checkpoint: Path, tmp_path: Path) -> None:
    done = edge(tiny_checkpoint, "-o", tmp_path / "b", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == json.loads((tmp_path / "b" / "report.json").read_text())


@pytest.mark.parametrize(
    ("failure", "code", "told"),
    [
        ("no checkpoint", 3, "config.json"),
        ("truncated", 6, "but the file has"),
        ("recipe", 2, "unknown recipe 'int3'"),
        ("codec", 3, "audio_encoder.onnx is missing"),
        ("occupied", 2, "is not a bundle"),
        ("format", 2, "unknown format 'coreml'; choose one of gguf, onnx, both"),
        ("imatrix", 6, "is not a valid GGUF file"),
        ("calibration", 6, "line 1 is not valid JSON"),
    ],
)
def test_a_failure_is_one_sentence_with_its_exit_code(
    failure: str, code: int, told: str, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    folder, target = tmp_path / "c", tmp_path / "b"
    folder.mkdir()
    for path in tiny_checkpoint.iterdir():
        if failure != "no checkpoint" and not (failure == "codec" and path.name == "audio_encoder.onnx"):
            cut = 5_000_000 if failure == "truncated" and path.suffix == ".safetensors" else None
            (folder / path.name).write_bytes(path.read_bytes()[:cut])
    if failure == "occupied":
        target.mkdir()
        (target / "mine.txt").write_text("mine")
    given: list[str | Path] = []
    if failure in ("imatrix", "calibration"):
        (folder / "given").write_text("{nonsense that is long enough")
        given = [f"--{failure}", folder / "given"]
    given += ["-r", "int3" if failure == "recipe" else "int4"] if failure != "format" else []
    given += ["--format", "coreml"] if failure == "format" else []
    done = edge(folder, "-o", target, *given)
    assert (done.returncode, done.stdout) == (code, "")
    assert told in done.stderr
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == (["b", "c"] if failure == "occupied" else ["c"])
