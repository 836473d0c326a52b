"""The modality grammar: which ids may come next.

Job: a small pure state machine over ids. In text: text ids, the end, the openers that the request allows. In
a picture: exactly `span` codes, then the closer. In a sound: codes or the closer. In a clip: a frame mark and
exactly `span` codes, `fewest` to `most` times, then the closer. It can also force ids.
Text itself may be held to a language (shapes): then there are no openers, and the end comes where the
language allows it. Ignorance: logits, engines, codecs; it counts ids and knows nothing of their meaning.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edge.generation.shapes.masks import Mask, Matcher
from edge.vocabulary import MediaBlock, Vocabulary

Kind = Literal["text", "image", "audio", "video"]
Mark = Literal["text", "open", "frame", "code", "close", "end"]

_SPEECH_RESERVE = 102  # ids kept free for a sound that must come: two seconds, opener and closer


@dataclass(frozen=True)
class Allowed:
    """A range of ids and a few more: the candidates of one choice, addressed by their index."""

    start: int
    stop: int
    extra: tuple[int, ...] = ()

    def __len__(self) -> int:
        return self.stop - self.start + len(self.extra)

    @cached_property
    def _extra(self) -> NDArray[np.intp]:
        return np.array(self.extra, dtype=np.intp)

    def take(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """The candidates' logits, (len(self),); a view where there are no extras."""
        inside = logits[self.start : self.stop]
        return np.concatenate((inside, logits[self._extra])) if self.extra else inside

    def token(self, index: int) -> int:
        """The id at an index."""
        inside = self.stop - self.start
        return self.start + index if index < inside else self.extra[index - inside]

    def indices(self, tokens: Sequence[int]) -> list[int]:
        """Where those of the ids stand that lie in the range: closers and ends are never penalised."""
        return [token - self.start for token in tokens if self.start <= token < self.stop]


