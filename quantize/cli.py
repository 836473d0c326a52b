"""`edge quantize`: parses, calls `quantize.pipeline.quantize` or `plan`, prints the table.

Job: flags in, progress on stderr, sizes and quality, or the plan, on stdout.
Ignorance: how anything is quantized.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from quantize.budget import Goal, Plan
    from quantize.report import Quality, Report

_RECIPE_HELP = "int8, int4 (default), f16, bf16, f32, or a llama.cpp name such as q5_k_m."

_CALIBRATION_HELP = "Your own examples (JSONL): they say which weights matter."


def quantize_command(
    checkpoint: Annotated[
        Path, typer.Argument(help="A Hugging Face folder with safetensors, or a float GGUF.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="The bundle folder to write.")],
    recipe: Annotated[str | None, typer.Option("--recipe", "-r", help=_RECIPE_HELP)] = None,
    format: Annotated[
        str, typer.Option(help="gguf (llama.cpp), onnx (onnxruntime; f32, int8, int4 or a limit), or both.")
    ] = "gguf",
    max_size: Annotated[str | None, typer.Option(help="Most bytes of a decoder: 700MB, 512MiB.")] = None,
    max_kl: Annotated[
        float | None, typer.Option(help="Largest mean KL of a modality, in nats: 0.02.")
    ] = None,
    max_ram: Annotated[str | None, typer.Option(help="Most memory while it runs: 2GB.")] = None,
    context: Annotated[int, typer.Option(help="Tokens of context that --max-ram counts.")] = 4096,
    rotate: Annotated[
        str, typer.Option(help="auto: try rotated weights, keep them where the measured KL falls; or off.")
    ] = "off",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan, write no bundle.")] = False,
    heldout: Annotated[Path | None, typer.Option(help="Held-out ids and media (npz).")] = None,
    calibration: Annotated[Path | None, typer.Option(help=_CALIBRATION_HELP)] = None,
    imatrix: Annotated[Path | None, typer.Option(help="A ready importance matrix (GGUF).")] = None,
    strict_codecs: Annotated[
        bool, typer.Option(help="Fail where an int8 codec misses its gate, instead of keeping the float one.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Quantize a checkpoint into a bundle, and measure what it cost."""
    from edge.errors import UsageError
    from quantize import pipeline

    goal = _goal(recipe, max_size, max_kl, max_ram, context)
    options = pipeline.Options(heldout, calibration, imatrix, strict_codecs, goal, format, rotate)
    if dry_run and goal is None:
        raise UsageError("--dry-run plans --max-size, --max-kl or --max-ram; a recipe has nothing to plan")
    with _progress(f"{format} {_aim(goal) or recipe or 'int4'}{' plan' * dry_run}", checkpoint) as show:
        if dry_run:
            planned = pipeline.plan(checkpoint, output, options=options, progress=show)
        else:
            report = pipeline.quantize(checkpoint, output, recipe or "int4", options=options, progress=show)
    if dry_run:
        _print_plans(planned, as_json=as_json)
    elif as_json:
        print(report.to_json(), end="")
    else:
        _print(report)


def _goal(recipe: str | None, max_size: str | None, max_kl: float | None, max_ram: str | None,
          context: int) -> Goal | None:  # fmt: skip
    """The limit that was named, if any; it excludes a recipe."""
    from edge.errors import UsageError
    from quantize.budget import Goal, bytes_of

    if max_size is None and max_kl is None and max_ram is None:
        return None
    if recipe is not None:
        raise UsageError("give exactly one of --max-size, --max-kl, --max-ram and --recipe")
    sizes = [None if text is None else bytes_of(text) for text in (max_size, max_ram)]
    return Goal(max_size=sizes[0], max_kl=max_kl, max_ram=sizes[1], context=context)


def _aim(goal: Goal | None) -> str:
    """Which limit it is; runs to one limit have the same stages."""
    given = {} if goal is None else {"size": goal.max_size, "kl": goal.max_kl, "ram": goal.max_ram}
    return "".join(name for name, limit in given.items() if limit is not None)


def _print_plans(plans: Mapping[str, Plan], *, as_json: bool) -> None:
    """One after the other; as JSON, by format."""
    from dataclasses import asdict

    from edge.cli import output

    if as_json:
        return output.as_json({kind: asdict(plan) for kind, plan in plans.items()})
    for kind, plan in plans.items():
        if len(plans) > 1:
            output.console().print(f"{kind.upper()}:")
        _print_plan(plan)
    return None


