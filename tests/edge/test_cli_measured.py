"""What people are told of a bundle's quality, whatever its report holds."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from edge.cli import measured, show
from edge.formats import manifest, quality_keys
from quantize import quality_stamp


def told(**kinds: dict[str, float]) -> dict[str, Any]:
    return {"quality": kinds}


def test_a_bundle_that_answers_as_well_as_its_float_original_gives_no_reason_to_worry() -> None:
    fine = {"divergence": 0.02, "agreement": 0.9, "accuracy": 0.31, "reference_accuracy": 0.35}
    assert measured.concern(told(text=fine)) is None


def test_more_than_five_points_lost_are_named_with_their_modality() -> None:
    fine = {"accuracy": 0.31, "reference_accuracy": 0.35}
    poor = {"accuracy": 0.20, "reference_accuracy": 0.35}
    said = measured.concern(told(text=fine, image=poor)) or ""
    assert "image (15 points)" in said
    assert "text" not in said


@pytest.mark.parametrize(
    "broken", [None, {}, [], {"quality": {}}, {"quality": 7}, {"quality": {"text": "fine"}}, "x"]
)
def test_what_was_never_measured_is_said_and_odd_reports_are_no_traceback(broken: Any) -> None:
    assert "never measured" in (measured.concern(broken) or "")
    assert measured.rows(broken) == []


def test_fields_that_a_report_lacks_stay_empty() -> None:
    assert measured.rows(told(text={"divergence": 0.5})) == [["text", "0.5000", "", "", ""]]


def test_a_bundles_report_is_read_and_a_damaged_one_counts_as_none(tiny_bundle: Path, tmp_path: Path) -> None:
    known = manifest.load(tiny_bundle, hashes=False)
    found = measured.quality(measured.report(tiny_bundle, known))
    assert set(found) >= {"text", "image", "audio"}
    assert all(set(numbers) >= {"divergence", "accuracy", "reference_accuracy"} for numbers in found.values())
    broken = tmp_path / "broken"
    shutil.copytree(tiny_bundle, broken)
    (broken / "report.json").write_text("[" * 100_000)
    assert measured.report(broken, known) is None


def test_a_gguf_that_travels_alone_still_says_what_it_lost(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = tmp_path / "alone.gguf"
    shutil.copyfile(tiny_bundle / "decoder.gguf", alone)
    told = measured.of_gguf(alone)
    assert told is not None
    report = json.loads((tiny_bundle / "report.json").read_text())["quality"]
    for kind, numbers in measured.quality(told).items():
        for name, value in numbers.items():
            assert value == pytest.approx(report[kind][name], rel=1e-3)
    show.command(str(alone))
    shown = capsys.readouterr().out
    assert "same top token" in shown
    assert told["source_sha256"] in shown
    poor = {"divergence": 1.0, "accuracy": 0.3, "reference_accuracy": 0.5}
    quality_stamp.gguf(alone, quality_keys.keys({"image": poor}, {"note": "against f16"}))
    measured.warn(str(alone))
    assert "image (20 points)" in capsys.readouterr().err
    quality_stamp.gguf(alone, quality_keys.keys({}, {"note": "not measured: no memory"}))
    measured.warn(str(alone))
    assert "never measured" in capsys.readouterr().err


def test_a_note_goes_to_stderr_for_a_bundle_and_nothing_for_a_gguf_of_others(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    silent = tmp_path / "silent.gguf"
    shutil.copyfile(tiny_bundle / "decoder.gguf", silent)
    quality_stamp.gguf(silent, {})
    measured.warn(str(silent))
    assert capsys.readouterr() == ("", "")
    bundle = tmp_path / "unmeasured"
    shutil.copytree(tiny_bundle, bundle)
    data = json.loads((bundle / "manifest.json").read_text())
    del data["files"]["report"]
    (bundle / "manifest.json").write_text(json.dumps(data))
    measured.warn(str(bundle))
    out, err = capsys.readouterr()
    assert out == ""
    assert "unmeasured: its quality was never measured" in err
