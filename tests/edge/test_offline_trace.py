"""Offline by construction: a whole conversation, watched at the system calls, where native code cannot hide.

Every picture, sound and text in and out of the tiny bundle runs under strace; nothing may talk to an
internet address, and nothing may be written outside of the named folders.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CALLS = (
    "network,open,openat,openat2,creat,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,symlink,symlinkat"
)
SPEAKING = ("connect", "sendto", "sendmsg", "sendmmsg")
CHANGING = (
    "creat",
    "mkdir",
    "mkdirat",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "symlink",
    "symlinkat",
)

CONVERSATION = """
import sys
from pathlib import Path
import numpy as np
import edge
from benchmarks import demo
bundle, out = sys.argv[1:]
rows = demo.converse(Path(bundle), demo.MEDIA, Path(out))  # the whole of `make demo`
assert [row.step for row in rows[1:]] == [turn.step for turn in demo.playable(demo.SCRIPT)], rows
picture = np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)
tone = np.sin(np.arange(8000) / 8).astype(np.float32)
short = edge.SamplingOptions(seed=1, max_tokens=4)
with edge.load(bundle, engine=edge.EngineOptions(threads=1)) as model:
    drawn = model.draw("a red circle", seed=1)
    drawn.save(out + "/drawn.png")
    chat = model.chat(system="You are brief.", sampling=short)
    chat.ask("What is in this picture?", edge.Image(out + "/drawn.png"))
    chat.ask("And here?", edge.Image(picture), edge.Audio(tone, sample_rate=16000))
    reply = chat.ask("Now say it aloud.", make="audio")
    if reply.audio is not None:
        reply.audio.save(out + "/said.wav")
    model.transcribe(edge.Audio(tone, sample_rate=16000), sampling=short)
    model.describe(edge.Image(picture))
print("done")
"""
COMMAND_LINE = """
import sys
from edge.cli.main import main
bundle, out = sys.argv[1:]
main(["run", bundle, "Draw a red circle.", "-n", "4", "--seed", "1"])
"""
CONTROL = """
import os, socket, sys
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(("192.0.2.1", 53))  # UDP: no packet leaves
open(os.environ["HOME"] + "/../stray", "w").close()
"""


@dataclass(frozen=True)
class Trace:
    """What a traced child did."""

    code: int
    output: str
    spoke: list[str]  # calls to internet addresses
    wrote: list[Path]  # files and folders made, opened for writing, or renamed


@dataclass(frozen=True)
class Rooms:
    """The folders a child may write to."""

    top: Path

    def environment(self) -> dict[str, str]:
        for name in ("home", "edge", "tmp", "out"):
            (self.top / name).mkdir(exist_ok=True)
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "EDGE_", "ORT_"))}
        return inherited | {
            "HOME": str(self.top / "home"),
            "EDGE_HOME": str(self.top / "edge"),
            "TMPDIR": str(self.top / "tmp"),
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "OMP_NUM_THREADS": "1",
        }

    def allow(self, path: Path) -> bool:
        named = (self.top / "edge", self.top / "tmp", self.top / "out")
        switches = ("/dev/null", "/dev/tty", "/proc/self/clear_refs", "/proc/self/oom_score_adj")
        return any(path.is_relative_to(folder) for folder in named) or str(path) in switches


@pytest.fixture
def rooms(tmp_path: Path) -> Rooms:
    return Rooms(tmp_path)


def traced(rooms: Rooms, code: str, *arguments: str) -> Trace:
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed: apt-get install strace")
    log = rooms.top / "strace.log"
    watch = [strace, "-f", "-y", "-s", "400", "-o", str(log), "-e", f"trace={CALLS}"]
    done = subprocess.run(
        [*watch, sys.executable, "-c", code, *arguments],
        env=rooms.environment(), cwd=rooms.top / "out", capture_output=True, text=True, timeout=300,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    if not log.exists() or "ptrace" in done.stderr:
        pytest.skip(f"strace may not trace here: {done.stderr.strip()[:200]}")
    lines = whole_lines(log.read_text(errors="replace"))
    return Trace(done.returncode, done.stdout + done.stderr, spoken(lines), written(lines, rooms.top / "out"))


def whole_lines(log: str) -> list[str]:
    """Calls in one piece each: strace splits a call that another thread interrupts."""
    begun: dict[str, str] = {}
    lines = []
    for line in log.splitlines():
        thread, _, call = line.partition(" ")
        call = call.strip()
        if call.endswith("<unfinished ...>"):
            begun[thread] = call.removesuffix("<unfinished ...>")
        elif resumed := re.match(r"<\.\.\. \w+ resumed>(.*)", call):
            lines.append(begun.pop(thread, "") + resumed[1])
        else:
            lines.append(call)
    return lines + list(begun.values())


def spoken(lines: list[str]) -> list[str]:
    return [line for line in lines if line.startswith(SPEAKING) and "AF_INET" in line]


def written(lines: list[str], folder: Path) -> list[Path]:
    found = []
    for line in lines:
        name = line.partition("(")[0]
        opened = name.startswith("open") and re.search(r"O_WRONLY|O_RDWR|O_CREAT|O_TMPFILE", line)
        if not (opened or name in CHANGING) or re.search(r"= -1 E", line):
            continue
        base = folder
        for prefix, path in re.findall(r'(?:(?:AT_FDCWD|\d+)<([^>]*)>, )?"((?:[^"\\]|\\.)*)"', line):
            base = Path(prefix) if prefix else base
            found.append(Path(os.path.normpath(base / path)))
    return found


def assert_stayed_home(trace: Trace, rooms: Rooms) -> None:
    assert trace.spoke == [], trace.spoke[:5]
    strays = sorted({str(p) for p in trace.wrote if not rooms.allow(p)})
    assert strays == []


def test_the_watch_sees_a_connection_and_a_stray_file(rooms: Rooms) -> None:
    trace = traced(rooms, CONTROL)
    assert trace.code == 0, trace.output
    assert any("192.0.2.1" in line for line in trace.spoke)
    assert [p for p in trace.wrote if not rooms.allow(p)] == [rooms.top / "stray"]


def test_a_whole_conversation_talks_to_nobody_and_writes_only_where_told(
    rooms: Rooms, video_bundle: Path
) -> None:
    trace = traced(rooms, CONVERSATION, str(video_bundle), str(rooms.top / "out"))
    assert trace.code == 0, trace.output
    assert trace.output.endswith("done\n")
    wrote = {path.name for path in trace.wrote if path.parent == rooms.top / "out"}
    assert "drawn.png" in wrote
    assert any(name.endswith("draw-a-picture.png") for name in wrote)
    assert any(name.endswith("make-a-clip.webp") for name in wrote)
    assert_stayed_home(trace, rooms)


def test_the_command_line_talks_to_nobody_and_writes_only_where_told(rooms: Rooms, tiny_bundle: Path) -> None:
    trace = traced(rooms, COMMAND_LINE, str(tiny_bundle), str(rooms.top / "out"))
    assert trace.code == 0, trace.output
    assert_stayed_home(trace, rooms)


def test_a_machine_without_any_network_holds_the_whole_conversation(rooms: Rooms, video_bundle: Path) -> None:
    alone = ["unshare", "-rn"]
    if shutil.which("unshare") is None or subprocess.run([*alone, "true"], capture_output=True).returncode:
        pytest.skip("this system does not let us make a network namespace")
    done = subprocess.run(
        [*alone, sys.executable, "-c", CONVERSATION, str(video_bundle), str(rooms.top / "out")],
        env=rooms.environment(), cwd=rooms.top / "out", capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("done\n")
