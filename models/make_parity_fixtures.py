"""Greedy ids of transformers (f32) on the shipped checkpoint, for tests that have no torch. `python -m models.make_parity_fixtures`

Job: 24 prompts of each modality from heldout.npz, 64 greedy ids each, and how clear the narrowest choice was.
Greedy means plain argmax over the whole vocabulary: no grammar, no stop at the end of a turn.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from edge.vocabulary import SPECIAL

PROMPTS, NEW = 24, 64
FIXTURES = Path("tests/fixtures/parity.json")


def prompts(checkpoint: Path, kind: str) -> list[list[int]]:
    """Held-out rows cut after an opened reply (text) or inside their media span."""
    with np.load(checkpoint / "heldout.npz") as held:
        rows = held[kind]
    made = []
    for row in rows[:PROMPTS]:
        ids = row[row != SPECIAL["pad"]].astype(int).tolist()
        cut = ids.index(SPECIAL["assistant"]) + 1
        made.append(ids[: cut if kind == "text" else min(max(cut, 24), len(ids))])
    return made


@torch.no_grad()
def greedy(model: Any, prompt: list[int], new: int = NEW) -> tuple[list[int], float]:
    """New ids, and the smallest distance between the best two logits met."""
    ids, margin, past = torch.tensor([prompt]), float("inf"), None
    made: list[int] = []
    for _ in range(new):
        out = model(ids, past_key_values=past, use_cache=True)
        best = out.logits[0, -1].topk(2)
        margin = min(margin, float(best.values[0] - best.values[1]))
        made.append(int(best.indices[0]))
        ids, past = best.indices[:1].view(1, 1), out.past_key_values
    return made, margin


def load(checkpoint: Path) -> Any:
    """The checkpoint in transformers, f32."""
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32).eval()


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("--checkpoint", type=Path, default=Path("models/weights/pico"))
    args = parse.parse_args()
    model = load(args.checkpoint)
    made: dict[str, list[dict[str, Any]]] = {}
    for kind in ("text", "image", "audio"):
        made[kind] = []
        for prompt in prompts(args.checkpoint, kind):
            ids, margin = greedy(model, prompt)
            made[kind].append({"prompt": prompt, "greedy": ids, "margin": round(margin, 5)})
        print(kind, "narrowest choice", min(row["margin"] for row in made[kind]))
    FIXTURES.parent.mkdir(parents=True, exist_ok=True)
    FIXTURES.write_text(json.dumps(made, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
