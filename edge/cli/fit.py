"""`edge fit`: what a model takes, whether a machine has it, how fast it may run. Loads no weights."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from edge import fitting
from edge.cli import flags, output
from edge.errors import DoesNotFitError
from edge.fitting import Fit
from edge.options import EngineOptions
from edge.throughput import Range

Machine = Annotated[
    str,
    typer.Option(
        "--machine", metavar="NAME", help=f"Another machine than this: {', '.join(fitting.MACHINES)}."
    ),
]
_PURPOSES = {
    "weights": "weights",
    "cache": "KV cache",
    "codecs": "media codecs",
    "compute": "compute buffers",
    "tables": "tokenizer",
    "runtime": "interpreter and libraries",
}


def command(
    model: flags.Model,
    machine: Machine = fitting.HERE,
    context: flags.Context = None,
    as_json: flags.Json = False,
) -> None:
    """Whether a model fits this machine or another, and how fast it may run, before it is loaded.

    MODEL may also be what is there before a download: the beginning of a .gguf file, or a folder with a
    manifest.json and the beginning of its decoder.gguf or vocabulary.gguf. Exit code 5: it does not fit.
    """
    found = fitting.fit(model, machine=machine, engine=EngineOptions(context_length=context))
    if as_json:
        output.as_json(facts(found))
    else:
        output.table(["", ""], rows(found))
    if not found.fits:
        raise DoesNotFitError(refusal(found))


def facts(found: Fit) -> dict[str, Any]:
    """Everything, with the sum."""
    told = asdict(found)
    told["room"]["total"] = found.room.total
    return told


def rows(found: Fit) -> list[list[str]]:
    """The same for people."""
    takes = [[name, output.size(getattr(found.room, field))] for field, name in _PURPOSES.items()]
    machine = found.machine
    free = f"{output.size(machine.free)} free of {output.size(machine.memory)}" if machine.free else "unknown"
    whose = "this machine" if machine.name == fitting.HERE else f"{machine.name} (assumed)"
    return [
        ["model", f"{found.model} on {found.engine}, {found.sequences} x {found.context} tokens"],
        *takes,
        ["in all, without what it keeps", output.size(found.room.total)],
        [f"memory of {whose}", free],
        ["fits", "yes" if found.fits else "no"],
        ["largest context", f"{found.largest_context} tokens" if found.largest_context else "none"],
        ["reply", speed(found.decode)],
        ["prompt", speed(found.prefill) if found.prefill else "not foreseen for another machine"],
    ]


def speed(expected: Range) -> str:
    """A range as it deserves: two digits."""
    low, high = (float(f"{value:.2g}") for value in expected)
    return f"{low:g} to {high:g} tokens/s"


def refusal(found: Fit) -> str:
    """What to do about it."""
    largest = found.largest_context
    cure = f"choose a context of {largest} (-c)" if largest >= 16 else "choose a smaller model"
    return (
        f"{found.model} needs {output.size(found.room.total)}, and {found.machine.name} has "
        f"{output.size(found.machine.free)} free; {cure}"
    )
