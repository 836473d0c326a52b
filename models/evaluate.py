"""The table of a native bundle: every task it was made for, held out, scored by program. `python -m models.evaluate BUNDLE`

Job: seeded items, exact match or a number, through the public API only; prints the table and saves it as JSON and Markdown.
Held out: colour x shape pairs, voices, and phrasing x item pairs that training never sees.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import edge
from edge.media.spectrum import level, log_mel
from models.data.first import checker, dialogue, pictures, sounds, speech
from models.data.first.documents import sentence


@dataclass(frozen=True)
class Row:
    """One measured task: a share (0..1) or a number with a unit."""

    task: str
    value: float
    unit: str  # "%" for shares
    items: int
    target: str = ""

    @property
    def written(self) -> str:
        return f"{self.value * 100:.1f} %" if self.unit == "%" else f"{self.value:.2f} {self.unit}"


def picture_of(pixels: NDArray[np.uint8]) -> edge.Image:
    return edge.Image(pixels)


def vqa(model: Any, n: int) -> list[Row]:
    """Questions about one-thing and two-thing scenes with unseen colour x shape pairs, by type."""
    hits: dict[str, list[bool]] = {}
    for i in range(n):
        rng = np.random.default_rng((100, i))
        scene = pictures.sample(rng, "heldout")
        drawn = picture_of(pictures.draw(scene, rng))
        for kind, question, answer in pictures.questions(scene, rng)[:3]:
            said = model.chat().ask(drawn, question, sampling=GREEDY).text.strip()
            hits.setdefault(kind, []).append(said == answer)
    rows = [Row(f"picture question: {k}", float(np.mean(v)), "%", len(v)) for k, v in sorted(hits.items())]
    main = hits["colour"] + hits["shape"]
    return [
        Row("picture questions: shape and colour", float(np.mean(main)), "%", len(main), ">= 85 %"),
        *rows,
    ]


def slots(caption: str) -> set[str]:
    """The words of a caption that carry meaning."""
    words = caption.lower().strip(" .").replace("to the left of", "leftof").split()
    idle = {"a", "an", "the", "at", "in", "on", "of", "to"}
    return {w.rstrip("s") if w not in ("cross",) else w for w in words if w not in idle}


def captions(model: Any, n: int) -> list[Row]:
    hit = said = asked = exact = 0
    for i in range(n):
        rng = np.random.default_rng((101, i))
        scene = pictures.sample(rng, "heldout")
        text = model.describe(picture_of(pictures.draw(scene, rng)))
        truth, told = slots(pictures.caption(scene)), slots(text)
        hit, said, asked = hit + len(truth & told), said + len(told), asked + len(truth)
        exact += text.strip() == sentence(pictures.caption(scene))
    f1 = 2 * hit / max(1, said + asked)
    return [Row("captions: slot F1", f1, "", n, ">= 0.85"), Row("captions: exact", exact / n, "%", n)]


def word_errors(truth: str, told: str) -> int:
    """Word edit distance."""
    a, b = truth.split(), told.lower().replace(".", "").split()
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        row, last = [i], row
        for j, y in enumerate(b, 1):
            row.append(min(last[j] + 1, row[-1] + 1, last[j - 1] + (x != y)))
    return row[-1]


def heard(samples: NDArray[np.float32]) -> edge.Audio:
    return edge.Audio(samples, sample_rate=speech.RATE)


def transcription(model: Any, n: int) -> list[Row]:
    digits, errors, words = [], 0, 0
    for i in range(n):
        rng = np.random.default_rng((102, i))
        word = str(rng.choice(speech.DIGITS))
        told = model.transcribe(heard(speech.say(word, speech.sample_delivery(rng, "heldout"))))
        digits.append(told.strip() == word)
        text = speech.sample_sentence(rng)
        told = model.transcribe(heard(speech.say(text, speech.sample_delivery(rng, "heldout"))))
        errors, words = errors + word_errors(text, told), words + len(text.split())
    return [
        Row("spoken digits, unseen voices", float(np.mean(digits)), "%", n, ">= 80 %"),
        Row("transcription, unseen voices: word error rate", errors / words, "%", n),
    ]


def drawing(model: Any, n: int) -> list[Row]:
    """Drawn from a caption and judged by program; unseen colour x shape pairs, and pairs known from training."""
    rows = []
    for split in ("heldout", "train"):
        got: list[dict[str, bool]] = []
        for i in range(n):
            rng = np.random.default_rng((103, i))
            scene = pictures.sample(rng, split)
            made = model.draw(pictures.caption(scene), seed=i)
            got.append(checker.agrees(scene, np.asarray(made.pixels)))
        name = "drawn" if split == "heldout" else "drawn, known pairs"
        both = float(np.mean([g["colour"] and g["shape"] for g in got]))
        rows.append(
            Row(f"{name}: colour and shape as asked", both, "%", n, ">= 70 %" if split == "heldout" else "")
        )
        rows.append(Row(f"{name}: everything as asked", float(np.mean([g["all"] for g in got])), "%", n))
    return rows


def speaking(model: Any, n: int) -> list[Row]:
    """Said aloud, then transcribed by the same model."""
    errors = words = 0
    ratios = []
    for i in range(n):
        rng = np.random.default_rng((104, i))
        text = speech.sample_sentence(rng)
        made = model.speak(text, seed=i)
        told = model.transcribe(heard(np.asarray(made.samples)))
        errors, words = errors + word_errors(text, told), words + len(text.split())
        ratios.append(len(made.samples) / len(speech.say(text, speech.Delivery("en-us+f2", 170, 50))))
    return [
        Row("speech round trip: word error rate", errors / words, "%", n),
        Row("speech: duration against espeak-ng, median", float(np.median(ratios)), "x", n),
    ]


def hearing(model: Any, n: int) -> list[Row]:
    hits = []
    for i in range(n):
        name, samples = sounds.sample(np.random.default_rng((105, i)))
        hits.append(model.describe(heard(samples)).strip() == sentence(name))
    return [Row("sounds named", float(np.mean(hits)), "%", n)]


def chatting(model: Any, n: int) -> list[Row]:
    """Templated questions in unseen phrasing x item pairs; sums apart."""
    hits, sums = [], []
    for i in range(n):
        question, answer = dialogue.sample(np.random.default_rng((106, i)), "heldout")
        said = model.chat().ask(question, sampling=GREEDY).text.strip()
        (sums if any(w in question for w in (" plus ", " minus ")) else hits).append(said == answer)
    return [
        Row("templated chat answers", float(np.mean(hits)), "%", len(hits)),
        Row("sums of one-digit numbers", float(np.mean(sums)), "%", len(sums)),
    ]


def codecs(model: Any, n: int) -> list[Row]:
    """Through the bundle's own codecs, held-out scenes and voices."""
    psnr, l1, used = [], [], set()
    image, audio = model.wiring.frontends["image"], model.wiring.frontends["audio"]
    for i in range(n):
        rng = np.random.default_rng((107, i))
        pixels = pictures.draw(pictures.sample(rng, "heldout"), rng)
        ids = image.encode(picture_of(pixels)).ids[1:-1]
        used |= set(ids)
        error = ((image.decode(ids).astype(float) - pixels) ** 2).mean() / 255**2
        psnr.append(-10 * np.log10(max(error, 1e-7)))
        samples = level(speech.say(speech.sample_sentence(rng), speech.sample_delivery(rng, "heldout")))
        mel = log_mel(samples)
        l1.append(
            float(np.abs(audio.mel(audio.encode(heard(samples)).ids[1:-1])[:, : mel.shape[1]] - mel).mean())
        )
    return [
        Row("picture codec: PSNR", float(np.mean(psnr)), "dB", n, ">= 25 dB"),
        Row("picture codec: codes seen", len(used), "codes", n),
        Row("sound codec: mel L1", float(np.mean(l1)), "nat", n),
    ]


