"""What the machine has: files of other machines in a folder; the probe with children that live and die."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest

from edge import control_groups, hardware

LIVES = (sys.executable, "-c", "pass")
DIES = (sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")


def test_usable_cpus_are_the_affinity_cut_by_the_quota(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "affinity", lambda: frozenset(range(8)))
    for share, expected in ((None, 8), (2.4, 2), (1.5, 2), (0.2, 1), (64.0, 8)):
        monkeypatch.setattr(control_groups, "processors", lambda share=share: share)
        assert hardware.usable_cpus() == expected


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity mask")
def test_a_process_bound_to_one_processor_sees_one() -> None:
    code = (
        "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))]);"
        "from edge import hardware; print(hardware.usable_cpus())"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "1"


def test_memory_and_flags_are_read_from_this_machine() -> None:
    total, free = hardware.memory()
    assert 0 < free <= total
    assert hardware.cpu_flags()


def test_a_container_that_is_smaller_than_its_machine_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    total, _ = hardware.memory()
    monkeypatch.setattr(control_groups, "memory", lambda: (total // 2, 5))
    assert hardware.memory() == (total // 2, 5)
    monkeypatch.setattr(control_groups, "memory", lambda: (4 * total, 3 * total))
    assert hardware.memory()[0] == total


def test_small_models_get_one_thread_large_ones_all_that_are_free() -> None:
    assert hardware.choose_threads(8 << 20, cpus=16) == 1
    assert hardware.choose_threads(40 << 20, cpus=16) == 3
    assert hardware.choose_threads(1 << 30, cpus=16) == 16
    assert hardware.choose_threads(1 << 30, cpus=2, others=1.0) == 1
    assert hardware.choose_threads(1 << 30, cpus=1, others=1.0) == 1


def test_busy_seconds_count_our_processors_only(tmp_path: Path) -> None:
    stat = tmp_path / "stat"
    stat.write_text(
        "cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 100 10 20 999 5 1 2 3 0 0\ncpu1 7 7 7 7 7 7 7 7 0 0\nintr 5\n"
    )
    tick = os.sysconf("SC_CLK_TCK")
    assert hardware._busy_seconds(frozenset([0]), stat) == pytest.approx(136 / tick)
    assert hardware._busy_seconds(frozenset([5]), stat) is None


@pytest.mark.skipif(not Path("/proc/stat").exists(), reason="needs /proc/stat")
def test_the_load_meter_sees_another_process_and_not_ourselves() -> None:
    others = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        time.sleep(0.2)
        meter = hardware.LoadMeter()
        assert meter.others() is None
        time.sleep(0.5)
        busy = meter.others()
    finally:
        others.kill()
        others.wait()
    assert busy is not None
    assert busy > 0.3


def test_a_child_that_lives_makes_the_fast_path_safe_without_a_word(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert hardware.fast_path_is_safe(LIVES, path=tmp_path / "probe.json")


def test_a_child_that_dies_switches_the_fast_path_off_and_one_line_names_the_cure(tmp_path: Path) -> None:
    with pytest.warns(RuntimeWarning, match="died by signal 11") as caught:
        assert not hardware.fast_path_is_safe(DIES, path=tmp_path / "probe.json")
    (warning,) = caught
    message = str(warning.message)
    assert hardware.CURE in message
    assert "-fno-tree-dse" in message
    assert "\n" not in message


def test_the_verdict_is_remembered_and_the_child_not_run_again(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "probe.json"
    assert hardware.probe(DIES, path=path) == hardware.Verdict(False, "died by signal 11 (SIGSEGV)")
    assert hardware.probe(LIVES, path=path) == hardware.Verdict(False, "died by signal 11 (SIGSEGV)")
    assert len(json.loads(path.read_text())) == 1


def test_another_engine_build_or_processor_is_probed_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "probe.json"
    hardware.probe(DIES, path=path)
    monkeypatch.setattr(hardware, "_engine_version", lambda: "9.9.9 rebuilt")
    assert hardware.probe(LIVES, path=path).ok
    monkeypatch.setattr(hardware, "cpu_flags", lambda: frozenset(("other",)))
    assert not hardware.probe(DIES, path=path).ok
    assert len(json.loads(path.read_text())) == 3


def test_a_damaged_memory_of_verdicts_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "probe.json"
    path.write_text('{"half": ')
    assert hardware.probe(LIVES, path=path).ok
    assert len(json.loads(path.read_text())) == 1


@pytest.mark.parametrize(
    ("command", "how", "kept"),
    [
        ((sys.executable, "-c", "raise SystemExit(3)"), "failed with exit code 3", False),
        (("/nonexistent/python",), "could not be started", False),
        ((sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"), "SIGKILL", False),
        ((sys.executable, "-c", f"import os; os.kill(os.getpid(), {int(signal.SIGILL)})"), "SIGILL", True),
    ],
)
def test_every_bad_end_is_told_and_only_a_crash_is_remembered(
    tmp_path: Path, command: tuple[str, ...], how: str, kept: bool
) -> None:
    verdict = hardware.probe(command, path=tmp_path / "probe.json")
    assert not verdict.ok
    assert how in verdict.how
    assert hardware.probe(LIVES, path=tmp_path / "probe.json").ok is not kept


def test_a_child_that_hangs_is_a_bad_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "PROBE_SECONDS", 0.3)
    command = (sys.executable, "-c", "import time; time.sleep(60)")
    assert "did not end" in hardware.probe(command, path=tmp_path / "probe.json").how


def test_a_home_that_cannot_be_written_costs_no_answer(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert hardware.probe(LIVES, path=tmp_path / "file" / "probe.json").ok


def test_the_real_child_ends_well_or_by_a_signal_but_never_takes_us_along(tmp_path: Path) -> None:
    verdict = hardware.probe(path=tmp_path / "probe.json")
    assert verdict.ok or verdict.how.startswith("died by signal")


def test_home_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_HOME", "/some/where")
    assert hardware.home() == Path("/some/where")
    monkeypatch.delenv("EDGE_HOME")
    assert hardware.home() == Path.home() / ".local" / "share" / "edge"
