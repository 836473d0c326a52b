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
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import edge
from edge import atomic, hardware
from edge.segments import TokenSegment
from models.data import items
from models.data.sounds import voices
from models.evaluation.exam import GREEDY, Exam, heard
from models.evaluation.rows import difference, ratio_of_pairs
from models.evaluation.scoring import word_errors

RESULT = Path(__file__).parent / "results" / "waveform.json"
Samples = NDArray[np.float32]
WAVEFORM, CODES = "own voice, Griffin-Lim", "own voice, handed over as codes"


def own_codes(model: edge.Model, text: str, seed: int) -> tuple[int, ...]:
    """The ids of the sound that it makes of a text, opener and closer included."""
    chat = model.chat(sampling=edge.SamplingOptions(seed=seed))
    list(chat.send(f"Say: {text}", make="audio", script=text))
    ids = chat.transcript()[-1][1] or ()
    block = model.vocabulary.block("audio")
    return ids[ids.index(block.opener) : ids.index(block.closer) + 1]


def misheard(exam: Exam, number: int, text: str) -> dict[str, tuple[int, int]]:
    """(word errors, words) of one text, by the way that it went."""
    codec = exam.model.wiring.frontends["audio"]
    teacher, own = voices.say(text, items.OWN_VOICE), own_codes(exam.model, text, number)

    def understood(samples: Samples) -> tuple[int, int]:
        return word_errors(text, exam.model.transcribe(heard(samples), sampling=GREEDY)), len(text.split())

    def through(ids: tuple[int, ...]) -> Samples:
        return np.asarray(codec.decode(ids[1:-1]), np.float32)

    made = {
        "the teacher's voice": understood(teacher),
        "the teacher's voice, codec and Griffin-Lim": understood(through(codec.encode(heard(teacher)).ids)),
        WAVEFORM: understood(through(own)),
    }
    encode, codec.encode = codec.encode, lambda _: TokenSegment(own)
    try:
        return made | {CODES: understood(teacher)}
    finally:
        codec.encode = encode


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("bundle", nargs="?", default="pico")
    parse.add_argument("--corpus", type=Path, required=True)
    parse.add_argument("--texts", type=int, default=80)
    args = parse.parse_args()
    with edge.load(args.bundle, engine=edge.EngineOptions(cache_bytes=0)) as model:
        exam = Exam(model, args.corpus, args.texts)
        texts = [(n, items.own_voice(n, args.corpus, "heldout")[0].text) for n in exam.numbers(1)]
        found = [misheard(exam, *item) for item in texts]
    rows = {name: ratio_of_pairs(name, [scored[name] for scored in found], "less") for name in found[0]}
    result = {
        "machine": f"{platform.machine()}, {len(hardware.affinity())} processors", "texts": args.texts,
        "word_errors": {name: row.to_dict()["value"] for name, row in rows.items()},
        "codes_less_griffin_lim": [round(value, 4) for value in difference(rows[CODES], rows[WAVEFORM])],
    }  # fmt: skip
    atomic.write_bytes(RESULT, (json.dumps(result, indent=1) + "\n").encode())
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
