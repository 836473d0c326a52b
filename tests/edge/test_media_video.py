"""Clips in every kind that is read, thinned evenly, written, and every kind that is refused."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image as Pillow

from edge.errors import EdgeError, MediaError, ModalityError, NotFoundError, UsageError
from edge.media import animation, endings, video
from edge.messages import Audio, Image, Video

CONTAINERS = (
    ("mp4", "libx264"),
    ("mov", "mpeg4"),
    ("webm", "libvpx"),
    ("avi", "mpeg4"),
    ("matroska", "mpeg4"),
)
ANIMATIONS = ("GIF", "WEBP", "PNG")


def greys(*values: int, width: int = 40, height: int = 24) -> np.ndarray:
    return np.stack([np.full((height, width, 3), value, np.uint8) for value in values])


def levels(clip: video.Clip) -> list[int]:
    """The grey of each frame."""
    return [int(frame[frame.shape[0] // 2, frame.shape[1] // 2, 0]) for frame in clip.frames]


def moving(frames: np.ndarray, kind: str, duration: Any = 250) -> bytes:
    first, *rest = (Pillow.fromarray(frame) for frame in frames)
    buffer = io.BytesIO()
    more = {"lossless": True} if kind == "WEBP" else {}
    first.save(buffer, kind, save_all=True, append_images=rest, duration=duration, loop=0, **more)
    return buffer.getvalue()


def filmed(frames: np.ndarray, container: str = "mp4", codec: str = "libx264", rate: int = 25) -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as file:
        track = file.add_stream(codec, rate=rate)
        track.width, track.height, track.pix_fmt = frames.shape[2], frames.shape[1], "yuv420p"
        for frame in frames:
            file.mux(track.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        file.mux(track.encode(None))
    return buffer.getvalue()


# --- reading -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ANIMATIONS)
def test_a_short_animation_is_kept_frame_by_frame_whatever_its_name_says(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "clip.txt"
    path.write_bytes(moving(greys(0, 60, 120, 180, 240), kind))
    clip = video.read(Video(path))
    assert levels(clip) == [0, 60, 120, 180, 240]
    assert (clip.size, clip.frame_seconds, clip.seconds) == ((40, 24), 0.25, 1.25)


@pytest.mark.parametrize("kind", ANIMATIONS)
def test_equal_neighbours_that_a_file_joins_come_back_as_several(kind: str) -> None:
    assert levels(video.read(moving(greys(0, 0, 90, 90, 90, 200), kind))) == [0, 0, 90, 90, 90, 200]


@pytest.mark.parametrize(("container", "codec"), CONTAINERS)
def test_films_are_thinned_to_8_frames_evenly_over_their_time(container: str, codec: str) -> None:
    clip = video.read(filmed(greys(*range(0, 200, 2)), container, codec))
    expected = [2 * (index * 100 // 16) for index in range(1, 16, 2)]
    assert len(clip.frames) == 8
    assert np.abs(np.array(levels(clip)) - expected).max() <= 6
    assert clip.seconds == pytest.approx(4.0, abs=0.05)


def test_a_long_clip_is_thinned_as_it_comes() -> None:
    def frames() -> Any:
        for index in range(1000):
            yield np.full((2, 2, 3), index // 4, np.uint8), 0.04

    got = levels(video.sample(frames(), 4, 8))
    assert np.abs(np.array(got) - [15, 46, 78, 109, 140, 171, 203, 234]).max() <= 4


def test_time_decides_not_the_number_of_frames() -> None:
    data = moving(greys(10, 50, 90, 130), "GIF", duration=[100, 100, 100, 900])
    assert levels(video.read(data)).count(130) == 6


def test_fewer_than_4_frames_are_shown_longer() -> None:
    assert levels(video.read(moving(greys(10, 200), "GIF"))) == [10, 10, 200, 200]
    assert levels(video.read(moving(greys(10), "GIF"))) == [10] * 4


def test_frames_and_clips_are_sources_too() -> None:
    frames = greys(1, 2, 3, 4)
    clip = video.read(Video(frames, frame_seconds=0.5))
    np.testing.assert_array_equal(clip.frames, frames)
    assert clip.seconds == 2.0
    assert video.read(Video(clip)).frame_seconds == 0.5
    for wrong in (frames.astype(np.float32), frames[0], frames[:0]):
        with pytest.raises(MediaError, match="uint8"):
            video.read(Video(wrong))


def test_transparency_shows_white() -> None:
    clear = [Pillow.new("RGBA", (4, 4), (0, 0, 0, alpha)) for alpha in (0, 255, 0, 255)]
    buffer = io.BytesIO()
    clear[0].save(buffer, "WEBP", save_all=True, append_images=clear[1:], duration=100, lossless=True)
    assert levels(video.read(buffer.getvalue())) == [255, 0, 255, 0]


def test_a_large_clip_is_scaled_while_it_is_read() -> None:
    assert video.read(filmed(greys(9, 9, width=1600, height=800))).size == (512, 256)
    assert video.read(moving(greys(9, 90, width=1600, height=800), "GIF")).size == (512, 256)


# --- writing -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.webp", "a.gif", "a.GIF", "a.mp4"])
def test_a_saved_clip_reads_back_with_its_times(name: str, tmp_path: Path) -> None:
    path = video.Clip(greys(0, 50, 100, 150, 200)).save(tmp_path / name)
    back = video.read(path)
    assert np.abs(np.array(levels(back)) - [0, 50, 100, 150, 200]).max() <= 3
    assert back.frame_seconds == pytest.approx(0.25)
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(("ending", "kind"), [(".webp", "WEBP"), (".gif", "GIF")])
def test_animations_loop_for_ever(ending: str, kind: str) -> None:
    with Pillow.open(io.BytesIO(video.Clip(greys(0, 90)).encoded(ending))) as opened:
        assert (opened.format, opened.info["loop"]) == (kind, 0)


def test_webp_is_lossless() -> None:
    frames = np.random.default_rng(1).integers(0, 256, (4, 13, 7, 3), dtype=np.uint8)
    np.testing.assert_array_equal(video.read(video.Clip(frames).encoded(".webp")).frames, frames)


def test_mp4_takes_odd_sizes() -> None:
    assert video.read(video.Clip(greys(0, 9, 99, 200, width=7, height=5)).encoded(".mp4")).size == (8, 6)


def test_an_unknown_ending_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.webp \.gif \.mp4"):
        video.Clip(greys(1)).save(tmp_path / "a.png")
    assert not list(tmp_path.iterdir())


def test_without_the_extra_films_name_it_and_animations_still_work(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    film = filmed(greys(1, 2))
    monkeypatch.setitem(sys.modules, "av", None)
    clip = video.read(moving(greys(0, 60, 120, 180), "GIF"))
    clip.save(tmp_path / "a.webp")
    for call in (lambda: video.read(film), lambda: clip.save(tmp_path / "a.mp4")):
        with pytest.raises(ModalityError, match=r"edge-multimodal\[video\].*GIF and animated WebP") as caught:
            call()
        assert caught.value.exit_code == 7
    assert [p.name for p in tmp_path.iterdir()] == ["a.webp"]


# --- names ---------------------------------------------------------------------------------------------


def test_a_path_is_told_apart_by_its_ending_and_by_whether_it_moves(tmp_path: Path) -> None:
    (tmp_path / "still.gif").write_bytes(moving(greys(1), "GIF"))
    (tmp_path / "text.gif").write_text("hello")
    for kind in ANIMATIONS:
        (tmp_path / f"moves.{kind.lower()}").write_bytes(moving(greys(1, 99), kind))
    kinds = {"moves.gif": Video, "moves.webp": Video, "moves.png": Video, "still.gif": Image,
             "text.gif": Image, "gone.gif": Image, "a.mp4": Video, "a.WEBM": Video, "a.wav": Audio,
             "a.jpg": Image}  # fmt: skip
    assert {name: type(endings.part(tmp_path / name)) for name in kinds} == kinds
    with pytest.raises(UsageError, match=r"ends in \.doc"):
        endings.part(Path("a.doc"))


# --- refusals ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "0 bytes"),
        (b"hello, I am a GIF", "looks like a text file"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "looks like a WAV file"),
        (b"\xff\xd8\xff\xe0", "looks like a JPEG file"),
        (b"GIF89a\x01\0", "damaged GIF"),
        (b"RIFF\x04\0\0\0WEBPVP8 ", "damaged WebP"),
        (b"\x89PNG\r\n\x1a\n", "damaged PNG"),
        (b"\0\0\0\x18ftypisom" + bytes(40), "damaged MP4"),
        (b"\x1aE\xdf\xa3" + bytes(40), "damaged WebM"),
        (b"RIFF\x24\0\0\0AVI LIST", "damaged AVI"),
    ],
)
def test_what_is_no_readable_clip_is_refused_in_words(data: bytes, words: str) -> None:
    with pytest.raises(MediaError, match=words):
        video.read(data)


def test_a_missing_clip_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"none\.gif"):
        video.read(tmp_path / "none.gif")


@pytest.mark.parametrize("kind", ANIMATIONS)
@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9])
def test_an_animation_cut_short_is_refused(kind: str, keep: float) -> None:
    noise = np.random.default_rng(2).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    whole = moving(noise, kind)
    with pytest.raises(MediaError, match=r"damaged|cut short"):
        video.read(whole[: int(len(whole) * keep)])


def test_a_gif_cut_between_two_frames_is_refused() -> None:
    with pytest.raises(MediaError, match="cut short"):
        video.read(moving(greys(1, 60, 120, 180), "GIF")[:-1])


@pytest.mark.parametrize(("container", "codec"), CONTAINERS)
def test_a_film_cut_short_is_refused(container: str, codec: str) -> None:
    noise = np.random.default_rng(2).integers(0, 256, (40, 32, 32, 3), dtype=np.uint8)
    whole = filmed(noise, container, codec)
    for keep in (0.1, 0.5):
        with pytest.raises(MediaError, match=r"damaged|cut short"):
            video.read(whole[: int(len(whole) * keep)])


def test_a_film_without_pictures_is_refused() -> None:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as file:
        track = file.add_stream("aac", rate=16000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        sound.sample_rate = 16000
        file.mux(track.encode(sound))
        file.mux(track.encode(None))
    with pytest.raises(MediaError, match="no picture track"):
        video.read(buffer.getvalue())


def test_bombs_are_refused_before_their_pixels_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    for side, words in ((9000, "claims 9000 x 9000 pixels"), (65535, "exceeds limit")):
        wide = bytearray(moving(greys(1, 99), "GIF"))
        wide[6:10] = side.to_bytes(2, "little") * 2
        with pytest.raises(MediaError, match=words):
            video.read(bytes(wide))
    monkeypatch.setattr(animation, "MAX_FRAMES", 3)
    with pytest.raises(MediaError, match="more than 3 frames"):
        video.read(moving(greys(1, 60, 120, 180), "GIF"))
    monkeypatch.setattr("edge.media.libav.MAX_SECONDS", 1)
    with pytest.raises(MediaError, match="longer than 1 s"):
        video.read(filmed(greys(*range(40))))
    monkeypatch.setattr(video, "MAX_BYTES", 100)
    with pytest.raises(MediaError, match="the limit is 100"):
        video.read(moving(greys(1, 99), "GIF"))


@pytest.mark.parametrize("kind", [*ANIMATIONS, *CONTAINERS])
def test_damaged_clips_are_errors_not_crashes_nor_silence_for_ever(kind: Any) -> None:
    rng = np.random.default_rng(3)
    frames = rng.integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    good = moving(frames, kind) if isinstance(kind, str) else filmed(frames, *kind)
    for _ in range(40):
        bad = bytearray(good)
        for at in rng.integers(0, len(bad), 3):
            bad[at] = rng.integers(256)
        try:
            assert 4 <= len(video.read(bytes(bad)).frames) <= 8
        except EdgeError:
            continue
