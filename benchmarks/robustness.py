"""Quantization killed and starved: 200 kill -9 at random moments, and a full disk at the n-th write.

Job: make a tiny random checkpoint, quantize it over an old bundle again and again, each time ended from
outside, and check after every end that the old bundle or the new one is there, whole; write
results/robustness.json: `python -m benchmarks.robustness [--kills 200] [--writes 60]`; 0 leaves a part as it
was measured before, and a run that is stopped has written what it tried until then. A killed run is sometimes
followed by the same one, which goes on where it was, and sometimes by another. The full disk is strace's: it
lets the n-th write of every process fail with ENOSPC, for n from 1 to the last, evenly by its logarithm,
because a run is many short processes and a few write much.
Ignorance: what quantization does, how long it takes.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edge import atomic
from edge.errors import EdgeError
from edge.formats import manifest as manifests
from tests import tiny

ROOT = Path(__file__).resolve().parents[1]
RESULT = Path(__file__).parent / "results" / "robustness.json"
RECIPES = ("int8", "int4")
WRITES = "write,pwrite64,writev"


def started(checkpoint: Path, target: Path, recipe: str, *before: str) -> subprocess.Popen[str]:
    """`edge quantize` in its own process, behind another command where one is given."""
    command = [
        *before,
        sys.executable,
        "-m",
        "edge.cli.main",
        "quantize",
        str(checkpoint),
        "-o",
        str(target),
        "-r",
        recipe,
    ]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, errors = process.communicate()
    return process.returncode, errors


def whole(target: Path) -> str:
    """The recipe of the bundle that stands there; raises where it is not whole."""
    return str(manifests.load(target).recipe["name"])  # checks every hash


def kills(checkpoint: Path, target: Path, count: int) -> Iterator[dict[str, Any]]:
    """End runs at random moments of their time; what was found so far, after each."""
    began = time.monotonic()
    assert ended(started(checkpoint, target, RECIPES[0]))[0] == 0
    took, random_ = time.monotonic() - began, random.Random(1)
    found: Counter[str] = Counter()
    for number in range(count):
        recipe, before = RECIPES[random_.random() < 0.5], whole(target)
        process = started(checkpoint, target, recipe)
        time.sleep(random_.uniform(0, took * 1.1))
        process.send_signal(signal.SIGKILL)
        ended(process)
        after = whole(target)
        assert after in (before, recipe), f"kill {number}: {before} became {after} while {recipe} was made"
        found["the new bundle" if process.returncode == 0 else "the old bundle, or the new one"] += 1
        found["left something to go on with"] += bool(list(target.parent.glob(f"{target.name}.partial-*")))
        yield {"kills": number + 1, "of": count, "broken bundles": 0, **found}
    assert ended(started(checkpoint, target, RECIPES[1]))[0] == 0
    left = sorted(path.name for path in target.parent.iterdir() if path != target)
    assert whole(target) == RECIPES[1], "the run after the last kill did not end well"
    yield {"kills": count, "broken bundles": 0, "left over after the last run": left, **found}


def full_disks(checkpoint: Path, target: Path, count: int) -> Iterator[dict[str, Any]]:
    """Let the n-th write of every process fail, for n from the first to the last, shuffled; what was found so
    far, after each."""
    log = target.parent / "strace.log"
    assert ended(started(checkpoint, target, RECIPES[0], *traced(log)))[0] == 0
    most = max(Counter(re.findall(r"^(\d+) ", log.read_text(), re.MULTILINE)).values())
    found: Counter[str] = Counter()
    chosen = sorted({round(most ** (i / max(1, count - 1))) for i in range(count)})
    random.Random(1).shuffle(chosen)
    for done, n in enumerate(chosen, 1):
        inject = ("-e", f"inject={WRITES}:error=ENOSPC:when={n}")
        code, errors = ended(started(checkpoint, target, RECIPES[1], *traced(Path("/dev/null")), *inject))
        after = whole(target)
        assert after in RECIPES, after
        assert "Traceback" not in errors, errors
        assert code in (0, 1, 5, 120), (n, code, errors)  # 120: Python could not write its own last words
        found[f"exit code {code}"] += 1
        if after == RECIPES[1]:  # the failed write was of a log line; begin again from the old one
            assert ended(started(checkpoint, target, RECIPES[0]))[0] == 0
        left = sorted(path.name for path in target.parent.iterdir() if path not in (target, log))
        yield {"writes of the busiest process": most, "tried": done, "of": len(chosen), "broken bundles": 0,
               "left over": left, **found}  # fmt: skip


def traced(log: Path) -> tuple[str, ...]:
    return ("strace", "-f", "-qq", "-o", str(log), "-e", f"trace={WRITES}")


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("--kills", type=int, default=200)
    parse.add_argument("--writes", type=int, default=60)
    args = parse.parse_args()
    if shutil.which("strace") is None:
        raise SystemExit("robustness: strace is missing; on Debian and Ubuntu: apt-get install strace")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EDGE_HOME"] = str(Path(folder) / "home")
        checkpoint = tiny.checkpoint(Path(folder) / "checkpoint")
        results: dict[str, Any] = json.loads(RESULT.read_bytes()) if RESULT.is_file() else {}
        results["command"] = "python -m benchmarks.robustness"
        for name, job, count in (("kill -9", kills, args.kills), ("full disk", full_disks, args.writes)):
            if not count:
                continue
            place = Path(folder) / name.replace(" ", "-")
            place.mkdir()
            try:
                for results[name] in job(checkpoint, place / "bundle", count):
                    atomic.write_bytes(RESULT, (json.dumps(results, indent=1) + "\n").encode())
            except EdgeError as error:
                raise SystemExit(f"robustness: {name} broke the bundle: {error}") from error
            print(name, json.dumps(results[name]), flush=True)


if __name__ == "__main__":
    main()
