"""WAV files, read strictly and written plainly.

Job: PCM of 8, 16, 24, 32 bits and float of 32, 64 bits, every size checked before it is used; 16-bit PCM out.
Ignorance: other sound formats, resampling. No codec runs here: ADPCM and its kin are refused by name.
Source: Microsoft/IBM "Multimedia Programming Interface and Data Specifications 1.0"; WAVEFORMATEXTENSIBLE
(mmreg.h).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import MediaError

_PCM, _FLOAT, _EXTENSIBLE = 0x0001, 0x0003, 0xFFFE
# KSDATAFORMAT_SUBTYPE_* after the two bytes of the tag
_GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")
_CODECS = {
    0x0002: "Microsoft ADPCM", 0x0006: "A-law", 0x0007: "mu-law", 0x0011: "IMA ADPCM", 0x0031: "GSM 6.10",
    0x0040: "G.721 ADPCM", 0x0050: "MPEG", 0x0055: "MP3", 0x00FF: "AAC",
}  # fmt: skip
_STREAMED = 0xFFFFFFFF  # a writer to a pipe does not know the size
_CHANNELS, _RATES = range(1, 33), range(1_000, 768_001)
_CURE = "convert it to 16-bit PCM, for example: ffmpeg -i in.wav -c:a pcm_s16le out.wav"


@dataclass(frozen=True)
class WaveHeader:
    """What the `fmt ` and `data` chunks say, checked against the file."""

    floating: bool
    bits: int  # per sample of one channel
    channels: int
    sample_rate: int  # Hz
    start: int  # byte offset of the first frame
    frames: int

    @property
    def frame_bytes(self) -> int:
        return self.channels * self.bits // 8


def parse(data: bytes, name: str) -> WaveHeader:
    """The header of a RIFF/WAVE file.

    Raises:
        MediaError: not PCM or float, a size that leaves the file, a chunk missing, or values no recorder
        writes.
    """
    chunks = _chunks(data, name)
    if "fmt " not in chunks or "data" not in chunks:
        missing = "fmt" if "fmt " not in chunks else "data"
        raise MediaError(
            f"{name} is a WAV file without a '{missing}' chunk; it is damaged, record or convert it again"
        )
    floating, bits, channels, rate = _format(data, *chunks["fmt "], name)
    start, size = chunks["data"]
    frame = channels * bits // 8
    if size % frame:
        raise MediaError(
            f"{name}: {size} bytes of samples do not divide into frames of {frame} bytes; {_CURE}"
        )
    return WaveHeader(floating, bits, channels, rate, start, size // frame)


def _chunks(data: bytes, name: str) -> dict[str, tuple[int, int]]:
    """First chunk of each id -> (start, size), up to and including `data`."""
    found: dict[str, tuple[int, int]] = {}
    at = 12
    while at + 8 <= len(data) and "data" not in found:
        key, size = data[at : at + 4].decode("latin-1"), struct.unpack_from("<I", data, at + 4)[0]
        left = len(data) - at - 8
        if key == "data" and size == _STREAMED:
            size = left
        if size > left:
            raise MediaError(
                f"{name} is cut short: its '{key.strip()}' chunk says {size:,} bytes, "
                f"{left:,} are there; copy it again"
            )
        found.setdefault(key, (at + 8, size))
        at += 8 + size + size % 2
    return found


def _format(data: bytes, start: int, size: int, name: str) -> tuple[bool, int, int, int]:
    if size < 16:
        raise MediaError(f"{name}: the 'fmt' chunk holds {size} bytes, at least 16 are needed; {_CURE}")
    tag, channels, rate, _, align, bits = struct.unpack_from("<HHIIHH", data, start)
    if tag == _EXTENSIBLE:
        tag = _subformat(data, start, size, name)
    if tag not in (_PCM, _FLOAT):
        codec = _CODECS.get(tag, f"codec 0x{tag:04x}")
        raise MediaError(f"{name} is compressed with {codec}, which is not read here; {_CURE}")
    allowed = (8, 16, 24, 32) if tag == _PCM else (32, 64)
    if bits not in allowed:
        raise MediaError(
            f"{name} has {bits}-bit samples, expected one of {', '.join(map(str, allowed))}; {_CURE}"
        )
    if channels not in _CHANNELS or rate not in _RATES:
        raise MediaError(
            f"{name} claims {channels} channels at {rate} Hz, expected 1-32 at 1000-768000; {_CURE}"
        )
    if align != channels * bits // 8:
        raise MediaError(
            f"{name} claims frames of {align} bytes, "
            f"{channels} x {bits} bits make {channels * bits // 8}; {_CURE}"
        )
    return tag == _FLOAT, bits, channels, rate


def _subformat(data: bytes, start: int, size: int, name: str) -> int:
    if size < 40 or data[start + 26 : start + 40] != _GUID_TAIL:
        raise MediaError(f"{name} uses an extensible format that is not read here; {_CURE}")
    return int(struct.unpack_from("<H", data, start + 24)[0])


def frames(data: bytes, header: WaveHeader, first: int, count: int) -> NDArray[np.float32]:
    """Frames first .. first + count as (count, channels) float32 in [-1, 1)."""
    count = min(count, header.frames - first)
    offset, values = header.start + first * header.frame_bytes, count * header.channels
    return _to_float(data, offset, values, header).reshape(count, header.channels)


def _to_float(data: bytes, offset: int, count: int, header: WaveHeader) -> NDArray[Any]:
    if header.floating:
        return np.frombuffer(data, f"<f{header.bits // 8}", count, offset).astype(np.float32)
    if header.bits == 8:  # the only unsigned width
        return (np.frombuffer(data, np.uint8, count, offset).astype(np.float32) - 128) / 128
    if header.bits == 24:
        wide = np.zeros((count, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(data, np.uint8, 3 * count, offset).reshape(count, 3)
        return (wide.view("<i4")[:, 0] / np.float32(2**31)).astype(np.float32)
    scale = np.float32(2 ** (header.bits - 1))
    return (np.frombuffer(data, f"<i{header.bits // 8}", count, offset) / scale).astype(np.float32)


def write(samples: NDArray[Any], sample_rate: int) -> bytes:
    """A mono 16-bit PCM WAV file of samples (n,) in [-1, 1]; louder values are clipped."""
    body: bytes = np.rint(np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
    fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, _PCM, 1, sample_rate, 2 * sample_rate, 2, 16)
    riff = struct.pack("<4sI4s", b"RIFF", 4 + len(fmt) + 8 + len(body), b"WAVE")
    return riff + fmt + struct.pack("<4sI", b"data", len(body)) + body
