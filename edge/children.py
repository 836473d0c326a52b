"""How a module of ours runs in a process of its own, also out of a frozen program.

Job: the command and the environment of such a child; a child dies with its parent; the door by which a frozen
program (PyInstaller and its kin) becomes the child that it started.
Ignorance: what the module does, what the processes say to each other.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from importlib import import_module
from pathlib import Path

from edge.errors import UsageError

FROZEN_MODULES = ("edge.isolation.worker", "edge.engines.probe")  # what a frozen program can become
_MODULE, _PARENT = "EDGE_CHILD_MODULE", "EDGE_PARENT_PID"
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_SITES = ("site-packages", "dist-packages")  # a child finds these by itself

_supported = False  # this frozen program opened its door


def frozen() -> bool:
    """Whether this is a frozen program: its executable is no Python that takes `-m`."""
    return bool(getattr(sys, "frozen", False))


def command(module: str) -> list[str]:
    """What starts a module of ours as a program.

    Raises:
        UsageError: a frozen program that never called `freeze_support`, or a Python that has no executable.
    """
    if frozen():
        if not _supported:
            raise UsageError(
                "this frozen program starts processes of its own and would start itself over and over: "
                "call edge.freeze_support() first of all in its main script"
            )
        return [sys.executable]
    if not sys.executable:
        raise UsageError("this program embeds a Python without an executable; load with isolated=False")
    return [sys.executable, "-P", "-m", module]


def environment(module: str) -> dict[str, str]:
    """The environment for `command`: the child finds this very code, and knows its parent."""
    root = Path(__file__).resolve().parents[1]
    known = os.environ.get("PYTHONPATH")
    paths = [*([] if root.name in _SITES else [str(root)]), *([known] if known else [])]
    found = {"PYTHONPATH": os.pathsep.join(paths)} if paths else {}
    return os.environ | found | {_MODULE: module, _PARENT: str(os.getpid())}


def freeze_support() -> None:
    """First of all in a frozen program's main script: a process that `edge` started does its work here and
    ends; any other goes on at once. Does nothing in an ordinary Python."""
    global _supported
    if not frozen():
        return
    _supported = True
    module = os.environ.pop(_MODULE, None)
    if module in FROZEN_MODULES:
        sys.exit(import_module(module).main())


def die_with_parent() -> None:
    """Called first by a child: the kernel ends it when the thread that started it ends (Linux; elsewhere
    nothing)."""
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if not frozen() and os.environ.get(_PARENT) not in (
        None,
        str(os.getppid()),
    ):  # a loader may stand between
        sys.exit("the parent process is gone")
