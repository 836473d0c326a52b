"""Can a person teach pico something? A new word for a new shape, and nothing forgotten. `python -m models.prove_finetune`

Job: write conversations about zibs, fine-tune as a person would with what the checkpoint carries to replay, and measure on the int4
bundle with the adapter: zibs named and drawn in colour x place pairs that were never shown, every row of `models.evaluation` before and
after. Ignorance: how training works (models.finetune) and what a zib is (models.data.zib).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

import edge
from edge import atomic
from models.data import zib
from models.data.pictures import scenes
from models.data.tasks.desk import capital_sentence
from models.evaluation import report
from models.evaluation.exam import GREEDY, Exam
from models.evaluation.tasks import Result, examine
from models.finetune import ADAPTER, Settings, finetune, taught


def write_data(folder: Path, count: int) -> Path:
    """zibs.jsonl with its pictures beside it."""
    media = folder / "zibs"
    media.mkdir(parents=True, exist_ok=True)
    talks = [zib.conversation(np.random.default_rng((900, i)), media) for i in range(count)]
    path = folder / "zibs.jsonl"
    path.write_text("".join(json.dumps({"messages": talk}) + "\n" for talk in talks))
    return path


def zibs(model: Any, items: int) -> dict[str, float]:
    """Shares of never-shown colour x place pairs answered and drawn right; other shapes that are called zib."""
    hits: dict[str, list[bool]] = {}
    for i in range(items):
        rng = np.random.default_rng((902, i))
        scene = zib.sample(rng, "heldout")
        shown, thing = edge.Image(scene.draw(rng)), scene.things[0]
        for name, question, answer in (
            ("named", "What shape is it?", "Zib."),
            ("colour", "What color is the zib?", f"{thing.colour.capitalize()}."),
            ("place", "Where is the zib?", f"{thing.place.capitalize()}."),
            ("described", "Describe the picture.", capital_sentence(scene.caption())),
        ):
            told = model.chat().ask(shown, question, sampling=GREEDY).text.strip()
            hits.setdefault(name, []).append(told == answer)
        drawn = zib.judged(scene, np.asarray(model.draw(scene.caption(), seed=i).pixels))
        for name, right in drawn.items():
            hits.setdefault(f"drawn: {name}", []).append(right)
        other = edge.Image(scenes.sample(rng, "heldout").draw(rng))
        told = model.chat().ask(other, "Describe the picture.", sampling=GREEDY).text
        hits.setdefault("other shapes called zib", []).append(zib.NAME in told)
    return {name: round(float(np.mean(right)), 4) for name, right in hits.items()}


def measure(
    bundle: str, adapters: tuple[Path, ...], corpus: Path, items: int
) -> tuple[dict[str, float], Result]:
    """Zibs, and the whole table of a bundle."""
    with edge.load(bundle, engine=edge.EngineOptions(threads=1, adapters=adapters, cache_bytes=0)) as model:
        learnt = zibs(model, items)
        print(json.dumps(learnt), flush=True)
        return learnt, examine(Exam(model, corpus, items))


def cpu_seconds() -> float:
    spent = resource.getrusage(resource.RUSAGE_SELF)
    return spent.ru_utime + spent.ru_stime


def main(words: Sequence[str] | None = None) -> None:
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("--corpus", type=Path, required=True)
    parse.add_argument("--checkpoint", type=Path, default=Path("models/weights/pico"))
    parse.add_argument("--bundle", default="edge/bundles/pico")
    parse.add_argument("--work", type=Path, required=True, help="a new folder for data and adapter")
    parse.add_argument("--new", type=int, default=400)
    parse.add_argument("--epochs", type=int, default=3)
    parse.add_argument("--lr", type=float, default=1.5e-3)
    parse.add_argument("--share", type=float, default=0.5, help="of replay")
    parse.add_argument("--items", type=int, default=100)
    parse.add_argument("--out", type=Path, default=Path("benchmarks/results/finetune.json"))
    args = parse.parse_args(words)
    torch.set_num_threads(1)
    new, out = write_data(args.work, args.new), args.work / "out"
    settings = Settings(epochs=args.epochs, lr=args.lr, share=args.share)
    before, since = cpu_seconds(), time.monotonic()
    finetune(args.checkpoint, new, out, settings, old=taught(args.checkpoint))
    cost = {
        "cpu_seconds": round(cpu_seconds() - before),
        "wall_seconds": round(time.monotonic() - since),
        "adapter_bytes": (out / ADAPTER).stat().st_size,
    }
    print(json.dumps(cost), flush=True)
    adapted, after = measure(args.bundle, (out / ADAPTER,), args.corpus, args.items)
    known, base = measure(args.bundle, (), args.corpus, args.items)
    differences = report.compared(after, base)
    result = {
        "checkpoint_sha256": hashlib.sha256((args.checkpoint / "model.safetensors").read_bytes()).hexdigest(),
        "new": args.new, "epochs": args.epochs, "lr": args.lr, "share": args.share, "items": args.items, "cost": cost,
        "zibs": {"base": known, "adapted": adapted}, "table": differences,
    }  # fmt: skip
    atomic.write_bytes(args.out, (json.dumps(result, indent=1) + "\n").encode())
    for name, share in adapted.items():
        print(f"zib: {name}: {known[name]:.3f} -> {share:.3f}")
    print(report.compared_markdown(differences, "with the adapter", "before"))


if __name__ == "__main__":
    main()
