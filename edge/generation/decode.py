"""The decode loop: reuse what the engine holds or held, feed the rest, constrain, sample, step.

Job: turn a prompt of segments into a stream of ids, each with what it is. Guidance runs a second sequence,
fed with the empty prompt, while a medium is open: u + s (c - u) (arXiv:2207.12598).
Ignorance: text, codecs, chat; which engine it is.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from edge.engines.base import Engine, Interrupted, Logits
from edge.errors import DoesNotFitError, EngineError, UsageError
from edge.events import FinishReason
from edge.generation.constraints import Candidates, Grammar, Kind, Mark
from edge.generation.prefix_cache import Key, PrefixCache
from edge.generation.sampling import Sampler, log_softmax, top_k
from edge.segments import EmbeddingSegment, Segment, TokenSegment


@dataclass(frozen=True)
class Step:
    """One generated id, what it is, and the modality it belongs to."""

    token: int
    mark: Mark
    kind: Kind
    logprob: float | None = None  # of a chosen text id, where asked for
    top: tuple[tuple[int, float], ...] = ()


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
    bias: Mapping[int, float] = field(default_factory=dict)  # added to logits of text, by id
    logprobs: int | None = None  # alternatives told with each chosen text id; None = tell nothing


class Decoder:
    """One engine and what its first sequence holds. Streams one request at a time."""

    def __init__(self, engine: Engine, cache: PrefixCache | None = None) -> None:
        self.engine = engine
        self._cache = cache or PrefixCache()
        self.prompt_tokens = 0  # of the last request
        self.cached_tokens = 0  # of them, already in the engine
        self._held: list[Key] = []
        self._recent: list[int] = []
        self._busy = False
        self._cancelled: Callable[[], bool] = _never  # of the request that runs

    def wake(self) -> None:
        """A request was cancelled: if it runs, let the engine stop computing for it. From any thread."""
        if self._cancelled():
            self.engine.interrupt()

    def stream(self, request: Request) -> Generator[Step | Stop]:
        """Ids until the grammar ends, the context is full, or the request is cancelled; last comes a `Stop`.

        Raises:
            DoesNotFitError: the prompt leaves no room for a reply.
            EngineError: the native call failed.
            UsageError: another stream of this engine is not over yet.
        """
        with self._alone():
            self._cancelled = request.cancelled
            try:
                yield from self._stream(request)
            except Interrupted:
                yield Stop("cancelled")
            finally:
                self._cache.finished(self.engine, self._held)

    def _stream(self, request: Request) -> Iterator[Step | Stop]:
        grammar = request.grammar
        logits, unguided = self._read(request.prompt), None  # (vocab,), the second sequence's (vocab,)
        self._recent = []
        while not request.cancelled():
            room = self.engine.context_length - len(self._held)
            chosen, told = grammar.forced(room), False
            if not chosen:
                allowed = grammar.allowed(room)
                if allowed is None or room <= 0:
                    yield Stop("length")
                    return
                told = request.logprobs is not None and grammar.kind == "text"
                biased = _biased(logits, request.bias) if grammar.kind == "text" else logits
                chosen = (self._choose(request.samplers[grammar.kind], allowed, biased, unguided),)
            steps = _accept(grammar, chosen)
            if told:
                steps = [_told(steps[0], logits, request.logprobs or 0)]
            yield from steps
            if grammar.ended:
                yield Stop("end")
                return
            logits, unguided = self._advance(request, steps, unguided is not None)
        yield Stop("cancelled")

    def score(self, prompt: Sequence[Segment], tokens: Sequence[int], top: int = 0) -> list[Step]:
        """How likely the model finds ids after a prompt: steps with their logprobs.

        Raises:
            DoesNotFitError: both together do not fit into the context.
            EngineError: the native call failed.
            UsageError: a stream of this engine is not over yet.
        """
        needed, room = sum(map(len, prompt)) + len(tokens), self.engine.context_length
        if needed > room:
            raise DoesNotFitError(
                f"the text to score is {needed} tokens long, but the context holds {room}; "
                "score a shorter one, or load a longer context"
            )
        with self._alone():
            logits, steps = self._read(prompt), []
            for i, token in enumerate(tokens):
                steps.append(_told(Step(token, "text", "text"), logits, top))
                if i + 1 < len(tokens):
                    logits = self._done(partial(self.engine.step, [token]))[0]
                    self._held.append(token)
        return steps

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """One stream at a time; after a failure everything is forgotten."""
        if self._busy:
            raise UsageError("another reply of this model is still being made; finish or cancel it first")
        self._busy = True
        try:
            yield
        except Exception:
            self._forget_unsure()
            raise
        finally:
            self._busy, self._cancelled = False, _never

    def _read(self, prompt: Sequence[Segment]) -> Logits:
        """Make the first sequence hold exactly the prompt; feed only what it does not hold already."""
        keys = [key for segment in prompt for key in _keys(segment)]
        if len(keys) >= self.engine.context_length:
            raise DoesNotFitError(
                f"the conversation is {len(keys)} tokens long, but the context holds "
                f"{self.engine.context_length}; start a new chat, send less, or load a longer context"
            )
        common = self._cache.prepare(self.engine, self._held, keys, cut=partial(_uncut, prompt))
        self.prompt_tokens, self.cached_tokens = len(keys), common
        self._held = keys[:common]
        logits = self._done(lambda: self.engine.feed(_after(prompt, common)))
        self._held = keys
        return logits

    def _choose(self, sampler: Sampler, allowed: Candidates, logits: Logits, unguided: Logits | None) -> int:
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
            both = self._done(lambda: self.engine.step([last.token, last.token]))
            self._held += tokens
            return both[0], both[1]
        logits = self._done(
            lambda: (
                self.engine.step(tokens)[0]
                if len(tokens) == 1
                else self.engine.feed([TokenSegment(tuple(tokens))])
            )
        )
        self._held += tokens
        if last.mark == "open" and self._guides(request, last.kind):
            self.engine.truncate(0, sequence=1)
            empty = TokenSegment((*request.null_prompt, last.token))
            return logits, self._done(lambda: self.engine.feed([empty], sequence=1))
        return logits, None

    def _done(self, call: Callable[[], Logits]) -> Logits:
        """What a call of the engine gives; again, where an interrupt came too late for whom it was meant."""
        while True:
            try:
                return call()
            except Interrupted:
                if self._cancelled():
                    raise

    def _guides(self, request: Request, kind: Kind) -> bool:
        return (
            bool(request.null_prompt) and self.engine.sequences > 1 and request.samplers[kind].guidance != 1.0
        )

    def _forget_unsure(self) -> None:
        """After a failure: forget everything, so that a half-done call cannot poison the next answer."""
        self._held.clear()
        with contextlib.suppress(EngineError):  # the engine may be closed
            self.engine.truncate(0)


def _never() -> bool:
    return False


def _biased(logits: Logits, bias: Mapping[int, float]) -> Logits:
    if not bias:
        return logits
    changed = logits.copy()
    changed[list(bias)] += np.array(list(bias.values()), dtype=np.float32)
    return changed


def _told(step: Step, logits: Logits, count: int) -> Step:
    """The step with what the model itself thought of its id, and of the `count` likeliest."""
    logs = log_softmax(logits)
    best = top_k(logs, count)
    ranked = sorted(() if best is None else best.tolist(), key=lambda i: (-logs[i], i))
    return replace(step, logprob=float(logs[step.token]), top=tuple((i, float(logs[i])) for i in ranked))


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


def _uncut(segments: Sequence[Segment], length: int) -> int:
    """`length`, or where the span begins that it would cut and that may not be cut."""
    start = 0
    for segment in segments:
        end = start + len(segment)
        if start < length < end and isinstance(segment, EmbeddingSegment) and segment.whole:
            return start
        start = end
    return length


def _after(segments: Sequence[Segment], skip: int) -> list[Segment]:
    """The segments without their first `skip` positions."""
    rest: list[Segment] = []
    for segment in segments:
        cut = min(skip, len(segment))
        skip -= cut
        if cut == len(segment):
            continue
        if isinstance(segment, EmbeddingSegment):
            rest.append(
                EmbeddingSegment(segment.embeddings[cut:], segment.key) if cut else segment
            )  # not whole
        else:
            rest.append(TokenSegment(segment.ids[cut:]))
    return rest
