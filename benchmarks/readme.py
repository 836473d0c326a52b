"""Refresh what is generated in README.md and docs/: `python -m benchmarks.readme [--check]`.

Job: put the CLI's help, the tree, the demo's table and the evaluation between their markers.
Ignorance: how numbers were measured. A missing source leaves its section as it is.
"""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DEMO = Path("demo-out/demo.md")
EVALUATION = Path("models/weights/pico/evaluation.md")
TREE = ("edge", "quantize", "models", "benchmarks", "docs", "scripts")
HELP_WIDTH = 100
Section = Callable[[], str | None]  # None: its source is not there, keep what stands


def main(arguments: list[str] | None = None) -> int:
    """Rewrite the documents; with --check only say which are stale, exit 1 if any is.

    What a run measured is never stale: only what follows from the tree itself is checked.
    """
    check = "--check" in (sys.argv[1:] if arguments is None else arguments)
    sections = {name: SECTIONS[name] for name in SECTIONS if not check or name not in MEASURED}
    made = {path: refreshed(path, sections) for path in DOCUMENTS}
    stale = [path for path in DOCUMENTS if made[path] != (ROOT / path).read_text()]
    for path in stale:
        print(f"{path} {'is stale: make docs' if check else 'refreshed'}")
        if not check:
            (ROOT / path).write_text(made[path])
    return 1 if check and stale else 0


def refreshed(path: str, sections: Mapping[str, Section]) -> str:
    """The document with its generated sections made anew."""
    text = (ROOT / path).read_text()
    for name in DOCUMENTS[path]:
        body = sections[name]() if name in sections else None
        if body is not None:
            text = put(text, name, body)
    return text


def put(text: str, name: str, body: str, *, by: str = "make docs") -> str:
    """Replace what stands between the markers of one section."""
    begin, end = f"<!-- {name}: generated, `{by}` -->", f"<!-- end of {name} -->"
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise SystemExit(f"readme: the markers of {name} are missing: {begin} … {end}")
    return f"{before}{begin}\n{body.strip()}\n{end}{after}"


def cli_help() -> str:
    """`edge --help`, then the help of every verb."""
    from typer.testing import CliRunner

    from edge.cli import verbs as cli

    runner, pieces = CliRunner(), []
    for verb in ([], *([name] for name in verbs())):
        shown = runner.invoke(cli.app, [*verb, "--help"], prog_name="edge", terminal_width=HELP_WIDTH)
        if shown.exit_code != 0:
            raise SystemExit(f"readme: edge {' '.join(verb)} --help failed: {shown.output}")
        title = f"## edge {verb[0]}\n\n" if verb else ""
        pieces.append(f"{title}```\n{shown.output.strip()}\n```")
    return "\n\n".join(pieces)


def verbs() -> list[str]:
    """Every verb of the installed command."""
    from edge.cli import verbs as cli

    return [*cli.VERBS, *sorted(cli.plugins())]


def tree() -> str:
    """Every package of the house with the names of its files; tests/ mirrors them."""
    packages = sorted({path.parent for top in TREE for path in (ROOT / top).rglob(f"*{ending(top)}")})
    return "```\n" + "\n".join(package_line(folder) for folder in packages) + "\n```"


def ending(top: str) -> str:
    """docs/ holds documents, every other folder modules."""
    return ".md" if top == "docs" else ".py"


def package_line(folder: Path) -> str:
    """`edge/engines/  base llama_cpp …`, wrapped."""
    where = f"{folder.relative_to(ROOT)}/"
    files = [path for path in sorted(folder.iterdir()) if path.suffix in (".py", ".md")]
    names = " ".join(path.stem for path in files if path.stem != "__init__")
    return textwrap.fill(names, 110, initial_indent=f"{where:<20} ", subsequent_indent=" " * 21)


def demo() -> str | None:
    """What `make demo` wrote; the media it made are copied to where the page shows them."""
    path = ROOT / DEMO
    if not path.exists():
        return None
    folder = ROOT / "docs" / "demo"
    folder.mkdir(exist_ok=True)
    for made in (
        p for ending in ("png", "wav", "webp", "gif", "mp4") for p in path.parent.glob(f"*.{ending}")
    ):
        shutil.copyfile(made, folder / made.name)
    return path.read_text()


def evaluation() -> str | None:
    """The table of `python -m models.evaluation`."""
    path = ROOT / EVALUATION
    return path.read_text() if path.exists() else None


def marks() -> str | None:
    """Of that table, the rows that have a mark to reach."""
    if (whole := evaluation()) is None:
        return None
    lines = whole.splitlines()
    marked = [line for line in lines[2:] if line.startswith("|") and any(sign in line for sign in "≥≤")]
    rest = [line for line in lines if not line.startswith("|")]
    return "\n".join([*lines[:2], *marked, *rest])


SECTIONS: dict[str, Section] = {
    "cli": cli_help,
    "tree": tree,
    "demo": demo,
    "evaluation": evaluation,
    "marks": marks,
}
MEASURED = ("demo", "evaluation", "marks")
DOCUMENTS = {
    "README.md": ("demo", "marks", "tree"),
    "docs/cli.md": ("cli",),
    "models/weights/pico/README.md": ("evaluation",),
}

if __name__ == "__main__":
    sys.exit(main())
