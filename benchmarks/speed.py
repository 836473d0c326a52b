"""How long one waits for a picture, a sentence, a transcript, a clip: `python -m benchmarks.speed [BUNDLE]`.

Job: each task several times through the public door on benchmarks/media; the median against its limit, saved
as results/speed.json.
Ignorance: quality.
"""

from __future__ import annotations

import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

import edge
from edge import atomic, hardware
from edge.media import video

HERE = Path(__file__).parent
RESULT = HERE / "results" / "speed.json"
RUNS = 9


class Task(NamedTuple):
    """What is timed; it returns the seconds of sound that it read or made, else 1."""

    run: Callable[[edge.Model, int], float]
    unit: str
    limit: float


def drawn(model: edge.Model, seed: int) -> float:
    model.draw("a red circle above a blue square", seed=seed)
    return 1.0


def spoken(model: edge.Model, seed: int) -> float:
    return model.speak("seven green birds are sitting on the old house", seed=seed).seconds


def transcribed(model: edge.Model, seed: int) -> float:
    import soundfile

    samples, rate = soundfile.read(HERE / "media" / "question.wav", dtype="float32")
    shifted = np.roll(samples, seed * rate // 50)  # another sound every time: no cache knows it
    model.transcribe(edge.Audio(shifted, sample_rate=rate))
    return float(len(samples) / rate)


def watched(model: edge.Model, seed: int) -> float:
    frames = video.read(HERE / "media" / "clip.webp").frames
    model.describe(edge.Video(np.roll(frames, seed, axis=2)))  # another clip every time
    return 1.0


TASKS = {
    "a picture drawn": Task(drawn, "s", 0.6),
    "speech made: time per second of it": Task(spoken, "x", 0.35),
    "speech written down: time per second of it": Task(transcribed, "x", 0.15),
    "a clip of 4 frames described": Task(watched, "s", 1.0),
}


def measure(model: edge.Model, task: Task) -> float:
    """The median of the runs after one to warm up."""
    taken = []
    for seed in range(RUNS + 1):
        since = time.perf_counter()
        per = task.run(model, seed)
        taken.append((time.perf_counter() - since) / per)
    return statistics.median(taken[1:])


def main(name: str = "pico") -> int:
    """Measure, print, save; exit code 1 where a task is over its limit."""
    with edge.load(name, engine=edge.EngineOptions(cache_bytes=0)) as model:
        rows = {
            task: {"median": round(measure(model, how), 4), "unit": how.unit, "limit": how.limit}
            for task, how in TASKS.items()
        }
        result = {
            "bundle": model.name, "runs": RUNS, "tasks": rows,
            "machine": f"{platform.machine()}, {len(hardware.affinity())} processors",
            "processors_busy_with_others": round(hardware.others_now(), 2),
        }  # fmt: skip
    atomic.write_bytes(RESULT, (json.dumps(result, indent=1) + "\n").encode())
    for task, row in rows.items():
        print(f"{task}: {row['median']} {row['unit']} (limit {row['limit']})")
    return int(any(row["median"] > row["limit"] for row in rows.values()))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
