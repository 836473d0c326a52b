"""A conversation: history and settings around one stream.

Job: check abilities before a token is computed, lay out the prompt, stream one reply, keep the history true:
a turn is committed when its reply finished or was cancelled, and a turn that failed leaves no trace.
Ignorance: files, manifests, which engine: it gets a `Wiring`. Not thread-safe but for `cancel`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import get_args

import numpy as np

from edge.errors import DoesNotFitError, EdgeError, ModalityError, UsageError
from edge.events import AudioChunk, Event, Finished, ImageMade, Reply, TextDelta, VideoMade
from edge.frontends.base import Frontend
from edge.generation.constraints import Grammar, Kind
from edge.generation.decode import Decoder, Request
from edge.generation.prompt import Layout, Piece, Turn
from edge.generation.reply import Router
from edge.generation.sampling import Sampler, checked
from edge.media.audio import Sound
from edge.media.image import Picture
from edge.media.video import Clip
from edge.messages import Audio, Image, Message, Part, Text, Video, as_part
from edge.options import SamplingOptions
from edge.segments import Segment, TokenSegment
from edge.vocabulary import Vocabulary

KINDS: tuple[Kind, ...] = get_args(Kind)
DEFAULTS: Mapping[str, SamplingOptions] = {  # where the manifest says nothing (native-model.md)
    "text": SamplingOptions(temperature=0.7, top_p=0.9),
    "image": SamplingOptions(temperature=1.0, top_k=128, guidance=2.5),
    "audio": SamplingOptions(temperature=0.8, top_k=50, repetition_penalty=1.1, repetition_window=64),
    "video": SamplingOptions(temperature=1.0, top_k=128, guidance=2.5),
    "exact": SamplingOptions(temperature=0.0, guidance=1.0),
}
_WORDS = {"text": "text", "image": "pictures", "audio": "sound", "video": "video"}


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

    def defaults(self, kind: str) -> SamplingOptions:
        """What the manifest says for a modality, over the house's own."""
        return self.sampling.get(kind, SamplingOptions()).over(DEFAULTS[kind])


