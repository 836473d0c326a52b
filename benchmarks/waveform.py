"""What a better waveform than Griffin-Lim's could gain in the speech round trip, at most.

Job: the same held-out texts on four ways to the model's own ears, word errors of each, into
results/waveform.json: `python -m benchmarks.waveform --corpus C [BUNDLE]`. Ignorance: codecs, engines.
The teacher's voice as it is, and after codec and Griffin-Lim: what the way costs a clear voice. The own codes
after Griffin-Lim (the round trip), and handed over as codes: no waveform can carry more than they hold.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import edge
from edge import atomic
from edge.segments import TokenSegment
from models.data import items
from models.data.sounds import voices
from models.evaluation.exam import GREEDY, Exam, heard
from models.evaluation.rows import Row, difference, ratio_of_pairs
from models.evaluation.scoring import word_errors

RESULT = Path(__file__).parent / "results" / "waveform.json"
Samples = NDArray[np.float32]


def own_codes(model: edge.Model, text: str, seed: int) -> tuple[int, ...]:
    """The ids of the sound that it makes of a text, opener and closer included."""
    chat = model.chat(sampling=edge.SamplingOptions(seed=seed))
    list(chat.send(f"Say: {text}", make="audio", script=text))
    ids = chat.transcript()[-1][1] or ()
    block = model.vocabulary.block("audio")
    return ids[ids.index(block.opener) : ids.index(block.closer) + 1]


def understood(model: edge.Model, samples: Samples, text: str) -> tuple[int, int]:
    """(word errors, words)."""
    return word_errors(text, model.transcribe(heard(samples), sampling=GREEDY)), len(text.split())


def ways(exam: Exam) -> dict[str, Callable[[int, str], tuple[int, int]]]:
    """By name: item number and text -> (word errors, words)."""
    codec = exam.model.wiring.frontends["audio"]

    def through(ids: tuple[int, ...]) -> Samples:
        return np.asarray(codec.decode(ids[1:-1]), np.float32)

    def as_codes(number: int, text: str) -> tuple[int, int]:
        ids, encode = own_codes(exam.model, text, number), codec.encode
        codec.encode = lambda _: TokenSegment(ids)
        try:
            return understood(exam.model, np.zeros(16000, np.float32), text)
        finally:
            codec.encode = encode

    def teacher(text: str) -> Samples:
        return voices.say(text, items.OWN_VOICE)

    return {
        "the teacher's voice": lambda _, text: understood(exam.model, teacher(text), text),
        "the teacher's voice, codec and Griffin-Lim": lambda _, text: understood(
            exam.model, through(codec.encode(heard(teacher(text))).ids), text
        ),
        "own voice, Griffin-Lim": lambda number, text: understood(
            exam.model, through(own_codes(exam.model, text, number)), text
        ),
        "own voice, handed over as codes": as_codes,
    }


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("bundle", nargs="?", default="pico")
    parse.add_argument("--corpus", type=Path, required=True)
    parse.add_argument("--texts", type=int, default=80)
    args = parse.parse_args()
    with edge.load(args.bundle, engine=edge.EngineOptions(cache_bytes=0)) as model:
        exam = Exam(model, args.corpus, args.texts)
        texts = [(n, items.own_voice(n, args.corpus, "heldout")[0].text) for n in exam.numbers(1)]
        rows = {
            name: ratio_of_pairs(name, [way(*item) for item in texts], "less")
            for name, way in ways(exam).items()
        }
    gain = bound(rows["own voice, handed over as codes"], rows["own voice, Griffin-Lim"])
    result = {
        "machine": platform.processor() or platform.machine(), "texts": args.texts,
        "word_errors": {name: row.to_dict()["value"] for name, row in rows.items()},
        "codes_less_griffin_lim": gain,
    }  # fmt: skip
    atomic.write_bytes(RESULT, (json.dumps(result, indent=1) + "\n").encode())
    print(json.dumps(result, indent=1))


def bound(codes: Row, waveform: Row) -> list[float]:
    """The difference with its 95 % interval."""
    return [round(value, 4) for value in difference(codes, waveform)]


if __name__ == "__main__":
    main()
