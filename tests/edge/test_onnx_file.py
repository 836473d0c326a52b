"""What can be known of a graph before native code opens it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge.errors import IntegrityError, NotFoundError
from edge.formats import onnx_file


def graph(*, external: dict[str, str] | None = None, nested: bool = False) -> onnx.ModelProto:
    """y = x + w, with w inside the graph, outside of it, or in the branch of an If."""
    weight = numpy_helper.from_array(np.ones(4, np.float32), "w")
    if external is not None:
        weight.ClearField("raw_data")
        weight.data_location = TensorProto.EXTERNAL
        for key, value in external.items():
            weight.external_data.add(key=key, value=value)
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, [4]) for n in "xy")
    add = helper.make_node("Add", ["x", "w"], ["y"])
    if nested:
        branch = helper.make_graph([add], "branch", [], [y], [weight])
        flag = numpy_helper.from_array(np.array(True), "flag")
        node = helper.make_node("If", ["flag"], ["y"], then_branch=branch, else_branch=branch)
        body = helper.make_graph([node], "g", [x], [y], [flag])
    else:
        body = helper.make_graph([add], "g", [x], [y], [weight])
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(model, {"edge.block": "image", "note": "ünïcode"})
    return model


def save(folder: Path, model: onnx.ModelProto) -> Path:
    path = folder / "g.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def test_metadata_is_read_without_onnx(tmp_path: Path) -> None:
    facts = onnx_file.look(save(tmp_path, graph()))
    assert facts.metadata == {"edge.block": "image", "note": "ünïcode"}
    assert facts.external == ()


@pytest.mark.parametrize("nested", [False, True])
def test_outside_data_is_found_wherever_it_hides(nested: bool, tmp_path: Path) -> None:
    entries = {"location": "w.bin", "offset": "16", "length": "16"}
    path = save(tmp_path, graph(external=entries, nested=nested))
    assert set(onnx_file.look(path).external) == {onnx_file.ExternalData("w.bin", 16, 16)}


def test_outside_data_in_a_node_attribute_is_found(tmp_path: Path) -> None:
    model = graph()
    tensor = TensorProto(name="v", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="../secret")
    model.graph.node.append(helper.make_node("Constant", [], ["v"], value=tensor))
    facts = onnx_file.look(save(tmp_path, model))
    with pytest.raises(IntegrityError, match="secret"):
        facts.require_plain()


def test_a_plain_neighbour_is_accepted(tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(bytes(32))
    entries = {"location": "w.bin", "offset": "16", "length": "16"}
    onnx_file.look(save(tmp_path, graph(external=entries))).require_plain()


@pytest.mark.parametrize("name", ["/etc/passwd", "../w.bin", "sub/w.bin", "", "..", "a\\b", "c:w", "a\0b"])
def test_a_path_is_no_neighbour(name: str, tmp_path: Path) -> None:
    facts = onnx_file.look(save(tmp_path, graph(external={"location": name})))
    with pytest.raises(IntegrityError, match="plain file name"):
        facts.require_plain()


@pytest.mark.parametrize("trick", ["symlink", "hard link", "folder", "missing", "short"])
def test_links_and_lies_are_refused(trick: str, tmp_path: Path) -> None:
    place, other = tmp_path / "w.bin", tmp_path / "other"
    other.write_bytes(bytes(32))
    if trick == "symlink":
        place.symlink_to(other)
    elif trick == "hard link":
        os.link(other, place)
    elif trick == "folder":
        place.mkdir()
    elif trick == "short":
        place.write_bytes(bytes(31))
    entries = {"location": "w.bin", "offset": "16", "length": "16"}
    with pytest.raises(IntegrityError, match=r"w\.bin"):
        onnx_file.look(save(tmp_path, graph(external=entries))).require_plain()


@pytest.mark.parametrize("number", ["-1", "1e3", "0x10", "9" * 30, "²"])
def test_numbers_that_are_none_are_refused(number: str, tmp_path: Path) -> None:
    path = save(tmp_path, graph(external={"location": "w.bin", "offset": number}))
    with pytest.raises(IntegrityError, match="whole numbers"):
        onnx_file.look(path)


@pytest.mark.parametrize(
    "data", [b"", b"hello world", bytes(100), b"\xff" * 100, b"\x3a\xff\xff\xff\xff\x0f"]
)
def test_what_is_no_graph_is_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "g.onnx"
    path.write_bytes(data)
    with pytest.raises(IntegrityError):
        onnx_file.look(path)


def test_a_graph_cut_anywhere_is_refused_or_has_lost_only_its_tail(tmp_path: Path) -> None:
    whole = graph().SerializeToString()
    path = tmp_path / "g.onnx"
    refused = 0
    for end in range(1, len(whole)):
        path.write_bytes(whole[:end])
        try:
            onnx_file.look(path)
        except IntegrityError:
            refused += 1
    assert refused > 0.9 * len(whole)


def test_graphs_nested_without_end_are_refused(tmp_path: Path) -> None:
    inner = b""
    for _ in range(400):  # attribute.g, node.attribute, graph.node
        for field in (0x32, 0x2A, 0x0A):
            inner = bytes([field]) + _varint(len(inner)) + inner
    path = tmp_path / "g.onnx"
    path.write_bytes(b"\x3a" + _varint(len(inner)) + inner)
    with pytest.raises(IntegrityError, match="nests deeper"):
        onnx_file.look(path)


def test_a_missing_graph_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        onnx_file.look(tmp_path / "none.onnx")


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
