"""Moving pictures that Pillow knows: GIF, animated WebP and APNG, read frame by frame and written.

Job: frames with how long each stays, refused by header where they are too many or too large; a looping file.
Ignorance: which frames are wanted (video.py), tokens. Does not protect against a bug inside Pillow's decoders
of these three formats.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edge.errors import EdgeError, MediaError
from edge.media import image, source

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

MAX_FRAMES = 10_000
MAX_TOTAL = 2_000_000_000  # pixels of all frames together; a minute of 1280 x 720 at 30 per second
READ = {"GIF": "GIF", "WebP": "WEBP", "PNG": "PNG"}  # kind by first bytes -> Pillow's name
_UNSAID = 0.1  # seconds of a frame whose file says 0, as browsers show it

Pixels = NDArray[np.uint8]


def frames(data: bytes, kind: str, name: str) -> Iterator[tuple[Pixels, float]]:
    """Every frame, (height, width, 3) on white, and how long it stays in seconds.

    Raises:
        MediaError: damaged, cut short, or more frames or pixels than the limits.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd metadata is no news to the user
            opened = _open(data, kind)
            with opened:
                _check_size(opened, name)
                yield from _decoded(opened, name)
        if kind == "GIF" and not data.rstrip(b"\0").endswith(b";"):
            raise MediaError(f"{name} is cut short: its last byte is no end of a GIF; copy it again")
    except MediaError:
        raise
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error, ...
        raise MediaError(f"{name} is a damaged {kind} clip ({error}); copy or export it again") from error


def moves(path: str | Path) -> bool:
    """Whether a file is an animation of several frames; the unreadable is none."""
    try:
        data, _ = source.load(path, limit=image.MAX_BYTES)
        kind = source.kind(data)
        if kind not in READ:
            return False
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with _open(data, kind) as opened:
                return bool(getattr(opened, "is_animated", False))
    except EdgeError:
        return False
    except Exception:  # a damaged header; whoever reads the file says so
        return False


def encode(clip: Pixels, seconds: float, written: str) -> bytes:
    """A file of `clip` (n, height, width, 3) that loops for ever; `written`: Pillow's name of the format."""
    from PIL import Image as Pillow

    first, *rest = (Pillow.fromarray(frame) for frame in clip)
    buffer = io.BytesIO()
    lossless = {"lossless": True} if written == "WEBP" else {}
    milliseconds = max(20, round(1000 * seconds))  # less is shown as 100 ms by browsers
    first.save(buffer, written, save_all=True, append_images=rest, duration=milliseconds, loop=0, **lossless)
    return buffer.getvalue()


def _open(data: bytes, kind: str) -> PillowImage:
    from PIL import Image as Pillow

    return Pillow.open(io.BytesIO(data), formats=[READ[kind]])


def _check_size(opened: PillowImage, name: str) -> None:
    if opened.width * opened.height > image.MAX_PIXELS:
        raise MediaError(
            f"{name} claims {opened.width} x {opened.height} pixels, the limit is {image.MAX_PIXELS:,}; "
            "scale it down first"
        )


def _decoded(opened: PillowImage, name: str) -> Iterator[tuple[Pixels, float]]:
    """Frames until there are no more; the header's count is not believed."""
    limit = min(MAX_FRAMES, MAX_TOTAL // (opened.width * opened.height))
    for index in range(limit + 1):
        try:
            opened.seek(index)
        except EOFError:
            return
        if index == limit:
            raise MediaError(
                f"{name} holds more than {limit:,} frames of {opened.width} x {opened.height} pixels, "
                "which is the limit; cut it shorter or scale it down"
            )
        opened.load()
        yield image.rgb(opened), float(opened.info.get("duration") or 0) / 1000 or _UNSAID
