"""The training curves as one picture for the lab book. `python -m models.plot_curves runs --out docs/curves.png`

Job: read the curve.jsonl of every stage and plot what it logged. Ignorance: how it was trained.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

STAGES = {
    "image_codec": ("batch_psnr_db", "psnr_db"),
    "audio_codec": ("loss", "mel_l1_nat"),
    "decoder": ("text", "image", "audio"),
}


def points(path: Path) -> list[dict[str, Any]]:
    """The logged points; a resumed run repeats steps, and the last one counts."""
    found: dict[tuple[int, bool], dict[str, Any]] = {}
    for line in path.read_text().splitlines():
        point = json.loads(line)
        found[point["step"], "codes_used" in point] = point
    return [found[key] for key in sorted(found)]


def main() -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("runs", type=Path)
    parse.add_argument("--out", type=Path, default=Path("docs/curves.png"))
    args = parse.parse_args()
    stages = {name: keys for name, keys in STAGES.items() if (args.runs / name / "curve.jsonl").exists()}
    figure, axes = plt.subplots(1, len(stages), figsize=(5 * len(stages), 3.6), squeeze=False)
    for axis, (name, keys) in zip(axes[0], stages.items(), strict=True):
        logged = points(args.runs / name / "curve.jsonl")
        for key in keys:
            rows = [(p["step"], p[key]) for p in logged if key in p]
            axis.plot(*zip(*rows, strict=True), marker="." if len(rows) < 12 else None, label=key)
        axis.set(title=name, xlabel="step", ylabel="dB" if name == "image_codec" else "nat")
        axis.grid(alpha=0.3)
        axis.legend()
    figure.tight_layout()
    figure.savefig(args.out, dpi=90)


if __name__ == "__main__":
    main()
