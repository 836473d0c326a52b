"""The seam between media and tokens.

Job: the contract of a media frontend. Ignorance: knows nothing of engines, chat, sampling.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from edge.segments import Segment


class Frontend(Protocol):
    """Media in, segments out; for native models also ids in, media out."""

    @property
    def kind(self) -> str:
        """ "image", "audio" or "video"."""

    def encode(self, media: Any) -> Segment | tuple[Segment, ...]:
        """The prompt piece, or the pieces in order, of one picture, sound or clip, openers and closers
        included. The same media give the same pieces: they may be kept."""

    def decode(self, ids: Sequence[int]) -> Any:
        """Pixels (h, w, 3) uint8, samples (n,) float32 or frames (n, h, w, 3) uint8 of a span of ids,
        without its opener and closer.

        Raises:
            ModalityError: this frontend only reads.
        """


@runtime_checkable
class Previews(Frontend, Protocol):
    """A frontend that can show a medium before it is finished."""

    def preview(self, ids: Sequence[int]) -> NDArray[np.uint8] | None:
        """Pixels (rows, width, 3) of what the first ids of a span already settle; None where they settle
        nothing."""
