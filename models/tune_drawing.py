"""Which sampling draws best: temperature x guidance, judged by program. `python -m models.tune_drawing BUNDLE`

Job: draw known compositions (never the held-out ones of `models.evaluation`) under each setting and print the shares that came
out as asked. The best row goes into `models.release.SAMPLING` by hand.
"""

from __future__ import annotations

import argparse
from itertools import product
from typing import Any

import numpy as np

import edge
from models.data.pictures import scene_checker, scenes

TEMPERATURES, GUIDANCES = (0.0, 0.4, 0.7, 1.0), (1.0, 2.0, 3.0)


def shares(model: Any, options: edge.SamplingOptions, items: int) -> tuple[float, float]:
    """Share of drawings with the asked colours and shapes, and with everything as asked."""
    got = []
    for i in range(items):
        scene = scenes.sample(np.random.default_rng((500, i)))
        drawn = model.draw(scene.caption(), seed=i, sampling=options)
        got.append(scene_checker.agrees(scene, np.asarray(drawn.pixels)))
    return float(np.mean([g["colour"] and g["shape"] for g in got])), float(np.mean([g["all"] for g in got]))


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("bundle")
    parse.add_argument("--items", type=int, default=40)
    args = parse.parse_args()
    print("| temperature | guidance | colour and shape | everything |\n|---:|---:|---:|---:|")
    with edge.load(args.bundle, engine=edge.EngineOptions(cache_bytes=0)) as model:
        for temperature, guidance in product(TEMPERATURES, GUIDANCES):
            both, whole = shares(
                model, edge.SamplingOptions(temperature=temperature, guidance=guidance), args.items
            )
            print(f"| {temperature} | {guidance} | {both * 100:.0f} % | {whole * 100:.0f} % |", flush=True)


if __name__ == "__main__":
    main()