@dataclass(frozen=True)
class Listed:
    """The same for ids that are no range: those of a mask and a few more."""

    mask: Mask
    extra: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.mask.ids) + len(self.extra)

    @cached_property
    def _ids(self) -> NDArray[np.int32]:
        return np.append(self.mask.ids, np.array(self.extra, np.int32)) if self.extra else self.mask.ids

    def take(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """The candidates' logits, (len(self),)."""
        return logits[self._ids]

    def token(self, index: int) -> int:
        """The id at an index."""
        return int(self._ids[index])

    def indices(self, tokens: Sequence[int]) -> list[int]:
        """Where those of the ids stand that the mask holds: ends are never penalised."""
        return np.flatnonzero(np.isin(self.mask.ids, tokens)).tolist()


Candidates = Allowed | Listed


class Grammar:
    """The state of one reply."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        *,
        makes: Collection[str] = ("text",),
        make: Kind | None = None,
        script: Sequence[int] = (),
        max_text: int | None = None,
        max_audio: int | None = None,
        shape: Matcher | None = None,
    ) -> None:
        """A reply that may hold the modalities `makes`.

        Args:
            make: "text" closes all openers; a medium must come before the reply may end.
            script: text ids that come first, as they are (the transcript of a sound to make).
            max_audio: codes of one sound; None = the block's own limit.
            max_text: text ids after which the reply ends, or a sound that must come begins.
            shape: the language that the text must stay within; the reply is text alone.
        """
        self.vocabulary = vocabulary
        self.kind: Kind = "text"  # what the next id belongs to
        self.ended = False
        self.codes = 0  # in the open span, or in its last frame
        self.frames = 0  # begun in the open clip
        self.text = 0
        self._max_text, self._max_audio = max_text, max_audio
        self._must = None if make is None or make == "text" else vocabulary.block(make)
        scripted = self._must is None or self._must.scripted
        self._script = [*(script if scripted else ()), *(self._must.lead if self._must else ())]
        self._at_once = make in ("image", "video") or bool(script) or not scripted
        self.shape = shape
        wanted: Collection[str] = () if make == "text" or shape else (make,) if make else makes
        self._openers = {b.opener: b for b in vocabulary.blocks if b.kind in wanted}
        self._open: MediaBlock | None = None
        self._text_allowed: dict[tuple[int, ...], Allowed] = {}

    def forced(self, room: int) -> tuple[int, ...]:
        """The ids that must come next, whatever the logits say; empty where there is a choice.

        Args:
            room: ids that still fit into the context.
        """
        if self._open is not None:
            return self._forced_media(self._open, room)
        if self._must is None:
            return tuple(self._script[:room])
        pressed = self._spent() or room <= _SPEECH_RESERVE
        opener = (self._must.opener,) if self._script or self._at_once or pressed else ()
        return (*self._script, *opener)[:room]

    @property
    def cut(self) -> bool:
        """Whether the text so far is only a part of what its shape asks for."""
        return self.shape is not None and not self.ended

    def allowed(self, room: int) -> Candidates | None:
        """The candidates for the next id; None where the reply is cut: no budget or no room left."""
        if self._open is not None:
            return self._allowed_media(self._open)
        if self._spent() or room <= 0:
            return None
        if self.shape is not None:
            mask = self.shape.mask
            return Listed(mask, self.vocabulary.end if mask.complete else ())
        ends = () if self._must is not None else self.vocabulary.end
        openers = tuple(i for i, block in self._openers.items() if room >= block.shortest)
        return self._text(tuple(i for i in (*ends, *openers) if i >= self.vocabulary.text_size))

    def accept(self, token: int) -> Mark:
        """Take the chosen id and move on; what the id was.

        Raises:
            ValueError: the id cannot come here.
        """
        if self.ended:
            raise ValueError("the reply has ended")
        if self._open is not None:
            return self._accept_media(self._open, token)
        if self._script and token == self._script[0]:
            self._script.pop(0)
        elif token in self._openers:
            return self._begin(self._openers[token])
        elif token in self.vocabulary.end and self._must is None and self._may_end():
            self.ended = True
            return "end"
        elif self._script or not 0 <= token < self.vocabulary.text_size:
            raise ValueError(f"id {token} cannot come in text")
        if self.shape is not None:
            self.shape.accept(token)
            self.ended = self.shape.final  # nothing can follow: no end id is asked for
        self.text += 1
        return "text"

    # --- inside of a span -------------------------------------------------------------------------

    def _forced_media(self, block: MediaBlock, room: int) -> tuple[int, ...]:
        if not self._whole(block):
            return ()
        if self.frames < block.fewest and block.frame is not None:
            return (block.frame,)
        if block.span is None:
            last = self.codes >= (self._max_audio or block.longest) or room <= block.places
        else:
            last = self.frames >= block.most or block.frame is None or room < block.span + 2
        return (block.closer,) if last else ()

    def _allowed_media(self, block: MediaBlock) -> Allowed:
        if block.frame is not None and self._whole(block):  # one more frame, or the end
            return Allowed(0, 0, (block.frame, block.closer))
        closer = (block.closer,) if self._whole(block) else ()
        ids = block.ids(self.codes)
        return Allowed(ids.start, ids.stop, closer)

    def _accept_media(self, block: MediaBlock, token: int) -> Mark:
        whole = self._whole(block)
        if token in block.ids(self.codes) and (block.span is None or not whole):
            self.codes += 1
            return "code"
        if token == block.frame and whole and self.frames < block.most:
            self.frames, self.codes = self.frames + 1, 0
            return "frame"
        if token == block.closer and whole and (block.frame is None or self.frames >= block.fewest):
            self._open, self.kind = None, "text"
            self.ended = block.closer in self.vocabulary.end
            return "close"
        raise ValueError(f"id {token} cannot come after {self.codes} codes of {block.kind}")

    def _whole(self, block: MediaBlock) -> bool:
        """No code is missing: a sound has one, a picture all, a clip all of its last frame or none begun."""
        if block.frame is not None and self.frames == 0:
            return True
        if block.span is None:
            return self.codes > 0 and self.codes % block.places == 0
        return self.codes == block.span

    def _begin(self, block: MediaBlock) -> Mark:
        self._open, self.kind, self.codes, self.frames = block, block.kind, 0, 0
        if block is self._must:
            self._must, self._openers = None, {}  # one forced span, then text and the end
        return "open"

    def _may_end(self) -> bool:
        return self.shape is None or self.shape.mask.complete

    def _spent(self) -> bool:
        return self._max_text is not None and self.text >= self._max_text

    def _text(self, extra: tuple[int, ...]) -> Allowed:
        if extra not in self._text_allowed:
            self._text_allowed[extra] = Allowed(0, self.vocabulary.text_size, extra)
        return self._text_allowed[extra]
