"""The desktop example: frozen by PyInstaller with our hooks, started without a screen, asked something."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from edge import _pyinstaller

ROOT = Path(__file__).parents[1]


def lacking() -> str:
    """Why a desktop program cannot be frozen here; empty where it can."""
    try:
        for name in ("PyInstaller", "PySide6.QtWidgets"):  # the latter wants the system's libEGL too
            import_module(name)
    except ImportError as error:
        return f"the extra `desktop` cannot be used here: {error}"
    return ""


LACKING = lacking()


def test_pyinstaller_is_told_where_the_hooks_lie() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pyinstaller40"] == {"hook-dirs": "edge._pyinstaller:get_hook_dirs"}
    assert [f.name for f in sorted(Path(_pyinstaller.get_hook_dirs()[0]).glob("hook-*.py"))] == [
        "hook-edge.py", "hook-llama_cpp.py",
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(bool(LACKING), reason=LACKING)
def test_the_frozen_desktop_example_answers_and_draws(tmp_path: Path) -> None:
    hooks = _pyinstaller.get_hook_dirs()[0]  # named, since an older installation does not know them
    places = [f"--{kind}path={tmp_path / kind}" for kind in ("dist", "work", "spec")]
    freeze = [sys.executable, "-m", "PyInstaller", "--log-level=ERROR", f"--additional-hooks-dir={hooks}"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "QT_QPA_PLATFORM": "offscreen"}
    subprocess.run([*freeze, *places, ROOT / "docs" / "examples" / "desktop.py"], env=environment, check=True)
    del environment["PYTHONPATH"]
    picture = tmp_path / "window.png"
    asked = ["--ask", "What colour is a banana?", "--ask", "Draw a red circle.", "--screenshot", picture]
    program = tmp_path / "dist" / "desktop" / "desktop"
    done = subprocess.run(
        [program, *asked], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    answer, drawn = done.stdout.split("You: ")[1:]
    assert "yellow" in answer
    assert "\ufffc" in drawn  # a picture stands in the text
    assert picture.read_bytes().startswith(b"\x89PNG")
