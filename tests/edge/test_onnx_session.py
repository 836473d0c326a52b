"""The one door to ONNX Runtime."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge.errors import EngineError, IntegrityError, NotFoundError
from edge.onnx_session import OnnxSession


def adder(folder: Path, *, external: bool = False) -> Path:
    """y = x + 1, saved as add.onnx."""
    one = numpy_helper.from_array(np.ones(4, np.float32), "one")
    if external:
        (folder / "one.bin").write_bytes(one.raw_data)
        one.ClearField("raw_data")
        one.data_location = TensorProto.EXTERNAL
        one.external_data.add(key="location", value="one.bin")
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", 4]) for n in "xy")
    body = helper.make_graph([helper.make_node("Add", ["x", "one"], ["y"])], "g", [x], [y], [one])
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(model, {"edge.block": "image"})
    path = folder / "add.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def test_a_graph_runs_and_tells_its_names_and_metadata(tmp_path: Path) -> None:
    session = OnnxSession(adder(tmp_path))
    assert (session.inputs, session.outputs, session.metadata) == (("x",), ("y",), {"edge.block": "image"})
    np.testing.assert_array_equal(session.run({"x": np.zeros((2, 4), np.float32)})[0], np.ones((2, 4)))


def test_threads_are_as_told_and_do_not_spin(tmp_path: Path) -> None:
    options = OnnxSession(adder(tmp_path), threads=2).native.get_session_options()
    assert options.intra_op_num_threads == 2
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"


@pytest.mark.parametrize(
    "feeds",
    [
        {"x": np.zeros((2, 5), np.float32)},
        {"x": np.zeros((2, 4), np.float64)},
        {"z": np.zeros((2, 4), np.float32)},
        {},
    ],
)
def test_feeds_that_do_not_fit_are_engine_errors(feeds: dict[str, np.ndarray], tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"add\.onnx failed"):
        OnnxSession(adder(tmp_path)).run(feeds)


def test_a_closed_session_says_so(tmp_path: Path) -> None:
    session = OnnxSession(adder(tmp_path))
    session.close()
    with pytest.raises(EngineError, match="closed"):
        session.run({})


def test_outside_data_is_refused_unless_asked_for(tmp_path: Path) -> None:
    path = adder(tmp_path, external=True)
    with pytest.raises(IntegrityError, match=r"one\.bin"):
        OnnxSession(path)
    session = OnnxSession(path, external=True)
    np.testing.assert_array_equal(session.run({"x": np.zeros((1, 4), np.float32)})[0], np.ones((1, 4)))


def test_outside_data_behind_a_link_never_reaches_native_code(tmp_path: Path) -> None:
    path = adder(tmp_path, external=True)
    (tmp_path / "one.bin").rename(tmp_path / "elsewhere")
    (tmp_path / "one.bin").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(IntegrityError, match="link"):
        OnnxSession(path, external=True)


def test_missing_and_damaged_files_are_words(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        OnnxSession(tmp_path / "none.onnx")
    path = adder(tmp_path)
    model = onnx.load(path)
    model.graph.node[0].op_type = "NoSuchOperator"
    path.write_bytes(model.SerializeToString())
    with pytest.raises((EngineError, IntegrityError), match="cannot open"):
        OnnxSession(path)


def in_fresh_python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"} | environment
    return subprocess.run([sys.executable, "-c", code], env=clean, capture_output=True, text=True, timeout=60)


def test_telemetry_is_off_before_the_import() -> None:
    done = in_fresh_python(
        "import os, sys\n"
        "from edge.onnx_session import runtime\n"
        "assert 'onnxruntime' not in sys.modules\n"
        "runtime()\n"
        "print(os.environ['ORT_DISABLE_TELEMETRY'])",
        PYTHONPATH=str(Path.cwd()),
    )
    assert done.stdout.strip() == "1", done.stderr


def test_an_earlier_import_with_telemetry_on_is_pointed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    from edge.onnx_session import runtime

    monkeypatch.setitem(sys.modules, "onnxruntime", sys.modules.get("onnxruntime", object()))
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "0")
    with pytest.warns(RuntimeWarning, match="import edge first"):
        runtime()
