"""What people and models say to each other: parts and messages.

Job: plain frozen values for text, pictures, sounds and clips, and who said them.
Ignorance: no I/O; a part may hold a path, but only `edge.media` opens it. Imports nothing of ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Role = Literal["system", "user", "assistant", "tool"]  # tool: what a called function returned


@dataclass(frozen=True)
class Text:
    """A run of text."""

    text: str


@dataclass(frozen=True, eq=False)
class Image:
    """A picture: a path, encoded bytes (PNG, JPEG, WebP, GIF, BMP), or pixels (height, width, 3) uint8."""

    source: str | Path | bytes | Any


@dataclass(frozen=True, eq=False)
class Audio:
    """A sound: a path, encoded bytes (WAV, FLAC, OGG, MP3), or mono samples (n,) float32 in [-1, 1]."""

    source: str | Path | bytes | Any
    sample_rate: int | None = None  # Hz; only read when `source` holds samples


@dataclass(frozen=True, eq=False)
class Video:
    """A clip: a path, encoded bytes (GIF, WebP, APNG; MP4, WebM, AVI, MOV with the extra `video`), or frames
    (n, height, width, 3) uint8."""

    source: str | Path | bytes | Any
    frame_seconds: float | None = None  # how long a frame stays; only read when `source` holds frames


Part = Text | Image | Audio | Video


@dataclass(frozen=True)
class Message:
    """One turn: who spoke and the parts in order."""

    role: Role
    parts: tuple[Part, ...]


def as_part(value: str | Part) -> Part:
    """A bare string is text; anything else must already be a part."""
    if isinstance(value, str):
        return Text(value)
    if isinstance(value, Text | Image | Audio | Video):
        return value
    raise TypeError(f"expected str, Text, Image, Audio or Video, got {type(value).__name__}")
