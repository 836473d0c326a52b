"""The environment script: what it refuses, what keys the wheel cache, and that a build lands whole."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import environment


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def fake_pip(monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Let `pip wheel` be a script of ours that gets the target folder."""

    def run(command: list[str], told: dict[str, str], log: Path) -> int:
        folder = command[command.index("-w") + 1]
        with log.open("w") as output:
            return subprocess.call([sys.executable, "-c", script, folder], env=told, stdout=output)

    monkeypatch.setattr(environment, "run_logged", run)


BUILDS = (
    "import sys, os; open(sys.argv[1] + '/llama_cpp_python-1-any.whl', 'w').write(os.environ['CXXFLAGS'])"
)


def test_an_old_python_is_refused_with_both_versions_and_the_cure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(environment, "OLDEST", (4, 0))
    assert environment.main([]) == 1
    told = capsys.readouterr().err
    assert platform.python_version() in told
    assert "make PYTHON=" in told


def test_a_missing_compiler_is_one_message_that_says_what_to_install(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(RuntimeError, match=r"`no-such-compiler` was not found[\s\S]*build-essential"):
        environment.wheel(Path(sys.executable))


def test_the_wheel_is_built_once_with_the_flags_and_found_the_next_time(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_pip(monkeypatch, BUILDS)
    first = environment.wheel(Path(sys.executable))
    assert environment.FLAGS in first.read_text()
    fake_pip(monkeypatch, "raise SystemExit(1)")
    assert environment.wheel(Path(sys.executable)) == first


def test_a_failed_build_leaves_no_wheel_and_shows_the_end_of_its_log(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_pip(monkeypatch, BUILDS + "; print('the compiler said no'); raise SystemExit(1)")
    with pytest.raises(RuntimeError, match=r"the compiler said no[\s\S]*build\.log"):
        environment.wheel(Path(sys.executable))
    assert list(cache.rglob("*.whl")) == []


def test_other_flags_another_version_or_another_processor_is_another_wheel(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [environment.cache_folder()]
    for name, value in (("FLAGS", "-O0"), ("cpu_flags", lambda: "sse"), ("pinned", lambda _: "9.9")):
        with monkeypatch.context() as patch:
            patch.setattr(environment, name, value)
            folders.append(environment.cache_folder())
    assert len(set(folders)) == 4


def test_a_long_build_says_that_it_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(environment, "HEARTBEAT", 0.05)
    command = [sys.executable, "-c", "import time; print('compiling'); time.sleep(0.4)"]
    assert environment.run_logged(command, dict(os.environ), tmp_path / "log") == 0
    assert "still at it, 0:00" in capsys.readouterr().out
    assert (tmp_path / "log").read_text() == "compiling\n"


def test_the_second_make_does_nothing() -> None:
    root = Path(environment.__file__).parents[1]
    if not (root / ".venv" / ".stamp").exists():
        pytest.skip("this environment was not made by `make env`")
    done = subprocess.run(["make", "-q", "env"], cwd=root, check=False, capture_output=True)
    assert done.returncode == 0
