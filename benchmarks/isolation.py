"""What a process of its own costs: time per event, and how long it takes to go on after a kill.

Job: stream the same replies in this process and from an isolated model, in turns; kill the isolated model's
process and wait for the next reply's first event; write results/isolation.json:
`python -m benchmarks.isolation [BUNDLE]`. Ignorance: quality. An isolated model makes its events while the
caller deals with the last one, so the wall may show no cost: the caller's own time per event is told too.
"""

from __future__ import annotations

import json
import os
import platform
import signal
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import edge
from edge import atomic, hardware
from edge.isolation.model import IsolatedModel

RESULT = Path(__file__).parent / "results" / "isolation.json"
LIMIT_MS, LIMIT_RESTART_S = 0.2, 2.0
RUNS, TOKENS, KILLS = 15, 200, 7
ONE = edge.EngineOptions(threads=1)


def events(model: edge.Model, seed: int) -> tuple[float, float]:
    """Milliseconds per event of one long text, by the wall and by this process' processor time."""
    endless = edge.SamplingOptions(
        seed=seed, max_tokens=TOKENS, logit_bias=dict.fromkeys(model.vocabulary.end, -100)
    )
    stream = model.chat().send("Tell me a story.", make="text", sampling=endless)
    next(stream)  # reading the prompt is no cost of an event
    wall, processor, count = time.perf_counter(), time.process_time(), 0
    for _ in stream:
        count += 1
    return 1000 * (time.perf_counter() - wall) / count, 1000 * (time.process_time() - processor) / count


def restart(model: edge.Model) -> float:
    """Seconds from a kill to the next reply's first event."""
    assert isinstance(model, IsolatedModel)
    chat = model.chat()
    chat.ask("Who are you?", sampling=edge.SamplingOptions(seed=1))
    began = time.perf_counter()
    os.kill(model._supervisor.life().pid, signal.SIGKILL)
    while True:
        try:
            next(chat.send("And what do you do?", sampling=edge.SamplingOptions(seed=1)))
            return time.perf_counter() - began
        except edge.CrashError:  # asked before the death was known
            continue


def main(name: str = "pico") -> int:
    """Measure, print, save; exit code 1 over a limit."""
    with edge.load(name, engine=ONE) as here, edge.load(name, engine=ONE, isolated=True) as apart:
        for model in (here, apart):
            events(model, 0)
        pairs = [(events(here, seed), events(apart, seed)) for seed in range(RUNS)]
        restarts = [restart(apart) for _ in range(KILLS)]
    wall = {"here": [h[0] for h, _ in pairs], "isolated": [a[0] for _, a in pairs]}
    extra = statistics.median(a[0] - h[0] for h, a in pairs)
    result: dict[str, Any] = {
        "what": f"milliseconds per event, medians of {RUNS} pairs of texts of {TOKENS} tokens, 1 thread",
        "bundle": Path(name).name,
        "here_ms": round(statistics.median(wall["here"]), 4),
        "isolated_ms": round(statistics.median(wall["isolated"]), 4),
        "ratio": round(statistics.median(a[0] / h[0] for h, a in pairs), 3),
        "overhead_ms": round(extra, 4),
        "callers_processor_ms": round(statistics.median(a[1] for _, a in pairs), 4),
        "limit_ms": LIMIT_MS,
        "restart_s": {"median": round(statistics.median(restarts), 3), "worst": round(max(restarts), 3)},
        "restart_what": f"from kill -9 to the first event of the next reply; {KILLS} times",
        "restart_limit_s": LIMIT_RESTART_S,
        "machine": f"{platform.machine()}, {len(hardware.affinity())} processors",
        "processors_busy_with_others": round(hardware.others_now(), 2),
    }
    atomic.write_bytes(RESULT, (json.dumps(result, indent=2) + "\n").encode())
    print(json.dumps(result, indent=2))
    return int(extra > LIMIT_MS or statistics.median(restarts) > LIMIT_RESTART_S)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
