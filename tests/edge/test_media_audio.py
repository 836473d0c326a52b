"""Sounds in every kind that is read, and every kind that is refused."""

from __future__ import annotations

import io
import os
import struct
import sys
from pathlib import Path

import numpy as np
import pytest

from edge.errors import EdgeError, MediaError, NotFoundError, UsageError
from edge.media import audio, wave
from edge.messages import Audio

TONE = (0.5 * np.sin(2 * np.pi * 440 * np.arange(8000) / 16000)).astype(np.float32)


def wav(
    body: bytes, *, tag: int = 1, bits: int = 16, channels: int = 1, rate: int = 16000,
    align: int | None = None, data_size: int | None = None, before: bytes = b"", extra: bytes = b"",
) -> bytes:  # fmt: skip
    align = channels * bits // 8 if align is None else align
    fmt = struct.pack("<HHIIHH", tag, channels, rate, rate * align % 2**32, align, bits) + extra
    chunks = struct.pack("<4sI", b"fmt ", len(fmt)) + fmt + before
    chunks += struct.pack("<4sI", b"data", len(body) if data_size is None else data_size) + body
    return struct.pack("<4sI4s", b"RIFF", 4 + len(chunks), b"WAVE") + chunks


def test_smallest_wav_is_one_sample() -> None:
    sound = audio.read(wav(b"\x00\x40"))
    np.testing.assert_array_equal(sound.samples, [0.5])
    assert sound.sample_rate == 16000
    assert sound.seconds == 1 / 16000


@pytest.mark.parametrize(
    ("tag", "bits", "body", "expected"),
    [
        (1, 8, bytes([0, 128, 192]), [-1, 0, 0.5]),
        (1, 16, struct.pack("<3h", -32768, 0, 16384), [-1, 0, 0.5]),
        (1, 24, b"\x00\x00\x80" + b"\x00\x00\x00" + b"\x00\x00\x40", [-1, 0, 0.5]),
        (1, 32, struct.pack("<3i", -(2**31), 0, 2**30), [-1, 0, 0.5]),
        (3, 32, struct.pack("<3f", -1, 0, 0.5), [-1, 0, 0.5]),
        (3, 64, struct.pack("<3d", -1, 0, 0.5), [-1, 0, 0.5]),
    ],
)
def test_every_plain_width_is_read_exactly(tag: int, bits: int, body: bytes, expected: list[float]) -> None:
    np.testing.assert_array_equal(audio.read(wav(body, tag=tag, bits=bits)).samples, expected)


def test_extensible_header_is_read_and_other_chunks_are_skipped() -> None:
    extra = struct.pack("<HHIH", 22, 16, 0, 1) + wave._GUID_TAIL
    note = b"LIST" + struct.pack("<I", 3) + b"abc\0"  # odd size, padded
    data = wav(struct.pack("<2h", 16384, -16384), tag=0xFFFE, extra=extra, before=note)
    np.testing.assert_array_equal(audio.read(data).samples, [0.5, -0.5])


def test_channels_are_averaged() -> None:
    data = wav(struct.pack("<4h", 16384, 0, 0, -16384), channels=2)
    np.testing.assert_array_equal(audio.read(data).samples, [0.25, -0.25])


def test_unknown_size_of_a_pipe_means_to_the_end() -> None:
    data = wav(struct.pack("<2h", 16384, 0), data_size=0xFFFFFFFF)
    np.testing.assert_array_equal(audio.read(data).samples, [0.5, 0])


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000, 192000])
def test_resampling_keeps_pitch_length_and_level(rate: int) -> None:
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)
    sound = audio.read(wav((tone * 32767).astype("<i2").tobytes(), rate=rate))
    assert abs(len(sound.samples) - 16000) <= 2
    plain = 0.5 * np.sin(2 * np.pi * 440 * np.arange(len(sound.samples)) / 16000)
    np.testing.assert_allclose(sound.samples[500:-500], plain[500:-500], atol=2e-3)


