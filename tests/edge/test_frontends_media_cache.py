"""The same medium is encoded once: in one process, in a later one, and never as another codec's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from edge.cache_store import CacheStore
from edge.frontends.audio_codec import AudioCodec
from edge.frontends.image_codec import ImageCodec
from edge.frontends.media_cache import MediaCache
from edge.messages import Audio, Image
from edge.onnx_session import OnnxSession
from edge.vocabulary import NATIVE
from tests import tiny

IMAGE, AUDIO, _ = NATIVE.blocks
PIXELS = np.random.default_rng(0).integers(0, 256, (40, 90, 3), dtype=np.uint8)
SAMPLES = np.random.default_rng(1).normal(size=16_000).astype(np.float32) * np.float32(0.1)


@pytest.fixture(scope="module")
def codecs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("codecs")
    for role, make in tiny.CODECS.items():
        onnx.save(make(), folder / f"{role}.onnx")
    return folder


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The graphs that ran."""
    names: list[str] = []
    real = OnnxSession.run
    monkeypatch.setattr(OnnxSession, "run", lambda self, *a: names.append(self.path.name) or real(self, *a))
    return names


def seen(codecs: Path, cache: MediaCache, pixels: np.ndarray = PIXELS) -> tuple[int, ...]:
    return ImageCodec(codecs / "image_encoder.onnx", None, IMAGE, cache=cache).encode(Image(pixels)).ids


def heard(codecs: Path, cache: MediaCache) -> tuple[int, ...]:
    sound = Audio(SAMPLES, 16_000)
    return AudioCodec(codecs / "audio_encoder.onnx", None, AUDIO, cache=cache).encode(sound).ids


def test_a_later_process_encodes_nothing(codecs: Path, tmp_path: Path, runs: list[str]) -> None:
    store = CacheStore(tmp_path)
    first = seen(codecs, MediaCache(store)), heard(codecs, MediaCache(store))
    store.close()
    assert runs == ["image_encoder.onnx", "audio_encoder.onnx"]
    later = MediaCache(CacheStore(tmp_path))
    assert (seen(codecs, later), heard(codecs, later)) == first
    assert len(runs) == 2


def test_codecs_share_one_memory(codecs: Path, runs: list[str]) -> None:
    cache = MediaCache()
    assert seen(codecs, cache) == seen(codecs, cache)
    assert len(runs) == 1


def test_another_picture_is_encoded(codecs: Path, tmp_path: Path, runs: list[str]) -> None:
    store = CacheStore(tmp_path)
    assert seen(codecs, MediaCache(store)) != seen(codecs, MediaCache(store), PIXELS[:, ::-1])
    store.close()
    assert len(runs) == 2


def test_a_codec_of_another_training_finds_nothing(codecs: Path, tmp_path: Path, runs: list[str]) -> None:
    store = CacheStore(tmp_path / "cache")
    seen(codecs, MediaCache(store))
    store.close()
    graph = onnx.load(codecs / "image_encoder.onnx")
    graph.doc_string = "the same codes, and another file"
    onnx.save(graph, tmp_path / "image_encoder.onnx")
    seen(tmp_path, MediaCache(CacheStore(tmp_path / "cache")))
    assert len(runs) == 2


@pytest.mark.parametrize("fault", ["damaged", "gone", "key"])
def test_what_is_lost_is_encoded_again_with_the_same_ids(
    codecs: Path, tmp_path: Path, fault: str, runs: list[str]
) -> None:
    store = CacheStore(tmp_path)
    first = seen(codecs, MediaCache(store))
    store.close()
    (path,) = tmp_path.glob("*.kept")
    if fault == "damaged":
        path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    elif fault == "gone":
        path.unlink()
    else:
        (tmp_path / "key").unlink()
    assert seen(codecs, MediaCache(CacheStore(tmp_path))) == first
    assert len(runs) == 2


def test_memory_is_bounded(codecs: Path, runs: list[str]) -> None:
    cache = MediaCache(limit=66 * 40)
    for pixels in (PIXELS, PIXELS[::-1], PIXELS):
        seen(codecs, cache, np.ascontiguousarray(pixels))
    assert len(runs) == 3
