"""From ids to events: text that is never half a character, media through their codecs.

Job: route the stream of one reply up to its end or a stop string, count its tokens, keep its parts and ids
for the history.
Ignorance: how the ids were chosen; how events are shown.
"""

from __future__ import annotations

import codecs
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from edge.engines.base import Tokenizer
from edge.events import (
    AudioChunk,
    Event,
    Finished,
    FinishReason,
    ImageMade,
    MediaProgress,
    TextDelta,
    Timings,
    TokenLogprob,
    Usage,
    VideoMade,
)
from edge.frontends.base import Frontend, Previews
from edge.generation.constraints import Kind
from edge.generation.decode import Step, Stop
from edge.generation.stopping import StopFilter
from edge.media.spectrum import SAMPLE_RATE
from edge.media.video import FRAME_SECONDS
from edge.messages import Audio, Image, Part, Text, Video
from edge.vocabulary import MediaBlock, Vocabulary

_PROGRESS_EVERY = {"image": 4, "audio": 25, "video": 13}  # codes between two progress events


@dataclass
class Router:
    """The growing reply. `events` may be left at any moment: what was made so far stays readable."""

    tokenizer: Tokenizer
    vocabulary: Vocabulary
    frontends: Mapping[str, Frontend]
    started: float = field(default_factory=time.perf_counter)  # seconds; the moment of the call
    encode_seconds: float = 0.0
    ids: list[int] = field(default_factory=list)  # all but the end, and but a span that did not close
    parts: list[Part] = field(default_factory=list)
    counts: dict[Kind, int] = field(default_factory=lambda: dict.fromkeys(get_args(Kind), 0))
    stops: Sequence[str] = ()
    previews: int = 0  # of one picture, at most

    def __post_init__(self) -> None:
        self._filter = StopFilter(self.stops)
        self._logprobs: list[TokenLogprob] = []  # of text that is not shown yet
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")
        self._text = ""
        self._span: list[int] = []
        self._first: float | None = None
        self._decode_seconds = 0.0

    def events(self, stream: Iterable[Step | Stop]) -> Iterator[Event]:
        """The events of a stream; `Finished` comes last, without the prompt's counts."""
        for item in stream:
            if isinstance(item, Stop):
                yield from self._flush(final=True)
                yield self.finished(item.reason)
                return
            if self._first is None:
                self._first = time.perf_counter()
            yield from self._route(item)
            if self._filter.met:
                self._drop_cut()
                yield from self._flush(final=True)
                yield self.finished("stop")
                return

    def finished(self, reason: FinishReason, *, prompt_tokens: int = 0, cached_tokens: int = 0) -> Finished:
        """The closing event as of now."""
        now = time.perf_counter()
        first = (self._first or now) - self.started
        counts = self.counts
        usage = Usage(
            prompt_tokens, cached_tokens, counts["text"], counts["image"], counts["audio"], counts["video"]
        )
        return Finished(
            reason, usage, Timings(first, now - self.started, self.encode_seconds, self._decode_seconds)
        )

    def close(self) -> None:
        """Turn the text made so far into a part."""
        if self._text:
            self.parts.append(Text(self._text))
            self._text = ""

    def _route(self, step: Step) -> Iterator[Event]:
        if step.mark == "end":
            yield from self._flush(final=True)
            return
        self.counts[step.kind] += 1
        if step.mark == "text":
            self.ids.append(step.token)
            piece = self.tokenizer.piece(step.token)
            if step.logprob is not None:
                self._logprobs.append(self._told(step, piece))
            yield from self._flush(piece)
        elif step.mark == "open":
            yield from self._flush(final=True)
            self.close()
            self._span = [step.token]
            yield self._progress(step.kind)
        else:
            self._span.append(step.token)
            yield from self._media(step)

    def _flush(self, piece: bytes = b"", *, final: bool = False) -> Iterator[Event]:
        text = self._utf8.decode(self._filter(piece, final=final), final)
        cut = self._filter.cut
        while cut > 0 and self._logprobs:  # what is not shown is not told
            cut -= len(self._logprobs.pop().piece)
        if text:
            self._text += text
            told, self._logprobs = tuple(self._logprobs), []
            yield TextDelta(text, told)

    def _told(self, step: Step, piece: bytes) -> TokenLogprob:
        top = tuple((token, self.tokenizer.piece(token), logprob) for token, logprob in step.top)
        return TokenLogprob(step.token, piece, step.logprob or 0.0, top)

    def _drop_cut(self) -> None:
        """Take back the ids of what is not shown; of a token cut in two, the first part is split anew."""
        kept, cut = b"", self._filter.cut
        while cut > 0:
            piece = self.tokenizer.piece(self.ids.pop())
            kept, cut = piece[: max(0, len(piece) - cut)], cut - len(piece)
        self.ids += self.tokenizer.encode(kept.decode("utf-8", "ignore"))

    def _media(self, step: Step) -> Iterator[Event]:
        if step.mark == "close":
            ids = tuple(self._span[1:-1])
            yield self._decoded(step.kind, ids)
            self.ids += self._span
            self._span = []
        elif (len(self._span) - 1) % _PROGRESS_EVERY[step.kind] == 0:
            yield self._progress(step.kind)

    def _decoded(self, kind: Kind, ids: tuple[int, ...]) -> Event:
        began = time.perf_counter()
        media = self.frontends[kind].decode(ids)
        self._decode_seconds += time.perf_counter() - began
        if kind == "image":
            pixels = np.asarray(media, dtype=np.uint8)
            self.parts.append(Image(pixels))
            return ImageMade(pixels, ids)
        if kind == "video":
            frames = np.asarray(media, dtype=np.uint8)
            self.parts.append(Video(frames, FRAME_SECONDS))
            return VideoMade(frames, FRAME_SECONDS, ids)
        samples, weave = np.asarray(media, dtype=np.float32), self._block(kind).weave
        rate = SAMPLE_RATE if weave is None else weave.rate
        self.parts.append(Audio(samples, rate))
        return AudioChunk(samples, rate, ids)

    def _progress(self, kind: Kind) -> MediaProgress:
        block = self._block(kind)
        total = None if block.frame is not None else block.span
        return MediaProgress(block.kind, len(self._span) - 1, total, self._preview(kind, total))

    def _preview(self, kind: Kind, total: int | None) -> NDArray[np.uint8] | None:
        """What is settled of a picture, at even distances; never of a whole one."""
        ids, frontend = self._span[1:], self.frontends.get(kind)
        if not self.previews or not ids or not total or len(ids) >= total:
            return None
        if len(ids) % -(-total // (self.previews + 1)) or not isinstance(frontend, Previews):
            return None
        began = time.perf_counter()
        seen = frontend.preview(ids)
        self._decode_seconds += time.perf_counter() - began
        return seen

    def _block(self, kind: Kind) -> MediaBlock:
        return next(block for block in self.vocabulary.blocks if block.kind == kind)
