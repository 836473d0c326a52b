"""espeak-ng as a function: the same text and settings always give the same samples.

Job: a small process beside this one holds the library, initialised once; for each sentence it forks a child that
speaks and ends. Without that a sentence depends on those before it: the library keeps random numbers and flutter
from one to the next, and ending and starting it again in one process sometimes hangs.
Ignorance: what is said and why so; 16 kHz. Linux only; needs the Debian package `espeak-ng`. This file is also the
program of the small process, which imports nothing but the standard library.
"""

from __future__ import annotations

import atexit
import ctypes
import json
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from ctypes import util
from functools import cache
from typing import IO, NamedTuple

# speak_lib.h, espeak_PARAMETER: 1 words per minute, 2 volume (100 normal), 3 pitch (50), 4 pitch range (0 flat, 50, 100)
_WORDS_PER_MINUTE, _VOLUME, _PITCH, _PITCH_RANGE = 1, 2, 3, 4
_SYNCHRONOUS, _UTF8, _PHONEME_EVENTS = 2, 1, 1
_PHONEME = 7  # speak_lib.h, espeak_EVENT_TYPE; 0 ends a list of events
_HEAD = struct.Struct("<iii")  # rate in Hz, or -1: nothing said; bytes and marks that follow
_MARK = struct.Struct("<i8s")  # of a phoneme: its first sample, its name


class Phoneme(NamedTuple):
    start: int  # sample at which it begins; it lasts until the next
    name: str  # espeak's mnemonic, `_` and what begins so are pauses


class Spoken(NamedTuple):
    samples: bytes  # mono, 16-bit little-endian
    hertz: int
    phonemes: tuple[Phoneme, ...]


def synthesize(text: str, voice: str, *, rate: int, pitch: int, pitch_range: int) -> Spoken:
    """The samples, and when each phoneme begins; `rate` is in words a minute.

    Raises:
        RuntimeError: espeak-ng is missing, has no such voice (an unknown variant after + is ignored), or said nothing.
    """
    process = _server(os.getpid())
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps([text, voice, rate, pitch, pitch_range]).encode() + b"\n")
    process.stdin.flush()
    hertz, size, count = _HEAD.unpack(_exactly(process.stdout, _HEAD.size))
    if hertz < 0:
        raise RuntimeError(f"espeak-ng cannot say {text!r}: is there a voice {voice!r}?")
    samples = _exactly(process.stdout, size)
    marks = _MARK.iter_unpack(_exactly(process.stdout, count * _MARK.size))
    return Spoken(samples, hertz, tuple(Phoneme(start, name.rstrip(b"\0").decode()) for start, name in marks))


def _exactly(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise RuntimeError("the process of espeak-ng has ended")
    return data


@cache
def _server(owner: int) -> subprocess.Popen[bytes]:
    """The process that speaks for this one; a forked worker, having another id, gets its own."""
    if util.find_library("espeak-ng") is None:
        raise RuntimeError("espeak-ng is missing; it makes the training speech: apt-get install espeak-ng")
    process = subprocess.Popen(
        [sys.executable, "-S", __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    atexit.register(_end, process, owner)
    return process


def _end(process: subprocess.Popen[bytes], owner: int) -> None:
    if owner == os.getpid():
        process.communicate()


def _serve() -> None:
    """Answer each line of the standard input by a child that starts from the same state."""
    library = ctypes.CDLL(util.find_library("espeak-ng"))
    hertz = int(library.espeak_Initialize(_SYNCHRONOUS, 0, None, _PHONEME_EVENTS))
    for line in sys.stdin.buffer:
        child = os.fork()
        if child == 0:
            try:
                wave, marks = _speak(library, *json.loads(line))
                _write(_HEAD.pack(hertz, len(wave), len(marks)) + wave + b"".join(marks))
            finally:
                os._exit(0 if sys.exc_info()[0] is None else 1)
        if os.waitpid(child, 0)[1] != 0:
            _write(_HEAD.pack(-1, 0, 0))


def _write(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


class _Event(ctypes.Structure):
    """speak_lib.h, espeak_EVENT."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),  # ms
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("name", ctypes.c_ubyte * 8),  # of a phoneme; ends at a zero or after 8 bytes
    )


def _speak(
    library: ctypes.CDLL, text: str, voice: str, rate: int, pitch: int, pitch_range: int
) -> tuple[bytes, list[bytes]]:
    """The samples, and a packed mark for each phoneme."""
    chunks: list[bytes] = []
    marks: list[bytes] = []

    @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(_Event))
    def receive(samples: int | None, count: int, events: ctypes._Pointer[_Event]) -> int:
        if samples and count > 0:
            chunks.append(ctypes.string_at(samples, 2 * count))
        for event in _until_the_end(events):
            if event.type == _PHONEME:
                marks.append(_MARK.pack(event.sample, bytes(event.name).partition(b"\0")[0]))
        return 0

    library.espeak_SetSynthCallback(receive)
    if library.espeak_SetVoiceByName(voice.encode()) != 0:
        raise ValueError(voice)
    library.espeak_SetParameter(_WORDS_PER_MINUTE, rate, 0)
    library.espeak_SetParameter(_VOLUME, 80, 0)  # the loudest voices clip at 100
    library.espeak_SetParameter(_PITCH, pitch, 0)
    library.espeak_SetParameter(_PITCH_RANGE, pitch_range, 0)
    data = text.encode() + b"\0"
    library.espeak_Synth(data, ctypes.c_size_t(len(data)), 0, 0, 0, _UTF8, None, None)
    if not chunks:
        raise ValueError(text)
    return b"".join(chunks), marks


def _until_the_end(events: ctypes._Pointer[_Event]) -> Iterator[_Event]:
    at = 0
    while events and events[at].type:
        yield events[at]
        at += 1


if __name__ == "__main__":
    _serve()