class Chat:
    """One conversation with one model. Several may share a model, one at a time."""

    def __init__(
        self, wiring: Wiring, *, system: str | None = None, sampling: SamplingOptions | None = None
    ) -> None:
        """`sampling` holds for every turn, where the turn does not say otherwise."""
        self.system = system
        self.sampling = sampling or SamplingOptions()
        self.history: list[Message] = []  # without the system message; may be edited between turns
        self._wiring = wiring
        self._cancel = threading.Event()
        self._spans: dict[Image | Audio | Video, Segment] = {}  # media of the history, as they were read
        self._said: dict[Message, TokenSegment] = {}  # replies, as the very ids that were generated

    def send(
        self,
        *parts: str | Part,
        make: Kind | None = None,
        sampling: SamplingOptions | None = None,
        script: str = "",
    ) -> Iterator[Event]:
        """Say something and stream the answer; `Finished` comes last.

        Args:
            make: the modality that the answer must hold; None lets the model choose.
            sampling: settings of this turn. With `make`, they shape that modality; else the text.
            script: with make="audio", the very words that the sound must say.

        Raises:
            ModalityError: a part or `make` that the model does not read or make; before a token is computed.
            DoesNotFitError: the conversation does not fit into the context.
            MediaError: a picture, sound or clip cannot be read.
        """
        message = Message("user", tuple(as_part(part) for part in parts))
        self._check_abilities(message, make)
        if not message.parts:
            raise UsageError("nothing was said; give at least one text, picture, sound or clip")
        return self._send_once(message, make, (sampling or SamplingOptions()).over(self.sampling), script)

    def ask(
        self,
        *parts: str | Part,
        make: Kind | None = None,
        sampling: SamplingOptions | None = None,
        script: str = "",
    ) -> Reply:
        """The same as `send`, gathered into one value."""
        return gather(self.send(*parts, make=make, sampling=sampling, script=script))

    def cancel(self) -> None:
        """Stop the running reply after its current token; safe from any thread."""
        self._cancel.set()

    # --- one turn ---------------------------------------------------------------------------------

    def _send_once(
        self, message: Message, make: Kind | None, sampling: SamplingOptions, script: str
    ) -> Iterator[Event]:
        self._cancel.clear()
        wiring = self._wiring
        router = Router(wiring.layout.tokenizer, wiring.vocabulary, wiring.frontends)
        request = self._request(router, message, make, sampling, script)
        yield from self._run(router, request, message)

    def _run(self, router: Router, request: Request, message: Message) -> Iterator[Event]:
        decoder, committed = self._wiring.decoder, False
        stream = decoder.stream(request)
        try:
            for event in router.events(stream):
                if isinstance(event, Finished):
                    self._commit(message, router, empty=event.reason != "cancelled")
                    committed = True
                    counts = {"prompt_tokens": decoder.prompt_tokens, "cached_tokens": decoder.cached_tokens}
                    event = replace(event, usage=replace(event.usage, **counts))
                yield event
        except GeneratorExit:  # the listener left: that is a cancel
            if not committed:
                self._commit(message, router)
            raise
        finally:
            stream.close()

    def _request(
        self, router: Router, message: Message, make: Kind | None, sampling: SamplingOptions, script: str
    ) -> Request:
        wiring = self._wiring
        began = time.perf_counter()
        turns = [self._turn(old) for old in self._with_system()] + [self._turn(message)]
        router.encode_seconds = time.perf_counter() - began
        prompt = wiring.layout.build(turns)
        self._check_room(sum(len(segment) for segment in prompt), make)
        options = {kind: checked(self._options(kind, make, sampling)) for kind in KINDS}
        generator = np.random.default_rng(options["text"].seed)
        grammar = Grammar(
            wiring.vocabulary,
            makes=wiring.makes,
            make=make,
            script=wiring.layout.text(script) if script else (),
            max_text=options["text"].max_tokens,
        )
        samplers = {kind: Sampler(options[kind], generator) for kind in KINDS}
        return Request(prompt, grammar, samplers, wiring.null_prompt, self._cancel.is_set)

    def _options(self, kind: Kind, make: Kind | None, sampling: SamplingOptions) -> SamplingOptions:
        """The turn's settings where they are meant for this modality, over the manifest's."""
        if kind not in ("text", make):
            sampling = SamplingOptions(guidance=sampling.guidance, seed=sampling.seed)
        return sampling.over(self._wiring.defaults(kind))

    # --- the prompt -------------------------------------------------------------------------------

    def _with_system(self) -> list[Message]:
        first = [Message("system", (Text(self.system),))] if self.system else []
        return first + self.history

    def _turn(self, message: Message) -> Turn:
        said = self._said.get(message)
        pieces = (said,) if said is not None else tuple(self._piece(part) for part in message.parts)
        return Turn(message.role, pieces)

    def _piece(self, part: Part) -> Piece:
        if isinstance(part, Text):
            return part.text
        if part not in self._spans:
            self._spans[part] = self._wiring.frontends[_kind(part)].encode(part)
        return self._spans[part]

    # --- checks and the history -------------------------------------------------------------------

    def _check_abilities(self, message: Message, make: Kind | None) -> None:
        wiring = self._wiring
        for part in message.parts:
            if _kind(part) not in wiring.reads:
                raise self._unable("read", _kind(part), wiring.reads)
        if make is not None and make not in wiring.makes:
            raise self._unable("make", make, wiring.makes)

    def _unable(self, verb: str, kind: str, able: frozenset[str]) -> ModalityError:
        if not self._wiring.frontends and self._wiring.vocabulary.blocks:  # a native .gguf by itself
            return ModalityError(
                f"{self._wiring.name} was loaded as a decoder alone, and a decoder alone does not {verb} "
                f"{_WORDS[kind]}; load the bundle folder it belongs to, with its codecs"
            )
        known = " and ".join(_WORDS[k] for k in _WORDS if k in able)
        still = " (an animation given as a picture shows its first frame)" if kind == "video" else ""
        return ModalityError(
            f"{self._wiring.name} does not {verb} {_WORDS[kind]}, it {verb}s {known or 'nothing'}"
            f"{still if verb == 'read' and 'image' in able else ''}; "
            "choose a model that does: `edge list` shows what is installed, `edge show` what it can"
        )

    def _check_room(self, length: int, make: Kind | None) -> None:
        block = None if make is None or make == "text" else self._wiring.vocabulary.block(make)
        needed = 1 if block is None else block.shortest
        context = self._wiring.decoder.engine.context_length
        if length + needed > context:
            raise DoesNotFitError(
                f"the conversation is {length} tokens long and the answer needs at least {needed}, "
                f"but the context holds {context}; start a new chat, send less, or load a longer context"
            )

    def _commit(self, message: Message, router: Router, *, empty: bool = False) -> None:
        """Keep the turn; the reply as the very ids it was made of, so that the cache fits the next prompt.

        A reply without any part is kept only where `empty`.
        """
        router.close()
        if not router.parts and not empty:
            return
        answer = Message("assistant", tuple(router.parts) or (Text(""),))
        self._said[answer] = TokenSegment(tuple(router.ids))
        self.history += [message, answer]


def gather(events: Iterator[Event]) -> Reply:
    """One value from a whole stream of events."""
    text, images, videos, chunks = "", [], [], []
    finished: Finished | None = None
    for event in events:
        if isinstance(event, TextDelta):
            text += event.text
        elif isinstance(event, ImageMade):
            images.append(Picture(event.pixels))
        elif isinstance(event, VideoMade):
            videos.append(Clip(event.frames, event.frame_seconds))
        elif isinstance(event, AudioChunk):
            chunks.append(event)
        elif isinstance(event, Finished):
            finished = event
    if finished is None:
        raise EdgeError("the reply ended without its last event; this is a defect of Edge, please report it")
    audio = Sound(np.concatenate([c.samples for c in chunks]), chunks[0].sample_rate) if chunks else None
    return Reply(text, tuple(images), tuple(videos), audio, finished.usage, finished.timings, finished.reason)


def _kind(part: Part) -> str:
    return type(part).__name__.lower()
