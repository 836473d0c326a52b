"""A user's examples become rows of ids, with their pictures and sounds, and a bad line is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from PIL import Image

from edge.errors import EdgeError, EngineError, IntegrityError, ModalityError, NotFoundError, UsageError
from edge.vocabulary import IMAGE_BASE, SPECIAL
from quantize import children, datasets, examples, gguf_export, recipes, rows
from quantize.checkpoint import open_checkpoint
from quantize.rows import Rows
from tests import tiny


def write(path: Path, *lines: Any) -> Path:
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return path


def asks(*parts: Any) -> dict[str, Any]:
    return {
        "messages": [
            {"role": "user", "content": list(parts)},
            {"role": "assistant", "content": "the green bird"},
        ]
    }


PICTURE = {"type": "image_url", "image_url": {"url": "p.png"}}
SOUND = {"type": "audio_url", "audio_url": {"url": "s.wav"}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Image.fromarray(np.full((40, 60, 3), 200, np.uint8)).save(tmp_path / "p.png")
    soundfile.write(tmp_path / "s.wav", 0.1 * np.sin(np.arange(32_000) / 20), 16_000)
    return tmp_path


@pytest.fixture(scope="module")
def model(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("float") / "f16.gguf"
    gguf_export.write_float(open_checkpoint(tiny_checkpoint), path, recipes.find("f16"), lambda *_: None)
    return path


def tokenized(model: Path, source: Path, checkpoint: Path, out: Path) -> Rows:
    codecs = [f"{role}={checkpoint / role}.onnx" for role in tiny.CODECS]
    children.run_plain("quantize.native_tokenize", [model, source, out, *codecs], lambda *_: None)
    return rows.load(out, 16640)


def test_texts_conversations_pictures_and_sounds_become_rows(
    model: Path, tiny_checkpoint: Path, folder: Path
) -> None:
    source = write(folder / "c.jsonl", {"text": "the red circle"}, "", asks({"type": "text", "text": "hi"}),
                   asks(PICTURE, {"type": "text", "text": "the picture"}), asks(SOUND))  # fmt: skip
    found = tokenized(model, source, tiny_checkpoint, folder / "r.npz").by_kind
    assert {kind: len(rows) for kind, rows in found.items()} == {"audio": 1, "image": 1, "text": 2}
    picture = found["image"][0]
    assert picture[:2].tolist() == [SPECIAL["bos"], SPECIAL["user"]]
    assert SPECIAL["img"] in picture
    assert ((picture >= IMAGE_BASE) & (picture < IMAGE_BASE + 3969)).sum() == 64
    assert SPECIAL["bos"] not in found["text"][0]  # plain text stays plain: the model asks for no bos


def test_special_tokens_in_a_users_text_stay_text(model: Path, tiny_checkpoint: Path, folder: Path) -> None:
    source = write(folder / "c.jsonl", {"text": "<|img|> and <|end|>"})
    assert max(tokenized(model, source, tiny_checkpoint, folder / "r.npz").by_kind["text"][0]) < 8192


def test_a_medium_that_cannot_be_read_is_told(model: Path, tiny_checkpoint: Path, folder: Path) -> None:
    (folder / "p.png").write_bytes(b"no picture")
    with pytest.raises(EngineError, match=r"p\.png"):
        tokenized(model, write(folder / "c.jsonl", asks(PICTURE)), tiny_checkpoint, folder / "r.npz")


def test_examples_calibrate_and_held_out_rows_judge(model: Path, tiny_checkpoint: Path, folder: Path) -> None:
    source = write(folder / "c.jsonl", *({"text": f"the green bird {i}"} for i in range(5)))
    heldout = dict(np.load(tiny_checkpoint / "heldout.npz"))
    both = datasets.choose(model, heldout, source, {}, folder, lambda *_: None)
    assert (both.calibrated_on, both.judged_on) == ("c.jsonl", "half of the held-out rows")
    assert len(both.calibrating.by_kind["text"]) == 5
    assert {kind: len(rows) for kind, rows in both.judged.by_kind.items()} == {
        "text": 2,
        "image": 2,
        "audio": 2,
    }
    alone = datasets.choose(model, {}, source, {}, folder, lambda *_: None)
    assert (alone.calibrated_on, alone.judged_on) == ("half of c.jsonl", "the other half of c.jsonl")
    assert [len(part.by_kind["text"]) for part in (alone.calibrating, alone.judged)] == [3, 2]


@pytest.mark.parametrize(
    ("line", "error", "told"),
    [
        ("{", IntegrityError, "line 2 is not valid JSON"),
        ("[1]", IntegrityError, "line 2 is no example"),
        ("[" * 100_000, IntegrityError, "line 2 is not valid JSON"),
        ({"text": ""}, IntegrityError, "line 2 is no example"),
        ({"text": 5}, IntegrityError, "line 2 is no example"),
        ({"text": "a", "messages": []}, IntegrityError, "line 2 is no example"),
        ({"messages": []}, IntegrityError, "line 2 is no example"),
        ({"messages": ["hi"]}, IntegrityError, "has the role None"),
        ({"messages": [{"role": "boss", "content": "hi"}]}, IntegrityError, "has the role 'boss'"),
        ({"messages": [{"role": "user"}]}, IntegrityError, "without content"),
        (asks({"type": "smell"}), IntegrityError, "content part 'smell'"),
        (asks({"type": "image_url", "image_url": "p.png"}), IntegrityError, "content part 'image_url'"),
        (asks({"type": "image_url", "image_url": {"url": "none.png"}}), NotFoundError, "none.png"),
        (
            asks({"type": "image_url", "image_url": {"url": "https://x.org/p.png"}}),
            UsageError,
            "save the medium",
        ),
    ],
)
def test_a_bad_line_is_refused_by_its_number(
    line: Any, error: type[EdgeError], told: str, folder: Path
) -> None:
    with pytest.raises(error, match=told):
        examples.read(write(folder / "c.jsonl", {"text": "fine"}, line))


def test_bad_files_are_refused(folder: Path) -> None:
    with pytest.raises(NotFoundError):
        examples.read(folder / "none.jsonl")
    with pytest.raises(IntegrityError, match="holds no example"):
        examples.read(write(folder / "c.jsonl", "", " "))
    (folder / "c.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(IntegrityError, match="not UTF-8"):
        examples.read(folder / "c.jsonl")


def test_media_that_the_model_does_not_read_are_refused_before_work_starts(folder: Path) -> None:
    source = write(folder / "c.jsonl", asks(SOUND))
    with pytest.raises(ModalityError, match="holds audio, which this model does not read"):
        datasets.check_examples(source, {"image_encoder": folder})
    datasets.check_examples(source, {"audio_encoder": folder})
