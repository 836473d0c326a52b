"""A checkpoint folder is proven before a weight is read; what is damaged is named with both numbers."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.errors import EdgeError, IntegrityError, NotFoundError, UsageError
from quantize import architectures, tensor_names
from quantize.checkpoint import open_checkpoint, safetensors_entries
from tests import tiny


@pytest.fixture
def folder(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_checkpoint, tmp_path / "checkpoint"))


def safetensors(path: Path, header: Any, data: int = 64, length: int | None = None) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes((len(text) if length is None else length).to_bytes(8, "little") + text + bytes(data))
    return path


def entry(begin: int, end: int, shape: list[Any], dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


@pytest.mark.parametrize("dtype", ["BF16", "F16", "F32"])
@pytest.mark.parametrize("shards", [1, 3])
def test_tensors_come_back_as_they_were_written(dtype: str, shards: int, tmp_path: Path) -> None:
    checkpoint = open_checkpoint(tiny.checkpoint(tmp_path / "c", shards=shards, dtype=dtype))
    assert checkpoint.widest == dtype
    for name, expected in tiny.weights().items():
        tolerance = {"F32": 0, "F16": 1e-3, "BF16": 1e-2}[dtype]
        np.testing.assert_allclose(
            checkpoint.read(name).astype(np.float32), expected, rtol=tolerance, atol=1e-6
        )


def test_a_folder_that_is_no_checkpoint_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"not a checkpoint: it has no config\.json"):
        open_checkpoint(tmp_path)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_missing_file_is_named(name: str, folder: Path) -> None:
    (folder / name).unlink()
    with pytest.raises(NotFoundError, match=name):
        open_checkpoint(folder)


def test_a_missing_codec_is_named(folder: Path) -> None:
    (folder / "audio_decoder.onnx").unlink()
    with pytest.raises(NotFoundError, match=r"audio goes out, but audio_decoder\.onnx is missing") as caught:
        open_checkpoint(folder).codecs()
    assert caught.value.exit_code == 3


def test_a_truncated_shard_shows_both_sizes(tmp_path: Path) -> None:
    folder = tiny.checkpoint(tmp_path / "c", shards=2)
    shard = folder / "model-00001-of-00002.safetensors"
    size = shard.stat().st_size
    with shard.open("r+b") as file:
        file.truncate(size - 1000)
    with pytest.raises(IntegrityError) as caught:
        open_checkpoint(folder)
    told = re.search(r"ends at byte (\d+), but the file has (\d+)", str(caught.value))
    assert told is not None
    assert size - 1000 == int(told[2]) < int(told[1]) <= size
    assert caught.value.exit_code == 6


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    folder = tiny.checkpoint(tmp_path / "c", shards=2)
    (folder / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(NotFoundError, match="model-00002-of-00002"):
        open_checkpoint(folder)


def test_an_index_may_not_point_outside(tmp_path: Path) -> None:
    folder = tiny.checkpoint(tmp_path / "c", shards=2)
    index = folder / "model.safetensors.index.json"
    index.write_text(index.read_text().replace("model-00001", "../model-00001"))
    with pytest.raises(IntegrityError, match=r"\.\./model-00001"):
        open_checkpoint(folder)


def test_an_index_that_disagrees_with_its_shard_is_refused(tmp_path: Path) -> None:
    folder = tiny.checkpoint(tmp_path / "c", shards=2)
    index = folder / "model.safetensors.index.json"
    data = json.loads(index.read_text())
    del data["weight_map"]["model.norm.weight"]
    index.write_text(json.dumps(data))
    with pytest.raises(IntegrityError, match=r"model\.norm\.weight"):
        open_checkpoint(folder)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "consolidated.00.pth"])
def test_pickled_weights_are_refused_with_the_cure(name: str, folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / name).write_bytes(b"\x80\x04.")
    with pytest.raises(UsageError, match="save the checkpoint with safetensors"):
        open_checkpoint(folder)


@pytest.mark.parametrize(
    ("header", "length", "told"),
    [
        (b"", 2**63, str(2**63)),
        ({}, 10**6, "1000000"),
        (b"[" * 50_000, None, "JSON"),
        (b"[1]", None, "expected an object"),
        (b'{"a":1,"a":2}', None, "2 keys"),
        ({"a": entry(0, 128, [32])}, None, "but the file has"),
        ({"a": entry(0, 16, [8])}, None, "needs 32"),
        ({"a": entry(0, 2**66, [2**32, 2**32])}, None, "but the file has"),
        ({"a": entry(32, 0, [8])}, None, "-32 bytes"),
        ({"a": entry(0, 32, [-8])}, None, "whole numbers"),
        ({"a": entry(0, 32, [8.0])}, None, "whole numbers"),
        ({"a": entry(0, 32, [True])}, None, "whole numbers"),
        ({"a": entry(0, 32, [8]), "b": entry(16, 48, [8])}, None, "ends at byte"),
        ({"a": {"dtype": "F32"}}, None, "malformed"),
        ({"a": 3}, None, "malformed"),
        ({"a": entry(0, 8, [8], "I8")}, None, "I8"),
    ],
)
def test_a_lying_safetensors_header_is_refused(
    header: Any, length: int | None, told: str, tmp_path: Path
) -> None:
    with pytest.raises(EdgeError) as caught:
        safetensors_entries(safetensors(tmp_path / "x.safetensors", header, length=length))
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ({"architectures": ["GPT2LMHeadModel"]}, UsageError),
        ({"architectures": ["Qwen3ForCausalLM"], "attention_bias": True}, UsageError),
        ({"hidden_act": "gelu"}, UsageError),
        ({"hidden_size": 0}, IntegrityError),
        ({"hidden_size": "256"}, IntegrityError),
        ({"num_hidden_layers": None}, IntegrityError),
        ({"vocab_size": 128}, IntegrityError),
    ],
)
def test_a_config_of_another_model_is_refused(
    values: dict[str, Any], kind: type[EdgeError], folder: Path
) -> None:
    (folder / "config.json").write_text(json.dumps(tiny.config() | values))
    with pytest.raises(kind):
        open_checkpoint(folder)


def check(config: dict[str, Any], tensors: dict[str, tuple[int, ...]]) -> None:
    tensor_names.check(tensor_names.table(architectures.find(config), config), tensors)


def test_tensors_must_be_those_of_the_config() -> None:
    shapes = {name: tensor.shape for name, tensor in tiny.weights().items()}
    check(tiny.config(), shapes)
    with pytest.raises(IntegrityError, match=r"\[16640, 256\].*needs \[16640, 512\]"):
        check(tiny.config() | {"hidden_size": 512}, shapes)
    with pytest.raises(IntegrityError, match=r"lacks 9 of 20 tensors"):
        check(tiny.config(2), shapes)
    with pytest.raises(IntegrityError, match=r"q_proj\.bias"):
        check(tiny.config(), shapes | {"model.layers.0.self_attn.q_proj.bias": (256,)})
    check(tiny.config(), shapes | {"lm_head.weight": (16640, 256)})  # a tied head stored twice


def test_the_rope_permutation_interleaves_the_halves_of_each_head() -> None:
    rows = np.arange(2 * 6)[:, None]
    assert tensor_names.permute_rope(rows, 2)[:, 0].tolist() == [0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11]
