"""Where media come from: a path or bytes, and what those bytes look like.

Job: read a named file within a size limit; tell file kinds apart by their first bytes, never by extension.
Ignorance: how any kind is decoded.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from edge.errors import MediaError, NotFoundError

# first bytes -> kind; sources: the formats' own specifications and file(1)'s magic
_STARTS = (
    (b"\x89PNG\r\n\x1a\n", "PNG"), (b"\xff\xd8\xff", "JPEG"), (b"GIF87a", "GIF"), (b"GIF89a", "GIF"),
    (b"BM", "BMP"), (b"fLaC", "FLAC"), (b"OggS", "OGG"), (b"ID3", "MP3"),
    (b"RF64", "RF64"), (b"II*\0", "TIFF"), (b"MM\0*", "TIFF"), (b"\0\0\x01\0", "ICO"),
    (b"\x1aE\xdf\xa3", "WebM or Matroska"), (b"%PDF", "PDF"), (b"PK\x03\x04", "ZIP"), (b"\x1f\x8b", "gzip"),
    (b"GGUF", "GGUF"), (b"\x7fELF", "ELF"), (b"MZ", "Windows program"), (b"8BPS", "Photoshop"),
    (b"\xff\x0a", "JPEG XL"), (b"#!AMR", "AMR"), (b"MThd", "MIDI"), (b"caff", "CAF"), (b"wvpk", "WavPack"),
)  # fmt: skip
_CONTAINERS = {(b"RIFF", b"WAVE"): "WAV", (b"RIFF", b"WEBP"): "WebP", (b"RIFF", b"AVI "): "AVI",
               (b"FORM", b"AIFF"): "AIFF", (b"FORM", b"AIFC"): "AIFF"}  # fmt: skip
_BRANDS = {b"heic": "HEIC", b"heix": "HEIC", b"mif1": "HEIC", b"avif": "AVIF", b"M4A ": "M4A"}
_ATOMS = (b"moov", b"mdat", b"wide")  # how QuickTime files older than `ftyp` start
_MPEG_LAYER_3 = {0xFA, 0xFB, 0xF2, 0xF3, 0xE2, 0xE3}  # second byte of a frame header, ISO 11172-3 and 13818-3


def load(source: str | Path | bytes | bytearray, *, limit: int) -> tuple[bytes, str]:
    """The bytes of a path (or the bytes themselves) and the name that messages use.

    Raises:
        NotFoundError: no such file.
        MediaError: not a plain file, empty, larger than `limit` bytes, or unreadable.
    """
    data, name = (
        (bytes(source), "the data") if isinstance(source, bytes | bytearray) else _read(Path(source), limit)
    )
    if not data:
        raise MediaError(f"{name} is empty (0 bytes); give a file with content")
    if len(data) > limit:
        raise _too_large(name, len(data), limit)
    return data, name


def _read(path: Path, limit: int) -> tuple[bytes, str]:
    try:
        # O_NONBLOCK: opening a named pipe must fail below, not wait for a writer
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(handle, "rb") as file:
            facts = os.fstat(file.fileno())
            if not stat.S_ISREG(facts.st_mode):
                raise MediaError(f"{path} is not a plain file; give the path of a file")
            if facts.st_size > limit:
                raise _too_large(str(path), facts.st_size, limit)
            return file.read(limit + 1), str(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFoundError(f"no such file: {path}") from error
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        raise MediaError(f"cannot read {str(path)!r}: {getattr(error, 'strerror', None) or error}") from error


def _too_large(name: str, size: int, limit: int) -> MediaError:
    return MediaError(f"{name} holds {size:,} bytes, the limit is {limit:,}; give a smaller or shorter file")


def kind(data: bytes) -> str:
    """What the bytes look like: "PNG", "WAV", "text", "HTML", ... or "unknown"."""
    container = _CONTAINERS.get((data[:4], data[8:12]))
    if container:
        return container
    if data[4:8] == b"ftyp":
        return _BRANDS.get(data[8:12], "MP4")
    if data[4:8] in _ATOMS:
        return "MOV"
    for start, name in _STARTS:
        if data.startswith(start):
            return name
    if len(data) > 2 and data[0] == 0xFF:
        return _after_ff(data)
    return _words(data)


def _after_ff(data: bytes) -> str:
    if data[1] in _MPEG_LAYER_3:
        return "MP3"
    if data[1] in (0xF1, 0xF9):
        return "AAC"
    return "text" if data[1] == 0xFE else "unknown"


def _words(data: bytes) -> str:
    head = data[:1024]
    try:
        # a cut through the last character of the window is not a fault
        text = head.decode("utf-8", errors="strict" if len(data) <= 1024 else "ignore")
    except UnicodeDecodeError:
        return "unknown"
    lost = len(head) - len(text.encode())
    if lost > 3 or any(c < " " and c not in "\t\n\r\f\x1b" for c in text):
        return "unknown"
    start = text.lstrip("\ufeff \t\r\n").lower()
    if start.startswith(("<!doctype html", "<html")):
        return "HTML"
    return "SVG" if "<svg" in start else "text"


def seems(data: bytes) -> str:
    """`kind` for a sentence: "it looks like a text file"."""
    found = kind(data)
    words = {
        "text": "a text file",
        "HTML": "a web page (HTML)",
        "SVG": "an SVG drawing",
        "unknown": "no kind of file known here",
    }
    return f"it looks like {words.get(found) or f'{_article(found)} {found} file'}"


def _article(word: str) -> str:
    return "an" if word[0] in "AEFHILMORSX" and word[:2].isupper() else "a"
