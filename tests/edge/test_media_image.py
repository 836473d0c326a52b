"""Pictures in every kind that is read, and every kind that is refused."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from edge.errors import EdgeError, MediaError, NotFoundError, UsageError
from edge.media import image
from edge.messages import Image


def png(width: int, height: int, rows: bytes, *, colour: int = 2, bits: int = 8, more: bytes = b"") -> bytes:
    """A PNG from its parts: each row starts with its filter byte."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + more
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))  # fmt: skip


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def encoded(picture: Pillow.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def test_smallest_png_is_one_pixel() -> None:
    picture = image.read(png(1, 1, b"\0\x01\x02\x03"))
    assert picture.pixels.tolist() == [[[1, 2, 3]]]
    assert picture.pixels.dtype == np.uint8
    assert picture.size == (1, 1)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_every_kind_is_read_whatever_the_name_says(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "picture.txt"
    path.write_bytes(encoded(Pillow.new("RGB", (40, 20), (200, 30, 60)), kind))
    pixels = image.read(Image(path)).pixels
    assert pixels.shape == (20, 40, 3)
    assert np.abs(pixels.astype(int) - [200, 30, 60]).max() < 12


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (png(1, 1, b"\0\x80", colour=0), [128, 128, 128]),  # grey
        (png(1, 1, b"\0\x80\x80", colour=0, bits=16), [128, 128, 128]),  # 16-bit grey
        (png(1, 1, b"\0\x80", colour=0, bits=1), [255, 255, 255]),  # one bit
        (png(1, 1, b"\0\xff\xff\x80\x80\0\0", bits=16), [255, 128, 0]),  # 16-bit RGB
        (png(1, 1, b"\0\x0a\x14\x1e\0", colour=6), [255, 255, 255]),  # clear RGBA
        (png(1, 1, b"\0\0\0\0\x80", colour=6), [127, 127, 127]),  # half clear black
        (png(1, 1, b"\0\x40\xff", colour=4), [64, 64, 64]),  # grey with alpha
        (png(1, 1, b"\0\0", colour=3, more=chunk(b"PLTE", b"\x07\x08\x09")), [7, 8, 9]),  # palette
        (
            png(1, 1, b"\0\0", colour=3, more=chunk(b"PLTE", b"\x07\x08\x09") + chunk(b"tRNS", b"\0")),
            [255] * 3,
        ),
        (png(1, 1, b"\0\x07\x08\x09", more=chunk(b"tRNS", b"\0\x07\0\x08\0\x09")), [255, 255, 255]),
    ],
)
def test_every_pixel_layout_becomes_rgb_on_white(data: bytes, expected: list[int]) -> None:
    assert np.abs(image.read(data).pixels[0, 0].astype(int) - expected).max() <= 1


