"""Can a person teach pico something? A new word for a new shape, and nothing forgotten. `python -m models.prove_finetune`

Job: write conversations about zibs and old ones to replay, fine-tune as a person would, and measure on the int4 bundle with the adapter:
zibs named and drawn in colour x place pairs that were never shown, every row of `models.evaluate` before and after.
Ignorance: how training works (models.finetune) and what a zib is (models.data.zib).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

import edge
from edge import atomic
from edge.media.audio import Sound
from models import evaluate
from models.data import zib
from models.data.first import dialogue, pictures, sounds, speech
from models.data.first.documents import DESCRIBE, DRAW, HEAR, SOUND, SPEAK, TRANSCRIBE, sentence
from models.finetune import ADAPTER, Settings, finetune

OLD = {
    "read": 0.40,
    "draw": 0.36,
    "hear": 0.10,
    "speak": 0.05,
    "sound": 0.02,
    "talk": 0.07,
}  # as pico was taught
VOICE = speech.Delivery("en-us+f2", 170, 50)  # pico's own


def old(rng: np.random.Generator, media: Path, name: str) -> list[zib.Message]:
    """A conversation of the kinds that pico was taught with; its medium goes into `media`."""
    kind = str(rng.choice(list(OLD), p=list(OLD.values())))
    if kind == "talk":
        pairs = [dialogue.sample(rng) for _ in range(int(rng.integers(2, 6)))]
        return [
            m for q, a in pairs for m in ({"role": "user", "content": q}, {"role": "assistant", "content": a})
        ]
    if kind in ("read", "draw"):
        return _old_picture(kind, rng, media / f"{name}.png")
    label, samples = sounds.sample(rng) if kind == "sound" else _speech(kind, rng)
    (media / f"{name}.wav").write_bytes(Sound(samples, speech.RATE).wav())
    sound = {"type": "audio", "path": f"{media.name}/{name}.wav"}
    if kind == "hear":
        return zib.about(sound, [(str(rng.choice(TRANSCRIBE)), label)], rng)
    if kind == "sound" and rng.random() < 0.7:
        return zib.about(sound, [(str(rng.choice(HEAR)), sentence(label))], rng)
    wish = str(rng.choice(SOUND if kind == "sound" else SPEAK)).replace("{x}", label)
    said = [{"type": "text", "text": label}] if kind == "speak" else []
    return [{"role": "user", "content": wish}, {"role": "assistant", "content": [*said, sound]}]


def _speech(kind: str, rng: np.random.Generator) -> tuple[str, Any]:
    text = speech.sample_sentence(rng)
    return text, speech.say(text, VOICE if kind == "speak" else speech.sample_delivery(rng, "train"))


def _old_picture(kind: str, rng: np.random.Generator, path: Path) -> list[zib.Message]:
    scene = pictures.sample(rng)
    Image.fromarray(pictures.draw(scene, rng)).save(path)
    picture = {"type": "image", "path": f"{path.parent.name}/{path.name}"}
    if kind == "draw":
        wish = str(rng.choice(DRAW)).replace("{x}", pictures.caption(scene))
        return [{"role": "user", "content": wish}, {"role": "assistant", "content": [picture]}]
    asked = [(q, a) for _, q, a in pictures.questions(scene, rng)[: int(rng.integers(2, 7))]]
    if rng.random() < 0.4:
        told = (str(rng.choice(DESCRIBE)), sentence(pictures.caption(scene)))
        asked.insert(int(rng.integers(len(asked) + 1)), told)
    return zib.about(picture, asked, rng)


def write_data(folder: Path, new: int, replayed: int) -> tuple[Path, Path]:
    """zibs.jsonl and replay.jsonl with their media beside them."""
    paths = []
    for name, count, seed in (("zibs", new, 900), ("replay", replayed, 901)):
        media = folder / name
        media.mkdir(parents=True, exist_ok=True)
        talks = []
        for i in range(count):
            rng = np.random.default_rng((seed, i))
            talks.append(zib.conversation(rng, media) if name == "zibs" else old(rng, media, str(i)))
        paths.append(folder / f"{name}.jsonl")
        paths[-1].write_text("".join(json.dumps({"messages": talk}) + "\n" for talk in talks))
    return paths[0], paths[1]


def zibs(model: Any, items: int) -> dict[str, float]:
    """Shares of never-shown colour x place pairs answered and drawn right; other shapes that are called zib."""
    hits: dict[str, list[bool]] = {}
    for i in range(items):
        rng = np.random.default_rng((902, i))
        scene = zib.sample(rng, "heldout")
        shown = edge.Image(zib.draw(scene, rng))
        thing = scene.things[0]
        for name, question, answer in (
            ("named", "What shape is it?", "Zib."),
            ("colour", "What color is the zib?", f"{thing.colour.capitalize()}."),
            ("place", "Where is the zib?", f"{scene.place.capitalize()}."),
            ("described", "Describe the picture.", sentence(pictures.caption(scene))),
        ):
            told = model.chat().ask(shown, question, sampling=evaluate.GREEDY).text.strip()
            hits.setdefault(name, []).append(told == answer)
        drawn = zib.judged(scene, np.asarray(model.draw(pictures.caption(scene), seed=i).pixels))
        for name, right in drawn.items():
            hits.setdefault(f"drawn: {name}", []).append(right)
        other = pictures.sample(rng, "heldout")
        told = model.chat().ask(
            edge.Image(pictures.draw(other, rng)), "Describe the picture.", sampling=evaluate.GREEDY
        )
        hits.setdefault("other shapes called zib", []).append(zib.NAME in told.text)
    return {name: round(float(np.mean(right)), 4) for name, right in hits.items()}


def measure(bundle: str, adapters: tuple[Path, ...], items: int) -> dict[str, Any]:
    """Zibs and the whole table of a bundle."""
    with edge.load(bundle, engine=edge.EngineOptions(threads=1, adapters=adapters)) as model:
        made: dict[str, Any] = {"zibs": zibs(model, items)}
        print(json.dumps(made), flush=True)
        made["table"] = [asdict(row) for task in evaluate.TASKS for row in task(model, items)]
    return made


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("--checkpoint", type=Path, default=Path("models/weights/pico"))
    parse.add_argument("--bundle", default="edge/bundles/pico")
    parse.add_argument("--work", type=Path, required=True, help="a new folder for data and adapter")
    parse.add_argument("--new", type=int, default=400)
    parse.add_argument("--replayed", type=int, default=2400)
    parse.add_argument("--epochs", type=int, default=3)
    parse.add_argument("--lr", type=float, default=1.5e-3)
    parse.add_argument(
        "--share", type=float, default=2 / 3, help="of replay: each old conversation is seen once"
    )
    parse.add_argument("--items", type=int, default=60)
    parse.add_argument("--out", type=Path, default=Path("benchmarks/results/finetune.json"))
    args = parse.parse_args()
    torch.set_num_threads(1)
    new, replay = write_data(args.work, args.new, args.replayed)
    settings = Settings(epochs=args.epochs, lr=args.lr, share=args.share)
    before, since = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    finetune(args.checkpoint, new, args.work / "out", settings, replay=replay)
    after = resource.getrusage(resource.RUSAGE_SELF)
    cost = {
        "cpu_seconds": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime),
        "wall_seconds": round(time.monotonic() - since),
        "adapter_bytes": (args.work / "out" / ADAPTER).stat().st_size,
    }
    print(json.dumps(cost), flush=True)
    run: dict[str, Any] = {
        "data": {"new": args.new, "replayed": args.replayed},
        "settings": asdict(settings),
        "cost": cost,
        "adapted": measure(args.bundle, (args.work / "out" / ADAPTER,), args.items),
    }
    weights = (args.checkpoint / "model.safetensors").read_bytes()
    result = {
        "checkpoint_sha256": hashlib.sha256(weights).hexdigest(),
        "items": args.items,
        "base": measure(args.bundle, (), args.items),
        "runs": [run],
    }
    atomic.write_bytes(args.out, (json.dumps(result, indent=1) + "\n").encode())
    print(compared(result["base"], run["adapted"]))


def compared(base: dict[str, Any], adapted: dict[str, Any]) -> str:
    """Both tables side by side, in Markdown."""
    lines = ["| task | before | after | items |", "|---|---:|---:|---:|"]
    lines += [f"| zib: {k} | {base['zibs'][k]:.3f} | {v:.3f} | |" for k, v in adapted["zibs"].items()]
    for was, now in zip(base["table"], adapted["table"], strict=True):
        lines.append(
            f"| {was['task']} | {was['value']:.3f} | {now['value']:.3f} {now['unit']} | {now['items']} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
