"""A small codec is kept only when its gate says that nobody would notice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from edge import vocabulary as v
from edge.errors import EdgeError, IntegrityError
from edge.formats import onnx_file
from edge.onnx_session import OnnxSession
from quantize import calibration, codec_export
from quantize.calibration import Media
from tests import tiny


def media(kind: str, folder: Path) -> Media:
    block = v.NATIVE.block("image" if kind == "image" else "audio")
    heldout = calibration.read_heldout(folder / "heldout.npz", v.VOCABULARY_SIZE)
    found = calibration.media(kind, heldout, block, None) if block else None
    assert found is not None
    return found


def outputs(path: Path, values: np.ndarray) -> np.ndarray:
    session = OnnxSession(path)
    return np.concatenate(
        [session.run({session.inputs[0]: values[i : i + 1]})[0] for i in range(len(values))]
    )


@pytest.mark.parametrize("role", list(tiny.CODECS))
def test_what_is_kept_passes_its_gate_when_measured_again(
    role: str, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    kind = role.partition("_")[0]
    source, encoder = tiny_checkpoint / f"{role}.onnx", tiny_checkpoint / f"{kind}_encoder.onnx"
    judged = media(kind, tiny_checkpoint)
    target = tmp_path / f"{role}.onnx"
    result = codec_export.export(role, source, target, judged, encoder)
    assert result.kept == result.trials[-1].method
    assert result.trials[-1].passed
    if role.endswith("_encoder"):
        agreement = float(np.mean(outputs(source, judged.judged) == outputs(target, judged.judged)))
        assert agreement == pytest.approx(result.trials[-1].value)
        assert agreement >= 0.97
    else:
        codes = outputs(encoder, judged.judged)
        errors = [np.mean((outputs(path, codes) - judged.judged) ** 2) for path in (target, source)]
        assert 10 * np.log10(errors[0] / errors[1]) < 0.3
    assert onnx_file.look(target).metadata == onnx_file.look(source).metadata


def test_int8_means_int8_weights_in_the_file_and_the_last_layer_stays_float(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    source, encoder = tiny_checkpoint / "image_decoder.onnx", tiny_checkpoint / "image_encoder.onnx"
    result = codec_export.export(
        "image_decoder", source, tmp_path / "d.onnx", media("image", tiny_checkpoint), encoder
    )
    assert result.kept == "int8"
    model = onnx.load(str(tmp_path / "d.onnx"))
    kinds = {w.name: numpy_helper.to_array(w).dtype for w in model.graph.initializer}
    assert np.dtype(np.int8) in kinds.values()
    last = [n for n in model.graph.node if n.op_type == "Conv"][-1]
    assert kinds[last.input[1]] == np.float32


def test_a_picture_made_larger_than_it_was_read_is_judged_by_its_average(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    source, encoder = tmp_path / "large.onnx", tiny_checkpoint / "image_encoder.onnx"
    onnx.save(tiny.image_decoder(side=128), str(source))
    judged = media("image", tiny_checkpoint)
    result = codec_export.export("image_decoder", source, tmp_path / "d.onnx", judged, encoder)
    assert result.trials[-1].passed
    codes = outputs(encoder, judged.judged)
    errors = []
    for path in (tmp_path / "d.onnx", source):
        made = outputs(path, codes)
        assert made.shape[1:] == (3, 128, 128)
        errors.append(np.mean((made.reshape(-1, 3, 64, 2, 64, 2).mean((3, 5)) - judged.judged) ** 2))
    assert 10 * np.log10(errors[0] / errors[1]) == pytest.approx(result.trials[-1].value, abs=1e-3)


def test_the_layer_that_sees_the_medium_stays_float_where_there_are_others(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    source = tiny_checkpoint / "image_encoder.onnx"
    codec_export.export("image_encoder", source, tmp_path / "e.onnx", media("image", tiny_checkpoint), source)
    model = onnx.load(str(tmp_path / "e.onnx"))
    stored = {w.name: numpy_helper.to_array(w).dtype for w in model.graph.initializer}
    first, middle, last = [n.input[1] for n in model.graph.node if n.op_type == "Conv"]
    assert stored[first] == stored[last] == np.float32
    assert middle not in stored  # dequantized from 8 bits


def fragile_encoder(path: Path) -> Path:
    """Ids that hang on the 5th digit of a weight: every form smaller than float32 flips them."""
    g = tiny._Graph(7)
    x = g.conv("pixels", 3, 16, (8, 8), stride=8)
    x = g.op("Sin", g.op("Mul", x, g.const(3e4)))
    g.quantize(g.conv(x, 16, 4, (1, 1), gain=2.0), 2, "codes")
    model = g.model("image", ("pixels", 1, ["b", 3, "h", "w"]), ("codes", 7, ["b", "n"]))
    onnx.save(model, str(path))
    return path


def test_a_codec_that_no_small_form_fits_stays_float_and_the_report_says_so(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    source = fragile_encoder(tmp_path / "image_encoder.onnx")
    judged = media("image", tiny_checkpoint)
    result = codec_export.export("image_encoder", source, tmp_path / "out.onnx", judged, source)
    assert result.kept == "float"
    assert [t.method for t in result.trials] == ["int8", "int8 weights", "f16 weights"]
    assert all(not t.passed and t.value < t.limit == 0.97 for t in result.trials)
    assert (tmp_path / "out.onnx").read_bytes() == source.read_bytes()


def test_strict_refuses_with_both_numbers(tiny_checkpoint: Path, tmp_path: Path) -> None:
    source = fragile_encoder(tmp_path / "image_encoder.onnx")
    judged = media("image", tiny_checkpoint)
    told = r"gives \d+\.\d% of the float codec's ids, and at least 97% are needed"
    with pytest.raises(EdgeError, match=told):
        codec_export.export("image_encoder", source, tmp_path / "o.onnx", judged, source, strict=True)


def test_a_codec_without_media_to_judge_it_by_stays_float(tiny_checkpoint: Path, tmp_path: Path) -> None:
    source = tiny_checkpoint / "image_encoder.onnx"
    result = codec_export.export("image_encoder", source, tmp_path / "e.onnx", None, source)
    assert (result.kept, result.trials) == ("float", ())
    assert "no held-out media" in result.media


def test_calibration_and_judged_media_share_no_item(tiny_checkpoint: Path) -> None:
    for kind in ("image", "audio"):
        both = media(kind, tiny_checkpoint)
        assert len(both.calibration) == len(both.judged) == 8
        assert not {x.tobytes() for x in both.calibration} & {x.tobytes() for x in both.judged}


def test_media_are_rendered_from_held_out_ids_where_none_are_given(tiny_checkpoint: Path) -> None:
    heldout = calibration.read_heldout(tiny_checkpoint / "heldout.npz", v.VOCABULARY_SIZE)
    block = v.NATIVE.blocks[0]
    found = calibration.media(
        "image", {"image": heldout["image"]}, block, tiny_checkpoint / "image_decoder.onnx"
    )
    assert found is not None
    assert found.judged.shape[1:] == (3, 64, 64)
    assert "rendered" in found.origin
    assert calibration.media("image", {}, block, tiny_checkpoint / "image_decoder.onnx") is None


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"text": np.zeros((2, 3), np.int64)}, "int64"),
        ({"text": np.zeros(3, np.uint16)}, "dimensions"),
        ({"text": np.full((1, 2), 16640, np.uint16)}, "16640"),
        ({"video": np.zeros((2, 3), np.uint16)}, "video"),
        ({"text": np.array([[None]])}, "npz"),
    ],
)
def test_held_out_files_are_read_strictly(arrays: dict[str, np.ndarray], told: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "h.npz", **arrays)  # type: ignore[arg-type]
    with pytest.raises(IntegrityError, match=told):
        calibration.read_heldout(tmp_path / "h.npz", v.VOCABULARY_SIZE)


def test_a_damaged_codec_is_an_integrity_error(tiny_checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes((tiny_checkpoint / "image_encoder.onnx").read_bytes()[:5000])
    source = tiny_checkpoint / "image_encoder.onnx"
    with pytest.raises(IntegrityError):
        codec_export.export("image_encoder", tmp_path / "x.onnx", tmp_path / "y.onnx", None, source)
