"""Which sampling draws and speaks best. `python -m models.tune_sampling BUNDLE draw`, `... speak --corpus C`

Job: draw known compositions under each temperature and guidance, judged by program; say known texts, judged by the model's own ears
(never what `models.evaluation` asks). The best row goes into `models.release.SAMPLING` by hand.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

import edge
from models.data import items
from models.data.pictures import scene_checker, scenes
from models.evaluation.exam import GREEDY, heard
from models.evaluation.scoring import word_errors

Judge = Callable[[edge.SamplingOptions], tuple[float, ...]]
FIRST = 70_000  # texts that no bank holds


def drawing(model: Any, count: int) -> tuple[tuple[str, ...], list[edge.SamplingOptions], Judge]:
    """Shares of drawings with the asked colours and shapes, and with everything as asked."""

    def judged(options: edge.SamplingOptions) -> tuple[float, ...]:
        got = []
        for i in range(count):
            scene = scenes.sample(np.random.default_rng((500, i)))
            drawn = model.draw(scene.caption(), seed=i, sampling=options)
            got.append(scene_checker.agrees(scene, np.asarray(drawn.pixels)))
        return float(np.mean([g["colour"] and g["shape"] for g in got])), float(
            np.mean([g["all"] for g in got])
        )

    tried = product((0.0, 0.2, 0.4, 0.7), (1.0, 2.0, 3.0, 4.0))
    return (
        ("colour and shape", "everything"),
        [edge.SamplingOptions(temperature=t, guidance=g, top_k=128) for t, g in tried],
        judged,
    )


def speaking(
    model: Any, count: int, corpus: Path
) -> tuple[tuple[str, ...], list[edge.SamplingOptions], Judge]:
    """Share of the words that are heard again as they were said."""

    def judged(options: edge.SamplingOptions) -> tuple[float, ...]:
        wrong, words = 0, 0
        for i in range(FIRST, FIRST + count):
            text = items.own_voice(i, corpus)[0].text
            said = model.speak(text, seed=i, sampling=options)
            told = model.transcribe(heard(np.asarray(said.samples)), sampling=GREEDY)
            wrong, words = wrong + word_errors(text, told), words + len(text.split())
        return (1 - wrong / words,)

    tried = product((0.0, 0.2, 0.4, 0.7), (1.0, 1.5, 2.0))
    return (
        ("words right",),
        [edge.SamplingOptions(temperature=t, guidance=g, top_k=50) for t, g in tried],
        judged,
    )


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("bundle")
    parse.add_argument("what", choices=["draw", "speak"])
    parse.add_argument("--items", type=int, default=40)
    parse.add_argument("--corpus", type=Path, help="for speech")
    args = parse.parse_args()
    if args.what == "speak" and args.corpus is None:
        parse.error("speak needs --corpus")
    with edge.load(args.bundle, engine=edge.EngineOptions(cache_bytes=0, threads=1)) as model:
        names, settings, judged = (
            drawing(model, args.items) if args.what == "draw" else speaking(model, args.items, args.corpus)
        )
        print(f"| temperature | guidance | {' | '.join(names)} |\n|---:|---:|{'---:|' * len(names)}")
        for options in settings:
            shares = " | ".join(f"{share * 100:.0f} %" for share in judged(options))
            print(f"| {options.temperature} | {options.guidance} | {shares} |", flush=True)


if __name__ == "__main__":
    main()
