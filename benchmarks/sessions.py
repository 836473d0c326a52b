"""Many chats of one model at once against one: tokens per second, and whether they say the same.

Job: N threads, each with a chat of its own, answer all prompts greedily; the same one after another; write
results/sessions.json: `python -m benchmarks.sessions [BUNDLE] [--chats 8]`. Rounds alternate, so that a busy
machine slows both alike. Ignorance: how the scheduler puts them together.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import edge
from edge import atomic, hardware
from edge.segments import TokenSegment

RESULT = Path(__file__).parent / "results" / "sessions.json"
ROUNDS, TOKENS, STEPS = 5, 96, 40
PROMPTS = (
    "Hello.",
    "What can you do?",
    "What is 34 + 25?",
    "Tell me a story.",
    "Who are you?",
    "Count to ten.",
    "What color is grass?",
    "Say something nice.",
)
LONG = edge.SamplingOptions(temperature=0, max_tokens=TOKENS)


def answer(model: edge.Model, prompt: str) -> tuple[str, int]:
    reply = model.chat().ask(prompt, make="text", sampling=LONG)
    return reply.text, reply.usage.text_tokens


def conversation(model: edge.Model, number: int) -> list[tuple[str, int]]:
    """All prompts, each chat from another one on: so all chats are busy to the end, at different places."""
    return [answer(model, PROMPTS[(number + i) % len(PROMPTS)]) for i in range(len(PROMPTS))]


def serial(model: edge.Model, chats: int) -> tuple[list[str], float]:
    """Answers, and tokens per second."""
    began = time.perf_counter()
    made = [conversation(model, number) for number in range(chats)]
    return _rated(made, time.perf_counter() - began)


def together(model: edge.Model, chats: int) -> tuple[list[str], float]:
    """The same, each chat in a thread of its own."""
    with ThreadPoolExecutor(chats) as pool:
        began = time.perf_counter()
        made = list(pool.map(lambda number: conversation(model, number), range(chats)))
        return _rated(made, time.perf_counter() - began)


def _rated(made: list[list[tuple[str, int]]], seconds: float) -> tuple[list[str], float]:
    answers = [one for chat in made for one in chat]
    return [text for text, _ in answers], sum(tokens for _, tokens in answers) / seconds


def natively(model: edge.Model, chats: int) -> float:
    """How much faster the engine alone makes a token for `chats` sequences in one call than for one.

    No scheduler can gain more. Alternating, the best of some.
    """
    engine = model.wiring.decoder.engine
    best = {1: float("inf"), chats: float("inf")}
    for _ in range(ROUNDS):
        for count in best:
            for sequence in range(count):
                engine.truncate(0, sequence=sequence)
                engine.feed([TokenSegment(tuple(range(300, 340)))], sequence=sequence)
            for _ in range(STEPS):
                began = time.perf_counter()
                engine.step([400] * count, sequences=range(count))
                best[count] = min(best[count], (time.perf_counter() - began) / count)
    return best[1] / best[chats]


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("bundle", nargs="?", default="pico")
    parse.add_argument("--chats", type=int, default=8)
    args = parse.parse_args()
    options = edge.EngineOptions(sequences=args.chats, cache_bytes=0)
    with edge.load(args.bundle, engine=options) as model:
        serial(model, args.chats)  # warm
        alone, at_once, same = [], [], 0
        for _ in range(ROUNDS):
            one, speed = serial(model, args.chats)
            alone.append(speed)
            many, speed = together(model, args.chats)
            at_once.append(speed)
            same += sum(a == b for a, b in zip(one, many, strict=True))
        native = natively(model, args.chats)
    ratio = statistics.median(b / a for a, b in zip(alone, at_once, strict=True))
    found = {
        "command": f"python -m benchmarks.sessions {args.bundle} --chats {args.chats}",
        "processors": hardware.usable_cpus(), "chats": args.chats,
        "tokens per second, one after another": round(statistics.median(alone), 1),
        "tokens per second, at once": round(statistics.median(at_once), 1),
        "ratio, median of rounds": round(ratio, 2), "wanted": 3.0,
        "ratio of the engine alone, one call for all": round(native, 2),
        "equal answers": f"{same} of {ROUNDS * args.chats * len(PROMPTS)}",
    }  # fmt: skip
    print(json.dumps(found, indent=1))
    atomic.write_bytes(RESULT, (json.dumps(found, indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