def test_what_lies_above_the_new_nyquist_is_removed() -> None:
    whistle = 0.5 * np.sin(2 * np.pi * 12000 * np.arange(48000) / 48000)
    sound = audio.read(wav((whistle * 32767).astype("<i2").tobytes(), rate=48000))
    assert np.abs(sound.samples[500:-500]).max() < 1e-3


@pytest.mark.parametrize("kind", ["FLAC", "OGG", "MP3"])
def test_compressed_kinds_are_read_whatever_the_name_says(kind: str, tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    buffer = io.BytesIO()
    soundfile.write(buffer, TONE, 16000, format=kind)
    path = tmp_path / "tone.txt"
    path.write_bytes(buffer.getvalue())
    sound = audio.read(path)
    assert sound.seconds == pytest.approx(0.5, abs=0.05)
    peak = np.abs(np.fft.rfft(sound.samples)).argmax() / sound.seconds
    assert peak == pytest.approx(440, abs=5)


def test_an_mp3_behind_a_tag_is_read() -> None:
    soundfile = pytest.importorskip("soundfile")
    buffer = io.BytesIO()
    soundfile.write(buffer, TONE, 16000, format="MP3")
    tag = b"ID3\x04\0\0\0\0\x01\x00" + bytes(128)
    assert audio.read(tag + buffer.getvalue()).seconds == pytest.approx(0.5, abs=0.1)


def test_samples_are_taken_as_they_are() -> None:
    sound = audio.read(Audio(TONE, sample_rate=16000))
    np.testing.assert_array_equal(sound.samples, TONE)
    assert audio.read(Audio(TONE, sample_rate=8000)).seconds == pytest.approx(1.0, abs=0.01)


def test_a_made_sound_is_a_source_again() -> None:
    np.testing.assert_array_equal(audio.read(Audio(audio.Sound(TONE, 16000))).samples, TONE)


def test_a_saved_sound_reads_back_to_the_last_bit(tmp_path: Path) -> None:
    path = audio.Sound(TONE, 16000).save(tmp_path / "out.wav")
    once = audio.read(path)
    np.testing.assert_allclose(once.samples, TONE, atol=1e-4)
    assert [p.name for p in tmp_path.iterdir()] == ["out.wav"]
    assert oct(path.stat().st_mode & 0o777) == oct(0o666 & ~_umask())


def test_only_wav_is_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.wav"):
        audio.Sound(TONE, 16000).save(tmp_path / "out.mp3")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


# --- refusals ------------------------------------------------------------------------------------------


def test_a_text_file_called_wav_says_what_it_is_and_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "note.wav"
    path.write_text("Dear diary, this is no sound.\n")
    with pytest.raises(MediaError, match=r"note\.wav is not a sound: it looks like a text file; give a WAV"):
        audio.read(path)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "0 bytes"),
        (b"\x89PNG\r\n\x1a\n1234", "a PNG file"),
        (b"<!DOCTYPE html><p>404", "web page"),
        (b"\0\0\0\x1cftypM4A 1234", "an M4A file"),
        (b"\xff\xf1\x50\x80 aac", "an AAC file"),
        (b"RF64\xff\xff\xff\xffWAVE", "an RF64 file"),
        (bytes(range(1, 200)), "no kind of file known here"),
        (b"RIFF\x04\0\0\0WAVE", "without a 'fmt' chunk"),
        (wav(b"")[:-8], "without a 'data' chunk"),
        (wav(b"\0\0")[:20], "cut short"),
        (wav(b"\0\0" * 10)[:-4], "says 20 bytes, 16 are there"),
        (wav(b""), "0 samples"),
        (wav(b"\0\0\0"), "do not divide"),
        (wav(b"\0\0", tag=2, bits=4), "Microsoft ADPCM"),
        (wav(b"\0\0", tag=17, bits=4), "IMA ADPCM"),
        (wav(b"\0\0", tag=0x1234), "codec 0x1234"),
        (wav(b"\0\0", bits=12, align=2), "12-bit"),
        (wav(b"\0\0", channels=0), "0 channels"),
        (wav(b"\0\0", rate=0), "at 0 Hz"),
        (wav(b"\0\0", rate=0xFFFFFFFF), "at 4294967295 Hz"),
        (wav(b"\0\0", align=4), "frames of 4 bytes"),
        (wav(b"\0\0", tag=0xFFFE), "extensible"),
        (wav(b"\0\0" * 1000 * 601, rate=1000), "the limit is 600 s"),
        (wav(struct.pack("<2f", 0.1, float("nan")), tag=3, bits=32), "not numbers"),
        (b"fLaC" + bytes(50), "damaged FLAC"),
        (b"OggS" + bytes(50), "damaged OGG"),
        (b"\xff\xfb" + bytes(10), "damaged MP3"),
        (b"ID3\x04\0\0\0\0\0\0" + wav(b"\0\0", tag=2, bits=4), "no MP3 sound behind it"),
        (b"ID3\x04\0\0\xff\xff\xff\xff", "damaged ID3"),
        (b"ID3\x04\0\0\0\0\0\0\0" + b"ID3\x04\0\0\0\0\0\0" + wav(b"\0\0", tag=2, bits=4), "no MP3 sound"),
    ],
)
def test_what_is_no_readable_sound_is_refused_in_words(data: bytes, words: str) -> None:
    with pytest.raises(MediaError, match=words):
        audio.read(data)


