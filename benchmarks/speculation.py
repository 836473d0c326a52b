"""Prompt lookup: what it gains where a reply repeats its prompt, and what it costs where it does not.

Job: let decoders write a given text, which is their prompt with every twentieth id changed, or has nothing of
it, with guesses and without, in turns; write results/speculation.json: `python -m benchmarks.speculation`.
Weights of the large one are random: what it says is dictated, id by id, by a grammar with one candidate, so
that it copies as a good model would; the time is its own. Ignorance: whether a real model copies.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.fit import random_checkpoint
from benchmarks.turns import quiet
from edge import atomic, hardware
from edge.engines.llama_cpp import LlamaCppEngine
from edge.generation.constraints import Allowed, Grammar, Kind
from edge.generation.decode import Decoder, Request, Step
from edge.generation.sampling import Sampler
from edge.options import EngineOptions, SamplingOptions
from edge.segments import TokenSegment
from edge.vocabulary import NATIVE
from quantize import gguf_export, llama_quantize, recipes
from quantize.checkpoint import open_checkpoint

RESULT = Path(__file__).parent / "results" / "speculation.json"
PICO = Path(__file__).parents[1] / "edge" / "bundles" / "pico" / "decoder.gguf"
PROMPT, EVERY, MOST, ROUNDS = 240, 20, 8, 3
KINDS: tuple[Kind, ...] = ("text", "image", "audio", "video")


class Dictated(Grammar):
    """Text whose ids are given: one candidate at a time."""

    def __init__(self, ids: tuple[int, ...]) -> None:
        super().__init__(NATIVE, make="text", max_text=len(ids))
        self._ids = ids

    def allowed(self, room: int) -> Allowed | None:
        """The next id."""
        if self.text >= len(self._ids) or room <= 0:
            return None
        return Allowed(self._ids[self.text], self._ids[self.text] + 1)


def texts() -> tuple[tuple[int, ...], dict[str, tuple[int, ...]]]:
    """The prompt, and the replies."""
    numbers = np.random.default_rng(0).permutation(8000)
    prompt = tuple(int(n) for n in numbers[:PROMPT])
    new = tuple(int(n) for n in numbers[PROMPT : 2 * PROMPT])
    edited = tuple(new[i] if i % EVERY == EVERY - 1 else prompt[i] for i in range(PROMPT))
    return prompt, {"copied with changes": edited, "nothing repeated": new}


def written(decoder: Decoder, prompt: tuple[int, ...], reply: tuple[int, ...]) -> float:
    """Ids per second after the first one."""
    samplers = {kind: Sampler(SamplingOptions(temperature=0), np.random.default_rng(0)) for kind in KINDS}
    stream = decoder.stream(Request([TokenSegment(prompt)], Dictated(reply), samplers))
    next(stream)
    began = time.perf_counter()
    said = [item.token for item in stream if isinstance(item, Step)]
    assert tuple(said) == reply[1:]
    return len(said) / (time.perf_counter() - began)


def measured(path: Path) -> dict[str, object]:
    """Medians, and the ratio within each round."""
    prompt, replies = texts()
    plain, guessing = (
        Decoder(
            LlamaCppEngine(
                path, EngineOptions(512, threads=hardware.usable_cpus(), sequences=1, speculate=most)
            )
        )
        for most in (0, MOST)
    )
    found: dict[str, object] = {}
    for name, reply in replies.items():
        rounds = [(written(plain, prompt, reply), written(guessing, prompt, reply)) for _ in range(ROUNDS)]
        without, with_guesses = (round(statistics.median(speeds), 1) for speeds in zip(*rounds, strict=True))
        found[name] = {
            "ids/s": without,
            "with guesses": with_guesses,
            "ratio": round(statistics.median(b / a for a, b in rounds), 2),
        }
    plain.close()
    guessing.close()
    return found


def main() -> None:
    """The command line."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    models = {"pico, int4": measured(PICO)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        checkpoint = open_checkpoint(random_checkpoint("150m", folder / "checkpoint"))
        f16 = folder / "f16.gguf"
        gguf_export.write_float(checkpoint, f16, recipes.find("f16"), quiet)
        for recipe in ("q8_0", "q4_k_m"):
            path = folder / f"{recipe}.gguf"
            llama_quantize.write(f16, path, recipes.find(recipe), quiet, None)
            models[f"150 M, {recipe}"] = measured(path)
            path.unlink()
    result = {
        "command": "python -m benchmarks.speculation",
        "what": f"a reply of {PROMPT} ids after a prompt of {PROMPT}; every {EVERY}th id of the copy is "
        f"another one; at most {MOST} guesses at once; the ids are dictated, the time is the model's",
        "models": models,
        "machine": f"{platform.machine()}, {hardware.usable_cpus()} processors",
        "processors_busy_with_others": round(hardware.others_now(), 2),
    }  # fmt: skip
    print(json.dumps(result, indent=1))
    atomic.write_bytes(RESULT, (json.dumps(result, indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
