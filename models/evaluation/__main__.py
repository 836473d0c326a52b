"""`python -m models.evaluation BUNDLE --corpus C --items N --out FOLDER [--compare OTHER]`: all rows, as text, JSON, Markdown, chart.

Job: parse, open, examine, write. Ignorance: tasks, how tables look.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import edge
from edge import atomic, store
from models.evaluation import quantized, report
from models.evaluation.exam import Exam
from models.evaluation.tasks import TASKS, Result, examine


def measured(bundle: str, args: argparse.Namespace) -> tuple[Result, dict[str, Any]]:
    """The rows of one bundle, and what it is."""
    with edge.load(bundle, engine=edge.EngineOptions(cache_bytes=0)) as model:
        exam = Exam(model, args.corpus, args.items, args.seed)
        result = examine(exam, args.only, lambda line: print(line, flush=True))
        entry = model.manifest.files.get("report")
        known = model.manifest
    folder = store.find(bundle)
    cost = quantized.of_bundle(folder, entry.path) if entry and folder.is_dir() and not args.only else []
    recipe = str(known.recipe.get("name", "unknown"))
    about = {"bundle": known.name, "member": known.member, "recipe": recipe, "dial": args.items, "seed": args.seed}  # fmt: skip
    return Result((*result.rows, *cost), result.skipped), about


def write(folder: Path, name: str, result: Result, about: dict[str, Any]) -> None:
    """name.json, name.md and name.png."""
    folder.mkdir(parents=True, exist_ok=True)
    data = json.dumps(report.to_dict(result, about), indent=1, allow_nan=False) + "\n"
    atomic.write_bytes(folder / f"{name}.json", data.encode())
    atomic.write_bytes(folder / f"{name}.md", report.markdown(result, about).encode())
    report.chart(result, folder / f"{name}.png", f"{about['bundle']}, {about['recipe']}: held out")


def compare(folder: Path, both: list[tuple[Result, dict[str, Any]]]) -> str:
    """comparison.json and comparison.md; the latter's text."""
    (result, about), (reference, other) = both
    names = [f"{a['bundle']} {a['recipe']}" for a in (about, other)]
    differences = report.compared(result, reference)
    told = report.compared_markdown(differences, *names)
    data = json.dumps({"bundle": names[0], "reference": names[1], "rows": differences}, indent=1) + "\n"
    atomic.write_bytes(folder / "comparison.json", data.encode())
    atomic.write_bytes(folder / "comparison.md", told.encode())
    return told


def parser() -> argparse.ArgumentParser:
    parse = argparse.ArgumentParser(prog="python -m models.evaluation", description=__doc__)
    parse.add_argument("bundle")
    parse.add_argument("--corpus", type=Path, required=True, help="folder of the open corpus")
    parse.add_argument("--items", type=int, default=200, help="the dial: each task takes its share of it")
    parse.add_argument("--out", type=Path, default=Path("demo-out/evaluation"))
    parse.add_argument("--seed", type=int, default=0, help="another seed, other items")
    parse.add_argument("--compare", metavar="OTHER", help="a second bundle: BUNDLE minus OTHER, row by row")
    parse.add_argument("--only", nargs="*", default=[], choices=list(TASKS), help="some tasks")
    return parse


def main() -> None:
    args = parser().parse_args()
    try:
        both = [measured(bundle, args) for bundle in (args.bundle, args.compare) if bundle]
    except edge.EdgeError as error:
        raise SystemExit(f"evaluation: {error}") from None
    print(report.text(both[0][0]))
    for name, (result, about) in zip(("evaluation", "reference"), both, strict=False):
        write(args.out, name, result, about)
    if args.compare:
        print(compare(args.out, both))


if __name__ == "__main__":
    main()
