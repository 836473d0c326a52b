"""Ctrl-C, kill -9 and a full disk leave the old bundle or the new one, never half."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edge.errors import UsageError
from edge.formats import manifest as manifests
from quantize import bundle

ROOT = Path(__file__).parents[2]


def start(
    checkpoint: Path, target: Path, recipe: str = "int8", file_limit: int | None = None
) -> subprocess.Popen[str]:
    """`edge quantize` in its own process, optionally with a limit on the size of files."""

    def limit() -> None:
        if file_limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))

    command = [
        sys.executable,
        "-m",
        "edge.cli.main",
        "quantize",
        str(checkpoint),
        "-o",
        str(target),
        "-r",
        recipe,
    ]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=limit,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, errors = process.communicate(timeout=600)
    return process.returncode, errors


def wait_for(folder: Path, pattern: str) -> None:
    end = time.monotonic() + 300  # a guard alone: the machine may be busy
    while not list(folder.glob(pattern)):
        assert time.monotonic() < end, f"{pattern} did not appear"
        time.sleep(0.001)


def left_overs(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if p.name != "b")


FRESH, OLD = "fresh", "over an old bundle"


@pytest.fixture
def target(request: pytest.FixtureRequest, tiny_bundle: Path, tmp_path: Path) -> Path:
    """Where the bundle goes: nothing there yet, or an older int4 bundle."""
    if request.param != FRESH:
        shutil.copytree(tiny_bundle, tmp_path / "b")
    return tmp_path / "b"


@pytest.fixture(scope="module")
def undisturbed(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The decoder of a run that nothing interrupted."""
    whole = tmp_path_factory.mktemp("undisturbed") / "b"
    assert finish(start(tiny_checkpoint, whole))[0] == 0
    return (whole / "decoder.gguf").read_bytes()


def assert_as_before(target: Path, existed: bool) -> None:
    if existed:
        assert manifests.load(target).recipe["name"] == "int4"
    else:
        assert not target.exists()


@pytest.mark.parametrize(
    ("moment", "target"),
    [("", OLD), ("/.work/source.gguf", FRESH), ("/decoder.gguf", OLD), ("/audio_encoder.onnx", FRESH)],
    indirect=["target"],
)
def test_ctrl_c_leaves_the_old_state_and_nothing_else(
    moment: str, target: Path, tiny_checkpoint: Path
) -> None:
    existed = target.exists()
    process = start(tiny_checkpoint, target)
    wait_for(target.parent, f"b.partial-*{moment}")
    process.send_signal(signal.SIGINT)
    code, errors = finish(process)
    assert code == 130, errors
    assert "Traceback" not in errors
    assert_as_before(target, existed)
    assert left_overs(target.parent) == []


@pytest.mark.parametrize(
    ("moment", "target"),
    [("b.partial-*/.work/source.gguf", OLD), ("b.partial-*/decoder.gguf", FRESH)],
    indirect=["target"],
)
def test_kill_9_leaves_the_old_state_and_the_next_run_sweeps(
    moment: str, target: Path, tiny_checkpoint: Path
) -> None:
    existed = target.exists()
    process = start(tiny_checkpoint, target)
    wait_for(target.parent, moment)
    process.kill()
    finish(process)
    assert_as_before(target, existed)
    assert finish(start(tiny_checkpoint, target))[0] == 0
    assert manifests.load(target).recipe["name"] == "int8"
    assert left_overs(target.parent) == []


STEPS = {  # when the first file appears, the second is finished
    "/decoder.gguf": "/.work/source.gguf",
    "/.work/judged_reference.npz": "/decoder.gguf",
}


