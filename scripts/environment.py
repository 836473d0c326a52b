"""Make the virtual environment: `python3 scripts/environment.py [VENV] [EXTRA ...]`.

Job: check Python and the compiler, build the llama-cpp-python wheel once with its flags, install the rest.
Ignorance: standard library only, and nothing of Edge: it runs before anything is installed.

Why its own wheel cache: GCC 12 and older miscompile llama.cpp's AMX kernels without FLAGS, and pip's cache
of built wheels ignores the environment, so that a wheel without the flags could be reused silently.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONSTRAINTS = ROOT / "constraints.txt"
FLAGS = "-fno-tree-dse -fno-dse"
OLDEST = (3, 11)
HEARTBEAT = 30.0  # seconds between signs of life while the wheel is built
NO_COMPILER = """\
edge: a C++ compiler is needed once, to build llama-cpp-python for this CPU, and `{compiler}` was not found.
  Debian, Ubuntu: sudo apt-get install build-essential python3-dev
  Fedora:         sudo dnf install gcc-c++ python3-devel"""


def main(arguments: list[str]) -> int:
    """Build or complete the environment; 0 when it is ready."""
    if sys.version_info < OLDEST:
        found = platform.python_version()
        return complain(f"edge: Python 3.11 or newer is needed, this is {found}: make PYTHON=python3.12 env")
    venv = ROOT / (arguments[0] if arguments else ".venv")
    extras = arguments[1:] or ["quantize", "dev"]
    try:
        python = create(venv)
        if installed_version(python) != pinned("llama_cpp_python"):
            pip(python, "install", "--no-deps", "--force-reinstall", str(wheel(python)))
        print(f"edge: installing {', '.join(extras)} into {venv}", flush=True)
        pip(python, "install", "-c", str(CONSTRAINTS), "-e", f"{ROOT}[{','.join(extras)}]")
    except (subprocess.CalledProcessError, OSError, RuntimeError) as error:
        return complain(str(error) if isinstance(error, RuntimeError) else f"edge: {error}")
    (venv / ".stamp").write_text(FLAGS + "\n")
    return 0


def complain(message: str) -> int:
    """Say it on stderr; the exit code."""
    print(message, file=sys.stderr)
    return 1


def create(venv: Path) -> Path:
    """The environment's Python; the environment is made when it is missing."""
    python = venv / "bin" / "python"
    if not python.exists():
        try:
            subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        except subprocess.CalledProcessError as error:
            shutil.rmtree(venv, ignore_errors=True)
            cure = "On Debian and Ubuntu: sudo apt-get install python3-venv"
            raise RuntimeError(f"edge: `{sys.executable} -m venv` failed. {cure}") from error
    return python


def pip(python: Path, *arguments: str) -> None:
    """The environment's own pip; what it says is kept in a log."""
    log = python.parent.parent / "pip.log"
    command = [str(python), "-m", "pip", "--disable-pip-version-check", *arguments]
    if run_logged(command, dict(os.environ), log) != 0:
        raise RuntimeError(f"{tail(log)}\nedge: pip {arguments[0]} failed; the whole log is {log}")


def pinned(package: str) -> str:
    """The version that constraints.txt gives a package."""
    found = re.search(rf"^{package}==(\S+)$", CONSTRAINTS.read_text(), re.MULTILINE)
    if found is None:
        raise RuntimeError(f"edge: constraints.txt does not name {package}; restore it from git")
    return found[1]


def installed_version(python: Path) -> str | None:
    """The llama-cpp-python that the environment holds."""
    code = "import importlib.metadata as m; print(m.version('llama_cpp_python'))"
    done = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=False)
    return done.stdout.strip() or None


def wheel(python: Path) -> Path:
    """The llama-cpp-python wheel of this machine: from our cache, else built now."""
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / ".lock"):
        ready = sorted(folder.glob("*.whl"))
        return ready[-1] if ready else build(python, folder)


def cache_folder() -> Path:
    """One folder for every set of facts that changes the machine code: version, flags, Python, CPU."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    facts = "|".join([FLAGS, platform.machine(), cpu_flags()])
    key = hashlib.sha256(facts.encode()).hexdigest()[:12]
    tag = f"{pinned('llama_cpp_python')}-cp{sys.version_info[0]}{sys.version_info[1]}-{key}"
    return cache / "edge-multimodal" / "wheels" / tag


def cpu_flags() -> str:
    """What the compiler's -march=native sees; empty where /proc does not tell."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return ""
    found = re.search(r"^(?:flags|Features)\s*:\s*(.*)$", text, re.MULTILINE)
    return " ".join(sorted(found[1].split())) if found else ""


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Two `make` at once build one wheel."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def build(python: Path, folder: Path) -> Path:
    """Compile next to the final place, then rename: a killed build leaves nothing that counts."""
    with tempfile.TemporaryDirectory(prefix=".building-", dir=folder) as work:
        log = folder / "build.log"
        print(f"edge: building llama.cpp for this CPU, once (10 minutes on 2 cores); log: {log}", flush=True)
        requirement = f"llama-cpp-python=={pinned('llama_cpp_python')}"
        command = [str(python), "-m", "pip", "wheel", "--no-cache-dir", "--no-deps", "-w", work, requirement]
        if run_logged(command, build_environment(), log) != 0:
            raise RuntimeError(f"{tail(log)}\nedge: building llama-cpp-python failed; the whole log is {log}")
        made = next(Path(work).glob("*.whl"))
        return made.replace(folder / made.name)


def tail(log: Path) -> str:
    """The last lines of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:])


def build_environment() -> dict[str, str]:
    """The compiler's flags, GCC only: others neither need nor know them."""
    compiler = os.environ.get("CXX", "c++")
    if shutil.which(compiler) is None:
        raise RuntimeError(NO_COMPILER.format(compiler=compiler))
    told = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=False).stdout
    flags = FLAGS if "Free Software Foundation" in told else ""
    mine = {"CXXFLAGS": f"{os.environ.get('CXXFLAGS', '')} {flags}".strip()}
    return os.environ | mine | {"CMAKE_BUILD_PARALLEL_LEVEL": str(os.cpu_count() or 1)}


def run_logged(command: list[str], environment: dict[str, str], log: Path) -> int:
    """Run with the output in a file, and say every half minute that it still lives."""
    start = time.monotonic()
    with log.open("w") as output:
        child = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
        while True:
            try:
                return child.wait(HEARTBEAT)
            except subprocess.TimeoutExpired:
                minutes, seconds = divmod(int(time.monotonic() - start), 60)
                print(f"edge: still at it, {minutes}:{seconds:02}", flush=True)
            except BaseException:
                child.terminate()
                child.wait()
                raise


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
