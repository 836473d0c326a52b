"""A person's JSONL as training rows: the runtime's very ids, weights on answers, errors naming the line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

import edge
from edge.engines.llama_cpp import LlamaCppEngine
from edge.errors import EdgeError, IntegrityError, MediaError, ModalityError, NotFoundError, UsageError
from edge.media.audio import Sound
from edge.vocabulary import NATIVE, SPECIAL
from models.data import replay
from models.data.conversations import Reader, Row
from quantize.checkpoint import open_checkpoint
from quantize.pipeline import quantize
from tests import tiny

PICTURE, SOUND = {"type": "image", "path": "media/a.png"}, {"type": "audio", "path": "media/b.wav"}


def said(role: str, content: Any) -> dict[str, Any]:
    return {"role": role, "content": content}


def text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


A, B = said("user", "a"), said("assistant", "b")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a picture that is no square, and a sound at another rate."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "media").mkdir()
    random = np.random.default_rng(0)
    pixels = np.kron(random.integers(0, 256, (6, 9, 3)), np.ones((20, 20, 1))).astype(np.uint8)
    Pillow.fromarray(pixels).save(folder / "media/a.png")
    wave = np.sin(np.arange(12000) / 9).astype(np.float32) / 2
    (folder / "media/b.wav").write_bytes(Sound(wave, 22050).wav())
    (folder / "media/torn.png").write_bytes((folder / "media/a.png").read_bytes()[:60])
    return folder


@pytest.fixture(scope="module")
def reader(tiny_checkpoint: Path) -> Reader:
    return Reader(open_checkpoint(tiny_checkpoint))


def read(reader: Reader, folder: Path, *conversations: Any) -> list[Row]:
    path = folder / "data.jsonl"
    lines = [c if isinstance(c, str) else json.dumps({"messages": c}) for c in conversations]
    path.write_text("\n".join(lines))
    return reader.read(path)


def test_what_is_learned_from_is_what_the_runtime_feeds(
    desk: Path, tmp_path: Path, reader: Reader, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quantize(tiny_checkpoint, tmp_path / "tiny", "f16")  # keeps the float codecs
    question = [text("a red <|end|> bird"), SOUND, PICTURE, text("öß 😀?")]
    (row,) = read(
        reader, desk, [said("system", "the picture"), said("user", question), said("assistant", "of a")]
    )
    fed: list[int] = []
    feed = LlamaCppEngine.feed

    def spy(self: LlamaCppEngine, segments: Any, *, sequence: int = 0) -> Any:
        fed.extend(i for s in segments for i in s.ids)
        return feed(self, segments, sequence=sequence)

    monkeypatch.setattr(LlamaCppEngine, "feed", spy)
    parts = [
        "a red <|end|> bird",
        edge.Audio(desk / "media/b.wav"),
        edge.Image(desk / "media/a.png"),
        "öß 😀?",
    ]
    with edge.load(tmp_path / "tiny", engine=edge.EngineOptions(threads=1)) as model:
        model.chat(system="the picture").ask(*parts, make="text", sampling=edge.SamplingOptions(max_tokens=1))
    assert row.ids[: len(fed)].tolist() == fed
    assert row.ids[len(fed) :].tolist() == [*reader._layout.text("of a"), SPECIAL["end"]]


def test_only_answers_are_learned_every_one_and_their_ends(desk: Path, reader: Reader) -> None:
    talk = [
        said("user", "the red bird"),
        said("assistant", "a circle"),
        said("user", "of a"),
        said("assistant", "bird"),
    ]
    (row,) = read(reader, desk, talk)
    learned = row.ids[row.weights > 0].tolist()
    end = [SPECIAL["end"]]
    assert learned == [*reader._layout.text("a circle"), *end, *reader._layout.text("bird"), *end]
    assert row.unprompted is None


def test_a_made_picture_is_learned_with_the_empty_prompt_too(desk: Path, reader: Reader) -> None:
    (row,) = read(reader, desk, [said("user", "the red bird"), said("assistant", [text("a bird"), PICTURE])])
    image = NATIVE.block("image")
    assert image is not None
    codes = np.array([image.holds(int(t)) for t in row.ids])
    assert codes.sum() == 64
    assert (row.weights[codes] == 0.5).all()
    empty = row.unprompted
    assert empty is not None
    assert empty.ids[:4].tolist() == [SPECIAL[n] for n in ("bos", "user", "null", "end")]
    assert empty.ids[empty.weights > 0].tolist() == row.ids[row.weights > 0].tolist()


def test_a_clip_is_learned_frame_by_frame(desk: Path, tmp_path: Path) -> None:
    reader = Reader(open_checkpoint(tiny.checkpoint(tmp_path / "video", video=True)))
    frames = [Pillow.new("RGB", (64, 64), (40 * i, 0, 90)) for i in range(5)]
    frames[0].save(desk / "clip.gif", save_all=True, append_images=frames[1:], duration=200)
    (row,) = read(reader, desk, [A, said("assistant", [{"type": "video", "path": "clip.gif"}])])
    marks = row.ids == SPECIAL["frame"]
    assert marks.sum() == 5
    assert (row.weights[marks] == 1).all()
    assert (row.weights == 0.5).sum() == 5 * 64


def test_blank_lines_and_a_byte_order_mark_are_nothing(desk: Path, reader: Reader) -> None:
    talk = json.dumps({"messages": [said("user", "a"), said("assistant", "b")]})
    assert len(read(reader, desk, "\ufeff" + talk, "", "  ", talk)) == 2


BAD: dict[str, tuple[Any, type[EdgeError], str]] = {
    "no json": ("{", UsageError, "not valid JSON"),
    "a list": ("[1]", UsageError, "no list of messages"),
    "no messages": ("{}", UsageError, "no list of messages"),
    "nothing said": ([], UsageError, "no list of messages"),
    "a bare string": (["hello"], UsageError, "role None"),
    "another role": ([said("tool", "x"), B], UsageError, "'tool'"),
    "nobody answers": ([A], UsageError, "end with the assistant"),
    "the user speaks last": ([A, B, A], UsageError, "end with the assistant"),
    "an empty answer": ([A, said("assistant", "")], UsageError, "a part of the assistant"),
    "no content": ([A, {"role": "assistant"}], UsageError, "content of the assistant"),
    "an unknown part": ([said("user", [{"type": "smell", "path": "x"}]), B], UsageError, "'smell'"),
    "a clip": ([said("user", [{"type": "video", "path": "x.gif"}]), B], ModalityError, "does not read"),
    "a part without a path": ([said("user", [{"type": "image"}]), B], UsageError, "'path'|part of the user"),
    "a missing picture": (
        [said("user", [{"type": "image", "path": "none.png"}]), B],
        NotFoundError,
        "none.png",
    ),
    "a torn picture": ([said("user", [{"type": "image", "path": "media/torn.png"}]), B], MediaError, "torn"),
    "too long": ([said("user", "a" * 600), B], UsageError, "reads 512"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_line_is_an_error_with_its_number_and_the_cure(name: str, desk: Path, reader: Reader) -> None:
    conversation, error, words = BAD[name]
    with pytest.raises(error, match=words) as caught:
        read(reader, desk, [A, B], "", conversation)
    assert "data.jsonl, line 3: " in str(caught.value)


def test_an_empty_a_missing_and_a_foreign_file_are_refused(desk: Path, reader: Reader) -> None:
    with pytest.raises(UsageError, match="holds no conversation"):
        read(reader, desk, "", " ")
    with pytest.raises(NotFoundError):
        reader.read(desk / "none.jsonl")
    (desk / "latin.jsonl").write_bytes("é".encode("latin-1"))
    with pytest.raises(UsageError, match="UTF-8"):
        reader.read(desk / "latin.jsonl")


def test_what_the_model_does_not_make_cannot_be_taught(desk: Path, tmp_path: Path) -> None:
    folder = tiny.checkpoint(tmp_path / "reads")
    facts = tiny.FACTS | {"modalities": {"in": ["text", "image"], "out": ["text"]}}
    (folder / "edge.json").write_text(json.dumps(facts))
    reader = Reader(open_checkpoint(folder))
    read(reader, desk, [said("user", [PICTURE]), B])
    for bad, verb in (([A, said("assistant", [PICTURE])], "make"), ([said("user", [SOUND]), B], "read")):
        with pytest.raises(ModalityError, match=f"does not {verb}"):
            read(reader, desk, bad)


def test_a_text_model_without_native_facts_learns_text(desk: Path, tmp_path: Path) -> None:
    folder = tiny.checkpoint(tmp_path / "text")
    (folder / "edge.json").unlink()
    reader = Reader(open_checkpoint(folder))
    (row,) = read(reader, desk, [A, B])
    assert row.ids[-1] == SPECIAL["end"]
    with pytest.raises(ModalityError):
        read(reader, desk, [said("user", [PICTURE]), B])


def test_what_a_model_was_taught_is_read_back(reader: Reader, tmp_path: Path) -> None:
    path = tmp_path / replay.FILE
    replay.write(path, [[8192, 5, 6], [8192, 16639]], [[0, 1.5, 0.4], [0, 4.0]])
    first, second = reader.read(path)
    assert first.ids.tolist() == [8192, 5, 6]
    assert np.allclose(first.weights, [0, 1.5, 0.4])
    assert second.ids.tolist() == [8192, 16639]


def test_taught_rows_that_are_damaged_or_another_models_are_refused(reader: Reader, tmp_path: Path) -> None:
    path = tmp_path / replay.FILE
    replay.write(path, [[8192, 60000]], [[0, 1]])
    with pytest.raises(IntegrityError, match="another model"):
        reader.read(path)
    path.write_bytes(b"PK nothing of the kind")
    with pytest.raises(IntegrityError, match="copy it anew"):
        reader.read(path)
    np.savez(path, ids=np.zeros(3, np.uint16), weights=np.zeros(3, np.uint8), lengths=np.array([2], np.int32))
    with pytest.raises(IntegrityError, match="do not fit"):
        reader.read(path)
