"""Pictures, sounds and clips of public models: through the encoders of an `mmproj` file, to embeddings.

Job: read media, name their content, hand pixels and samples to the encoder; the file opens at first use.
Ignorance: engines (an encoder is whatever keeps `Encoder`), chat, caches. These models only read.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, Literal, NoReturn, Protocol

import numpy as np
from numpy.typing import NDArray

from edge.errors import IntegrityError, ModalityError
from edge.frontends.media_cache import MediaCache, name_of
from edge.media import audio, image, video
from edge.messages import Audio, Image, Video
from edge.segments import Segment

FRAMES = (4, 8)  # of a clip, fewest and most


class Encoder(Protocol):
    """What turns pixels and samples into prompt pieces; a key names their content."""

    sample_rate: int  # Hz

    def pictures(
        self, pictures: Sequence[NDArray[np.uint8]], key: str, *, film: bool = False
    ) -> tuple[Segment, ...]:
        """Pieces of pictures (height, width, 3), in order; of a `film`, neighbours may share theirs."""

    def sound(self, samples: NDArray[np.float32], key: str) -> tuple[Segment, ...]:
        """Pieces of samples (n,)."""

    def close(self) -> None:
        """Free native memory."""


class Projector:
    """One file's encoder, shared by the frontends of its media."""

    def __init__(self, identity: str, opened: Callable[[], Encoder], cache: MediaCache | None = None) -> None:
        """`identity` stands in every key: other weights make other embeddings."""
        self.identity, self._opened = identity, opened
        self._cache = cache or MediaCache()
        self._encoder: Encoder | None = None
        self._lock = threading.RLock()  # encoders are for one thread at a time

    @property
    def encoder(self) -> Encoder:
        """Opened when first asked for. Raises what opening it raises."""
        with self._lock:
            if self._encoder is None:
                self._encoder = self._opened()
            return self._encoder

    def pieces(
        self, values: NDArray[Any], encode: Callable[[Encoder, str], tuple[Segment, ...]]
    ) -> tuple[Segment, ...]:
        """What the encoder makes of an array under the name of its content, or made of it before."""
        key = name_of(self.identity, values)
        with self._lock:
            return self._cache.segments(key, lambda: encode(self.encoder, key))

    def close(self) -> None:
        """Free native memory; it opens again at the next use."""
        with self._lock:
            if self._encoder is not None:
                self._encoder.close()
                self._encoder = None


class _Reader:
    """What the three have in common: they share a projector, and make nothing."""

    kind: str

    def __init__(self, projector: Projector) -> None:
        self._projector = projector
        self.identity = projector.identity

    def decode(self, ids: Sequence[int]) -> NoReturn:
        """Raises: ModalityError: always."""
        raise ModalityError(f"this model reads {self.kind} and makes none; choose one that does")

    def close(self) -> None:
        """Free native memory."""
        self._projector.close()


class PictureReader(_Reader):
    """Pictures of any size; the encoder scales and cuts them as its model was trained."""

    kind: Literal["image"] = "image"

    def encode(self, media: Image) -> tuple[Segment, ...]:
        """Ids that stand around pictures, and embeddings.

        Raises:
            MediaError: the picture cannot be read.
            DoesNotFitError: it takes more tokens than the context holds.
            EngineError: the encoder failed.
        """
        pixels = image.read(media).pixels
        return self._projector.pieces(pixels, lambda encoder, key: encoder.pictures([pixels], key))


class ClipReader(_Reader):
    """Clips, as a few pictures one after another; models that know films join two into one."""

    kind: Literal["video"] = "video"

    def encode(self, media: Video) -> tuple[Segment, ...]:
        """The pieces of 4 to 8 frames. Errors as those of pictures."""
        fewest, most = FRAMES
        frames = video.read(media, fewest=fewest, most=most).frames
        return self._projector.pieces(
            frames, lambda encoder, key: encoder.pictures(list(frames), key, film=True)
        )


class SoundReader(_Reader):
    """Sounds at the rate of the encoder, half a minute at a time."""

    kind: Literal["audio"] = "audio"

    def encode(self, media: Audio) -> tuple[Segment, ...]:
        """Ids that stand around sounds, and embeddings. Errors as those of pictures."""
        encoder = self._projector.encoder
        if encoder.sample_rate < 1:
            raise IntegrityError(
                "the mmproj file says it has an encoder for sound, but none opened; get it again"
            )
        samples = audio.read(media, encoder.sample_rate).samples
        return self._projector.pieces(samples, lambda encoder, key: encoder.sound(samples, key))


Reader = PictureReader | SoundReader | ClipReader
_READERS: dict[str, type[Reader]] = {"image": PictureReader, "video": ClipReader, "audio": SoundReader}


def readers(projector: Projector, media: Sequence[str]) -> tuple[Reader, ...]:
    """The frontends of a file that reads some of "image", "video" and "audio"."""
    return tuple(_READERS[kind](projector) for kind in media)
