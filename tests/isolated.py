"""Help for tests of isolated models: traps for their workers, and looks behind the doors.

No door of the product serves these tests: the worker's Python watches files being opened, as any Python can
be told to, and some pictures have dangerous names.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import edge
from edge.isolation import supervisor
from edge.isolation.model import IsolatedModel

TRAPS = """
import ctypes, os, sys
def trap(event, args):
    name = os.path.basename(str(args[0])) if event == "open" else ""
    if name == "segfault.png":
        ctypes.string_at(0)
    elif name == "abort.png":
        print("ggml.c:1: GGML_ASSERT(sane) failed", file=sys.stderr, flush=True)
        os.abort()
    elif name == "call-home.png":
        import socket
        socket.create_connection(("192.0.2.1", 80), timeout=0.01)
sys.addaudithook(trap)
"""


def traps(folder: Path) -> str:
    """PYTHONPATH for a worker that watches, and dangerous pictures in a folder."""
    (folder / "sitecustomize.py").write_text(TRAPS)
    for name in ("segfault.png", "abort.png", "call-home.png"):
        (folder / name).write_bytes(b"")
    return os.pathsep.join([str(folder), str(Path.cwd())])


def keeper(model: edge.Model) -> supervisor.Supervisor:
    assert isinstance(model, IsolatedModel)
    return model._supervisor


def pid(model: edge.Model) -> int:
    return keeper(model).life().pid


def kill(model: edge.Model, number: signal.Signals) -> None:
    """Kill the worker, and wait until that is known."""
    life = keeper(model).life()
    os.kill(life.pid, number)
    life._thread.join(20)
    assert life.dead


def told(events: Iterator[edge.Event]) -> list[str]:
    """What the events are, but for times."""
    shown = []
    for event in events:
        if isinstance(event, edge.Finished):
            shown.append(f"{event.reason} {event.usage.completion_tokens}")
        elif isinstance(event, edge.ImageMade):
            shown.append(f"{event.ids} {event.pixels.tobytes().hex()}")
        elif isinstance(event, edge.AudioChunk):
            shown.append(f"{event.ids} {event.samples.tobytes().hex()}")
        else:
            shown.append(str(event))
    return shown


def words(chat: Any) -> list[tuple[str, str]]:
    return [(m.role, "".join(getattr(p, "text", "[media]") for p in m.parts)) for m in chat.history]
