"""Which sampling draws and speaks best. `python -m models.tune_sampling BUNDLE draw`, `... speak --corpus C`

Job: draw known compositions under each temperature and guidance, judged by program; say known texts, judged by the model's own ears
(never what `models.evaluation` asks). The best row goes into `models.release.SAMPLING` by hand.
"""

from __future__ import annotations

import argparse
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

import edge
from models.data import items
from models.data.pictures import scene_checker, scenes
from models.evaluation.exam import GREEDY, heard
from models.evaluation.scoring import word_errors

TEMPERATURES = (0.0, 0.2, 0.4, 0.7)
GUIDANCES = {"draw": (1.0, 2.0, 3.0, 4.0), "speak": (1.0, 1.5, 2.0)}
TOP_K = {"draw": 128, "speak": 50}
SHARES = {"draw": "colour and shape | everything", "speak": "words right"}
FIRST = 70_000  # texts that no bank holds


def drawn(model: Any, count: int, options: edge.SamplingOptions) -> tuple[float, ...]:
    """Shares of drawings with the asked colours and shapes, and with everything as asked."""
    got = []
    for i in range(count):
        scene = scenes.sample(np.random.default_rng((500, i)))
        picture = model.draw(scene.caption(), seed=i, sampling=options)
        judged = scene_checker.agrees(scene, np.asarray(picture.pixels))
        got.append((judged["colour"] and judged["shape"], judged["all"]))
    return tuple(np.mean(got, axis=0))


def spoken(model: Any, count: int, options: edge.SamplingOptions, corpus: Path) -> tuple[float, ...]:
    """Share of the words that are heard again as they were said."""
    wrong, words = 0, 0
    for i in range(FIRST, FIRST + count):
        text = items.own_voice(i, corpus)[0].text
        said = model.speak(text, seed=i, sampling=options)
        told = model.transcribe(heard(np.asarray(said.samples)), sampling=GREEDY)
        wrong, words = wrong + word_errors(text, told), words + len(text.split())
    return (1 - wrong / words,)


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("bundle")
    parse.add_argument("what", choices=["draw", "speak"])
    parse.add_argument("--items", type=int, default=40)
    parse.add_argument("--corpus", type=Path, help="for speech")
    args = parse.parse_args()
    if args.what == "speak" and args.corpus is None:
        parse.error("speak needs --corpus")
    judged = drawn if args.what == "draw" else partial(spoken, corpus=args.corpus)
    print(
        f"| temperature | guidance | {SHARES[args.what]} |\n|{'---:|' * (3 + SHARES[args.what].count('|'))}"
    )
    with edge.load(args.bundle, engine=edge.EngineOptions(cache_bytes=0, threads=1)) as model:
        for temperature, guidance in product(TEMPERATURES, GUIDANCES[args.what]):
            options = edge.SamplingOptions(temperature=temperature, guidance=guidance, top_k=TOP_K[args.what])
            shares = " | ".join(f"{share * 100:.0f} %" for share in judged(model, args.items, options))
            print(f"| {temperature} | {guidance} | {shares} |", flush=True)


if __name__ == "__main__":
    main()