@pytest.mark.parametrize("moment", list(STEPS))
def test_a_killed_run_goes_on_where_it_was(
    moment: str, undisturbed: bytes, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    process = start(tiny_checkpoint, tmp_path / "b")
    wait_for(tmp_path, f"b.partial-*{moment}")
    process.kill()
    finish(process)
    (partial,) = tmp_path.glob("b.partial-*")
    finished = Path(f"{partial}{STEPS[moment]}")
    was = finished.stat().st_ino, finished.stat().st_mtime_ns
    process = start(tiny_checkpoint, tmp_path / "b")
    compared = partial / ".work/judged_compared.npz"
    while process.poll() is None and not compared.exists():  # after that its quality is put into it
        with contextlib.suppress(FileNotFoundError):
            assert (finished.stat().st_ino, finished.stat().st_mtime_ns) == was
        time.sleep(0.01)
    assert finish(process)[0] == 0
    assert left_overs(tmp_path) == []
    assert (tmp_path / "b/decoder.gguf").read_bytes() == undisturbed


def test_other_options_start_anew(tiny_checkpoint: Path, tmp_path: Path) -> None:
    process = start(tiny_checkpoint, tmp_path / "b")
    wait_for(tmp_path, "b.partial-*/decoder.gguf")
    process.kill()
    finish(process)
    assert finish(start(tiny_checkpoint, tmp_path / "b", "int4"))[0] == 0
    assert manifests.load(tmp_path / "b").recipe["name"] == "int4"
    assert left_overs(tmp_path) == []


def test_a_native_child_ends_with_its_killed_parent(tmp_path: Path) -> None:
    (tmp_path / "child.py").write_text(
        "import os, sys, time\nfrom edge.children import die_with_parent\ndie_with_parent()\n"
        "print(os.getpid(), flush=True)\ntime.sleep(60)\n"
    )
    script = "from quantize import children\nchildren.run('child', [], lambda line: print(line, flush=True))"
    paths = f"{tmp_path}{os.pathsep}{ROOT}"
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True,
                              env=os.environ | {"PYTHONPATH": paths})  # fmt: skip
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.communicate()
    end = time.monotonic() + 10
    while Path(f"/proc/{child}").exists() and "Z" not in Path(f"/proc/{child}/stat").read_text().split()[2]:
        assert time.monotonic() < end, "the child outlived its parent"
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("limit", "target"), [(100_000, OLD), (5_000_000, FRESH), (9_400_000, OLD)], indirect=["target"]
)
def test_a_file_that_cannot_grow_is_told_in_one_sentence(
    limit: int, target: Path, tiny_checkpoint: Path
) -> None:
    """Limits that cut the streamed GGUF at its start, in the middle and near its end."""
    existed = target.exists()
    code, errors = finish(start(tiny_checkpoint, target, file_limit=limit))
    assert code == 5, errors
    assert "full or the file size is limited" in errors
    assert errors.count("\n") == 1
    assert_as_before(target, existed)
    assert left_overs(target.parent) == []


@pytest.mark.parametrize("megabytes", [1, 12, 16])
def test_a_full_disk_is_told_in_one_sentence(megabytes: int, tiny_checkpoint: Path, tmp_path: Path) -> None:
    """1 MB is refused up front; with that check lied to, 12 MB end inside llama.cpp, 16 MB in our writer."""
    small = tmp_path / "small"
    small.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", str(small)], capture_output=True
    )
    if mount.returncode != 0:
        pytest.skip("mounting a tmpfs is refused here; RLIMIT_FSIZE covers the same path")
    try:
        script = (
            "import sys, shutil\nfrom edge.cli.main import main\nreal = shutil.disk_usage\n"
            f"lie = {megabytes} > 1\n"
            "shutil.disk_usage = lambda p: real(p)._replace(free=10**12) if lie else real(p)\n"
            f"main(['quantize', {str(tiny_checkpoint)!r}, '-o', {str(small / 'b')!r}])\n"
        )
        done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 5, done.stderr
        assert ("full" in done.stderr) if megabytes > 1 else ("are free" in done.stderr)
        assert done.stderr.count("\n") == 1
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_a_swap_cut_between_two_renames_is_mended(tiny_bundle: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_bundle, tmp_path / "b.old-999999")
    (tmp_path / "b.partial-999999").mkdir()
    bundle.sweep(tmp_path / "b")
    assert manifests.load(tmp_path / "b").name == "tiny"
    assert left_overs(tmp_path) == []


def test_another_run_that_is_alive_is_left_alone(tmp_path: Path) -> None:
    with bundle.scratch(tmp_path / "b", "other"), bundle.scratch(tmp_path / "b", "mine"):
        assert left_overs(tmp_path) == ["b.partial-mine", "b.partial-other"]
    assert left_overs(tmp_path) == []


def test_the_same_run_twice_at_once_is_refused(tmp_path: Path) -> None:
    with (
        bundle.scratch(tmp_path / "b", "same"),
        pytest.raises(UsageError, match="at work on b; wait"),
        bundle.scratch(tmp_path / "b", "same"),
    ):
        pass


@pytest.mark.parametrize("atomic", [True, False])
def test_a_bundle_replaces_a_bundle(atomic: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not atomic:
        monkeypatch.setattr(bundle, "_exchange", lambda one, other: False)
    for text in ("old", "new"):
        with bundle.building(tmp_path / "b") as folder:
            (folder / manifests.FILE_NAME).write_text(text)
    assert (tmp_path / "b" / manifests.FILE_NAME).read_text() == "new"
    assert left_overs(tmp_path) == []


def test_a_folder_that_is_no_bundle_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="is not a bundle"), bundle.building(tmp_path / "b"):
        pass
    assert (tmp_path / "b" / "thesis.txt").read_text() == "years of work"