def test_adpcm_is_refused_before_libsndfile_is_even_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "soundfile", None)  # an import would raise
    with pytest.raises(MediaError, match="ADPCM"):
        audio.read(wav(b"\0" * 64, tag=2, bits=4, align=256))


def test_a_flac_that_claims_hours_is_refused_before_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    soundfile = pytest.importorskip("soundfile")
    buffer = io.BytesIO()
    soundfile.write(buffer, np.zeros(8000, np.float32), 8000, format="FLAC", subtype="PCM_16")
    data = bytearray(buffer.getvalue())
    total = 8000 * 3600  # STREAMINFO holds the number of samples in 36 bits at byte 21
    data[21:26] = (int.from_bytes(data[21:26], "big") & ~((1 << 36) - 1) | total).to_bytes(5, "big")
    monkeypatch.setattr(audio, "_decoded", None)
    with pytest.raises(MediaError, match="3,600 s"):
        audio.read(bytes(data))


def test_a_file_over_the_limit_is_refused_by_its_size(tmp_path: Path) -> None:
    path = tmp_path / "huge.wav"
    with path.open("wb") as file:
        file.truncate(audio.MAX_BYTES + 1)  # sparse
    with pytest.raises(MediaError, match="200,000,001 bytes"):
        audio.read(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_pipes_folders_and_missing_files_never_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    for name, kind in (("pipe.wav", MediaError), (".", MediaError), ("none.wav", NotFoundError)):
        with pytest.raises(kind):
            audio.read(tmp_path / name)
    with pytest.raises(MediaError):
        audio.read("a\0b.wav")


def test_samples_must_be_mono_floats_with_a_rate() -> None:
    with pytest.raises(UsageError, match="sample_rate"):
        audio.read(Audio(TONE))
    for wrong in (np.zeros((2, 10), np.float32), np.zeros(10, np.int16)):
        with pytest.raises(MediaError, match="mono floats"):
            audio.read(Audio(wrong, sample_rate=16000))


@pytest.mark.parametrize("seed", range(8))
def test_damaged_headers_are_errors_not_crashes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    good = bytearray(wav(TONE.astype("<f4").tobytes()[:400], tag=3, bits=32))
    for _ in range(200):
        bad = bytearray(good)
        for at in rng.integers(0, 48, rng.integers(1, 6)):
            bad[at] = rng.integers(256)
        try:
            sound = audio.read(bytes(bad[: rng.integers(1, len(bad))]) if rng.random() < 0.3 else bytes(bad))
        except EdgeError:
            continue
        assert len(sound.samples)


@pytest.mark.parametrize("rate", [float("nan"), float("inf"), 10**9, 0, -1, "16000", None])
def test_a_rate_that_is_none_is_refused(rate: object) -> None:
    with pytest.raises(UsageError, match="rate in Hz"):
        audio.read(Audio(TONE, sample_rate=rate))  # type: ignore[arg-type]
