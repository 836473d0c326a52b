"""Clips through the codec of pictures, both ways."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from edge.errors import IntegrityError, MediaError
from edge.frontends.image_codec import ImageCodec
from edge.frontends.video_codec import VideoCodec
from edge.media.video import Clip
from edge.messages import Image, Video
from edge.onnx_session import OnnxSession
from edge.vocabulary import IMAGE_BASE, NATIVE
from tests import tiny
from tests.fakes import FRAME, VID, VID_END

IMAGE, _, VIDEO = NATIVE.blocks


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> ImageCodec:
    folder = tmp_path_factory.mktemp("codecs")
    for role in ("image_encoder", "image_decoder"):
        onnx.save(tiny.CODECS[role](), folder / f"{role}.onnx")
    return ImageCodec(folder / "image_encoder.onnx", folder / "image_decoder.onnx", IMAGE)


def noise(count: int = 5) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 30, 50, 3), dtype=np.uint8)


def test_a_clip_is_its_pictures_each_behind_a_frame_mark(images: ImageCodec) -> None:
    frames = noise()
    ids = VideoCodec(images, VIDEO).encode(Video(frames)).ids
    each = [(FRAME, *images.encode(Image(frame)).ids[1:-1]) for frame in frames]
    assert ids == (VID, *(i for piece in each for i in piece), VID_END)


@pytest.mark.parametrize(("given", "kept"), [(1, 4), (4, 4), (6, 6), (30, 8)])
def test_a_clip_is_4_to_8_frames_long(images: ImageCodec, given: int, kept: int) -> None:
    assert len(VideoCodec(images, VIDEO).encode(Video(noise(given))).ids) == 2 + kept * 65


def test_ids_become_the_frames_that_the_image_codec_makes(images: ImageCodec) -> None:
    codec = VideoCodec(images, VIDEO)
    ids = codec.encode(Video(noise())).ids[1:-1]
    frames = codec.decode(ids)
    assert (frames.shape, frames.dtype) == ((5, 64, 64, 3), np.uint8)
    np.testing.assert_array_equal(frames[2], images.decode(ids[2 * 65 + 1 : 3 * 65]))
    assert codec.encode(Video(Clip(frames))).ids != ()


def test_the_same_clip_is_encoded_once(images: ImageCodec, monkeypatch: pytest.MonkeyPatch) -> None:
    codec = VideoCodec(images, VIDEO)
    first = codec.encode(Video(noise()))
    monkeypatch.setattr(OnnxSession, "run", None)
    assert codec.encode(Video(Clip(noise()).encoded(".webp"))) == first  # same content by another way


@pytest.mark.parametrize(
    "ids",
    [
        (),
        (FRAME, *[IMAGE_BASE] * 63),
        (*[IMAGE_BASE] * 64, FRAME),
        (FRAME, *[IMAGE_BASE] * 65),
        (FRAME, *[IMAGE_BASE] * 32, FRAME, *[IMAGE_BASE] * 31),
    ],
)
def test_ids_that_are_no_whole_frames_are_refused(images: ImageCodec, ids: tuple[int, ...]) -> None:
    with pytest.raises(IntegrityError):
        VideoCodec(images, VIDEO).decode(ids)


def test_an_unreadable_clip_is_a_media_error(images: ImageCodec) -> None:
    with pytest.raises(MediaError, match="text file"):
        VideoCodec(images, VIDEO).encode(Video(b"hello"))
