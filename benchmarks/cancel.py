"""How long a cancelled reply goes on, in the middle of its prompt and in the middle of its answer.

Job: cancel from another thread, time until the stream has told its last event, write results/cancel.json:
`python -m benchmarks.cancel [BUNDLE]`. Ignorance: what is said.
"""

from __future__ import annotations

import json
import platform
import statistics
import sys
import threading
import time
from pathlib import Path

import edge
from edge import atomic, hardware

RESULT = Path(__file__).parent / "results" / "cancel.json"
LIMIT_MS = 100.0
RUNS, WORDS = 15, 900


def endless(model: edge.Model) -> edge.SamplingOptions:
    """Answers that do not end before they are cancelled."""
    never = dict.fromkeys(model.vocabulary.end, -100.0)
    return edge.SamplingOptions(seed=0, max_tokens=400, logit_bias=never)


def after_cancel(chat: edge.Chat, prompt: str, delay: float) -> tuple[float, str]:
    """Milliseconds from the cancel to the stream's end, and the reason that it gave."""
    cancelled: list[float] = []

    def cancel() -> None:
        cancelled.append(time.perf_counter())
        chat.cancel()

    timer = threading.Timer(delay, cancel)
    timer.start()
    last = list(chat.send(prompt, make="text"))[-1]
    ended = time.perf_counter()
    timer.join()
    reason = last.reason if isinstance(last, edge.Finished) else ""
    return 1000 * (ended - cancelled[0]), reason


def measure(model: edge.Model, prompt: str, share: float) -> dict[str, float]:
    """Cancels at a share of the time that the prompt takes to be read; above 1, the answer is being made."""
    settings = endless(model)
    began = time.perf_counter()
    next(iter(model.chat(sampling=settings).send(f"0 {prompt}", make="text")))
    delay = share * (time.perf_counter() - began)
    chats = [model.chat(sampling=settings) for _ in range(RUNS)]
    found = [after_cancel(chat, f"{run} {prompt}", delay) for run, chat in enumerate(chats, 1)]
    times = [ms for ms, reason in found if reason == "cancelled"]
    return {
        "cancelled": len(times),
        "median_ms": round(statistics.median(times), 2),
        "worst_ms": round(max(times), 2),
    }


def main(name: str = "pico") -> int:
    """Measure, print, save; exit code 1 where the worst is over the limit."""
    with edge.load(name, engine=edge.EngineOptions(cache_bytes=0)) as model:
        rows = {
            "in the prompt": measure(model, "bird " * WORDS, 0.4),
            "in the answer": measure(model, "bird " * 20, 3.0),
        }
        result = {
            "what": f"milliseconds from cancel() to the last event; {RUNS} runs, {WORDS} words of prompt",
            "limit_ms": LIMIT_MS,
            "bundle": model.name,
            "rows": rows,
            "machine": f"{platform.machine()}, {len(hardware.affinity())} processors",
            "processors_busy_with_others": round(hardware.others_now(), 2),
        }
    atomic.write_bytes(RESULT, (json.dumps(result, indent=2) + "\n").encode())
    print(json.dumps(result, indent=2))
    return int(any(row["worst_ms"] > LIMIT_MS for row in rows.values()))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
