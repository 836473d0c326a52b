"""Host overhead per token: everything that happens between two calls of llama_decode.

Job: generate text, a guided picture and a sound on a bundle, subtract the time inside of llama_decode from
the time of the whole stream, write results/host_overhead.json: `python -m benchmarks.host_overhead [BUNDLE]`.
Two clocks: the wall, and the processor time of the calling thread less what llama_decode took of it, which a
busy machine stretches less; the limit is held against the latter. Ignorance: quality; a codec's time falls
once per span and is left out.
"""

from __future__ import annotations

import json
import platform
import statistics
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import edge
from edge import atomic, hardware
from edge.engines.llama_native import library
from edge.generation.constraints import Grammar, Kind
from edge.generation.decode import Request, Step
from edge.generation.sampling import Sampler
from edge.segments import TokenSegment
from edge.vocabulary import Vocabulary

RESULT = Path(__file__).parent / "results" / "host_overhead.json"
LIMIT_MS = 0.3
RUNS, TOKENS = 7, 64
KINDS: tuple[Kind, ...] = ("text", "image", "audio")
WALL, PROCESSOR = time.perf_counter, time.thread_time


class Stopwatch:
    """Seconds inside of llama_decode, by standing in its place."""

    def __init__(self) -> None:
        self.native = library()
        self.call = self.native.llama_decode
        self.wall = self.processor = 0.0
        self.caller = threading.get_ident()

    def __call__(self, context: Any, batch: Any) -> Any:
        wall, processor = WALL(), PROCESSOR()
        code = self.call(context, batch)
        if threading.get_ident() == self.caller:  # else it is no time of the caller
            self.processor += PROCESSOR() - processor
        self.wall += WALL() - wall
        return code

    def __enter__(self) -> Stopwatch:
        self.native.llama_decode = self
        return self

    def __exit__(self, *_: object) -> None:
        self.native.llama_decode = self.call


def measure(model: edge.Model, kind: Kind) -> dict[str, float]:
    """Milliseconds per token of one kind, the median of the runs."""
    with Stopwatch() as watch:
        runs = [one_run(model, watch, kind, seed) for seed in range(RUNS)]
    names = ("host_ms", "host_wall_ms", "decode_wall_ms")
    return {name: round(statistics.median(run[i] for run in runs), 4) for i, name in enumerate(names)}


def one_run(model: edge.Model, watch: Stopwatch, kind: Kind, seed: int) -> tuple[float, float, float]:
    """Milliseconds per token: host by processor, host by wall, decode by wall."""
    stream = model.wiring.decoder.stream(request(model, kind, seed))
    for item in stream:  # the prompt, and the opener with its empty prompt, are not measured
        if isinstance(item, Step) and item.mark == ("text" if kind == "text" else "code"):
            break
    watch.wall = watch.processor = 0.0
    wall, processor, count = WALL(), PROCESSOR(), 0
    for item in stream:
        count += isinstance(item, Step)
        if count == TOKENS:
            break
    wall, processor = WALL() - wall, PROCESSOR() - processor
    stream.close()
    host = (processor - watch.processor, wall - watch.wall, watch.wall)
    return tuple(1000 * seconds / count for seconds in host)  # type: ignore[return-value]


def request(model: edge.Model, kind: Kind, seed: int) -> Request:
    """A request that yields ids of one kind, with the bundle's own sampling."""
    generator = np.random.default_rng(seed)
    samplers = {k: Sampler(model.wiring.defaults(k), generator) for k in KINDS}
    script = model.wiring.layout.text("a") if kind == "audio" else ()
    grammar = Grammar(endless(model.vocabulary), makes=model.makes, make=kind, script=script)
    prompt = TokenSegment((*model.wiring.null_prompt, seed))
    return Request([prompt], grammar, samplers, model.wiring.null_prompt)


def endless(vocabulary: Vocabulary) -> Vocabulary:
    """The same ids, but no end of text, and sounds long enough: what is timed must not stop early."""
    blocks = tuple(replace(block, span=block.span or TOKENS + 2) for block in vocabulary.blocks)
    return replace(vocabulary, end=(), blocks=blocks)


def main(name: str = "pico") -> int:
    """Measure, print, save; exit code 1 where a kind is over the limit."""
    with edge.load(name, engine=edge.EngineOptions(cache_bytes=0)) as model:
        kinds = {kind: measure(model, kind) for kind in KINDS if kind in model.makes}
        result: dict[str, Any] = {
            "what": f"per token outside of llama_decode; median of {RUNS} runs of {TOKENS} tokens",
            "host_ms": "processor time of the calling thread; host_wall_ms holds others' time, too",
            "limit_ms": LIMIT_MS,
            "bundle": model.name,
            "vocabulary": model.vocabulary.size,
            "kinds": kinds,
            "machine": f"{platform.machine()}, {len(hardware.affinity())} processors",
            "processors_busy_with_others": round(hardware.others_now(), 2),
        }
    atomic.write_bytes(RESULT, (json.dumps(result, indent=2) + "\n").encode())
    print(json.dumps(result, indent=2))
    return int(any(row["host_ms"] > LIMIT_MS for row in kinds.values()))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
