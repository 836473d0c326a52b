"""The network guard.

Job: switch off the telemetry of the libraries we load; on request, stop every Python-level attempt of this process to leave the machine.
Ignorance: who wants to connect and why. Does not see native code that opens sockets itself, nor child processes: tests trace
system calls for those.
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
_HOSTS = {  # audit event -> where its arguments hold the host; table of audit events, docs.python.org/3/library/audit_events.html
    "socket.connect": lambda args: _of_address(args[1]),
    "socket.sendto": lambda args: _of_address(args[1]),
    "socket.sendmsg": lambda args: _of_address(args[1]),
    "socket.getaddrinfo": lambda args: _text(args[0]),
    "socket.gethostbyname": lambda args: _text(args[0]),
    "socket.gethostbyaddr": lambda args: _text(args[0]),
    "http.client.connect": lambda args: _text(args[1]),
    "urllib.Request": lambda args: urlsplit(args[0]).hostname,  # a local proxy would hide the true host
}

_lock = threading.Lock()
_installed = False
_allowed = 0  # open `allow_network` blocks


def silence() -> None:
    """Set the environment switches that keep our libraries from reporting home. Call before they are imported."""
    os.environ.update(_QUIET)


def guard() -> None:
    """From now on this process reaches loopback only; everything else raises OfflineError. Cannot be undone, only lifted by
    `allow_network`. For the owner of the process (our CLI and server): a library must not decide this for its host.
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
    """Lift the guard in all threads while the block runs: only for what the user asked for by name, such as `edge pull`."""
    global _allowed
    with _lock:
        _allowed += 1
    try:
        yield
    finally:
        with _lock:
            _allowed -= 1


def _hook(event: str, args: tuple[Any, ...]) -> None:
    find = _HOSTS.get(event)
    if find is None or _allowed:
        return
    host = find(args)
    if host and not _is_local(host):
        raise OfflineError(
            f"{event} to {host} was stopped: Edge works offline, and only `edge pull` may use the network; "
            "fetch the file first, then give its path"
        )


def _of_address(address: Any) -> str | None:
    """The host of an internet address; None for Unix sockets and their kin."""
    return _text(address[0]) if isinstance(address, tuple) and len(address) in (2, 4) else None


def _text(host: Any) -> str | None:
    if isinstance(host, bytes | bytearray):
        return host.decode("ascii", "replace")
    return host if isinstance(host, str) else None


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
