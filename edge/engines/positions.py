"""Where tokens stand in a sequence, when pictures stand in it too.

Job: from how many tokens a sequence holds to the position of the next one; spans that cannot be cut.
Ignorance: the cache itself, what a span shows.
Reason: models with two-dimensional positions (M-RoPE, arXiv:2409.12191) put a picture of w x h tokens at one
moment and go on max(w, h) positions later.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from edge.errors import EngineError
from edge.segments import EmbeddingSegment

_COUNT, _SPAN = struct.Struct("<I"), struct.Struct("<IIi")


@dataclass(frozen=True)
class _Span:
    """Tokens `start` to `end` stand side by side; `shift` is how much less room they take."""

    start: int
    end: int
    shift: int


class Positions:
    """Of one sequence."""

    def __init__(self) -> None:
        self._spans: list[_Span] = []

    def after(self, length: int) -> int:
        """The position that follows the first `length` tokens.

        Raises:
            EngineError: that is inside of a span.
        """
        inside = next((s for s in self._spans if s.start < length < s.end), None)
        if inside is not None:
            raise EngineError(
                f"a picture of {inside.end - inside.start} tokens cannot be cut; "
                f"go back to token {inside.start}"
            )
        return length + sum(span.shift for span in self._spans if span.end <= length)

    def hold(self, segment: EmbeddingSegment, end: int) -> None:
        """Remember a segment whose last token is token `end` - 1."""
        if segment.whole:
            self._spans.append(_Span(end - len(segment), end, segment.span - len(segment)))

    def cut(self, length: int) -> None:
        """Forget what lies beyond the first `length` tokens."""
        self._spans = [span for span in self._spans if span.end <= length]

    def packed(self) -> bytes:
        """As bytes, for `unpacked`."""
        return _COUNT.pack(len(self._spans)) + b"".join(
            _SPAN.pack(s.start, s.end, s.shift) for s in self._spans
        )

    def unpacked(self, data: memoryview) -> memoryview:
        """Be what `packed` gave, and give what follows it."""
        (count,) = _COUNT.unpack_from(data)
        at = _COUNT.size + count * _SPAN.size
        self._spans = [_Span(*span) for span in _SPAN.iter_unpack(data[_COUNT.size : at])]
        return data[at:]