def test_cmyk_becomes_rgb() -> None:
    pixels = image.read(encoded(Pillow.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG")).pixels
    assert pixels[4, 4, 0] > 200
    assert pixels[4, 4, 1:].max() < 60


def test_a_photograph_is_turned_upright() -> None:
    exif = Pillow.Exif()
    exif[0x0112] = 6  # camera held on its side: turn a quarter clockwise
    data = encoded(Pillow.new("RGB", (40, 20)), "JPEG", exif=exif)
    assert image.read(data).size == (20, 40)


def test_a_gif_shows_its_first_frame() -> None:
    frames = [Pillow.new("RGB", (4, 4), c) for c in ((255, 0, 0), (0, 0, 255))]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert image.read(data).pixels[0, 0].tolist() == [255, 0, 0]


def test_pixels_are_taken_as_they_are() -> None:
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    np.testing.assert_array_equal(image.read(Image(pixels)).pixels, pixels)
    for wrong in (pixels.astype(np.float32), pixels[..., 0], pixels[:0]):
        with pytest.raises(MediaError, match="uint8"):
            image.read(Image(wrong))


def test_a_made_picture_is_a_source_again() -> None:
    picture = image.Picture(np.zeros((2, 3, 3), np.uint8))
    assert image.read(Image(picture)) is picture


# --- fit and save --------------------------------------------------------------------------------------


def test_fit_letterboxes_on_white_without_distortion() -> None:
    square = image.fit(np.zeros((50, 100, 3), np.uint8), 64)
    assert square.shape == (64, 64, 3)
    assert (square[:16] == 255).all()
    assert (square[48:] == 255).all()
    assert (square[16:48] == 0).all()


def test_fit_leaves_a_picture_of_the_right_size_alone() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    np.testing.assert_array_equal(image.fit(image.Picture(pixels), 64), pixels)


def test_fit_averages_over_the_source_area() -> None:
    stripes = np.zeros((640, 640, 3), np.uint8)
    stripes[::2] = 255  # finer than the target can show: an aliasing filter gives bands
    small = image.fit(stripes, 64).astype(int)
    assert np.abs(small[4:-4] - 128).max() <= 3


def test_fit_survives_extreme_shapes() -> None:
    assert image.fit(np.zeros((1, 5000, 3), np.uint8), 64).shape == (64, 64, 3)


@pytest.mark.parametrize("name", ["a.png", "a.PNG", "a.bmp", "a.webp", "a.jpg", "a.jpeg", "a.gif"])
def test_the_extension_chooses_the_written_format(name: str, tmp_path: Path) -> None:
    pixels = np.full((8, 8, 3), 90, np.uint8)
    path = image.Picture(pixels).save(tmp_path / name)
    with Pillow.open(path) as opened:
        assert Pillow.registered_extensions()[path.suffix.lower()] == opened.format
    assert np.abs(image.read(path).pixels.astype(int) - 90).max() <= 2
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_png_is_lossless() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (13, 7, 3), dtype=np.uint8)
    np.testing.assert_array_equal(image.read(image.Picture(pixels).png()).pixels, pixels)


def test_an_unknown_extension_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.png"):
        image.Picture(np.zeros((2, 2, 3), np.uint8)).save(tmp_path / "a.exe")
    assert not list(tmp_path.iterdir())


# --- refusals ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "0 bytes"),
        (b"hello", "looks like a text file"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "looks like a WAV file"),
        (b"%PDF-1.7", "looks like a PDF file"),
        (b"<svg xmlns='x'/>", "an SVG drawing"),
        (b"II*\0\x08\0\0\0", "a TIFF file"),
        (b"\0\0\0\x18ftypheic", "an HEIC file"),
        (b"\x89PNG\r\n\x1a\n", "damaged PNG"),
        (b"\xff\xd8\xff\xe0", "damaged JPEG"),
        (b"GIF89a\x01\0", "damaged GIF"),
        (b"BM" + bytes(60), "damaged BMP"),
        (b"RIFF\x04\0\0\0WEBPVP8 ", "damaged WebP"),
        (png(0, 0, b""), "damaged PNG"),
    ],
)
def test_what_is_no_readable_picture_is_refused_in_words(data: bytes, words: str) -> None:
    with pytest.raises(MediaError, match=words):
        image.read(data)


@pytest.mark.parametrize("side", [8_001, 20_000, 50_000, 2**31 - 1])
def test_a_bomb_is_refused_by_its_header(side: int) -> None:
    bomb = png(side, side, bytes(1000))
    assert len(bomb) < 200
    with pytest.raises(MediaError, match=r"claims .* pixels"):
        image.read(bomb)


def test_a_metadata_bomb_is_refused() -> None:
    text = chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(80_000_000)))
    with pytest.raises(MediaError, match="damaged"):
        image.read(png(1, 1, b"\0\0\0\0", more=text))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_a_picture_cut_short_is_refused(kind: str) -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    whole = encoded(Pillow.fromarray(pixels), kind)
    for keep in (0.1, 0.5, 0.9):
        with pytest.raises(MediaError, match="damaged"):
            image.read(whole[: int(len(whole) * keep)])


def test_a_missing_picture_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"none\.png"):
        image.read(tmp_path / "none.png")


def test_only_the_sniffed_format_is_tried() -> None:
    tiff = encoded(Pillow.new("RGB", (4, 4)), "TIFF")
    with pytest.raises(MediaError):
        image.read(tiff)
    with pytest.raises(MediaError):
        image.read(b"BM" + tiff)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_damaged_pictures_are_errors_not_crashes_nor_warnings(kind: str) -> None:
    rng = np.random.default_rng(3)
    good = encoded(Pillow.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8)), kind)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(150):
            bad = bytearray(good)
            for at in rng.integers(0, len(bad), 3):
                bad[at] = rng.integers(256)
            try:
                pixels = image.read(bytes(bad)).pixels
            except EdgeError:
                continue
            assert pixels.ndim == 3
