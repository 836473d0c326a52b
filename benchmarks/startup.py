"""From the command to the first token, beside llama.cpp's own tool.

    python -m benchmarks.startup FOLDER TOOLS

Job: `edge run FILE.gguf` and `llama-completion` on the same files by turns, the disk warm: seconds from exec
to the first byte of the answer; the time of `import edge` and of `edge --help`; results/startup.json. FOLDER
keeps the models: random ones of 150 M and 1 B parameters (q4_0), beside pico's decoder. TOOLS is the folder
of llama-completion, which can be built from vendor/llama.cpp in the source package of llama-cpp-python.
Ignorance: what is said. Byte code is compiled before, as in any installed package.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.fit import quiet, random_checkpoint
from edge import atomic, hardware
from quantize import gguf_export, llama_quantize, recipes
from quantize.checkpoint import open_checkpoint

HERE = Path(__file__).parent
RESULT = HERE / "results" / "startup.json"
PICO = HERE.parent / "edge" / "bundles" / "pico" / "decoder.gguf"
SIZES, ROUNDS = ("150m", "1b"), 7
PROMPT = "Who are you?"
LIMIT, IMPORT_LIMIT_S, HELP_LIMIT_S = 1.0, 0.15, 0.3  # of llama.cpp's time; seconds


def first_byte(command: list[str | Path], environment: dict[str, str]) -> float:
    """Seconds until a command says anything on stdout; it is ended then."""
    began = time.perf_counter()
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as running:
        assert running.stdout is not None
        said = running.stdout.read(1)
        taken = time.perf_counter() - began
        running.kill()
    if not said:
        raise SystemExit(f"{command[0]} said nothing")
    return taken


def whole(command: list[str | Path], environment: dict[str, str]) -> float:
    """Seconds until a command ends."""
    began = time.perf_counter()
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def compared(model: Path, tool: Path, environment: dict[str, str]) -> dict[str, Any]:
    """Both ways by turns; medians, and the median of the ratios."""
    edge_run: list[str | Path] = [sys.executable, "-m", "edge.cli.main", "run", model, PROMPT, "-n", "4"]
    quiet_words = ("-no-cnv", "--no-display-prompt", "--ignore-eos")
    theirs: list[str | Path] = [tool, "-m", model, "-p", PROMPT, "-n", "4", *quiet_words]
    for command in (edge_run, theirs):  # warm: the disk, byte code, the probe of this machine
        first_byte(command, environment)
    pairs = [(first_byte(edge_run, environment), first_byte(theirs, environment)) for _ in range(ROUNDS)]
    return {
        "bytes": model.stat().st_size,
        "edge_s": round(statistics.median(ours for ours, _ in pairs), 3),
        "llama_cpp_s": round(statistics.median(their for _, their in pairs), 3),
        "ratio": round(statistics.median(ours / their for ours, their in pairs), 2),
    }


def random_model(size: str, folder: Path) -> Path:
    """A random decoder as q4_0; one that is there already stays."""
    if (folder / f"{size}.gguf").is_file():
        return folder / f"{size}.gguf"
    checkpoint = open_checkpoint(random_checkpoint(size, folder / size))
    f16, path = folder / "f16.gguf", folder / f"{size}.gguf"
    gguf_export.write_float(checkpoint, f16, recipes.find("f16"), quiet)
    llama_quantize.write(f16, path, recipes.find("q4_0"), quiet, None)
    f16.unlink()
    return path


def main(place: str, tools: str) -> int:
    """Measure, print, save; exit code 1 over a limit."""
    models = {"pico": PICO, **{size: random_model(size, Path(place)) for size in SIZES}}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = os.environ | {
            "EDGE_HOME": str(folder / "home"), "PYTHONPYCACHEPREFIX": str(folder / "compiled"),
            "PYTHONDONTWRITEBYTECODE": "",
        }  # fmt: skip
        tool = Path(tools) / "llama-completion"
        rows = {model: compared(path, tool, environment) for model, path in models.items()}
        python: list[str | Path] = [sys.executable]
        commands = {
            "python alone": [*python, "-c", "pass"],
            "import edge": [*python, "-c", "import edge"],
            "edge --help": [*python, "-m", "edge.cli.main", "--help"],
        }
        times: dict[str, list[float]] = {command: [] for command in commands}
        for _ in range(ROUNDS + 1):
            for command, words in commands.items():
                times[command].append(whole(words, environment))
    seconds = {command: round(statistics.median(taken[1:]), 3) for command, taken in times.items()}
    result = {
        "what": f"seconds from exec to the first byte of the answer, medians of {ROUNDS} turns; ratio: "
        "edge run over llama-completion, median of the turns",
        "limit_ratio": LIMIT,
        "rows": rows,
        "seconds": seconds,
        "limit_s": {"import edge": IMPORT_LIMIT_S, "edge --help": HELP_LIMIT_S},
        "machine": f"{platform.machine()}, {len(hardware.affinity())} processors",
        "processors_busy_with_others": round(hardware.others_now(), 2),
    }
    atomic.write_bytes(RESULT, (json.dumps(result, indent=2) + "\n").encode())
    print(json.dumps(result, indent=2))
    slow = any(row["ratio"] > LIMIT for row in rows.values())
    return int(slow or seconds["import edge"] > IMPORT_LIMIT_S or seconds["edge --help"] > HELP_LIMIT_S)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
