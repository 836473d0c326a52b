"""The summary of quality inside of the decoder files: complete, replaced, and nothing else touched."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import gguf
import onnx
import pytest
from onnx import TensorProto, helper

from edge.formats import onnx_file, quality_keys
from edge.formats.gguf import read_header
from quantize import quality_stamp
from quantize.checkpoint import open_checkpoint

NUMBERS = {"divergence": 0.0123456, "agreement": 0.95, "perplexity_ratio": 1.01, "tokens": 812,
           "accuracy": 0.5, "reference_accuracy": 0.51, "loss": 3.0}  # fmt: skip


def weights(path: Path) -> dict[str, bytes]:
    with path.open("rb") as file:
        found = {}
        for tensor in read_header(path).tensors:
            file.seek(tensor.offset)
            found[tensor.name] = file.read(tensor.size)
    return found


def test_a_second_summary_takes_the_place_of_the_first_and_weights_and_other_keys_stay(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    path = tmp_path / "d.gguf"
    shutil.copyfile(tiny_bundle / "decoder.gguf", path)
    before, bytes_before = read_header(path), weights(path)
    for note in ("a" * 1000, "against f16"):
        quality_stamp.gguf(path, quality_keys.keys({"text": NUMBERS}, {"note": note}))
    after = read_header(path)
    others = {k: v for k, v in before.metadata.items() if not k.startswith(quality_keys.PREFIX)}
    own = {k: v for k, v in after.metadata.items() if k.startswith(quality_keys.PREFIX)}
    assert {k: v for k, v in after.metadata.items() if k not in own} == others
    assert weights(path) == bytes_before
    assert own["edge.quality.note"] == "against f16"
    assert own["edge.quality.text.kl"] == pytest.approx(0.01235)
    assert own["edge.quality.text.positions"] == 812
    assert len(own) == 7
    assert [p.name for p in tmp_path.iterdir()] == ["d.gguf"]
    assert gguf.GGUFReader(path).get_field("edge.quality.text.top1") is not None


def test_what_is_written_is_read_back_in_the_form_of_the_report() -> None:
    told = quality_keys.keys({"text": NUMBERS}, {"note": "n", "tool": "t", "other": "x"})
    read = quality_keys.read(told)
    rounded = {name: value for name, value in NUMBERS.items() if name != "loss"} | {"divergence": 0.01235}
    assert read == {"note": "n", "tool": "t", "quality": {"text": rounded}}
    assert quality_keys.read({"general.name": "x"}) is None


def test_odd_values_of_strangers_are_left_out() -> None:
    odd = {
        "edge.quality.text.kl": "low",
        "edge.quality.x": 3,
        "edge.quality..kl": 1.0,
        "edge.quality.a.b.kl": 2.0,
    }
    assert quality_keys.read(odd) == {"quality": {"a.b": {"divergence": 2.0}}}


def test_a_graph_carries_the_same_summary(tmp_path: Path) -> None:
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    node = helper.make_node("Identity", ["x"], ["y"])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    model = helper.make_model(helper.make_graph([node], "g", [value], [out]))
    helper.set_model_props(model, {"edge.kept": "1"})
    onnx.save(model, tmp_path / "g.onnx")
    quality_stamp.onnx_graph(tmp_path / "g.onnx", quality_keys.keys({"text": NUMBERS}, {"note": "n"}))
    found = onnx_file.look(tmp_path / "g.onnx").metadata
    assert found["edge.kept"] == "1"
    assert found["edge.quality.text.kl"] == "0.01235"


def test_the_source_is_named_by_the_sum_that_sha256sum_gives(tiny_checkpoint: Path) -> None:
    expected = hashlib.sha256((tiny_checkpoint / "model.safetensors").read_bytes()).hexdigest()
    assert quality_stamp.source_digest(open_checkpoint(tiny_checkpoint)) == expected
