"""Sounds: files and bytes to mono samples, and back.

Job: read WAV (our own parser), FLAC, OGG and MP3 (libsndfile) at the asked rate; refuse what is too long
before decoding; write 16-bit WAV. The kind is read from the first bytes, never from the extension.
Ignorance: tokens and codecs. Does not protect against a bug inside libsndfile's FLAC, OGG and MP3 decoders.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge import atomic
from edge.errors import MediaError, UsageError
from edge.media import source, wave
from edge.media.spectrum import HOP, SAMPLE_RATE, griffin_lim, level, log_mel
from edge.messages import Audio

__all__ = [
    "HOP",
    "MAX_BYTES",
    "MAX_SECONDS",
    "SAMPLE_RATE",
    "Sound",
    "griffin_lim",
    "level",
    "log_mel",
    "read",
]

MAX_SECONDS = 600
MAX_BYTES = 200_000_000
_BLOCK = 1 << 18  # frames decoded at once, so that memory follows the output, not the file
_FASTEST = 768_000  # Hz: twice what any sound card samples at
_CURE = "give a WAV, FLAC, OGG or MP3 file (to convert: ffmpeg -i in.m4a out.wav)"
_COMPRESSED = {"FLAC": "FLAC", "OGG": "OGG", "MP3": "MP3"}  # kind by first bytes -> libsndfile's name of it

Samples = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Sound:
    """Mono samples, (n,) float32 in [-1, 1], and their rate in Hz."""

    samples: Samples
    sample_rate: int

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.sample_rate

    def wav(self) -> bytes:
        """A mono 16-bit PCM WAV file."""
        return wave.write(self.samples, self.sample_rate)

    def save(self, path: str | Path) -> Path:
        """Write a WAV file, whole or not at all.

        Raises:
            UsageError: the name does not end in .wav.
        """
        if Path(path).suffix.lower() not in (".wav", ".wave"):
            raise UsageError(
                f"cannot save a sound as {Path(path).name!r}: only WAV is written; end the name in .wav"
            )
        return atomic.write_bytes(path, self.wav())


def read(sound: Audio | Sound | str | Path | bytes, rate: int = SAMPLE_RATE) -> Sound:
    """A sound as mono samples at `rate` Hz; several channels are averaged.

    Raises:
        NotFoundError: no such file.
        MediaError: empty, not a sound, compressed in a way that is not read here, damaged, or longer than
        10 minutes.
    """
    origin = sound.source if isinstance(sound, Audio) else sound
    if isinstance(origin, Sound):
        return _from_samples(origin.samples, origin.sample_rate, rate)
    if not isinstance(origin, str | Path | bytes | bytearray):
        return _from_samples(origin, sound.sample_rate if isinstance(sound, Audio) else None, rate)
    data, name = source.load(origin, limit=MAX_BYTES)
    kind = source.kind(data)
    if kind == "WAV":
        blocks, original = _wave_blocks(data, name)
    elif kind in _COMPRESSED:
        blocks, original = _compressed_blocks(data, kind, name)
    else:
        raise MediaError(f"{name} is not a sound: {source.seems(data)}; {_CURE}")
    return _finish(blocks, original, rate, name)


def _from_samples(values: Any, original: int | None, rate: int) -> Sound:
    samples = np.asarray(values)
    if samples.ndim != 1 or not np.issubdtype(samples.dtype, np.floating):
        raise MediaError(f"samples must be mono floats of shape (n,), got {samples.dtype} {samples.shape}")
    if not isinstance(original, int | float | np.integer | np.floating) or not 1 <= original <= _FASTEST:
        raise UsageError(
            f"samples need their rate in Hz, got {original!r}: Audio(samples, sample_rate=16000)"
        )
    _check_length(len(samples), original, "the sound")
    return _finish(iter([samples.astype(np.float32)]), original, rate, "the sound")


def _wave_blocks(data: bytes, name: str) -> tuple[Iterator[Samples], int]:
    header = wave.parse(data, name)
    _check_length(header.frames, header.sample_rate, name)
    starts = range(0, header.frames, _BLOCK)
    return (wave.frames(data, header, at, _BLOCK).mean(axis=1) for at in starts), header.sample_rate


def _compressed_blocks(data: bytes, kind: str, name: str) -> tuple[Iterator[Samples], int]:
    import soundfile

    try:
        file = soundfile.SoundFile(io.BytesIO(_without_tag(data, name) if kind == "MP3" else data))
        if file.format != _COMPRESSED[kind]:  # a file inside a file
            raise MediaError(f"{name} starts like {kind} but holds {file.format}; {_CURE}")
        _check_length(file.frames, file.samplerate, name)
    except (soundfile.SoundFileError, RuntimeError, TypeError) as error:
        raise MediaError(f"{name} is a damaged {kind} file ({error}); {_CURE}") from error
    return _decoded(file, kind, name), int(file.samplerate)


def _decoded(file: Any, kind: str, name: str) -> Iterator[Samples]:
    """Mono blocks; the header's length is not believed."""
    import soundfile

    total = 0
    with file:
        while True:
            try:
                block = file.read(_BLOCK, dtype="float32", always_2d=True)
            except (soundfile.SoundFileError, RuntimeError) as error:
                raise MediaError(f"{name} is a damaged {kind} file ({error}); {_CURE}") from error
            total += len(block)
            _check_length(total or 1, file.samplerate, name)
            if not len(block):
                return
            yield block.mean(axis=1)


def _without_tag(data: bytes, name: str) -> bytes:
    """MP3 frames behind an ID3v2 tag. libsndfile would skip the tag and open whatever follows, ADPCM WAV
    included."""
    at = 0
    while data[at : at + 3] == b"ID3":
        size = data[at + 6 : at + 10]
        if len(size) < 4 or max(size) > 127:
            raise MediaError(f"{name} has a damaged ID3 tag; {_CURE}")
        at += 10 + (size[0] << 21 | size[1] << 14 | size[2] << 7 | size[3])
    while at < len(data) and data[at] == 0:  # padding between the tag and the first frame
        at += 1
    rest = data[at:]
    if source.kind(rest) != "MP3" or rest[:3] == b"ID3":
        raise MediaError(f"{name} has an ID3 tag but no MP3 sound behind it; {_CURE}")
    return rest


def _check_length(frames: int, rate: int, name: str) -> None:
    if frames < 1:
        raise MediaError(f"{name} holds no sound (0 samples); record it again")
    if frames > MAX_SECONDS * rate:
        raise MediaError(
            f"{name} lasts {frames / rate:,.0f} s, the limit is {MAX_SECONDS} s; cut it into shorter pieces"
        )


def _finish(blocks: Iterator[Samples], original: int, rate: int, name: str) -> Sound:
    samples = np.concatenate(list(_resampled(blocks, original, rate)))
    if not np.isfinite(samples).all():
        raise MediaError(f"{name} holds samples that are not numbers (NaN or infinity); export it again")
    return Sound(np.clip(samples, -1, 1), rate)


def _resampled(blocks: Iterator[Samples], original: int, rate: int) -> Iterator[Samples]:
    if original == rate:
        yield from blocks
        return
    import soxr

    stream = soxr.ResampleStream(original, rate, 1, dtype="float32", quality="HQ")
    for block in blocks:
        yield stream.resample_chunk(block)
    yield stream.resample_chunk(np.zeros(0, dtype=np.float32), last=True)
