"""Pictures and sounds through the codecs, both ways."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from edge.errors import IntegrityError, MediaError, ModalityError, NotFoundError
from edge.frontends.audio_codec import AudioCodec
from edge.frontends.image_codec import ImageCodec
from edge.media.image import Picture
from edge.messages import Audio, Image
from edge.onnx_session import OnnxSession
from edge.vocabulary import NATIVE, MediaBlock
from tests import tiny

IMAGE, AUDIO, _ = NATIVE.blocks


@pytest.fixture(scope="module")
def codecs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("codecs")
    for role, make in tiny.CODECS.items():
        onnx.save(make(), folder / f"{role}.onnx")
    return folder


def image_codec(folder: Path, block: MediaBlock = IMAGE) -> ImageCodec:
    return ImageCodec(folder / "image_encoder.onnx", folder / "image_decoder.onnx", block)


def audio_codec(folder: Path, block: MediaBlock = AUDIO) -> AudioCodec:
    return AudioCodec(folder / "audio_encoder.onnx", folder / "audio_decoder.onnx", block)


def noise(height: int = 40, width: int = 90, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_a_picture_is_64_ids_of_its_block_between_opener_and_closer(codecs: Path) -> None:
    ids = image_codec(codecs).encode(Image(noise())).ids
    assert (len(ids), ids[0], ids[-1]) == (66, IMAGE.opener, IMAGE.closer)
    assert all(IMAGE.base <= i < IMAGE.base + 3969 for i in ids[1:-1])


def test_ids_become_a_picture_of_64_pixels(codecs: Path) -> None:
    codec = image_codec(codecs)
    pixels = codec.decode(codec.encode(Image(noise())).ids[1:-1])
    assert (pixels.shape, pixels.dtype) == ((64, 64, 3), np.uint8)
    assert pixels.std() > 0


def test_a_preview_is_the_finished_rows_of_a_picture_and_ends_as_the_whole(codecs: Path) -> None:
    codec = image_codec(codecs)
    ids = codec.encode(Image(noise())).ids[1:-1]
    assert codec.preview(ids[:7]) is None
    begun = codec.preview(ids[:31])
    assert begun is not None
    assert (begun.shape, begun.dtype) == ((24, 64, 3), np.uint8)
    assert np.array_equal(codec.preview(ids), codec.decode(ids))


def test_a_preview_is_as_fine_as_the_decoder_draws(codecs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    codec = image_codec(codecs)
    ids = codec.encode(Image(noise())).ids[1:-1]
    coarse = codec.decode
    monkeypatch.setattr(codec, "decode", lambda ids: coarse(ids).repeat(2, axis=0).repeat(2, axis=1))
    begun = codec.preview(ids[:32])
    assert begun is not None
    assert begun.shape == (64, 128, 3)


def test_the_codec_sees_what_the_graph_sees(codecs: Path) -> None:
    pixels = noise(64, 64)
    plain = OnnxSession(codecs / "image_encoder.onnx")
    codes = plain.run({"pixels": pixels.transpose(2, 0, 1)[None].astype(np.float32) / 255})[0][0]
    assert image_codec(codecs).encode(Image(pixels)).ids[1:-1] == tuple(int(c) + 8256 for c in codes)


def test_the_same_picture_is_encoded_once(codecs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = []
    real = OnnxSession.run
    monkeypatch.setattr(OnnxSession, "run", lambda self, *a: runs.append(self.path.name) or real(self, *a))
    codec = image_codec(codecs)
    first = codec.encode(Image(noise()))
    assert codec.encode(Image(Picture(noise()).png())) == first  # same content by another way
    assert len(runs) == 1
    for seed in range(1, 41):
        codec.encode(Image(noise(seed=seed)))
    codec.encode(Image(noise()))
    assert len(runs) == 41


def test_a_sound_is_50_ids_per_second(codecs: Path) -> None:
    codec = audio_codec(codecs)
    ids = codec.encode(Audio(np.sin(np.arange(16100) / 8).astype(np.float32), sample_rate=16000)).ids
    assert (len(ids), ids[0], ids[-1]) == (51 + 2, AUDIO.opener, AUDIO.closer)
    samples = codec.decode(ids[1:-1])
    assert (samples.shape, samples.dtype) == ((51 * 320,), np.float32)
    assert np.isfinite(samples).all()
    assert np.abs(samples).max() <= 1


def test_loudness_costs_no_codes(codecs: Path) -> None:
    sound = np.sin(np.arange(8000) / 8).astype(np.float32)
    loud, low = (audio_codec(codecs).encode(Audio(s, sample_rate=16000)).ids for s in (sound, sound * 0.25))
    assert loud == low


def test_no_ids_are_no_sound_but_no_picture_either(codecs: Path) -> None:
    assert audio_codec(codecs).decode([]).shape == (0,)
    for count in (0, 63, 65):
        with pytest.raises(IntegrityError, match=f"{count} image codes"):
            image_codec(codecs).decode([IMAGE.base] * count)


def test_ids_of_another_block_are_refused(codecs: Path) -> None:
    with pytest.raises(IntegrityError, match=r"id 12352 is no image code; they are 8256\.\.12224"):
        image_codec(codecs).decode([IMAGE.base] * 63 + [AUDIO.base])


def test_an_id_past_the_codebook_is_refused(codecs: Path) -> None:
    with pytest.raises(IntegrityError, match="id 12225 is no image code"):
        image_codec(codecs).decode([IMAGE.base] * 63 + [IMAGE.base + 3969])


def test_a_codec_of_another_block_is_refused_at_load_with_both_numbers(codecs: Path) -> None:
    with pytest.raises(IntegrityError, match=r"'image' at id 8256.*'image' at 9000"):
        image_codec(codecs, replace(IMAGE, base=9000))
    with pytest.raises(IntegrityError, match=r"'audio' at id 12352.*'image' at 8256"):
        ImageCodec(codecs / "audio_encoder.onnx", None, IMAGE)
    with pytest.raises(IntegrityError, match=r"3969 codes, .* holds 1000"):
        image_codec(codecs, replace(IMAGE, size=1000))


def test_graphs_of_two_trainings_are_refused_at_load(codecs: Path, tmp_path: Path) -> None:
    model = onnx.load(codecs / "image_decoder.onnx")
    facts = {p.key: p.value for p in model.metadata_props} | {"edge.version": "other"}
    helper.set_model_props(model, facts)
    onnx.save(model, tmp_path / "image_decoder.onnx")
    with pytest.raises(IntegrityError, match="version other"):
        ImageCodec(codecs / "image_encoder.onnx", tmp_path / "image_decoder.onnx", IMAGE)


def test_loading_checks_without_touching_native_code(codecs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.frontends.codec_graphs.OnnxSession", None)
    image_codec(codecs)
    with pytest.raises(NotFoundError):
        image_codec(codecs / "nowhere")


def test_a_missing_direction_is_a_modality_error(codecs: Path) -> None:
    reader = ImageCodec(codecs / "image_encoder.onnx", None, IMAGE)
    with pytest.raises(ModalityError, match="make pictures"):
        reader.decode([IMAGE.base] * 64)
    maker = AudioCodec(None, codecs / "audio_decoder.onnx", AUDIO)
    with pytest.raises(ModalityError, match="read sound"):
        maker.encode(Audio(np.ones(320, np.float32), sample_rate=16000))


def test_unreadable_media_are_media_errors_before_any_token(codecs: Path) -> None:
    with pytest.raises(MediaError):
        image_codec(codecs).encode(Image(b"hello"))
    with pytest.raises(MediaError):
        audio_codec(codecs).encode(Audio(b"hello"))


def test_a_closed_codec_opens_again(codecs: Path) -> None:
    codec = image_codec(codecs)
    first = codec.decode([IMAGE.base] * 64)
    codec.close()
    np.testing.assert_array_equal(codec.decode([IMAGE.base] * 64), first)
