"""Clips as tokens: each frame through the image codec, both ways.

Job: a few frames of a clip as ids, each behind the frame mark, and ids back to frames.
Ignorance: files, graphs (the image codec has them), engines, chat. The sound of a clip is not read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edge.errors import IntegrityError
from edge.frontends.image_codec import ImageCodec
from edge.media import video
from edge.messages import Image, Video
from edge.segments import TokenSegment
from edge.vocabulary import MediaBlock


class VideoCodec:
    """The frontend of native video models. Equal frames are encoded once: the image codec remembers them."""

    kind: Literal["video"] = "video"

    def __init__(self, images: ImageCodec, block: MediaBlock) -> None:
        """Frames go through `images`, which stays the caller's to close."""
        self._images, self._block = images, block

    def encode(self, media: Video) -> TokenSegment:
        """Opener, the frame mark and one id per 8 x 8 pixels for each of 4-8 frames, closer.

        Raises:
            MediaError: the clip cannot be read.
            ModalityError: no encoder, or a format that needs the extra `video`.
        """
        clip = video.read(media, fewest=self._block.fewest, most=self._block.most)
        ids = [self._block.opener]
        for frame in clip.frames:
            ids += (self._mark, *self._images.encode(Image(frame)).ids[1:-1])
        return TokenSegment((*ids, self._block.closer))

    def decode(self, ids: Sequence[int]) -> NDArray[np.uint8]:
        """Frames (n, height, width, 3) of a span, without opener and closer.

        Raises:
            ModalityError: no decoder.
            IntegrityError: the ids are not whole frames, each behind its mark.
        """
        piece = 1 + (self._block.span or 0)
        if not ids or len(ids) % piece or any(i != self._mark for i in ids[::piece]):
            raise IntegrityError(
                f"{len(ids)} ids do not make a clip; frames of {piece} ids were expected, "
                f"each behind {self._mark}"
            )
        starts = range(0, len(ids), piece)
        return np.stack([self._images.decode(ids[at + 1 : at + piece]) for at in starts])

    def close(self) -> None:
        """Nothing of its own to free."""

    @property
    def _mark(self) -> int:
        return -1 if self._block.frame is None else self._block.frame