GREEDY = edge.SamplingOptions(temperature=0.0)
TASKS: tuple[Callable[[Any, int], list[Row]], ...] = (
    vqa, captions, transcription, drawing, speaking, hearing, chatting, codecs,
)  # fmt: skip


def table(rows: list[Row]) -> str:
    lines = ["| task (held out) | measured | items | to reach |", "|---|---:|---:|---|"]
    return "\n".join(lines + [f"| {r.task} | {r.written} | {r.items} | {r.target} |" for r in rows])


def evaluate(bundle: str, items: int, progress: Callable[[str], None] = print) -> list[Row]:
    """All rows of a bundle."""
    rows: list[Row] = []
    with edge.load(bundle) as model:
        for task in TASKS:
            since = time.monotonic()
            rows += (made := task(model, items))
            progress(
                f"{time.monotonic() - since:6.1f} s  " + ", ".join(f"{r.task} {r.written}" for r in made)
            )
    return rows


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("bundle")
    parse.add_argument("--items", type=int, default=200)
    parse.add_argument(
        "--out",
        type=Path,
        default=Path("demo-out/evaluation"),
        help="folder of evaluation.json and evaluation.md",
    )
    args = parse.parse_args()
    try:
        rows = evaluate(args.bundle, args.items)
    except edge.EdgeError as error:
        raise SystemExit(f"evaluate: {error}") from None
    print(table(rows))
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "evaluation.json").write_text(json.dumps([asdict(r) for r in rows], indent=1) + "\n")
    (args.out / "evaluation.md").write_text(table(rows) + "\n")


if __name__ == "__main__":
    main()
