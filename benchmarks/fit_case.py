"""One case of `benchmarks/fit.py`: what one process takes that loads and fills one model; JSON on stdout.

    python benchmarks/fit_case.py everything | DECODER CONTEXT SEQUENCES

Job: peak resident size with every sequence full; tokens/s with one half full and at the best moment of some,
for other processes share the machine. Ignorance: predictions. Imports only the runtime, which is measured.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import edge
from edge import measure
from edge.options import EngineOptions
from edge.segments import TokenSegment

MEDIA = Path(__file__).parent / "media"
STEPS, PROMPT, PROMPTS = 20, 256, 3  # decoded tokens; ids of a timed prompt, and how many of those
SLOW = 0.05  # seconds per token from which one prompt is enough


def decoder(path: Path, context: int, sequences: int) -> dict[str, Any]:
    """Fill every sequence of a .gguf file or of an ONNX bundle's decoder, step, then time a prompt."""
    engine = opened(path, EngineOptions(context_length=context, sequences=sequences))
    for sequence in range(sequences):
        ids = tuple(i % 256 for i in range(context - 1))
        engine.feed([TokenSegment(ids)], sequence=sequence)
    engine.step([5] * sequences)
    peak = measure.peak_memory()
    engine.truncate(context // 2)
    decode = min(timed(lambda: engine.step([5])) for _ in range(STEPS))
    prefill = min(prompted(engine) for _ in range(PROMPTS if decode < SLOW else 1))
    return {"peak": peak, "decode": 1 / decode, "prefill": PROMPT / prefill}


def prompted(engine: Any) -> float:
    """Seconds of one prompt into an empty sequence."""
    engine.truncate(0)
    return timed(lambda: engine.feed([TokenSegment(tuple(range(PROMPT)))]))


def opened(path: Path, options: EngineOptions) -> Any:
    """The engine, imported only where it runs."""
    if path.is_dir():
        from edge.engines.onnx_engine import OnnxEngine

        return OnnxEngine(path / "decoder.onnx", path / "vocabulary.gguf", options)
    from edge.engines.llama_cpp import LlamaCppEngine

    return LlamaCppEngine(path, options)


def everything() -> dict[str, Any]:
    """The shipped bundle through the public door, with every medium in and out."""
    with edge.load("pico") as model:
        model.describe(edge.Image(MEDIA / "scene.png"))
        model.describe(edge.Video(MEDIA / "clip.webp"))
        model.transcribe(edge.Audio(MEDIA / "question.wav"))
        model.draw("a red circle", seed=1)
        model.speak("seven green birds", seed=1)
        return {"peak": measure.peak_memory()}


def timed(work: Callable[[], object]) -> float:
    """Seconds."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    case = sys.argv[1:]
    print(json.dumps(everything() if len(case) == 1 else decoder(Path(case[0]), int(case[1]), int(case[2]))))
