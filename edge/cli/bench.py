"""`edge bench`: a model measured here, on every engine that its bundle holds.

Job: load it in a process of its own for each engine, time turns of every modality, tell; the faster engine of
two is remembered, and `edge.load` takes it from then on. Ignorance: how turns are timed (edge.measure).
"""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any, cast

import edge
from edge import hardware, measure, store
from edge.cli import flags, output
from edge.engines import choice
from edge.formats import manifest
from edge.isolation.model import IsolatedModel
from edge.options import EngineOptions

_BUSY = 0.5  # processors' worth of others from which the person is told


def command(
    model: flags.Model,
    context: flags.Context = None,
    threads: flags.Threads = None,
    as_json: flags.Json = False,
) -> None:
    """How fast a model is on this machine, and what it takes, measured in about a minute.

    Where a bundle holds two engines, the one that makes text faster is remembered: the model loads with it
    from then on. Told are tokens read per second (the encoding of media included), seconds to the first
    token, tokens made per second, and seconds in all.
    """
    path = store.find(model)
    known = manifest.load(path) if path.is_dir() else None
    engines = ("llama.cpp",) if known is None else choice.held(known)
    others = hardware.others_now()
    if others > _BUSY:
        output.note(f"note: other processes keep {others:.1f} processors busy, so this will look slow")
    found = [measured(str(path), engine, context, threads) for engine in engines]
    if known is not None and len(found) > 1 and context is None and threads is None:
        choice.remember(known, max(found, key=lambda one: one["speeds"][0]["generation"])["engine"])
    if as_json:
        return output.as_json({"model": str(path), "processors_busy_with_others": others, "engines": found})
    for one in found:
        output.table(
            [one["engine"], "read", "prompt/s", "first", "made", "tokens/s", "seconds"],
            [row(speed) for speed in one["speeds"]],
        )
        print(f"loaded in {one['load']:.2f} s, {output.size(one['memory'])} at most\n")
    return None


def measured(path: str, engine: str, context: int | None, threads: int | None) -> dict[str, Any]:
    """One engine: seconds to load it in a process of its own, bytes that it took at most, and its speeds."""
    options = EngineOptions(context_length=context, threads=threads, engine=cast(Any, engine), cache_bytes=0)
    began = time.perf_counter()
    with edge.load(path, engine=options, isolated=True) as model:
        load = time.perf_counter() - began
        speeds = [asdict(speed) for speed in measure.speeds(model)]
        memory = measure.peak_memory(cast(IsolatedModel, model).pid)
    return {"engine": engine, "load": load, "memory": memory, "speeds": speeds}


def row(speed: dict[str, Any]) -> list[str]:
    """One kind of turn, for people."""
    return [
        speed["what"],
        str(speed["prompt_tokens"]),
        f"{speed['prompt']:.0f}",
        f"{speed['first_token']:.3f}",
        str(speed["tokens"]),
        f"{speed['generation']:.0f}",
        f"{speed['total']:.2f}",
    ]
