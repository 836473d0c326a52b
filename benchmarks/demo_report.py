"""What the demo measured: as a table in the terminal, as demo.json, as demo.md for the README.

Job: hold the rows, print and save them. Ignorance: how they were measured.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from edge import atomic, hardware
from edge.cli import output

STEPS = ("step", "prompt tokens", "new tokens", "first token", "tokens/s", "total", "peak memory")
PICTURES_IN, PICTURES_OUT = "benchmarks/media", "docs/demo"  # as the README links to them
ARTIFACTS = ("artifact", "size", "of checkpoint", "made in", "peak memory")


@dataclass(frozen=True)
class Artifact:
    """A folder on disk."""

    name: str
    size: int  # bytes
    seconds: float  # to make it; 0 = it was there
    peak_memory: int  # bytes, while it was made


@dataclass(frozen=True)
class Row:
    """One step of the conversation."""

    step: str
    said: str = ""
    answered: str = ""
    files: Sequence[str] = ()  # attached or made
    made: bool = False  # the files are the answer
    prompt_tokens: int = 0
    tokens: int = 0  # generated, media codes included
    first_token: float = 0.0  # seconds from the call
    tokens_per_second: float = 0.0
    seconds: float = 0.0
    peak_memory: int = 0  # bytes, of this process, during this step
    complete: bool = True  # it answered with what was asked for


@dataclass(frozen=True)
class Demo:
    """One whole run."""

    artifacts: Sequence[Artifact]
    rows: Sequence[Row]


def save(demo: Demo, folder: Path) -> None:
    """Write demo.json and demo.md."""
    facts = {
        "machine": machine(),
        "artifacts": [asdict(a) for a in demo.artifacts],
        "steps": [asdict(r) for r in demo.rows],
    }
    atomic.write_bytes(
        folder / "demo.json", (json.dumps(facts, indent=2, ensure_ascii=False) + "\n").encode()
    )
    atomic.write_bytes(folder / "demo.md", markdown(demo).encode())


def show(demo: Demo) -> None:
    """Both tables in the terminal."""
    from rich.table import Table

    for headings, rows in ((STEPS, step_cells(demo)), (ARTIFACTS, artifact_cells(demo))):
        table = Table(*headings)
        for column in table.columns[1:]:
            column.justify = "right"
        for row in rows:
            table.add_row(*row)
        output.console().print(table)


def machine() -> str:
    """The processor and what of it was ours."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {hardware.usable_cpus()} cores"


def step_cells(demo: Demo) -> list[list[str]]:
    """Rows of the first table."""
    return [
        [
            row.step,
            str(row.prompt_tokens or ""),
            str(row.tokens or ""),
            f"{row.first_token * 1000:.0f} ms" if row.tokens else "",
            f"{row.tokens_per_second:.0f}" if row.tokens > 1 else "",
            f"{row.seconds:.2f} s",
            output.size(row.peak_memory),
        ]
        for row in demo.rows
    ]


def artifact_cells(demo: Demo) -> list[list[str]]:
    """Rows of the second table; the first artifact is what the others are compared with."""
    whole = demo.artifacts[0].size
    return [
        [
            a.name,
            output.size(a.size),
            f"{a.size / whole:.0%}",
            f"{a.seconds:.1f} s" if a.seconds else "",
            output.size(a.peak_memory) if a.peak_memory else "",
        ]
        for a in demo.artifacts
    ]


def markdown(demo: Demo) -> str:
    """The transcript with its pictures, and both tables."""
    said = "\n".join(spoken(row) for row in demo.rows if row.said or row.files)
    tables = [pipes(STEPS, step_cells(demo)), pipes(ARTIFACTS, artifact_cells(demo))]
    return "\n\n".join([said, f"Measured on {machine()}.", *tables]) + "\n"


def spoken(row: Row) -> str:
    """One line of the transcript: what was attached and said, what came back."""
    folder = PICTURES_OUT if row.made else PICTURES_IN
    files = " ".join(shown_file(name, folder) for name in row.files)
    said = f"**{row.said}**" if row.said else ""
    parts = [said, "→", row.answered, files] if row.made else [files, said, "→", row.answered]
    return "- " + " ".join(filter(None, parts))


def shown_file(name: str, folder: str) -> str:
    """A picture in the page, or a link to a sound or a clip that pages do not show."""
    path = f"{folder}/{name}"
    return (
        f"[{name}]({path})"
        if name.endswith((".wav", ".mp4", ".gif"))
        else f'<img src="{path}" width="96" alt="{name}">'
    )


def pipes(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; numbers to the right."""
    ruler = ["---", *["---:"] * (len(headings) - 1)]
    return "\n".join("| " + " | ".join(row) + " |" for row in (headings, ruler, *rows))
