"""What a turn costs when most of it was read before: `python -m benchmarks.turns [--json PATH] [--rounds N]`.

Job: a conversation whose first message is about 1,500 tokens long. Its second turn, to the first token: in
the same process, after another conversation pushed it out, in a new process that finds the file, and cold in
a new process that keeps nothing. The answers must be the same.
Ignorance: quality. pico's context is 1,024, so the model is a random Llama of about 150 M parameters with
pico's vocabulary, as q8_0; the ratios are smaller for larger models. Loading is not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import edge
from benchmarks.fit import HERE, quiet, random_checkpoint
from edge import atomic, hardware
from quantize import gguf_export, llama_quantize, recipes
from quantize.checkpoint import open_checkpoint

RESULT = HERE / "results" / "turns.json"
CONTEXT, SIZE = 2048, "150m"
EXACT = edge.SamplingOptions(temperature=0, max_tokens=16)
WORDS = ("the", "picture", "of", "a", "red", "circle", "and", "sound", "green", "bird", "that", "sings")
SECOND = "And what came before that?"


def text(seed: int, words: int = 1480) -> str:
    """Words that are a token each, about."""
    dice = random.Random(seed)
    return " ".join(dice.choice(WORDS) for _ in range(words))


def told(reply: edge.Reply) -> dict[str, Any]:
    """What one answer took."""
    usage = reply.usage
    return {"ms": reply.timings.first_token * 1000, "prompt": usage.prompt_tokens,
            "cached": usage.cached_tokens, "text": reply.text}  # fmt: skip


def said(message: edge.Message) -> str:
    """The text of an answer."""
    return "".join(part.text for part in message.parts if isinstance(part, edge.Text))


def converse(path: Path, state: Path) -> dict[str, Any]:
    """The conversation as it goes: first turn, second turn; and the second turn again, after another talk."""
    with edge.load(path, engine=edge.EngineOptions(context_length=CONTEXT)) as model:
        chat = model.chat(sampling=EXACT)
        found = {"first": told(chat.ask(text(1), make="text"))}
        ids = chat.transcript()[1][1]
        state.write_text(json.dumps([said(chat.history[1]), ids]))
        before = chat.transcript()
        found["second"] = told(chat.ask(SECOND, make="text"))
        model.chat(sampling=EXACT).ask(text(2), make="text")
        chat.resume(before)
        found["swapped"] = told(chat.ask(SECOND, make="text"))
        began = time.perf_counter()
    return {**found, "close": {"ms": (time.perf_counter() - began) * 1000}}


def go_on(path: Path, state: Path, keep: bool) -> dict[str, Any]:
    """The second turn, in a process that was not there for the first."""
    said, ids = json.loads(state.read_text())
    options = edge.EngineOptions(context_length=CONTEXT, cache_bytes=None if keep else 0)
    with edge.load(path, engine=options) as model:
        chat = model.chat(sampling=EXACT)
        first = edge.Message("user", (edge.Text(text(1)),))
        chat.resume([(first, None), (edge.Message("assistant", (edge.Text(said),)), tuple(ids))])
        return {"restarted" if keep else "cold": told(chat.ask(SECOND, make="text"))}


def child(what: str, path: Path, state: Path, home: Path) -> dict[str, Any]:
    """One process of its own."""
    command = [sys.executable, "-m", "benchmarks.turns", "--child", what, str(path), str(state)]
    environment = {**os.environ, "EDGE_HOME": str(home)}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def measured(path: Path, folder: Path, rounds: int) -> dict[str, Any]:
    """Medians of all rounds, and whether the answers were the same in each."""
    seen: dict[str, list[dict[str, Any]]] = {}
    for i in range(rounds):
        home, state = folder / f"home{i}", folder / f"state{i}.json"
        for what in ("talk", "restarted", "cold"):
            for name, one in child(what, path, state, home).items():
                seen.setdefault(name, []).append(one)
        kept = sum(file.stat().st_size for file in home.rglob("*.kept"))
    second = ("second", "swapped", "restarted", "cold")
    same = all(len({seen[name][i]["text"] for name in second}) == 1 for i in range(rounds))
    medians = {name: statistics.median(one["ms"] for one in ones) for name, ones in seen.items()}
    ratios = {name: [one["ms"] / cold["ms"] for one, cold in zip(seen[name], seen["cold"], strict=True)]
              for name in second[:-1]}  # fmt: skip
    return {
        "prompt_tokens": seen["cold"][0]["prompt"],
        "cached_tokens": {name: seen[name][0]["cached"] for name in second},
        "first_token_ms": {name: round(medians[name], 2) for name in ("first", *second)},
        "of_cold_percent": {name: round(100 * statistics.median(all_), 2) for name, all_ in ratios.items()},
        "worst_of_cold_percent": {name: round(100 * max(all_), 2) for name, all_ in ratios.items()},
        "close_ms": round(medians["close"], 1),
        "file_bytes": kept,
        "same_answers": same,
    }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, default=None, help=f"keep the result, e.g. {RESULT.name}")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        what, path, state = args.child[0], Path(args.child[1]), Path(args.child[2])
        found = converse(path, state) if what == "talk" else go_on(path, state, what == "restarted")
        print(json.dumps(found))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        checkpoint = open_checkpoint(random_checkpoint(SIZE, folder / "checkpoint"))
        f16, path = folder / "f16.gguf", folder / "decoder.gguf"
        gguf_export.write_float(checkpoint, f16, recipes.find("f16"), quiet)
        llama_quantize.write(f16, path, recipes.find("q8_0"), quiet, None)
        result = {
            "what": "time to the first token of a second turn, against the same turn in a process that keeps "
            "nothing; medians, and the ratio within each round",
            "model": f"random Llama of {SIZE}, q8_0, {path.stat().st_size} bytes, context {CONTEXT}",
            "rounds": args.rounds,
            **measured(path, folder, args.rounds),
            "machine": f"{platform.machine()}, {hardware.usable_cpus()} processors",
        }
    print(json.dumps(result, indent=2))
    if args.json:
        atomic.write_bytes(args.json, (json.dumps(result, indent=2) + "\n").encode())


if __name__ == "__main__":
    main()
