"""Runs native work in a child process, so that an abort in C++ is an error message here.

Job: start, watch, translate the end of a child; a child never outlives its parent. One that runs a model is
tried once more without llama.cpp's special buffers when it dies (AMX code built by GCC 12 crashes).
Ignorance: what the child does.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Sequence
from glob import escape
from pathlib import Path

from edge.children import command, environment
from edge.errors import EngineError

_SMALL = 200_000_000  # bytes; below, a second thread mostly spins (52 M: 131 tokens/s on 1, 44 on 2)

Progress = Callable[[str, int, int], None]  # (what, done, of)


class ChildDied(EngineError):
    """A signal ended the child: native code crashed or aborted."""


def run(module: str, arguments: Sequence[str], on_line: Callable[[str], None] | None = None) -> None:
    """Run `python -m module arguments` to its end; `on_line` sees each line it prints.

    Raises:
        EngineError: it failed (ChildDied: by a signal); the message holds its last words.
    """
    words: deque[str] = deque(maxlen=3)
    child = subprocess.Popen(
        [*command(module), *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
        env=environment(module), start_new_session=True,  # Ctrl-C reaches us alone; we end the child
    )  # fmt: skip
    try:
        assert child.stdout is not None
        for line in child.stdout:
            if line.strip():
                words.append(line.strip())
                if on_line is not None:
                    on_line(line.strip())
        code = child.wait()
    finally:
        child.kill()
        child.wait()
        if child.stdout is not None:
            child.stdout.close()
    if code < 0:
        raise ChildDied(
            f"{module} was ended by {signal.Signals(-code).name}; its last words: {' / '.join(words)}"
        )
    if code > 0:
        raise EngineError(f"{module} failed with exit code {code}: {' / '.join(words)}")


def run_plain(module: str, arguments: Sequence[str | Path], progress: Progress) -> None:
    """Run a child whose lines "progress WHAT DONE OF" reach `progress`. Errors as `run`."""

    def watch(line: str) -> None:
        words = line.split()
        if len(words) == 4 and words[0] == "progress":
            progress(words[1], int(words[2]), int(words[3]))

    run(module, [*map(str, arguments)], watch)


def run_model(module: str, arguments: Sequence[str | Path], model: Path, progress: Progress, *,
              threads: int | None = None) -> None:  # fmt: skip
    """Run a child that reads `model`, as `run_computing`; None: as many threads as read it well."""
    run_computing(module, arguments, threads or threads_for(model), progress)


def run_computing(module: str, arguments: Sequence[str | Path], threads: int, progress: Progress) -> None:
    """Run a child that lets llama.cpp compute: its last two arguments are the threads and whether special
    buffers are allowed ("1" or "0"). Errors as `run`."""
    given = [*arguments, str(threads)]
    try:
        run_plain(module, [*given, "1"], progress)
    except ChildDied:
        run_plain(module, [*given, "0"], progress)


def threads_for(model: Path) -> int:
    """How many threads read a model of this size well."""
    files = model.parent.glob(f"{escape(model.name)}*")  # a graph's weights too
    size = sum(file.stat().st_size for file in files)
    return 1 if size < _SMALL else cores()


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
