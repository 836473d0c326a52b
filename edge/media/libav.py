"""The only place that imports PyAV (the extra `video`): MP4, MOV, WebM, Matroska and AVI, in and out.

Job: frames with how long each stays, upright; MP4 files. Only the container that the first bytes named is
tried, from memory, so that no file can send the reader to other files or hosts.
Ignorance: which frames are wanted (video.py), tokens. Does not protect against a bug inside FFmpeg's
decoders.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import MediaError, ModalityError
from edge.media import image

MAX_FRAMES = 20_000
MAX_TOTAL = 12_000_000_000  # pixels of all frames together; three minutes of 1920 x 1080 at 30 per second
MAX_SECONDS = 600
READ = {"MP4": "mp4", "MOV": "mov", "WebM or Matroska": "matroska", "AVI": "avi"}  # kind -> FFmpeg's name
_ENCODERS = (("libx264", {"crf": "16"}), ("mpeg4", {"qscale": "2"}))  # whichever this build has
_UNSAID = 1 / 25  # seconds of a frame where the file says neither its length nor a rate
_WHOLE = 0.9  # share of the announced frames and time that must be there

Pixels = NDArray[np.uint8]


def module(what: str) -> Any:
    """PyAV, silent.

    Raises:
        ModalityError: not installed; `what` says what is not possible without it.
    """
    try:
        import av
    except ImportError as error:
        raise ModalityError(
            f"{what} needs the extra `video`: pip install 'edge-multimodal[video]'; "
            "GIF and animated WebP are read and written without it"
        ) from error
    # Errors reach us as exceptions, stderr belongs to the user. PyAV's own log callback takes the GIL: a
    # decoder thread that logs while a container is freed waits for ever.
    av.logging.restore_default_callback()
    av.logging.set_libav_level(av.logging.PANIC)
    return av


def frames(data: bytes, kind: str, name: str, side: int) -> Iterator[tuple[Pixels, float]]:
    """Every frame, (height, width, 3), its longer side at most `side`, and how long it stays in seconds.

    Raises:
        ModalityError: the extra is not installed.
        MediaError: no picture track, damaged, cut short, or longer or larger than the limits.
    """
    av = module(f"reading {kind} ({name})")
    try:
        with av.open(io.BytesIO(data), format=READ[kind]) as container:
            if not container.streams.video:
                raise MediaError(f"{name} has no picture track; give it as a sound, or give a clip")
            yield from _decoded(container, container.streams.video[0], name, side)
    except MediaError:
        raise
    except (av.FFmpegError, ValueError, OverflowError) as error:
        raise MediaError(f"{name} is a damaged {kind} clip ({error}); copy or export it again") from error


def mp4(clip: Pixels, seconds: float) -> bytes:
    """An MP4 file of `clip` (n, height, width, 3); odd sizes grow by a pixel.

    Raises:
        ModalityError: the extra is not installed, or has no encoder for MP4.
    """
    av = module("writing MP4")
    name, options = _encoder(av)
    high, wide = (n + n % 2 for n in clip.shape[1:3])
    even = np.pad(clip, ((0, 0), (0, high - clip.shape[1]), (0, wide - clip.shape[2]), (0, 0)), "edge")
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        track = container.add_stream(
            name, rate=Fraction(1 / seconds).limit_denominator(1000), options=options
        )
        track.width, track.height, track.pix_fmt = wide, high, "yuv420p"
        for pixels in even:
            container.mux(track.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(track.encode(None))
    return buffer.getvalue()


def _encoder(av: Any) -> tuple[str, dict[str, str]]:
    for name, options in _ENCODERS:
        if name in av.codecs_available:
            return name, options
    raise ModalityError("this build of PyAV has no encoder for MP4; write .webp or .gif")


def _decoded(container: Any, track: Any, name: str, side: int) -> Iterator[tuple[Pixels, float]]:
    track.thread_type = "AUTO"
    rate, announced, count, spent = track.average_rate, int(track.frames or 0), 0, 0.0
    usual = float(1 / rate) if rate else _UNSAID
    for frame in container.decode(track):
        if frame.width * frame.height > image.MAX_PIXELS:
            raise MediaError(
                f"{name} claims {frame.width} x {frame.height} pixels, the limit is {image.MAX_PIXELS:,}; "
                "scale it down first"
            )
        seconds = float((frame.duration or 0) * (frame.time_base or 0)) or usual
        count, spent = count + 1, spent + seconds
        if count > MAX_FRAMES or count * frame.width * frame.height > MAX_TOTAL or spent > MAX_SECONDS:
            raise MediaError(
                f"{name} is longer than {MAX_SECONDS} s, {MAX_FRAMES:,} frames or {MAX_TOTAL:,} pixels, "
                "which are the limits; cut it shorter or scale it down"
            )
        yield _upright(frame, side), seconds
    alone = len(container.streams) == 1  # a sound may outlast the pictures
    length = (container.duration or 0) / 1_000_000 if alone else 0.0
    if not count or count < _WHOLE * announced or spent < _WHOLE * length:
        raise MediaError(
            f"{name} is cut short: {count} of {announced or 'its'} frames are there; copy it again"
        )


def _upright(frame: Any, side: int) -> Pixels:
    scale = min(1.0, side / max(frame.width, frame.height))
    wide, high = max(1, round(frame.width * scale)), max(1, round(frame.height * scale))
    pixels: Pixels = frame.to_ndarray(format="rgb24", width=wide, height=high)
    return np.ascontiguousarray(np.rot90(pixels, round((frame.rotation or 0) / 90) % 4))
