"""What tests need from torch and espeak-ng, made once and committed. `python -m models.make_fixtures`

Job: greedy ids of transformers (f32) on the shipped checkpoint, 32 prompts of each modality, 64 ids each, with the narrowest choice met;
and media that tests show without fonts and voices: the ten digits spoken by two held-out voices, held-out emoji.
Greedy is plain argmax over the whole vocabulary: no grammar, no stop.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from edge.vocabulary import SPECIAL
from models.data import items
from models.data.pictures.emoji import EmojiPicture
from models.data.sounds import utterances, voices

PROMPTS, NEW = 32, 64
FOLDER = Path("tests/fixtures")
PARITY = FOLDER / "parity.json"


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


def spoken_digits() -> dict[str, Any]:
    """Samples int16 at 16 kHz by the name `digit_voice`."""
    made = {}
    for voice in voices.VOICES["heldout"][:2]:
        for digit in utterances.DIGITS:
            samples = voices.say(digit, voices.Delivery(voice))
            made[f"{digit}_{voice}"] = (samples * 32767).astype(np.int16)
    return made


def emoji(corpus: Path, count: int = 40) -> dict[str, Any]:
    """Held-out drawings of emoji (count, 64, 64, 3) with what is asked about each and the right answer."""
    pixels, asked = [], []
    for number in range(100 * count):
        picture, rng = items.picture("emoji", number, corpus, "heldout")
        if isinstance(picture, EmojiPicture) and picture.relation:
            continue
        pixels.append(picture.draw(rng))
        asked.append(next(q[1:] for q in picture.questions(rng) if q.kind == "emoji"))
        if len(pixels) == count:
            break
    return {"pixels": np.stack(pixels), "asked": np.array(asked)}


def load(checkpoint: Path) -> Any:
    """The checkpoint in transformers, f32."""
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32).eval()


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("--checkpoint", type=Path, default=Path("models/weights/pico"))
    parse.add_argument("--corpus", type=Path, required=True)
    args = parse.parse_args()
    model = load(args.checkpoint)
    made: dict[str, list[dict[str, Any]]] = {}
    for kind in ("text", "image", "audio"):
        made[kind] = []
        for prompt in prompts(args.checkpoint, kind):
            ids, margin = greedy(model, prompt)
            made[kind].append({"prompt": prompt, "greedy": ids, "margin": round(margin, 5)})
        print(kind, "narrowest choice", min(row["margin"] for row in made[kind]))
    FOLDER.mkdir(parents=True, exist_ok=True)
    PARITY.write_text(json.dumps(made, separators=(",", ":")) + "\n")
    np.savez_compressed(FOLDER / "spoken_digits.npz", **spoken_digits())
    np.savez_compressed(FOLDER / "emoji.npz", **emoji(args.corpus))


if __name__ == "__main__":
    main()