def _print_plan(plan: Plan) -> None:
    """Each group's type, the totals, and where the plan lies on the front."""
    from dataclasses import asdict

    from edge.cli import output

    table, size, point = output.table, output.size, plan.point
    table(
        ("group", "type", "bytes", "expected KL"),
        [(c.group, c.type, size(c.bytes), f"{c.divergence:.2e}") for c in plan.choices],
    )
    output.console().print(
        f"{plan.goal}: {size(point.bytes)}, expected KL {point.divergence:.4f} nats (measured on calibrating "
        f"rows: ×{plan.correction:.2f} of the sum), about {point.tokens_per_second:.0f} tokens/s"
    )
    if plan.rotation:
        output.console().print(f"rotation: {told_rotation(asdict(plan.rotation))}")
    output.console().print("The least KL by size:")
    after = next((i for i, p in enumerate(plan.front) if p.bytes > point.bytes), len(plan.front))
    front = [("", p) for p in plan.front]
    front.insert(after, ("this plan", point))
    return table(
        ("bytes", "expected KL", "tokens/s", ""),
        [(size(p.bytes), f"{p.divergence:.4f}", f"{p.tokens_per_second:.0f}", name) for name, p in front],
    )


@contextmanager
def _progress(kind: str, checkpoint: Path) -> Iterator[Callable[[str, int, int], None]]:
    """Bars on stderr, and the time left where the last run of this kind tells it; nothing where stderr is not
    a terminal."""
    import time

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from quantize.remaining import Clock

    console = Console(stderr=True)
    left = TextColumn("{task.fields[left]}")
    columns = (
        TextColumn("{task.description:>23}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        left,
    )
    clock = Clock(kind, _bytes_below(checkpoint), time.monotonic())
    tasks: dict[str, Any] = {}
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:

        def show(what: str, done: int, of: int) -> None:
            clock.tell(what, done, of, time.monotonic())
            for other in tasks.values():
                bars.update(other, left="")
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=of, left="")
            told = _written(clock.left(time.monotonic()))
            bars.update(tasks[what], completed=done, total=of, left=told)

        yield show
    clock.finish(time.monotonic())


def _written(seconds: float | None) -> str:
    """about 3 min left."""
    if seconds is None:
        return "(time left: known after the first run)"
    return f"about {seconds / 60:.0f} min left" if seconds >= 90 else f"about {seconds:.0f} s left"


def _bytes_below(checkpoint: Path) -> int:
    files = [checkpoint] if checkpoint.is_file() else checkpoint.glob("*.safetensors")
    return sum(path.stat().st_size for path in files if path.is_file())


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
    out.print(f"importance matrix: {report.importance}")
    for kind, kept in report.rotation.items():
        out.print(f"rotation of {kind}: {told_rotation(kept)}")
    if not report.quality:
        out.print(f"quality: {report.quality_note}")
        return
    out.print(f"quality {report.quality_note}, on {report.judged_on}; 95 % intervals in brackets:")
    table(
        ("modality", "tokens", "KL (nats)", "KL 99 %", "KL 99.9 %", "top-1 agreement", "perplexity", "noise"),
        [
            (name, str(q.tokens), ranged(q, "divergence", "{:.5f}"), ranged(q, "divergence_99", "{:.3f}"),
             ranged(q, "divergence_999", "{:.3f}"), ranged(q, "agreement", "{:.1%}"),
             ranged(q, "perplexity_ratio", "×{:.4f}"), f"{q.noise['divergence']:.0e}")
            for name, q in report.qualities.items()
        ],
    )  # fmt: skip


def told_rotation(kept: Mapping[str, Any]) -> str:
    """Which was kept, the divergence of each on calibrating rows, and what was left out."""
    tried = ", ".join(f"{name} {nats:.5f}" for name, nats in kept["divergence"].items())
    left = "".join(f"; {name} was not tried: {why}" for name, why in kept["left_out"].items())
    return f"{kept['name']} kept (KL on calibrating rows: {tried}{left})"


def ranged(quality: Quality, name: str, form: str) -> str:
    """A number with its interval: 0.0048 [0.0041 … 0.0057]."""
    low, high = (form.format(end) for end in quality.intervals[name])
    return f"{form.format(getattr(quality, name))} [{low} … {high}]"


def stored_as(report: Report, role: str) -> str:
    """What a part is stored as, with the gate's number."""
    if role.startswith("decoder"):
        kinds = report.type.split(" and ONNX ")  # where there are two, the GGUF's stands first
        return kinds[0] if role == "decoder" else f"ONNX {kinds[-1].removeprefix('ONNX ')}"
    if role == "mmproj":
        return f"{report.projector} (what that alone costs is not measured)"
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
