"""Clips: files and bytes to a few frames spread evenly over their time, and back.

Job: read GIF, animated WebP and APNG (Pillow) and MP4, MOV, WebM, AVI (the extra `video`); thin any length to
4-8 frames without holding it in memory; write looping GIF and WebP, and MP4. The kind is read from the first
bytes, never from the extension. Ignorance: tokens, codecs, and the sound of a clip.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge import atomic
from edge.errors import MediaError, UsageError
from edge.media import animation, libav, source
from edge.media.image import MAX_PIXELS, Picture
from edge.messages import Video

FRAME_SECONDS = 0.25  # how long a frame of a made clip stays
MAX_BYTES = 500_000_000
WRITTEN = (".webp", ".gif", ".mp4")
_KEPT = 64  # frames held at once while a clip is thinned
_SIDE = 512  # pixels of the longer side that are kept: codecs look at far fewer
_CURE = "give a GIF, animated WebP, APNG, MP4, MOV, WebM or AVI clip"

Pixels = NDArray[np.uint8]
Frames = Iterable[tuple[Pixels, float]]  # each (height, width, 3), and the seconds it stays


@dataclass(frozen=True, eq=False)
class Clip:
    """RGB frames, (n, height, width, 3) uint8, each of which stays for `frame_seconds`."""

    frames: Pixels
    frame_seconds: float = FRAME_SECONDS

    @property
    def size(self) -> tuple[int, int]:
        """Width, height."""
        return self.frames.shape[2], self.frames.shape[1]

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return len(self.frames) * self.frame_seconds

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """Its frames."""
        return tuple(Picture(frame) for frame in self.frames)

    def encoded(self, ending: str) -> bytes:
        """The clip as a file: ".webp" and ".gif" loop for ever, ".mp4" needs the extra `video`.

        Raises:
            ModalityError: .mp4 without the extra.
            UsageError: another ending.
        """
        check_writable("clip" + ending)
        if ending.lower() == ".mp4":
            return libav.mp4(self.frames, self.frame_seconds)
        return animation.encode(self.frames, self.frame_seconds, ending[1:].upper())

    def save(self, path: str | Path) -> Path:
        """Write the clip, whole or not at all, in the format of the extension. Errors as `encoded`."""
        check_writable(path)
        return atomic.write_bytes(path, self.encoded(Path(path).suffix))


def check_writable(path: str | Path) -> None:
    """Refuse a name that no clip can be saved under, before anything is computed.

    Raises:
        UsageError: the extension is none of .webp .gif .mp4.
        ModalityError: .mp4 without the extra `video`.
    """
    ending = Path(path).suffix.lower()
    if ending not in WRITTEN:
        raise UsageError(
            f"cannot save a clip as {Path(path).name!r}: end the name in one of {' '.join(WRITTEN)}"
        )
    if ending == ".mp4":
        libav.module("writing MP4")


def read(video: Video | Clip | str | Path | bytes, *, fewest: int = 4, most: int = 8) -> Clip:
    """`fewest` to `most` frames, evenly over the clip's time; all of them where it has as many.

    Raises:
        NotFoundError: no such file.
        MediaError: empty, not a clip, damaged, cut short, or longer or larger than the limits.
        ModalityError: a format that needs the extra `video`, which is not installed.
    """
    origin = video.source if isinstance(video, Video) else video
    if isinstance(origin, Clip):
        return sample(_held(origin.frames, origin.frame_seconds), fewest, most)
    if not isinstance(origin, str | Path | bytes | bytearray):
        stays = (video.frame_seconds if isinstance(video, Video) else None) or FRAME_SECONDS
        return sample(_held(origin, stays), fewest, most)
    data, name = source.load(origin, limit=MAX_BYTES)
    kind = source.kind(data)
    if kind in animation.READ:
        return sample(animation.frames(data, kind, name), fewest, most)
    if kind in libav.READ:
        return sample(libav.frames(data, kind, name, _SIDE), fewest, most)
    raise MediaError(f"{name} is not a clip that is read here: {source.seems(data)}; {_CURE}")


def sample(frames: Frames, fewest: int, most: int) -> Clip:
    """Frames of any number, thinned as they come: of those kept, the ones shown at evenly spaced moments.

    A clip whose frames stay equally long and that has `fewest` to `most` of them is kept as it is; equal
    neighbours that a file stores as one longer frame come back as several.
    """
    kept: list[tuple[float, Pixels]] = []  # when it begins, and the frame
    stride, end, shortest = 1, 0.0, float("inf")
    for index, (pixels, seconds) in enumerate(frames):
        if index % stride == 0:
            kept.append((end, _small(pixels)))
        if len(kept) == _KEPT:
            kept, stride = kept[::2], 2 * stride
        end, shortest = end + seconds, min(shortest, seconds)
    if not kept:
        raise MediaError(f"the clip holds no frames; {_CURE}")
    count = min(max(round(end / shortest), fewest), most)
    moments = (np.arange(count) + 0.5) * (end / count)
    shown = np.searchsorted([begin for begin, _ in kept], moments, side="right") - 1
    return Clip(_stacked([kept[i][1] for i in shown]), end / count)


def _held(values: Any, seconds: float) -> Iterator[tuple[Pixels, float]]:
    """The frames of an array."""
    frames = np.asarray(values)
    if frames.ndim != 4 or frames.shape[3] != 3 or frames.dtype != np.uint8 or not frames.size:
        raise MediaError(f"frames must be (n, height, width, 3) uint8, got {frames.shape} {frames.dtype}")
    if not 0 < seconds < libav.MAX_SECONDS:
        raise MediaError(f"a frame must stay for more than 0 and less than 600 s, got {seconds:g}")
    if frames.shape[1] * frames.shape[2] > MAX_PIXELS:
        raise MediaError(
            f"frames of {frames.shape[2]} x {frames.shape[1]} pixels; the limit is {MAX_PIXELS:,}"
        )
    return ((np.ascontiguousarray(frame), seconds) for frame in frames)


def _small(pixels: Pixels) -> Pixels:
    """At most `_SIDE` pixels on the longer side."""
    scale = _SIDE / max(pixels.shape[:2])
    return pixels if scale >= 1 else _resized(pixels, *(max(1, round(n * scale)) for n in pixels.shape[:2]))


def _stacked(frames: list[Pixels]) -> Pixels:
    """One array; a track that changes its size is scaled to its first frame."""
    first = frames[0].shape
    return np.stack([f if f.shape == first else _resized(f, first[0], first[1]) for f in frames])


def _resized(pixels: Pixels, height: int, width: int) -> Pixels:
    from PIL import Image as Pillow

    return np.asarray(Pillow.fromarray(pixels).resize((width, height), Pillow.Resampling.LANCZOS))
