"""The network guard.

Job: switch off the telemetry of the libraries we load; on request, stop every Python-level attempt of this
process to leave the machine. Ignorance: who wants to connect and why. Does not see native code that opens
sockets itself, nor child processes: tests trace system calls for those.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import sys
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from edge.errors import OfflineError

# onnxruntime's official builds connect at import unless this is set before it
_QUIET = {"ORT_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}
# names and arguments: docs.python.org/3/library/audit_events.html
_ADDRESSES = {"socket.connect", "socket.sendto", "socket.sendmsg"}  # argument 1 is a socket address
_NAMES = {  # event -> index of the argument that is a host name
    "socket.getaddrinfo": 0,
    "socket.gethostbyname": 0,
    "socket.gethostbyaddr": 0,
    "http.client.connect": 1,
}
_URL = "urllib.Request"  # looked at because a proxy on this machine would hide the true host

_lock = threading.Lock()
_installed = False
_allowed = 0  # open `allow_network` blocks


def silence() -> None:
    """Set the environment switches that keep our libraries from reporting home. Call before they are
    imported."""
    os.environ.update(_QUIET)


def guard() -> None:
    """From now on this process reaches loopback only; everything else raises OfflineError. Cannot be
    undone, only lifted by `allow_network`. For the owner of the process (our CLI and server): a library
    must not decide this for its host.
    """
    global _installed
    silence()
    with _lock:
        if not _installed:
            sys.addaudithook(_hook)
            _installed = True


def guarded() -> bool:
    """Whether the network is shut off at this moment."""
    return _installed and not _allowed


@contextlib.contextmanager
def allow_network() -> Iterator[None]:
    """Lift the guard in all threads while the block runs: only for what the user asked for by name."""
    global _allowed
    with _lock:
        _allowed += 1
    try:
        yield
    finally:
        with _lock:
            _allowed -= 1


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if _allowed or (event not in _ADDRESSES and event not in _NAMES and event != _URL):
        return
    host = _host(event, args)
    if host and not _is_local(host):
        raise OfflineError(
            f"{event} to {host} was stopped: Edge works offline; "
            "fetch the file with another program, then give its path"
        )


def _host(event: str, args: tuple[Any, ...]) -> str | None:
    """Whom an event is about to reach; None for Unix sockets and their kin."""
    if event == _URL:
        return urlsplit(str(args[0])).hostname
    if event in _NAMES:
        name: str | bytes | None = args[_NAMES[event]]
        return name.decode("ascii", "replace") if isinstance(name, bytes) else name
    return str(args[1][0]) if isinstance(args[1], tuple) and len(args[1]) in (2, 4) else None


def _is_local(host: str) -> bool:
    name = host.strip("[]").partition("%")[0].lower()
    if name == "localhost":
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None) or address
    return bool(mapped.is_loopback or mapped.is_unspecified)
