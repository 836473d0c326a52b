"""A conversation: history and settings around one stream.

Job: check abilities before a token is computed, lay out the prompt, stream one reply, keep the history true:
a turn is committed when its reply finished or was cancelled, and a turn that failed, or ended inside of a
document that a schema asked for, leaves no trace.
Ignorance: files, manifests, which engine: it gets a `Wiring`. One thread at a time, but for `cancel`.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, get_args

import numpy as np

from edge import abilities
from edge.async_turns import AsyncTurns
from edge.context import Context
from edge.errors import IncompleteError, UsageError
from edge.events import (
    Event,
    Finished,
    Reply,
    Score,
    ToolCall,
    TurnsDropped,
)
from edge.generation.constraints import Grammar, Kind
from edge.generation.decode import Request
from edge.generation.gather import gather, incomplete
from edge.generation.reply import Router
from edge.generation.sampling import Sampler, checked
from edge.generation.shapes.masks import Matcher
from edge.generation.shapes.python_types import described
from edge.messages import Message, Part, Text, as_part
from edge.options import SamplingOptions
from edge.segments import TokenSegment
from edge.tools import Toolbox, read_native, read_protocol, told
from edge.wiring import Wiring, scored

KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class _Asked:
    """One turn as the caller wants it."""

    message: Message
    make: Kind | None
    sampling: SamplingOptions
    script: str = ""
    shape: Callable[[], Matcher] | None = None
    previews: int = 0


class Chat(AsyncTurns):
    """One conversation with one model; several may share it at once, each in any one thread."""

    def __init__(
        self, wiring: Wiring, *, system: str | None = None, sampling: SamplingOptions | None = None
    ) -> None:
        """`sampling` holds for every turn, where the turn does not say otherwise."""
        self.system = system
        self.sampling = sampling or SamplingOptions()
        self.history: list[Message] = []  # without the system message; may be edited between turns
        self._wiring = wiring
        self._cancel = threading.Event()
        self._context = Context(wiring)
        self._toolbox: Toolbox | None = None  # while tools may be called

    def send(
        self,
        *parts: str | Part,
        make: Kind | None = None,
        sampling: SamplingOptions | None = None,
        script: str = "",
        schema: Any = None,
        pattern: str | None = None,
        grammar: str | None = None,
        previews: int = 0,
    ) -> Iterator[Event]:
        """Say something and stream the answer; `Finished` comes last.

        A conversation that outgrew the context is read without its oldest turns: `TurnsDropped` says so.

        Args:
            make: the modality that the answer must hold; None lets the model choose.
            sampling: settings of this turn. With `make`, they shape that modality; else the text.
            script: with make="audio", the very words that the sound must say.
            schema: a JSON Schema, or a type that has one: the answer is one JSON text by it. Where it is cut
                off, `Finished.reason` is not "end", and the turn is not kept.
            pattern: a regular expression (ECMA-262) that the whole answer matches.
            grammar: a grammar in llama.cpp's notation (GBNF) that the whole answer is derived from.
            previews: how often, at most, `MediaProgress` shows a picture before it is finished; each time
                costs one decoding of it.

        Raises:
            ModalityError: a part or `make` that the model does not read or make; before a token is computed.
            DoesNotFitError: the message does not fit into the context, even alone.
            MediaError: a picture, sound or clip cannot be read.
            UsageError: a schema, pattern or grammar that cannot be honoured, a setting out of its range.
        """
        self._begin()
        shape = None if schema is None else described(schema)[0]
        asked = self._asked(parts, make, sampling, script, shape, pattern, grammar)
        return self._send(replace(asked, previews=previews))

    def ask(
        self,
        *parts: str | Part,
        make: Kind | None = None,
        sampling: SamplingOptions | None = None,
        script: str = "",
        schema: Any = None,
        pattern: str | None = None,
        grammar: str | None = None,
        best_of: int = 1,
        tools: Sequence[Callable[..., Any]] | Toolbox = (),
    ) -> Reply:
        """The same as `send`, gathered into one value; with `schema`, `reply.value` is what the JSON says.

        Args:
            best_of: answers to draw; the one whose text has the best mean logprob is kept, the others are
                in `reply.others`. With a seed, the answers are drawn with seed, seed + 1 …
            tools: typed functions that the model may call before it answers; `reply.calls` tells what it did.
                They run in this process: give it only what any answer may do.

        Raises:
            IncompleteError: the answer was cut off inside of its JSON, or before its pattern or grammar
                matched.
        """
        self._begin()
        shape, build = (None, None) if schema is None else described(schema)
        asked = self._asked(parts, make, sampling, script, shape, pattern, grammar)
        if tools:
            if asked.shape is not None or best_of != 1 or make not in (None, "text") or script:
                raise UsageError(
                    "tools do not combine with schema, pattern, grammar, best_of, script or media to make"
                )
            return self._with_tools(asked, tools if isinstance(tools, Toolbox) else Toolbox(tools))
        reply = gather(self._send(asked)) if best_of == 1 else self._best(asked, best_of)
        if asked.shape is not None and reply.finish_reason != "end":
            raise incomplete(reply)
        return reply if build is None else replace(reply, value=build(json.loads(reply.text)))

    def score(self, answer: str, *parts: str | Part) -> Score:
        """How likely the model finds an answer to what is said; the history stays as it is.

        Raises:
            DoesNotFitError: conversation and answer do not fit into the context.
        """
        asked = self._asked(parts, None, None, "")
        prompt = self._context.prompt(self.system, (*self.history, asked.message))
        ids = self._wiring.layout.text(answer)
        return scored(self._wiring, prompt, ids)

    def cancel(self) -> None:
        """Stop the running reply, also while it reads a long prompt; safe from any thread."""
        self._cancel.set()
        self._wiring.decoder.wake()

    def transcript(self) -> list[tuple[Message, tuple[int, ...] | None]]:
        """The history, each reply with the very ids that it was made of; for `resume`, here or elsewhere."""
        said = ((message, self._context.said.get(message)) for message in self.history)
        return [(message, None if ids is None else ids.ids) for message, ids in said]

    def resume(self, transcript: Sequence[tuple[Message, tuple[int, ...] | None]]) -> None:
        """Go on from what `transcript` told, instead of the history."""
        self.history = [message for message, _ in transcript]
        self._context.said.update(
            (message, TokenSegment(ids)) for message, ids in transcript if ids is not None
        )

    # --- one turn ---------------------------------------------------------------------------------

    def _begin(self) -> None:
        """Before any work of a turn: from here on a cancel is meant for it."""
        self._cancel.clear()

    def _asked(
        self,
        parts: Sequence[str | Part],
        make: Kind | None,
        sampling: SamplingOptions | None,
        script: str,
        schema: Any = None,
        pattern: str | None = None,
        grammar: str | None = None,
    ) -> _Asked:
        if not isinstance(sampling, SamplingOptions | None):
            raise UsageError(f"sampling is {sampling!r}, expected edge.SamplingOptions(temperature=0.7, ...)")
        message = Message("user", tuple(as_part(part) for part in parts))
        abilities.check(self._wiring, message, make)
        if not message.parts:
            raise UsageError("nothing was said; give at least one text, picture, sound or clip")
        settings = (sampling or SamplingOptions()).over(self.sampling)
        return _Asked(message, make, settings, script, self._shape(make, schema, pattern, grammar))

    def _shape(
        self, make: Kind | None, schema: Any, pattern: str | None, grammar: str | None
    ) -> Callable[[], Matcher] | None:
        languages = self._wiring.languages
        given: list[Callable[[], Matcher]] = [
            partial(compiled, what)
            for compiled, what in (
                (languages.schema, schema), (languages.pattern, pattern), (languages.grammar, grammar),
            )
            if what is not None
        ]  # fmt: skip
        if not given:
            return None
        if make not in (None, "text") or len(given) > 1:
            raise UsageError(
                "a schema, a pattern or a grammar shapes text: give one of them, and make no other modality"
            )
        given[0]()  # refuse what cannot be honoured before anything is computed
        return given[0]

    def _send(self, asked: _Asked) -> Iterator[Event]:
        router = self._router(asked)
        request, dropped = self._request(router, asked)
        if dropped is not None:
            yield dropped
        yield from self._run(router, request, asked.message)

    def _best(self, asked: _Asked, count: int) -> Reply:
        """Draw several answers from one prompt, keep the best."""
        if asked.make not in (None, "text") or not 1 <= count <= 64:
            raise UsageError(f"best_of is {count}: expected 1 to 64 answers, of text")
        drawn: list[tuple[Reply, Router]] = []
        left_out: TurnsDropped | None = None
        for i in range(count):
            seed, told = asked.sampling.seed, asked.sampling.logprobs or 0
            own = replace(asked.sampling, seed=None if seed is None else seed + i, logprobs=told)
            router = self._router(asked)
            request, dropped = self._request(router, replace(asked, sampling=own))
            left_out = left_out or dropped
            drawn.append((gather(self._run(router, request, None)), router))
            if self._cancel.is_set():
                break
        drawn.sort(key=lambda one: (one[0].finish_reason == "end", one[0].score.mean), reverse=True)
        best, router = drawn[0]
        if asked.shape is None or best.finish_reason == "end":
            self._commit(asked.message, router, empty=best.finish_reason != "cancelled")
        return replace(best, others=tuple(reply for reply, _ in drawn[1:]), dropped=left_out)

    def _with_tools(self, asked: _Asked, box: Toolbox) -> Reply:
        """Call tools as the model asks until it answers; a failure leaves no trace."""
        before = list(self.history)
        self._toolbox = box
        try:
            calls: list[ToolCall] = []
            left_out: TurnsDropped | None = None
            while True:
                reply, wanted = self._round(asked, box, last=len(calls) >= box.limit)
                left_out = left_out or reply.dropped
                if not wanted:
                    return replace(reply, calls=tuple(calls), dropped=left_out)
                done = self._ran(wanted, box)
                calls += done
                said = tuple(Text(told(call)) for call in done)
                asked = replace(asked, message=Message("tool", said))
        except BaseException:
            self.history = before
            raise
        finally:
            self._toolbox = None

    def _ran(self, wanted: Sequence[ToolCall], box: Toolbox) -> list[ToolCall]:
        """What the calls came to; after a cancel none is run."""
        done: list[ToolCall] = []
        for call in wanted:
            if not self._cancel.is_set():
                done.append(call if call.error else box.run(call))
        if self._cancel.is_set():
            raise IncompleteError("the turn was cancelled between its calls of tools; ask again")
        return done

    def _round(self, asked: _Asked, box: Toolbox, *, last: bool) -> tuple[Reply, list[ToolCall]]:
        """One answer of the model, and the calls that it asks for."""
        if self._wiring.layout.template.knows_tools:
            reply = gather(self._send(replace(asked, make="text")))
            wanted = read_native(reply.text)
            if wanted and last:
                raise IncompleteError(
                    f"the model asked for more than {box.limit} tool calls without an answer; "
                    "allow more with Toolbox(…, limit=…)"
                )
            return reply, wanted
        shape = partial(self._wiring.languages.schema, box.schema(calls=not last))
        reply = gather(self._send(replace(asked, shape=shape)))
        if reply.finish_reason != "end":
            raise incomplete(reply)
        said = read_protocol(reply.text)
        return (replace(reply, text=said), []) if isinstance(said, str) else (reply, [said])

    def _router(self, asked: _Asked) -> Router:
        wiring = self._wiring
        stops = checked(self._options("text", asked.make, asked.sampling)).stop or ()
        return Router(
            wiring.layout.tokenizer, wiring.vocabulary, wiring.frontends, stops=stops, previews=asked.previews
        )

    def _run(self, router: Router, request: Request, message: Message | None) -> Iterator[Event]:
        """Events of one reply; committed with its message, where there is one."""
        over = message is None
        stream = self._wiring.decoder.stream(request)
        try:
            for event in router.events(stream):
                if isinstance(event, Finished):
                    if message is not None and not request.grammar.cut:
                        self._commit(message, router, empty=event.reason != "cancelled")
                    over = True
                    counts = {"prompt_tokens": stream.prompt_tokens, "cached_tokens": stream.cached_tokens}
                    event = replace(event, usage=replace(event.usage, **counts))
                yield event
        except GeneratorExit:  # the listener left: that is a cancel
            if message is not None and not over and not request.grammar.cut:
                self._commit(message, router)
            raise
        finally:
            stream.close()

    def _request(self, router: Router, asked: _Asked) -> tuple[Request, TurnsDropped | None]:
        wiring = self._wiring
        began = time.perf_counter()
        prompt, dropped = self._context.fitted(
            self.system, self.history, asked.message, asked.make, self._toolbox
        )
        router.encode_seconds = time.perf_counter() - began
        options = {kind: checked(self._options(kind, asked.make, asked.sampling)) for kind in KINDS}
        text = options["text"]
        generator = np.random.default_rng(text.seed)
        grammar = Grammar(
            wiring.vocabulary,
            makes=wiring.makes,
            make=asked.make,
            script=wiring.layout.text(asked.script) if asked.script else (),
            max_text=text.max_tokens,
            shape=None if asked.shape is None else asked.shape(),
        )
        request = Request(
            prompt,
            grammar,
            {kind: Sampler(options[kind], generator) for kind in KINDS},
            wiring.null_prompt,
            self._cancel.is_set,
            bias=self._bias(text.logit_bias or {}),
            logprobs=text.logprobs,
        )
        return request, dropped

    def _options(self, kind: Kind, make: Kind | None, sampling: SamplingOptions) -> SamplingOptions:
        """The turn's settings where they are meant for this modality, over the manifest's."""
        if kind not in ("text", make):
            sampling = SamplingOptions(guidance=sampling.guidance, seed=sampling.seed)
        return sampling.over(self._wiring.defaults(kind))

    def _bias(self, wanted: Mapping[int | str, float]) -> dict[int, float]:
        """A bias by id; a text must be a token of its own."""
        layout, found = self._wiring.layout, {}
        for name, value in wanted.items():
            ids = layout.text(name) if isinstance(name, str) else (name,)
            if len(ids) != 1 or not 0 <= ids[0] < layout.vocabulary.size or not -100 <= value <= 100:
                raise UsageError(
                    f"logit_bias {{{name!r}: {value}}}: expected an id of this model, or a text that is one "
                    f"token (this is {list(ids)}), and a value between -100 and 100"
                )
            found[ids[0]] = float(value)
        return found

    # --- the history -----------------------------------------------------------------------------

    def _commit(self, message: Message, router: Router, *, empty: bool = False) -> None:
        """Keep the turn; the reply as the very ids it was made of, so that the cache fits the next prompt.

        A reply without any part is kept only where `empty`.
        """
        router.close()
        if not router.parts and not empty:
            return
        answer = Message("assistant", tuple(router.parts) or (Text(""),))
        self._context.said[answer] = TokenSegment(tuple(router.ids))
        self.history += [message, answer]
