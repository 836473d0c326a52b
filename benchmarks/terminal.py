"""What `edge chat` looks like, captured: `python -m benchmarks.terminal` (needs tmux and the installed pico).

Job: press the keys of each scene in a real terminal (tmux), write what stands on its screen into
docs/terminal.md. Half blocks become letters by their brightness, so that a picture survives plain text.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.readme import ROOT, put

PAGE = ROOT / "docs" / "terminal.md"
COMMAND = "python -m benchmarks.terminal"
SESSION = "edge-captures"
SHADES = ".:-=+*#%@"  # white is a dot: an edge is seen
CTRL_C, ALT_ENTER, ENTER, TAB = "C-c", "M-Enter", "Enter", "Tab"
PROMPT = re.compile(r"^>>>\s*$")


@dataclass(frozen=True)
class Scene:
    """One window: what is pressed, and when it is looked at."""

    name: str
    keys: tuple[str | Callable[[Scene], None], ...]
    columns: int = 90
    rows: int = 24
    flags: str = "--temp 0 --seed 3"
    environment: dict[str, str] = field(default_factory=dict)


def main() -> int:
    """Capture every scene anew."""
    if shutil.which("tmux") is None:
        print("captures need tmux: apt-get install tmux", file=sys.stderr)
        return 1
    text = PAGE.read_text()
    with tempfile.TemporaryDirectory() as folder:
        for name in ("scene.png", "question.wav"):
            shutil.copy(ROOT / "benchmarks" / "media" / name, folder)
        shutil.copy(ROOT / "benchmarks" / "media" / "scene.png", Path(folder, "my scene.png"))
        for scene in SCENES:
            text = put(text, scene.name, f"```\n{captured(scene, Path(folder))}\n```", by=COMMAND)
            print(scene.name)
        text = put(text, "pipes", f"```\n{piped(Path(folder))}\n```", by=COMMAND)
    PAGE.write_text(text)
    return 0


def captured(scene: Scene, folder: Path) -> str:
    """The screen at the end of a scene."""
    known = {"EDGE_HOME": str(folder / "home"), "COLORTERM": "truecolor", "PYTHONPATH": str(ROOT)}
    words = " ".join(f"{k}='{v}'" for k, v in (known | scene.environment).items())
    chat = f"{words} {sys.executable} -m edge.cli.main chat {scene.flags}"
    command = f"cd '{folder}'; clear; {chat}; echo \"[exit code $?]\"; cat"
    size = ("-x", str(scene.columns), "-y", str(scene.rows))
    tmux("new-session", "-d", "-s", SESSION, *size, command)
    try:
        wait(at_prompt)
        for key in scene.keys:
            press(key, scene)
        return plain().replace(str(folder), "/home/me")
    finally:
        tmux("kill-server")
        time.sleep(0.5)  # the next server takes its place


def press(key: str | Callable[[Scene], None], scene: Scene) -> None:
    """A key by its name, a text as it is typed, or something to wait for."""
    if callable(key):
        key(scene)
    elif re.fullmatch(r"(C|M)-\w+|Enter|Tab|Up", key):
        tmux("send-keys", "-t", SESSION, key)
        time.sleep(0.4)
    else:
        tmux("send-keys", "-t", SESSION, "-l", key)
        time.sleep(0.4)


def pasted(text: str) -> Callable[[Scene], None]:
    """A text as the terminal pastes it, or a file that is dropped on it."""

    def paste(scene: Scene) -> None:
        tmux("set-buffer", "-b", SESSION, text)
        tmux("paste-buffer", "-p", "-b", SESSION, "-t", SESSION)
        time.sleep(0.4)

    return paste


def answered(scene: Scene) -> None:
    """Until the next empty prompt."""
    time.sleep(0.3)
    wait(at_prompt)


def half_drawn(scene: Scene) -> None:
    """Until a part of a picture is seen."""
    wait(lambda: 12 <= screen().count("\n▀") < 28, pause=0.01)


def left(scene: Scene) -> None:
    """Until the command has ended."""
    wait(lambda: "[exit code" in screen())


def wait(ready: Callable[[], bool], *, seconds: float = 60, pause: float = 0.1) -> None:
    """Look until it is so."""
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise SystemExit(f"terminal: waited in vain; the screen was:\n{screen()}")
        time.sleep(pause)


def at_prompt() -> bool:
    """Whether the last line with anything on it is an empty prompt."""
    lines = [line for line in screen().splitlines() if line.strip()]
    return bool(lines) and PROMPT.match(lines[-1]) is not None


def tmux(*words: str) -> str:
    """One command of tmux, on a server of its own."""
    done = subprocess.run(["tmux", "-L", SESSION, *words], capture_output=True, text=True, check=True)
    return done.stdout


def screen(*flags: str) -> str:
    """What stands in the window."""
    return tmux("capture-pane", "-p", *flags, "-t", SESSION)


def plain() -> str:
    """The window as text; a half block becomes a letter as dark as it is."""
    lines = [
        shaded(line) if "▀" in line else re.sub(r"\x1b\[[\d;]*m", "", line).rstrip()
        for line in screen("-e").splitlines()
    ]
    return "\n".join(lines).strip("\n")


def shaded(line: str) -> str:
    """One letter per half block, by the mean of its two colours."""
    colour: dict[str, tuple[int, ...]] = {"38": (0, 0, 0), "48": (0, 0, 0)}
    shown = []
    for codes, letter in re.findall(r"\x1b\[([\d;]*)m|(.)", line):
        for ground, *rgb in re.findall(r"(38|48)[;:]2[;:](\d+)[;:](\d+)[;:](\d+)", codes):
            colour[ground] = tuple(map(int, rgb))
        if letter:
            bright = (1 + sum(map(sum, colour.values()))) / (6 * 256)
            shown.append(SHADES[int((1 - bright) * len(SHADES))] if letter == "▀" else letter)
    return "".join(shown).rstrip()


def piped(folder: Path) -> str:
    """A few command lines and what they print."""
    (folder / "notes.txt").write_text("The wren is a small brown bird. It eats insects.\n")
    shown = []
    for line in PIPES:
        run = line.replace("edge ", f"{sys.executable} -m edge.cli.main ")
        ours = os.environ | {"EDGE_HOME": str(folder / "home"), "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            run, shell=True, cwd=folder, env=ours, capture_output=True, text=True, check=False
        )
        shown += [f"$ {line}", *(done.stdout + done.stderr).rstrip().splitlines()]
    return "\n".join(shown).replace(str(folder), "/home/me").replace(str(ROOT), "/home/me/edge")


def asked(*words: str) -> Iterator[str | Callable[[Scene], None]]:
    """Each as a line of its own, answered."""
    for word in words:
        yield from (word, ENTER, answered)


SCENES = (
    Scene("talk", tuple(asked("Hello!", "What is in scene.png?", "/show")), rows=16),
    Scene("menu", ("/s",), rows=12),
    Scene("paths", ("What is in 'my", TAB, TAB), rows=10),
    Scene(
        "lines",
        ("Two lines:", ALT_ENTER, "who are you?", ENTER, answered, pasted("one\ntwo\nthree")),
        rows=12,
    ),
    Scene(
        "drop",
        (
            pasted("file:///home/me/gone.png"),
            ENTER,
            answered,
            "/image 'my scene.png'",
            ENTER,
            answered,
            *asked("What is this?"),
        ),
        rows=12,
    ),
    Scene("preview", ("/draw a red circle", ENTER, half_drawn), columns=70, rows=38),
    Scene("picture", tuple(asked("/draw a red circle")), columns=70, rows=38),
    Scene(
        "stop", ("/animate a red circle moving to the right", ENTER, CTRL_C, answered, CTRL_C, left), rows=8
    ),
    Scene("mic", tuple(asked("/mic", "/set speak on")), rows=10),
    Scene("narrow", (*asked("What is in scene.png?"), "/se"), columns=34, rows=14),
    Scene("plain", tuple(asked("/draw a red circle")), rows=8, environment={"NO_COLOR": "1"}),
)
PIPES = (
    'cat notes.txt | edge run -p "What is this about?" --temp 0',
    "edge run pico 'Say: seven green birds' -o - > out.wav; file -b out.wav || head -c 4 out.wav",
    "edge run pico 'Draw a red circle.' -o - --seed 1 | head -c 8 | od -c | head -1",
    "edge list --json",
    "printf 'Hello!\\n/bye\\n' | edge chat --temp 0",
)

if __name__ == "__main__":
    sys.exit(main())
