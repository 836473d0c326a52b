"""What stays behind after many conversations: `python -m benchmarks.endurance [BUNDLE] [--chats N] …`.

Job: short chats of every kind on one loaded model; then loading and closing, in this process and isolated;
each in a process of its own, which counts its resident bytes, open files and threads. Growth is the slope of
a straight line through the resident bytes, after a warm-up: what fills on purpose, and is bounded, was filled
before by long chats. Written to results/endurance.json.
Ignorance: speed, quality. It minds no other process.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import edge
from edge import atomic, hardware

HERE = Path(__file__).parent
RESULT = HERE / "results" / "endurance.json"
LIMIT_MIB = 1.0  # per 1,000 chats
CHATS, LOADS, STARTS = 10_000, 200, 30
WARM = 0.2  # of the samples: the allocator settles
SAMPLES = 50
LONG, WORDS = 80, 600  # chats, and words in each, that fill the memory for kept sequences
FEW = edge.SamplingOptions(max_tokens=3)
MIB = 1 << 20


@dataclass(frozen=True)
class Sample:
    """This process at one moment."""

    done: int  # chats or loads before it
    resident: int  # bytes
    files: int
    threads: int


# --- one chat of every kind -----------------------------------------------------------------------


def plain(model: edge.Model, number: int) -> None:
    model.chat().ask(f"Who is number {number}?", make="text", sampling=FEW)


def two_turns(model: edge.Model, number: int) -> None:
    chat = model.chat(system=f"You are number {number % 7}.", sampling=FEW)
    chat.ask("Who are you?", make="text")
    chat.ask("And what comes next?", make="text")


def picture(model: edge.Model, number: int) -> None:
    pixels = np.full((64, 64, 3), number % 251, np.uint8)
    pixels[: number % 64] = 255  # another one nearly every time
    model.chat().ask(edge.Image(pixels), "What is this?", make="text", sampling=FEW)


def sound(model: edge.Model, number: int) -> None:
    samples = np.sin(np.arange(4000) * (0.05 + number % 97 / 500)).astype(np.float32)
    model.chat().ask(edge.Audio(samples, sample_rate=16_000), make="text", sampling=FEW)


def cancelled(model: edge.Model, number: int) -> None:
    chat = model.chat()
    for _ in chat.send(f"Tell me of {number}.", make="text"):
        chat.cancel()


def closed(model: edge.Model, number: int) -> None:
    stream = model.chat().send(f"Tell me of {number}.", make="text")
    next(stream)
    stream.close()  # type: ignore[attr-defined]


def left(model: edge.Model, number: int) -> None:
    next(model.chat().send(f"Draw {number}.", make="image"))  # nobody closes it


def shaped(model: edge.Model, number: int) -> None:
    with contextlib.suppress(edge.IncompleteError):
        model.chat().ask("Yes or no?", pattern=f"(yes|no|{number})", sampling=FEW)


def listened(model: edge.Model, number: int) -> None:
    async def listen() -> None:
        async for _ in model.chat().asend(f"Say {number}.", make="text", sampling=FEW):
            pass

    asyncio.run(listen())


def scored(model: edge.Model, number: int) -> None:
    model.score(f"number {number}")
    model.embed(f"number {number}")


def drawn(model: edge.Model, number: int) -> None:
    model.draw("a red circle", seed=number)


def spoken(model: edge.Model, number: int) -> None:
    model.speak("one", seed=number)


KINDS: tuple[tuple[int, Callable[[edge.Model, int], None]], ...] = (  # one of so many chats
    (100, drawn), (100, spoken), (50, sound), (50, listened), (50, scored), (40, shaped), (20, left),
    (20, closed), (20, cancelled), (10, picture), (5, two_turns), (1, plain),
)  # fmt: skip


def kind_of(number: int) -> Callable[[edge.Model, int], None]:
    """The kind of the chat with this number."""
    return next(kind for i, (each, kind) in enumerate(KINDS) if number % each == i % each)


def converse(model: edge.Model, number: int) -> None:
    """One chat."""
    kind_of(number)(model, number)


# --- measuring ------------------------------------------------------------------------------------


def sample(done: int) -> Sample:
    """This process now, without what only waits for Python's collector."""
    gc.collect()
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return Sample(done, resident, len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task")))


def watched(work: Callable[[int], None], count: int, samples: int = SAMPLES) -> list[Sample]:
    """`work` so many times, and what the process looks like in between."""
    found = []
    for number in range(1, count + 1):
        work(number)
        if number % max(1, count // samples) == 0:
            found.append(sample(number))
    return found


def judged(found: list[Sample], each: int) -> dict[str, Any]:
    """Growth per `each` rounds, and how files and threads changed, after the warm-up."""
    kept = found[int(len(found) * WARM) :]
    return {
        f"growth_mib_per_{each}": _slope(kept, each),
        "in_the_last_third": _slope(found[-len(found) // 3 :], each),
        "resident_mib": [round(one.resident / MIB, 1) for one in found],
        "files": [kept[0].files, kept[-1].files],
        "threads": [kept[0].threads, kept[-1].threads],
    }


def _slope(samples: list[Sample], each: int) -> float:
    """MiB per `each` rounds."""
    slope = np.polyfit([one.done for one in samples], [one.resident for one in samples], 1)[0]
    return round(float(slope) * each / MIB, 4)


# --- the three parts, each in a process of its own -------------------------------------------------


def filled(model: edge.Model) -> None:
    """Chats as long as they may be, until kept sequences take all the memory that they get."""
    for number in range(LONG):
        model.chat().ask(f"{number} " + "bird " * WORDS, make="text", sampling=FEW)


def chats(name: str, count: int) -> dict[str, Any]:
    with edge.load(name) as model:
        filled(model)
        return judged(watched(lambda number: converse(model, number), count), 1000)


def loads(name: str, count: int) -> dict[str, Any]:
    def work(number: int) -> None:
        with edge.load(name) as model:
            plain(model, number)
            if number % 10 == 0:
                drawn(model, number)
                spoken(model, number)

    return judged(watched(work, count), 1)


def starts(name: str, count: int) -> dict[str, Any]:
    def work(number: int) -> None:
        with edge.load(name, isolated=True) as model:
            plain(model, number)
            picture(model, number)

    return judged(watched(work, count), 1)


PARTS = {"chats": chats, "loads": loads, "starts": starts}


def child(part: str, name: str, count: int, home: str) -> dict[str, Any]:
    """One part in a process that keeps its files in a home of its own."""
    command = [sys.executable, "-m", "benchmarks.endurance", name, "--part", part, str(count)]
    began = time.perf_counter()
    done = subprocess.run(
        command, env=os.environ | {"EDGE_HOME": home}, stdout=subprocess.PIPE, text=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {"count": count, "seconds": round(time.perf_counter() - began), **found}


def main() -> int:
    """Measure, print, save; exit code 1 where something grows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", nargs="?", default="pico")
    parser.add_argument("--chats", type=int, default=CHATS)
    parser.add_argument("--loads", type=int, default=LOADS)
    parser.add_argument("--starts", type=int, default=STARTS)
    parser.add_argument("--json", type=Path, default=RESULT)
    parser.add_argument("--part", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.part:
        print(json.dumps(PARTS[given.part[0]](given.bundle, int(given.part[1]))))
        return 0
    with tempfile.TemporaryDirectory() as home:
        counts = {part: getattr(given, part) for part in PARTS}
        found = {part: child(part, given.bundle, n, home) for part, n in counts.items() if n}
    result = {
        "what": "resident MiB, open files and threads; growth by a straight line through all samples but the "
        f"first {WARM:.0%}",
        "bundle": Path(given.bundle).name,
        "limit_mib_per_1000_chats": LIMIT_MIB,
        **found,
        "machine": f"{platform.machine()}, {hardware.usable_cpus()} processors",
    }
    atomic.write_bytes(given.json, (json.dumps(result, indent=1) + "\n").encode())
    print(json.dumps(result))
    return int("chats" in found and found["chats"]["growth_mib_per_1000"] > LIMIT_MIB)


if __name__ == "__main__":
    sys.exit(main())
