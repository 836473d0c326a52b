"""From a prompt to a stream of ids: constrain, sample, step.

Job: turn a prompt of segments into a stream of ids, each with what it is. Guidance asks for a second line,
that of the empty prompt, while a medium is open: u + s (c - u) (arXiv:2207.12598).
Ignorance: text, codecs, chat; which engine it is; who else streams (scheduler.py), who holds what (slots.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from edge.engines.base import Engine, Logits, Verifies
from edge.errors import DoesNotFitError
from edge.events import FinishReason
from edge.generation.constraints import Candidates, Grammar, Kind, Mark
from edge.generation.lookup import Lookup, Pace
from edge.generation.prefix_cache import PrefixCache
from edge.generation.sampling import Sampler, log_softmax, top_k
from edge.generation.scheduler import Need, Routine, Scheduler, Task
from edge.generation.slots import Line
from edge.segments import Segment, TokenSegment


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
    """One engine, and all streams of it. Safe from any thread."""

    def __init__(self, engine: Engine, cache: PrefixCache | None = None) -> None:
        self.engine = engine
        self._pace = Pace(engine.most_verified - 1 if isinstance(engine, Verifies) else 0)
        self._scheduler = Scheduler(engine, cache or PrefixCache())

    def stream(self, request: Request) -> Stream:
        """Ids until the grammar ends, the context is full, or the request is cancelled; last comes a `Stop`.

        Raises (when the first one is asked for):
            DoesNotFitError: the prompt leaves no room for a reply.
            EngineError: the native call failed, or the engine is closed.
        """
        return Stream(self._scheduler, request, _Reply(request, self.engine, self._pace))

    def score(self, prompt: Sequence[Segment], tokens: Sequence[int], top: int = 0) -> list[Step]:
        """How likely the model finds ids after a prompt: steps with their logprobs.

        Raises:
            DoesNotFitError: both together do not fit into the context.
            EngineError: the native call failed, or the engine is closed.
        """
        needed, room = sum(map(len, prompt)) + len(tokens), self.engine.context_length
        if needed > room:
            raise DoesNotFitError(
                f"the text to score is {needed} tokens long, but the context holds {room}; "
                "score a shorter one, or load a longer context"
            )
        task: Task[Step] = Task(_scoring(Line(prompt), tokens, top), lambda: False)
        try:
            return list(iter(lambda: self._scheduler.take(task), None))
        finally:
            self._scheduler.leave(task)
            self._scheduler.tidy()

    def wake(self) -> None:
        """A request was cancelled: let the engine stop computing for it. From anywhere."""
        self._scheduler.wake()

    def close(self) -> None:
        """End all streams with an EngineError, then close the engine."""
        self._scheduler.close()


class Stream(Iterator[Step | Stop]):
    """The ids of one reply; for one listener. To close it, or to let it go, is to leave."""

    def __init__(self, scheduler: Scheduler, request: Request, reply: _Reply) -> None:
        self._scheduler, self._request, self._line = scheduler, request, reply.line
        self._task: Task[Step | Stop] | None = Task(reply.routine(), request.cancelled)
        self._tell = scheduler.leave  # __del__ may come when modules are gone

    @property
    def prompt_tokens(self) -> int:
        """How long the prompt is."""
        return self._line.prompt_tokens

    @property
    def cached_tokens(self) -> int:
        """How much of it the engine held already."""
        return self._line.cached_tokens or 0

    def __next__(self) -> Step | Stop:
        if self._task is None:
            raise StopIteration
        try:
            item = self._scheduler.take(self._task)
        except BaseException:
            self.close()
            raise
        if item is None:
            self.close()
            if not self._request.cancelled():
                raise StopIteration
            return Stop("cancelled")
        return item

    def close(self) -> None:
        """Leave; what the engine holds stays for the next prompt."""
        if self._task is not None:
            self._leave()
            self._scheduler.tidy()

    def __del__(self) -> None:
        self._leave()

    def _leave(self) -> None:
        if self._task is not None:
            self._tell(self._task)
            self._task = None


class _Reply:
    """The routine of one request."""

    def __init__(self, request: Request, engine: Engine, pace: Pace) -> None:
        self.line = Line(request.prompt)
        self._pace, self._lookup = pace, Lookup(self.line.keys if pace.most else ())
        self._request, self._grammar = request, request.grammar
        self._context, self._guided = engine.context_length, engine.sequences > 1
        self._empty: Line | None = None  # the line of the empty prompt, while a guided span is open
        self._recent: list[int] = []

    def routine(self) -> Routine[Step | Stop]:
        """Ids and the stop; asks for the logits that each choice needs."""
        self._check_room()
        need: Need = (self.line,)
        found = yield need
        while True:
            at = 0  # the row, and how many ids it stands behind the line's last one
            while True:
                steps = self._chosen(*(rows[at] for rows in found))
                yield from steps or (Stop("length"),)
                if not steps:
                    return
                if self._grammar.ended:
                    yield Stop("end")
                    return
                was, need = need, self._appended(steps)
                at += len(steps)
                if not self._guessed(steps, at, was, need) or at >= min(map(len, found)):
                    break
            self._guess(need, was, rows=len(found[0]), brought=at)
            found = yield need

    def _check_room(self) -> None:
        if len(self.line) >= self._context:
            raise DoesNotFitError(
                f"the conversation is {len(self.line)} tokens long, but the context holds "
                f"{self._context}; start a new chat, send less, or load a longer context"
            )

    @staticmethod
    def _guessed(steps: Sequence[Step], at: int, was: Need, now: Need) -> bool:
        """Whether the newest ids, those before row `at`, were guessed, and the lines are still the same."""
        came = tuple(step.token for step in steps)
        return was == now and all(line.guesses[at - len(came) : at] == came for line in was)

    def _guess(self, need: Need, was: Need, *, rows: int, brought: int) -> None:
        """Hear what the last call took, and guess for the next."""
        seconds = sum(line.seconds for line in was)
        if rows > 1:
            self._pace.verified(seconds, brought)
        elif len(self._recent) > brought:  # else it was the prompt's
            self._pace.stepped(seconds)
        most = min(self._pace.most, self._context - len(self.line)) if self._pace.pays else 0
        guesses = self._lookup.guesses(most) if most > 0 else ()
        for line in need:
            line.guesses = guesses

    def _chosen(self, logits: Logits, unguided: Logits | None = None) -> list[Step]:
        """The ids that come next; none where there is no room left."""
        request, grammar = self._request, self._grammar
        room = self._context - len(self.line)
        if forced := grammar.forced(room):
            return _accept(grammar, forced)
        allowed = grammar.allowed(room)
        if allowed is None or room <= 0:
            return []
        kind = grammar.kind
        biased = _biased(logits, request.bias) if kind == "text" else logits
        (step,) = _accept(grammar, (self._choose(request.samplers[kind], allowed, biased, unguided),))
        if request.logprobs is not None and kind == "text":
            step = _told(step, logits, request.logprobs)
        return [step]

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

    def _appended(self, steps: Sequence[Step]) -> Need:
        """The lines to go on with: its own, and that of the empty prompt while a guided span is open."""
        tokens, last = [step.token for step in steps], steps[-1]
        self._recent += tokens
        self.line.append(tokens)
        if self._pace.most:
            self._lookup.append(tokens)
        if self._empty is not None and last.mark in ("code", "frame"):
            self._empty.append(tokens)
        elif self._empty is not None:
            self._empty.over, self._empty = True, None
        elif last.mark == "open" and self._guides(last.kind):
            self._empty = Line([TokenSegment((*self._request.null_prompt, last.token))], kept=False)
        return (self.line,) if self._empty is None else (self.line, self._empty)

    def _guides(self, kind: Kind) -> bool:
        request = self._request
        return self._guided and bool(request.null_prompt) and request.samplers[kind].guidance != 1.0


def _scoring(line: Line, tokens: Sequence[int], top: int) -> Routine[Step]:
    """Each id with its logprob."""
    for i, token in enumerate(tokens):
        ((logits,),) = yield (line,)
        yield _told(Step(token, "text", "text"), logits, top)
        if i + 1 < len(tokens):
            line.append([token])


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
