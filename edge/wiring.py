"""What conversations and tasks run on: a loaded model's parts, put together by `edge.model`.

Job: hold the parts, the sampling defaults, the compiled languages; score ids after a prompt.
Ignorance: conversations, files, which engine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from edge.events import Score, TokenLogprob
from edge.frontends.base import Frontend
from edge.generation.decode import Decoder
from edge.generation.prompt import Layout
from edge.generation.shapes.languages import Languages
from edge.options import SamplingOptions
from edge.segments import Segment
from edge.vocabulary import Vocabulary

DEFAULTS: Mapping[str, SamplingOptions] = {  # where the manifest says nothing (native-model.md)
    "text": SamplingOptions(temperature=0.7, top_p=0.9),
    "image": SamplingOptions(temperature=1.0, top_k=128, guidance=2.5),
    "audio": SamplingOptions(temperature=0.8, top_k=50, repetition_penalty=1.1, repetition_window=64),
    "video": SamplingOptions(temperature=1.0, top_k=128, guidance=2.5),
    "exact": SamplingOptions(temperature=0.0, guidance=1.0),
}


@dataclass(frozen=True)
class Wiring:
    """What a chat runs on: a loaded model's parts, put together by `edge.model`."""

    name: str
    decoder: Decoder
    layout: Layout
    vocabulary: Vocabulary
    frontends: Mapping[str, Frontend]  # by kind
    reads: frozenset[str]
    makes: frozenset[str]
    sampling: Mapping[str, SamplingOptions] = field(default_factory=dict)  # by modality, and "exact"
    null_prompt: tuple[int, ...] = ()  # the empty prompt of guidance
    start: tuple[int, ...] = ()  # what stands before a bare text: the begin-of-text id

    @cached_property
    def languages(self) -> Languages:
        """Compiled schemas, patterns and grammars."""
        return Languages(self.layout.tokenizer.piece, self.vocabulary)

    def defaults(self, kind: str) -> SamplingOptions:
        """What the manifest says for a modality, over the house's own."""
        return self.sampling.get(kind, SamplingOptions()).over(DEFAULTS[kind])


def scored(wiring: Wiring, prompt: Sequence[Segment], ids: Sequence[int]) -> Score:
    """The logprobs of ids after a prompt."""
    piece = wiring.layout.tokenizer.piece
    steps = wiring.decoder.score(prompt, ids)
    return Score(tuple(TokenLogprob(s.token, piece(s.token), s.logprob or 0.0) for s in steps))
