"""The decode loop: reuse what the engine holds, feed the rest, constrain, sample, step.

Job: turn a prompt of segments into a stream of ids, each with what it is. Guidance runs a second sequence,
fed with the empty prompt, while a medium is open: u + s (c - u) (arXiv:2207.12598).
Ignorance: text, codecs, chat; which engine it is.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from edge.engines.base import Engine, Logits
from edge.errors import DoesNotFitError, EngineError, UsageError
from edge.events import FinishReason
from edge.generation.constraints import Allowed, Grammar, Kind, Mark
from edge.generation.sampling import Sampler
from edge.segments import EmbeddingSegment, Segment, TokenSegment

Key = int | tuple[str, int]  # what one position of a sequence holds: an id, or a row of named embeddings


@dataclass(frozen=True)
class Step:
    """One generated id, what it is, and the modality it belongs to."""

    token: int
    mark: Mark
    kind: Kind


@dataclass(frozen=True)
class Stop:
    """The stream is over."""

    reason: FinishReason


@dataclass(frozen=True)
class Request:
    """What one stream needs."""

    prompt: Sequence[Segment]
    grammar: Grammar
    samplers: Mapping[Kind, Sampler]
    null_prompt: tuple[int, ...] = ()  # the empty prompt of guidance; () = no guidance
    cancelled: Callable[[], bool] = field(default=lambda: False)


class Decoder:
    """One engine and what its first sequence holds. Streams one request at a time."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.prompt_tokens = 0  # of the last request
        self.cached_tokens = 0  # of them, already in the engine
        self._held: list[Key] = []
        self._recent: list[int] = []
        self._busy = False

    def stream(self, request: Request) -> Generator[Step | Stop]:
        """Ids until the grammar ends, the context is full, or the request is cancelled; last comes a `Stop`.

        Raises:
            DoesNotFitError: the prompt leaves no room for a reply.
            EngineError: the native call failed.
            UsageError: another stream of this engine is not over yet.
        """
        if self._busy:
            raise UsageError("another reply of this model is still being made; finish or cancel it first")
        self._busy = True
        try:
            yield from self._stream(request)
        except Exception:
            self._forget_unsure()
            raise
        finally:
            self._busy = False

    def _stream(self, request: Request) -> Iterator[Step | Stop]:
        grammar = request.grammar
        logits, unguided = self._read(request.prompt), None  # (vocab,), the second sequence's (vocab,)
        self._recent = []
        while not request.cancelled():
            room = self.engine.context_length - len(self._held)
            chosen = grammar.forced(room)
            if not chosen:
                allowed = grammar.allowed(room)
                if allowed is None or room <= 0:
                    yield Stop("length")
                    return
                chosen = (self._choose(request.samplers[grammar.kind], allowed, logits, unguided),)
            steps = _accept(grammar, chosen)
            yield from steps
            if grammar.ended:
                yield Stop("end")
                return
            logits, unguided = self._advance(request, steps, unguided is not None)
        yield Stop("cancelled")

    def _read(self, prompt: Sequence[Segment]) -> Logits:
        """Make the first sequence hold exactly the prompt; feed only what it does not hold already."""
        keys = [key for segment in prompt for key in _keys(segment)]
        if len(keys) >= self.engine.context_length:
            raise DoesNotFitError(
                f"the conversation is {len(keys)} tokens long, but the context holds "
                f"{self.engine.context_length}; start a new chat, send less, or load a longer context"
            )
        common = min(_common_prefix(self._held, keys), len(keys) - 1)  # one token must be fed to get logits
        self.prompt_tokens, self.cached_tokens = len(keys), common
        self.engine.truncate(common)
        self._held = keys[:common]
        logits = self.engine.feed(_after(prompt, common))
        self._held = keys
        return logits

    def _choose(self, sampler: Sampler, allowed: Allowed, logits: Logits, unguided: Logits | None) -> int:
        candidates = allowed.take(logits)
        if unguided is not None:
            empty = allowed.take(unguided)
            candidates = (empty + np.float32(sampler.guidance) * (candidates - empty)).astype(
                np.float32, copy=False
            )
        recent: Sequence[int] = ()
        if sampler.penalty != 1.0 and sampler.window:
            recent = allowed.indices(self._recent[-sampler.window :])
        return allowed.token(sampler(candidates, recent))

    def _advance(self, request: Request, steps: Sequence[Step], guided: bool) -> tuple[Logits, Logits | None]:
        """Append the ids to the first sequence, and to the second while a guided span is open."""
        tokens, last = [step.token for step in steps], steps[-1]
        self._recent += tokens
        if guided and last.mark in ("code", "frame"):
            both = self.engine.step([last.token, last.token])
            self._held += tokens
            return both[0], both[1]
        logits = (
            self.engine.step(tokens)[0]
            if len(tokens) == 1
            else self.engine.feed([TokenSegment(tuple(tokens))])
        )
        self._held += tokens
        if last.mark == "open" and self._guides(request, last.kind):
            self.engine.truncate(0, sequence=1)
            empty = TokenSegment((*request.null_prompt, last.token))
            return logits, self.engine.feed([empty], sequence=1)
        return logits, None

    def _guides(self, request: Request, kind: Kind) -> bool:
        return (
            bool(request.null_prompt) and self.engine.sequences > 1 and request.samplers[kind].guidance != 1.0
        )

    def _forget_unsure(self) -> None:
        """After a failure: forget everything, so that a half-done call cannot poison the next answer."""
        self._held.clear()
        with contextlib.suppress(EngineError):  # the engine may be closed
            self.engine.truncate(0)


def _accept(grammar: Grammar, tokens: Sequence[int]) -> list[Step]:
    steps = []
    for token in tokens:
        before = grammar.kind
        mark = grammar.accept(token)
        steps.append(Step(token, mark, grammar.kind if mark == "open" else before))
    return steps


def _keys(segment: Segment) -> Iterator[Key]:
    if isinstance(segment, EmbeddingSegment):
        return iter([(segment.key, i) for i in range(len(segment))])
    return iter(segment.ids)


def _common_prefix(held: Sequence[Key], wanted: Sequence[Key]) -> int:
    for i, (a, b) in enumerate(zip(held, wanted, strict=False)):
        if a != b:
            return i
    return min(len(held), len(wanted))


def _after(segments: Sequence[Segment], skip: int) -> list[Segment]:
    """The segments without their first `skip` positions."""
    rest: list[Segment] = []
    for segment in segments:
        cut = min(skip, len(segment))
        skip -= cut
        if cut == len(segment):
            continue
        if isinstance(segment, EmbeddingSegment):
            rest.append(EmbeddingSegment(segment.embeddings[cut:], segment.key) if cut else segment)
        else:
            rest.append(TokenSegment(segment.ids[cut:]))
    return rest
