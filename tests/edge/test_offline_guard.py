"""The network guard, in child processes: an audit hook stays for good."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GUARDED = "import socket, urllib.request, http.client\nfrom edge import offline\noffline.guard()\n"


def child(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run([sys.executable, "-c", code], env=clean, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    "call",
    [
        "socket.create_connection(('192.0.2.1', 80), timeout=1)",
        "socket.create_connection(('example.invalid', 80), timeout=1)",
        "socket.getaddrinfo('example.invalid', 80)",
        "socket.getaddrinfo(b'example.invalid', 80)",
        "socket.gethostbyname('example.invalid')",
        "socket.gethostbyaddr('192.0.2.1')",
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 53))",
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendmsg([b'x'], [], 0, ('192.0.2.1', 53))",
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect_ex(('192.0.2.1', 53))",
        "socket.socket(socket.AF_INET6).connect(('2001:db8::1', 80))",
        "socket.socket(socket.AF_INET6).connect(('::ffff:192.0.2.1', 80))",
        "urllib.request.urlopen('http://example.invalid/')",
        "http.client.HTTPConnection('example.invalid').request('GET', '/')",
    ],
)
def test_every_way_out_is_stopped_in_words(call: str) -> None:
    done = child(GUARDED + call)
    assert done.returncode == 1
    assert "OfflineError" in done.stderr
    assert "fetch the file with another program" in done.stderr


def test_a_proxy_on_this_machine_is_no_way_out() -> None:
    done = child(GUARDED + "urllib.request.urlopen('http://192.0.2.1/')", http_proxy="http://127.0.0.1:9")
    assert "OfflineError: urllib.Request to 192.0.2.1" in done.stderr


def test_loopback_unix_sockets_and_data_urls_are_free() -> None:
    done = child(
        GUARDED + "server = socket.create_server(('127.0.0.1', 0))\n"
        "socket.create_connection(('localhost', server.getsockname()[1])).close()\n"
        "socket.getaddrinfo('::1', 80); socket.getaddrinfo(None, 80)\n"
        "try: socket.socket(socket.AF_UNIX).connect('/nowhere')\n"
        "except FileNotFoundError: pass\n"
        "assert urllib.request.urlopen('data:,hello').read() == b'hello'\n"
        "print('free')"
    )
    assert done.stdout == "free\n", done.stderr


def test_what_the_user_asked_for_may_connect_also_in_threads() -> None:
    done = child(
        GUARDED + "import threading\n"
        "tries = []\n"
        "def reach():\n"
        "    try: socket.getaddrinfo('192.0.2.1', 80); tries.append('asked')\n"  # numeric: no packet leaves
        "    except offline.OfflineError: tries.append('stopped')\n"
        "with offline.allow_network():\n"
        "    with offline.allow_network(): pass\n"
        "    assert not offline.guarded()\n"
        "    thread = threading.Thread(target=reach); thread.start(); thread.join()\n"
        "assert offline.guarded()\n"
        "reach(); print(tries)"
    )
    assert done.stdout == "['asked', 'stopped']\n", done.stderr


def test_importing_edge_alone_leaves_the_hosts_network_alone() -> None:
    done = child(
        "import socket, edge\nfrom edge import offline\n"
        "socket.getaddrinfo('192.0.2.1', 80)\n"  # numeric: no packet leaves
        "print(offline.guarded())"
    )
    assert done.stdout == "False\n", done.stderr


def test_guarding_twice_costs_one_hook_and_little_time() -> None:
    done = child(
        "import time\nfrom edge import offline\nstart = time.perf_counter()\n"
        "for _ in range(1000): offline.guard()\n"
        "print(time.perf_counter() - start)"
    )
    assert float(done.stdout) < 0.5, done.stderr


def test_the_guard_silences_telemetry() -> None:
    done = child(
        GUARDED + "import os; print(os.environ['ORT_DISABLE_TELEMETRY'], os.environ['DO_NOT_TRACK'])",
        ORT_DISABLE_TELEMETRY="0",
    )
    assert done.stdout == "1 1\n", done.stderr
