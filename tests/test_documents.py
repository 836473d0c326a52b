"""Documents cannot go stale: generated sections are current, links lead somewhere, every example runs."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import readme

ROOT = Path(__file__).parents[1]
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
COMMAND = "from edge.cli.main import main; main()"  # what the script `edge` does


@pytest.fixture
def desk(video_bundle: Path, tiny_checkpoint: Path, tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """A folder that looks like the repository to a reader's commands, with a tiny model called pico."""
    (tmp_path / "home" / "bundles").mkdir(parents=True)
    (tmp_path / "home" / "bundles" / "pico").symlink_to(video_bundle)
    (tmp_path / "models" / "weights").mkdir(parents=True)
    (tmp_path / "models" / "weights" / "pico").symlink_to(tiny_checkpoint)
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "media").symlink_to(ROOT / "benchmarks" / "media")
    for name in ("scene.png", "digits.wav"):
        (tmp_path / name).symlink_to(ROOT / "benchmarks" / "media" / name)
    environment = os.environ | {"EDGE_HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT)}
    return tmp_path, environment


def blocks(path: Path, language: str) -> Iterator[str]:
    yield from re.findall(rf"```{language}\n(.*?)```", path.read_text(), re.DOTALL)


def test_generated_sections_are_current(capsys: pytest.CaptureFixture[str]) -> None:
    stale = readme.main(["--check"])
    assert stale == 0, capsys.readouterr().out


def test_a_section_without_its_markers_is_refused() -> None:
    with pytest.raises(SystemExit, match="markers of tree are missing"):
        readme.put("no markers here", "tree", "body")


def test_a_section_keeps_what_stands_around_it() -> None:
    text = "a\n<!-- x: generated, `make docs` -->\nold\n<!-- end of x -->\nb"
    once = readme.put(text, "x", "new")
    assert once == "a\n<!-- x: generated, `make docs` -->\nnew\n<!-- end of x -->\nb"
    assert readme.put(once, "x", "new") == once


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.name)
def test_every_link_leads_to_a_file(path: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)|src=\"([^\"]+)\"", path.read_text())
    for link in (a or b for a, b in links):
        assert (path.parent / link).exists() or "://" in link, link


def test_the_commands_of_the_readme_run_as_they_are_written(desk: tuple[Path, dict[str, str]]) -> None:
    folder, environment = desk
    lines = [line for block in blocks(ROOT / "README.md", "sh") for line in block.splitlines()]
    commands = [shlex.split(line, comments=True) for line in lines]
    ours = [words[1:] for words in commands if words and words[0] == "edge"]
    assert {words[0] for words in ours} >= {"chat", "run", "quantize", "verify"}
    for words in ours:
        done = subprocess.run(
            [sys.executable, "-c", COMMAND, *words], cwd=folder, env=environment,
            input="", capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, (words, done.stderr)
    assert (folder / "circle.png").exists()
    assert (folder / "clip.webp").exists()
    assert (folder / "birds.wav").exists()


@pytest.mark.parametrize("name", ["README.md", "docs/python.md", "docs/privacy.md"])
def test_the_python_examples_run_as_they_are_written(name: str, desk: tuple[Path, dict[str, str]]) -> None:
    folder, environment = desk
    code = "\n".join(blocks(ROOT / name, "python"))
    assert "import edge" in code or "from edge" in code
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_the_stop_button_of_the_spoken_answer_stops_it(
    desk: tuple[Path, dict[str, str]], video_bundle: Path
) -> None:
    folder, environment = desk
    (program,) = (code for code in blocks(ROOT / "docs" / "python.md", "python") if "the stop button" in code)
    assert len([line for line in program.splitlines() if line.strip()]) <= 20
    endless = folder / "home" / "bundles" / "pico"
    endless.unlink()
    shutil.copytree(video_bundle, endless)
    facts = json.loads((endless / "manifest.json").read_text())
    facts["sampling"]["text"]["max_tokens"] = 1900
    (endless / "manifest.json").write_text(json.dumps(facts))
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        begun = running.stdout.read(1)
        running.send_signal(signal.SIGINT)
        rest = running.stdout.read()
    assert (begun, rest[-11:], running.returncode) == (begun, b" (stopped)\n", 0)
    assert not (folder / "answer.wav").exists()


def test_make_targets_that_documents_name_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {t for path in DOCUMENTS for t in re.findall(r"`make ([a-z-]+)`", path.read_text())}
    assert named
    assert named <= targets
