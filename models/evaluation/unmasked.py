"""What the decoder itself believes, without the runtime's grammar: bits per byte of a book, and media spans left to it alone.

Job: two policies for `edge.generation.decode`: one that dictates ids and notes their probability, one that allows every id and lets
the true grammar judge afterwards. Edge has no public call for either; this enters by the decoder's own seam (`model.wiring`).
Ignorance: engines, codecs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from edge.generation.constraints import Allowed, Grammar, Kind, Mark
from edge.generation.decode import Request, Step
from edge.generation.prompt import Turn
from edge.generation.sampling import Sampler
from edge.segments import TokenSegment
from edge.vocabulary import SPECIAL, Vocabulary
from models.data import items
from models.data.text import reading_text, requests
from models.evaluation.exam import Exam
from models.evaluation.rows import Row, ratio, share

WINDOW = 200  # ids read at once: prose in training has at most 220
CLIPS_OF_OTHERS = 4  # a clip has many more ids than a picture: so many times fewer


class Anything(Grammar):
    """Every id may come next; spans are only followed, so that each is sampled as its modality is."""

    def __init__(self, vocabulary: Vocabulary, makes: Sequence[str]) -> None:
        super().__init__(vocabulary, makes=makes)
        self._every = Allowed(0, vocabulary.size)
        self.ids: list[int] = []

    def forced(self, room: int) -> tuple[int, ...]:
        return ()

    def allowed(self, room: int) -> Allowed | None:
        return self._every if room > 1 else None

    def accept(self, token: int) -> Mark:
        self.ids.append(token)
        for block in self.vocabulary.blocks:
            if token == block.opener:
                self.kind = block.kind
                return "open"
            if token == block.closer:
                self.kind = "text"
                return "close"
        self.ended = token in self.vocabulary.end
        return "end" if self.ended else "text" if token < self.vocabulary.text_size else "code"


class Dictation(Anything):
    """The ids are given; as its own sampler it notes how likely each was."""

    penalty, guidance, window = 1.0, 1.0, 0

    def __init__(self, vocabulary: Vocabulary, ids: Sequence[int]) -> None:
        super().__init__(vocabulary, ())
        self._given, self.bits = list(ids), 0.0

    def __call__(self, logits: NDArray[np.float32], recent: Sequence[int] = ()) -> int:
        token = self._given[len(self.ids)]
        shifted = logits.astype(np.float64) - float(logits.max())
        self.bits += (math.log(np.exp(shifted).sum()) - shifted[token]) / math.log(2)
        return token

    def accept(self, token: int) -> Mark:
        mark = super().accept(token)
        self.ended = len(self.ids) == len(self._given)
        return mark


def book(exam: Exam) -> list[Row]:
    """Bits per byte of the held-out book, in windows of whole paragraphs, each read without what came before."""
    wiring = exam.model.wiring
    bits, sizes = [], []
    for _, (text, ids) in zip(range(exam.count(0.05)), _windows(exam), strict=False):
        dictation = Dictation(wiring.vocabulary, ids)
        start = [TokenSegment((SPECIAL["bos"],))]
        list(wiring.decoder.stream(Request(start, dictation, {"text": dictation})))  # type: ignore[dict-item]
        bits.append(dictation.bits)
        sizes.append(len(text.encode()))
    return [ratio("held-out book", bits, sizes, "bits/byte", "less")]


def _windows(exam: Exam) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Neighbouring paragraphs with their ids, as many as fit; longer ones are passed over."""
    split = exam.model.wiring.layout.text
    window, ids = "", ()
    for paragraph in reading_text.held_out_text(exam.corpus, 60_000).split("\n"):
        longer = f"{window}\n{paragraph}" if window else paragraph
        found = split(longer)
        if len(found) <= WINDOW:
            window, ids = longer, found
            continue
        if window:
            yield window, ids
        alone = split(paragraph)
        window, ids = (paragraph, alone) if len(alone) <= WINDOW else ("", ())
    if window:
        yield window, ids


def spans(exam: Exam) -> list[Row]:
    """Pictures, speech and clips asked for; right if the true grammar takes every id up to the end of the turn."""
    kinds: list[Kind] = [k for k in ("image", "audio", "video") if k in exam.model.makes]
    hits = {
        kind: [
            _well_formed(exam, kind, number)
            for number in exam.numbers(0.1 / (CLIPS_OF_OTHERS if kind == "video" else 1))
        ]
        for kind in kinds
    }
    rows = [share(f"well-formed without the grammar: {kind}", found) for kind, found in hits.items()]
    return [
        share("media well-formed without the grammar", [hit for found in hits.values() for hit in found]),
        *rows,
    ]


def _well_formed(exam: Exam, kind: Kind, number: int) -> bool:
    wiring = exam.model.wiring
    prompt = wiring.layout.build([Turn("user", (_wish(exam, kind, number),))])
    free = Anything(wiring.vocabulary, sorted(wiring.makes))
    generator = exam.rng(f"spans/{kind}", number)
    samplers: Mapping[Kind, Sampler] = {
        k: Sampler(wiring.defaults(k), generator) for k in ("text", "image", "audio", "video")
    }
    made = [s for s in wiring.decoder.stream(Request(prompt, free, samplers)) if isinstance(s, Step)]
    return free.ended and follows(wiring.vocabulary, [step.token for step in made], kind)


def _wish(exam: Exam, kind: Kind, number: int) -> str:
    rng = exam.rng(f"wishes/{kind}", number)
    if kind == "audio":
        return requests.ask(rng, "heldout", "speak", items.own_voice(number, exam.corpus, "heldout")[0].text)
    if kind == "video":
        return requests.ask(rng, "heldout", "animate", items.clip(number, "heldout")[0].wish())
    return requests.ask(rng, "heldout", "draw", items.picture("scenes", number, exam.corpus, "heldout")[0].caption())  # fmt: skip


def follows(vocabulary: Vocabulary, ids: Sequence[int], kind: Kind) -> bool:
    """Whether the grammar of a reply that must hold this medium takes all ids."""
    grammar = Grammar(vocabulary, makes=[b.kind for b in vocabulary.blocks])
    opened = False
    for token in ids:
        try:
            opened |= grammar.accept(token) == "open" and grammar.kind == kind
        except ValueError:
            return False
    return grammar.ended and opened
