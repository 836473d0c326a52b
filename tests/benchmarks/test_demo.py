"""The main job on a random model: every step answers, everything it promises is on disk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import demo, demo_report
from benchmarks.demo_report import Artifact, Demo, Row
from tests import tiny

ROOT = Path(__file__).parents[2]
DEMO = (sys.executable, "-m", "benchmarks.demo")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """One run of the real command; its folder and what it printed."""
    output = tmp_path_factory.mktemp("demo") / "out"
    checkpoint = tiny.checkpoint(output.parent / "checkpoint", video=True)
    done = subprocess.run(
        [*DEMO, "--checkpoint", str(checkpoint), "-o", str(output)],
        cwd=ROOT, env=os.environ | {"EDGE_HOME": str(output / "home")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return output, done.stdout


def test_the_demo_makes_two_bundles_pictures_sounds_and_a_clip(run: tuple[Path, str]) -> None:
    output, _ = run
    assert {"int8", "int4", "demo.json", "demo.md"} <= {path.name for path in output.iterdir()}
    pictures, sounds = list(output.glob("*.png")), list(output.glob("*.wav"))
    assert [p.read_bytes()[:8] for p in pictures] == [b"\x89PNG\r\n\x1a\n"] * 3
    assert [s.read_bytes()[:4] for s in sounds] == [b"RIFF"] * 2
    for ending, at, mark in ((".webp", 8, b"WEBP"), (".gif", 0, b"GIF8"), (".mp4", 4, b"ftyp")):
        (clip,) = output.glob(f"*{ending}")
        assert clip.read_bytes()[at : at + 4] == mark


def test_every_step_is_measured(run: tuple[Path, str]) -> None:
    facts = json.loads((run[0] / "demo.json").read_text())
    assert [step["step"] for step in facts["steps"][1:]] == [turn.step for turn in demo.SCRIPT]
    for step in facts["steps"][1:]:
        assert step["complete"]
        assert step["tokens"] > 0
        assert 0 < step["first_token"] < step["seconds"]
        assert step["peak_memory"] > 10_000_000
    assert [a["name"] for a in facts["artifacts"]] == ["checkpoint", "int8", "int4"]
    assert facts["artifacts"][2]["size"] < facts["artifacts"][1]["size"] < facts["artifacts"][0]["size"]


def test_the_transcript_and_the_tables_are_printed_and_kept_as_markdown(run: tuple[Path, str]) -> None:
    output, told = run
    page = (output / "demo.md").read_text()
    for turn in demo.SCRIPT:
        assert turn.step in told
        assert f"| {turn.step} |" in page
    assert ">>> [scene.png] Describe the picture." in told
    assert '<img src="docs/demo/10-draw-a-picture.png"' in page


def test_the_script_has_every_kind_of_turn_that_the_issue_names() -> None:
    files = [name for turn in demo.SCRIPT for name in turn.files]
    assert {name.rpartition(".")[2] for name in files} == {"png", "jpg", "wav", "webp", "mp4"}
    assert ("scene.png", "question.wav") in [turn.files for turn in demo.SCRIPT]
    makes = [turn.make for turn in demo.SCRIPT]
    assert (makes.count("image"), makes.count("audio"), makes.count("video")) == (3, 2, 1)
    follow_ups = [i for i, turn in enumerate(demo.SCRIPT) if not turn.new_chat]
    assert follow_ups[:2] == [1, 2]


def test_a_checkpoint_that_is_not_there_is_one_line_and_code_3(tmp_path: Path) -> None:
    done = subprocess.run(
        [*DEMO, "--checkpoint", str(tmp_path / "gone"), "-o", str(tmp_path / "out")],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 3
    assert done.stderr.startswith("demo: ")
    assert done.stderr.count("\n") == 1


def test_artifacts_are_compared_with_the_checkpoint() -> None:
    told = Demo([Artifact("checkpoint", 1000, 0.0, 0), Artifact("int4", 250, 1.25, 2_000_000)], [Row("x")])
    assert demo_report.artifact_cells(told)[1] == ["int4", "250 B", "25%", "1.2 s", "2.0 MB"]
