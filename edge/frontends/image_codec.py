"""Pictures as tokens: pixels through the image codec, both ways.

Job: fit a picture into the codec's square, encode it to ids, decode ids to pixels. Ignorance: files,
engines, chat.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edge.errors import IntegrityError
from edge.frontends.codec_graphs import CodecGraphs
from edge.frontends.media_cache import MediaCache
from edge.media import image
from edge.messages import Image
from edge.segments import TokenSegment
from edge.vocabulary import IMAGE_SPAN, MediaBlock

_PATCH = 8  # pixels per code and axis


class ImageCodec:
    """The frontend of native picture models."""

    kind: Literal["image"] = "image"

    def __init__(
        self,
        encoder_path: Path | None,
        decoder_path: Path | None,
        block: MediaBlock,
        *,
        threads: int = 1,
        cache: MediaCache | None = None,
    ) -> None:
        """Check both graphs against the vocabulary's block; they open at first use. A None path: that
        direction is missing."""
        self._graphs = CodecGraphs(encoder_path, decoder_path, block, threads=threads, cache=cache)
        self.side = _PATCH * isqrt(block.span or IMAGE_SPAN)  # pixels

    def encode(self, media: Image) -> TokenSegment:
        """Opener, one id per 8 x 8 pixels row by row, closer; the same picture is encoded once.

        Raises:
            MediaError: the picture cannot be read.
            ModalityError: no encoder.
        """
        pixels = image.fit(image.read(media), self.side)
        planes = np.ascontiguousarray(pixels.transpose(2, 0, 1)[None], dtype=np.float32) / np.float32(255)
        span = self._graphs.encode(planes)
        if len(span) != (self.side // _PATCH) ** 2 + 2:
            raise IntegrityError(
                f"the image encoder gave {len(span) - 2} codes, expected {(self.side // _PATCH) ** 2}"
            )
        return span

    def decode(self, ids: Sequence[int]) -> NDArray[np.uint8]:
        """Pixels (height, width, 3) of a square number of ids, without opener and closer.

        Raises:
            ModalityError: no decoder.
            IntegrityError: not a square number, or an id that is no image code.
        """
        if not ids or isqrt(len(ids)) ** 2 != len(ids):
            raise IntegrityError(
                f"{len(ids)} image codes do not make a square picture; {IMAGE_SPAN} were expected"
            )
        planes = self._graphs.decode(ids)[0]  # (3, height, width) in [0, 1]
        pixels: NDArray[np.uint8] = np.rint(np.nan_to_num(planes).clip(0, 1) * 255).astype(np.uint8)
        return np.ascontiguousarray(pixels.transpose(1, 2, 0))

    def preview(self, ids: Sequence[int]) -> NDArray[np.uint8] | None:
        """Pixels (rows, width, 3) of the finished rows of codes; None before the first is full.

        What is not known yet is filled with the last code and cut off: on pico it moves the pixels above by
        less than one step of 255 on average.
        """
        wide = self.side // _PATCH
        rows = len(ids) // wide
        if not rows:
            return None
        filled = (*ids, *[ids[-1]] * (wide * wide - len(ids)))
        seen = self.decode(filled)  # a decoder may draw more pixels per code than the encoder reads
        return seen[: len(seen) * rows // wide]

    def close(self) -> None:
        """Free native memory."""
        self._graphs.close()
