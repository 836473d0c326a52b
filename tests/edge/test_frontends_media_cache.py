"""The same medium is encoded once: in one process, in a later one, and never as another codec's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from edge.cache_store import CacheStore
from edge.frontends.audio_codec import AudioCodec
from edge.frontends.image_codec import ImageCodec
from edge.frontends.media_cache import MediaCache
from edge.frontends.projector import Projector, readers
from edge.messages import Audio, Image, Video
from edge.onnx_session import OnnxSession
from edge.segments import EmbeddingSegment, Segment, TokenSegment
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


class CountingEncoder:
    """Makes embeddings that tell their content; of a film, rows that stand side by side."""

    sample_rate = 16_000

    def __init__(self) -> None:
        self.made = 0

    def pictures(
        self, pictures: Sequence[NDArray[np.uint8]], key: str, *, film: bool = False
    ) -> tuple[Segment, ...]:
        self.made += 1
        rows = np.stack([picture.mean((0, 1)) for picture in pictures]).astype(np.float32)
        places = np.arange(3 * len(rows), dtype=np.int32).reshape(-1, 3) if film else None
        return TokenSegment((7,)), EmbeddingSegment(rows, key, places, causal=not film), TokenSegment((8, 9))

    def sound(self, samples: NDArray[np.float32], key: str) -> tuple[Segment, ...]:
        self.made += 1
        return (EmbeddingSegment(samples[:20].reshape(4, 5), key),)

    def close(self) -> None:
        """Nothing to free."""


def told(segments: tuple[Segment, ...]) -> list[object]:
    """Segments as plain values."""
    return [
        s.ids if isinstance(s, TokenSegment)
        else (s.key, s.causal, s.embeddings.tolist(), None if s.places is None else s.places.tolist())
        for s in segments
    ]  # fmt: skip


def test_embeddings_of_a_projector_are_found_by_a_later_process_and_no_others(tmp_path: Path) -> None:
    frames = np.stack([PIXELS, PIXELS[::-1], PIXELS[:, ::-1], PIXELS])
    media = Image(PIXELS), Video(frames, 0.2), Audio(SAMPLES, 16_000)

    def process(identity: str) -> tuple[list[object], int]:
        store, encoder = CacheStore(tmp_path), CountingEncoder()
        projector = Projector(identity, lambda: encoder, MediaCache(store))
        made = [
            told(reader.encode(medium))  # type: ignore[arg-type]
            for reader, medium in zip(readers(projector, ("image", "video", "audio")), media, strict=True)
        ]
        store.close()
        return made, encoder.made

    first, again, other = process("one"), process("one"), process("other")
    assert (first[1], again[1], other[1]) == (3, 0, 3)
    assert first[0] == again[0]
    assert first[0] != other[0]  # their keys


def test_memory_is_bounded(codecs: Path, runs: list[str]) -> None:
    cache = MediaCache(limit=66 * 40)
    for pixels in (PIXELS, PIXELS[::-1], PIXELS):
        seen(codecs, cache, np.ascontiguousarray(pixels))
    assert len(runs) == 3
