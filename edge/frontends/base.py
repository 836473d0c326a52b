"""The seam between media and tokens.

Job: the contract of a media frontend. Ignorance: knows nothing of engines, chat, sampling.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from edge.segments import Segment


class Frontend(Protocol):
    """Media in, segments out; for native models also ids in, media out."""

    @property
    def kind(self) -> str:
        """ "image" or "audio"."""

    def encode(self, media: Any) -> Segment:
        """The prompt piece of one picture or sound, openers and closers included."""

    def decode(self, ids: Sequence[int]) -> Any:
        """Pixels (h, w, 3) uint8 or samples (n,) float32 of a span of ids, without its opener and closer.

        Raises:
            ModalityError: this frontend only reads.
        """
