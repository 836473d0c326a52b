"""Pictures: files and bytes to RGB pixels, and back.

Job: read PNG, JPEG, WebP, GIF (first frame) and BMP, upright, on white; refuse bombs by their header; fit
into a square; write. The kind is read from the first bytes, never from the extension, and Pillow is told to
try that one format only. Ignorance: tokens and codecs. Does not protect against a bug inside Pillow's
decoders of these five formats.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edge import atomic
from edge.errors import MediaError, UsageError
from edge.media import source
from edge.messages import Image

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

MAX_PIXELS = 64_000_000  # a 64-megapixel photograph; 192 MB as RGB
MAX_BYTES = 100_000_000
_READ = {
    "PNG": "PNG",
    "JPEG": "JPEG",
    "WebP": "WEBP",
    "GIF": "GIF",
    "BMP": "BMP",
}  # kind by first bytes -> Pillow's name
_WRITE = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".gif": "GIF", ".bmp": "BMP"}
_CURE = "give a PNG, JPEG, WebP, GIF or BMP picture"

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Picture:
    """RGB pixels, (height, width, 3) uint8."""

    pixels: Pixels

    @property
    def size(self) -> tuple[int, int]:
        """Width, height."""
        return self.pixels.shape[1], self.pixels.shape[0]

    def png(self) -> bytes:
        """The picture as a PNG file."""
        return _encode(self.pixels, "PNG")

    def save(self, path: str | Path) -> Path:
        """Write the picture, whole or not at all, in the format of the extension.

        Raises:
            UsageError: the extension is none of .png .jpg .jpeg .webp .gif .bmp.
        """
        written = _WRITE.get(Path(path).suffix.lower())
        if written is None:
            raise UsageError(
                f"cannot save a picture as {Path(path).name!r}: end the name in one of {' '.join(_WRITE)}"
            )
        return atomic.write_bytes(path, _encode(self.pixels, written))


def read(picture: Image | Picture | str | Path | bytes) -> Picture:
    """A picture as upright RGB pixels of its own size; transparency shows white.

    Raises:
        NotFoundError: no such file.
        MediaError: empty, not a picture, damaged, cut short, or more than 64 megapixels.
    """
    origin = picture.source if isinstance(picture, Image) else picture
    if isinstance(origin, Picture):
        return origin
    if not isinstance(origin, str | Path | bytes | bytearray):
        return _from_pixels(origin)
    data, name = source.load(origin, limit=MAX_BYTES)
    kind = source.kind(data)
    if kind not in _READ:
        raise MediaError(f"{name} is not a picture that is read here: {source.seems(data)}; {_CURE}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd metadata is no news to the user
            return Picture(_decode(data, kind, name))
    except MediaError:
        raise
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error, ...
        raise MediaError(f"{name} is a damaged {kind} picture ({error}); copy or export it again") from error


def fit(pixels: Picture | Pixels, side: int) -> Pixels:
    """The picture scaled into a square (side, side, 3) without distortion, the rest white; already square
    at `side`: unchanged.

    Lanczos over the whole source area of each target pixel, so that downscaling does not alias.
    """
    values = pixels.pixels if isinstance(pixels, Picture) else _from_pixels(pixels).pixels
    height, width = values.shape[:2]
    if (height, width) == (side, side):
        return values
    from PIL import Image as Pillow

    scale = side / max(height, width)
    wide, high = max(1, round(width * scale)), max(1, round(height * scale))
    small = np.asarray(Pillow.fromarray(values).resize((wide, high), Pillow.Resampling.LANCZOS))
    square = np.full((side, side, 3), 255, dtype=np.uint8)
    top, left = (side - high) // 2, (side - wide) // 2
    square[top : top + high, left : left + wide] = small
    return square


def _from_pixels(values: Any) -> Picture:
    pixels = np.asarray(values)
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or not pixels.size:
        raise MediaError(f"pixels must be (height, width, 3) uint8, got {pixels.shape} {pixels.dtype}")
    if pixels.shape[0] * pixels.shape[1] > MAX_PIXELS:
        raise _too_large("the picture", pixels.shape[1], pixels.shape[0])
    return Picture(np.ascontiguousarray(pixels))


def _decode(data: bytes, kind: str, name: str) -> Pixels:
    from PIL import Image as Pillow
    from PIL import ImageOps

    try:
        warnings.simplefilter("error", Pillow.DecompressionBombWarning)
        opened: PillowImage = Pillow.open(io.BytesIO(data), formats=[_READ[kind]])
    except (Pillow.DecompressionBombError, Pillow.DecompressionBombWarning) as error:
        raise MediaError(f"{name} claims more than {MAX_PIXELS:,} pixels; scale it down first") from error
    with opened:
        if opened.width * opened.height > MAX_PIXELS:
            raise _too_large(name, opened.width, opened.height)
        opened.load()
        return rgb(_upright(opened, ImageOps))


def _too_large(name: str, width: int, height: int) -> MediaError:
    return MediaError(
        f"{name} claims {width} x {height} pixels, the limit is {MAX_PIXELS:,}; scale it down first"
    )


def _upright(opened: PillowImage, operations: Any) -> PillowImage:
    try:
        turned: PillowImage = operations.exif_transpose(opened)
        return turned
    except Exception:  # a broken EXIF block says nothing about the pixels
        return opened


def rgb(opened: PillowImage) -> Pixels:
    """The pixels of an open picture, (height, width, 3); what is transparent shows white."""
    from PIL import Image as Pillow

    if opened.mode.startswith("I"):  # 16-bit grey
        grey = (np.asarray(opened).astype(np.int64).clip(0, 65535) // 257).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if opened.has_transparency_data:
        clear = opened.convert("RGBA")
        white = Pillow.new("RGBA", clear.size, (255, 255, 255, 255))
        opened = Pillow.alpha_composite(white, clear)
    return np.array(opened.convert("RGB"))


def _encode(pixels: Pixels, written: str) -> bytes:
    from PIL import Image as Pillow

    buffer = io.BytesIO()
    quality: dict[str, Any] = {"quality": 95} if written in ("JPEG", "WEBP") else {}
    Pillow.fromarray(pixels).save(buffer, format=written, **quality)
    return buffer.getvalue()
