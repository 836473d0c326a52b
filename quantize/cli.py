"""`edge quantize`: parses, calls `quantize.pipeline.quantize`, prints the table.

Job: flags in, progress on stderr, sizes and quality on stdout. Ignorance: how anything is quantized.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from quantize.report import Report

_RECIPE_HELP = "int8, int4, f16, bf16, f32, or a llama.cpp name such as q5_k_m."


def quantize_command(
    checkpoint: Annotated[
        Path, typer.Argument(help="A Hugging Face folder with safetensors, or a float GGUF.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="The bundle folder to write.")],
    recipe: Annotated[str, typer.Option("--recipe", "-r", help=_RECIPE_HELP)] = "int4",
    format: Annotated[
        str, typer.Option(help="gguf (llama.cpp), onnx (onnxruntime; f32, int8 or int4), or both.")
    ] = "gguf",
    heldout: Annotated[Path | None, typer.Option(help="Held-out ids and media (npz).")] = None,
    strict_codecs: Annotated[
        bool, typer.Option(help="Fail where an int8 codec misses its gate, instead of keeping the float one.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Quantize a checkpoint into a bundle, and measure what it cost."""
    from quantize.pipeline import quantize

    with _progress() as show:
        report = quantize(
            checkpoint, output, recipe, format=format, progress=show, heldout=heldout,
            strict_codecs=strict_codecs,
        )  # fmt: skip
    if as_json:
        print(report.to_json(), end="")
    else:
        _print(report)


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """Bars on stderr; nothing where stderr is not a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description:>18}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    tasks = {}
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:

        def show(what: str, done: int, of: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=of)
            bars.update(tasks[what], completed=done, total=of)

        yield show


def _print(report: Report) -> None:
    from edge.cli.output import console, size, table

    out = console()
    out.print(
        f"{report.name} as {report.recipe} ({report.type}): {report.parameters / 1e6:.1f} M parameters, "
        f"{report.bits_per_weight:.2f} bits per weight, {report.seconds:.1f} s"
    )
    rows = [
        (role, size(s.before), size(s.after), f"{s.after / max(s.before, 1):.0%}", stored_as(report, role))
        for role, s in report.sizes.items()
    ]
    table(("part", "before", "after", "ratio", "stored as"), rows)
    if not report.quality:
        out.print(f"quality: {report.quality_note}")
        return
    out.print(f"quality {report.quality_note}, held-out tokens:")
    onnx = {f"{name} (ONNX)": quality for name, quality in report.quality_onnx.items()}
    table(
        ("modality", "tokens", "loss", "f16 loss", "top-1 agreement", "KL (nats)"),
        [
            (name, str(q.tokens), f"{q.loss:.4f}", f"{q.reference_loss:.4f}", f"{q.agreement:.1%}",
             f"{q.divergence:.5f}")
            for name, q in {**report.quality, **onnx}.items()
        ],
    )  # fmt: skip


def stored_as(report: Report, role: str) -> str:
    """What a part is stored as, with the gate's number."""
    if role.startswith("decoder"):
        kinds = report.type.split(" and ONNX ")  # where there are two, the GGUF's stands first
        return kinds[0] if role == "decoder" else f"ONNX {kinds[-1].removeprefix('ONNX ')}"
    codec = report.codecs.get(role)
    if codec is None:
        return ""
    if not codec.trials:
        return f"{codec.kept} ({codec.media})"
    value, limit = codec.trials[-1].value, codec.trials[-1].limit
    encodes = role.endswith("_encoder")
    measured = f"{value:.1%} same ids" if encodes else f"{value:+.2f} dB error"
    if codec.kept != "float":
        return f"{codec.kept} ({measured})"
    allowed = f"at least {limit:.0%}" if encodes else f"less than {limit} dB"
    return f"float (refused: {codec.trials[-1].method} gave {measured}, the gate is {allowed})"
