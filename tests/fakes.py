"""Stand-ins that keep the real contracts: a queue-fed engine, a byte tokenizer, frontends that count.

They enter by the same doors as the real parts (engines/base.py, frontends/base.py), and refuse the same.
"""

from __future__ import annotations

import ast
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.engines.base import Logits
from edge.errors import DoesNotFitError, EngineError
from edge.segments import EmbeddingSegment, Segment, TokenSegment
from edge.vocabulary import NATIVE, SPECIAL, MediaBlock, Vocabulary, token_names

NAMES = {name: 8192 + i for i, name in enumerate(token_names())}
TEMPLATE = (
    "<|bos|>{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
IMG, IMG_END = SPECIAL["img"], SPECIAL["/img"]
AUD, AUD_END = SPECIAL["aud"], SPECIAL["/aud"]
VID, FRAME, VID_END = SPECIAL["vid"], SPECIAL["frame"], SPECIAL["/vid"]
END = SPECIAL["end"]


class ByteTokenizer:
    """Ids 0..255 are bytes; specials are native ones. Written specials are bytes unless asked for."""

    def encode(self, text: str, *, special: bool = False) -> list[int]:
        """The ids of a text."""
        ids: list[int] = []
        while text:
            name = text[: text.find("|>") + 2] if special and text.startswith("<|") else ""
            if name in NAMES:
                ids.append(NAMES[name])
                text = text[len(name) :]
            else:
                ids += text[0].encode()
                text = text[1:]
        return ids

    def piece(self, token: int) -> bytes:
        """The byte of a text id."""
        return bytes([token]) if token < 256 else b""


class FakeEngine:
    """Answers with the queued ids: their logit is 10, others 0; an empty queue answers with the end.

    What was fed lies in `held` (per sequence) and `fed` (every native call, in order).
    """

    name = "fake"

    def __init__(
        self,
        answers: Iterable[int] = (),
        *,
        context_length: int = 512,
        sequences: int = 2,
        vocabulary: Vocabulary = NATIVE,
    ) -> None:
        self.vocab_size, self.context_length, self.sequences = vocabulary.size, context_length, sequences
        self.batch = context_length
        self.tokenizer = ByteTokenizer()
        self.queue = deque(answers)
        self.second: Callable[[], Logits] | None = None  # logits after the empty prompt of guidance
        self.held: list[list[object]] = [[] for _ in range(sequences)]
        self.fed: list[tuple[int, tuple[object, ...]]] = []
        self.fail_at: int | None = None  # the native call that fails
        self.closed = self.interrupted = False

    def feed(self, segments: Sequence[Segment], *, sequence: int = 0) -> Logits:
        """Append; logits of the next queued id."""
        items: list[object] = []
        for segment in segments:
            if isinstance(segment, TokenSegment):
                items += segment.ids
            elif isinstance(segment, EmbeddingSegment):
                items += [(segment.key, float(row[0])) for row in segment.embeddings]
        if not items:
            raise EngineError("nothing to feed")
        self._append(sequence, items)
        return self._logits(sequence)

    def step(self, tokens: Sequence[int], *, sequences: Sequence[int] | None = None) -> Logits:
        """Append one to each sequence."""
        named = range(len(tokens)) if sequences is None else sequences
        for sequence, token in zip(named, tokens, strict=True):
            self._append(sequence, [token])
        return np.stack([self._logits(sequence) for sequence in named])

    def interrupt(self) -> None:
        """Remember that it was asked."""
        self.interrupted = True

    def length(self, sequence: int = 0) -> int:
        """Tokens held."""
        return len(self.held[sequence])

    def truncate(self, length: int, *, sequence: int = 0) -> None:
        """Forget the rest."""
        del self.held[sequence][length:]

    def save(self, *, sequence: int = 0) -> bytes:
        """The items as text."""
        return repr(self.held[sequence]).encode()

    def restore(self, saved: bytes | memoryview, *, sequence: int = 0) -> None:
        """The items again."""
        self.held[sequence] = ast.literal_eval(bytes(saved).decode())

    def close(self) -> None:
        """Remember that it was asked."""
        self.closed = True

    def _append(self, sequence: int, items: Sequence[object]) -> None:
        if self.fail_at is not None and len(self.fed) >= self.fail_at:
            self.held[sequence].clear()
            raise EngineError("the fake engine was told to fail")
        if len(self.held[sequence]) + len(items) > self.context_length:
            raise DoesNotFitError("full")
        self.held[sequence] += items
        self.fed.append((sequence, tuple(items)))

    def _logits(self, sequence: int) -> Logits:
        if SPECIAL["null"] in self.held[sequence]:
            return self.second() if self.second else self._peaked(0)
        return self._peaked(self.queue.popleft() if self.queue else END)

    def _peaked(self, token: int) -> Logits:
        logits = np.zeros(self.vocab_size, dtype=np.float32)
        logits[token] = 10.0
        return logits


class FakeFrontend:
    """Encodes any media into the same codes; decodes ids into an array that tells their first code."""

    def __init__(self, block: MediaBlock, codes: int = 4) -> None:
        self.block, self.kind = block, block.kind
        self.codes = block.span or codes
        self.encoded: list[Any] = []
        self.decoded: list[tuple[int, ...]] = []

    def encode(self, media: Any) -> TokenSegment:
        """Opener, the codes 7, 7, 7 …, closer; of a clip the fewest frames."""
        self.encoded.append(media)
        mark = () if self.block.frame is None else (self.block.frame,)
        piece = (*mark, *[self.block.base + 7] * self.codes)
        return TokenSegment((self.block.opener, *piece * self.block.fewest, self.block.closer))

    def decode(self, ids: Sequence[int]) -> NDArray[Any]:
        """(8, 8, 3) uint8, frames of it, or 320 samples per id."""
        self.decoded.append(tuple(ids))
        if self.kind == "video":
            codes = np.array(ids).reshape(-1, self.codes + 1)[:, 1] - self.block.base
            return np.tile((codes % 256).astype(np.uint8)[:, None, None, None], (1, 8, 8, 3))
        if self.kind == "image":
            return np.full((8, 8, 3), (ids[0] - self.block.base) % 256, dtype=np.uint8)
        return np.zeros(320 * len(ids), dtype=np.float32)
