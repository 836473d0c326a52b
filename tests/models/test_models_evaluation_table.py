"""Rows of the evaluation carry honest intervals, and tables, JSON and comparisons say what rows say."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from models.evaluation import goals, quantized, report, rows
from models.evaluation.rows import Row
from models.evaluation.tasks import Result

# ---- numbers and their intervals ----


def test_a_share_has_wilsons_interval() -> None:
    row = rows.share("x", [True] * 8 + [False] * 2)
    assert row.value == 0.8
    assert (round(row.low, 3), round(row.high, 3)) == (0.490, 0.943)  # Wilson 1927, n = 10
    assert rows.share("x", [True] * 50).low == pytest.approx(0.929, abs=0.001)


def test_the_mean_of_types_does_not_depend_on_how_many_items_each_has() -> None:
    row = rows.share_of_types("x", [[True] * 90, [False] * 10, []])
    assert row.value == pytest.approx(0.5)
    assert row.high - row.low > 0.3  # as certain as its smallest type, not as 100 items


def test_a_ratio_is_of_sums_and_what_did_not_happen_is_still_possible() -> None:
    row = rows.ratio("x", [1, 0, 0, 1], [2, 2, 4, 2], better="less")
    assert row.value == 0.2
    assert row.low < 0.2 < row.high
    assert (rows.ratio("x", [0, 0], [30, 30]).high, rows.ratio("x", [30], [30]).low) == (0.05, 0.9)
    assert math.isnan(rows.ratio("x", [], []).value)


def test_a_difference_is_taken_item_by_item() -> None:
    hits = [i % 3 > 0 for i in range(90)]
    one, other = rows.share("x", hits), rows.share("x", [*hits[:-1], False])
    value, _, high = rows.difference(other, one)
    assert value == pytest.approx(-1 / 90)
    assert high <= 0.0  # the same item fell: no chance that it became better
    apart = rows.difference(replace(other, bottoms=()), one)
    assert apart[2] > 0.1


def test_goals_say_whether_they_are_met() -> None:
    both = goals.Goal(0.7, 1.4, "x")
    assert [both.met(v) for v in (0.6, 0.7, 1.5)] == [False, True, False]
    assert both.written == "0.7-1.4 x"
    assert [goals.Goal(0.9).written, goals.Goal(None, 0.35).written] == ["≥ 90 %", "≤ 35 %"]


# ---- tables ----


def rows_of(word_errors: float = 0.2, hits: int = 19) -> tuple[Row, ...]:
    errors = round(word_errors * 100)
    return (
        rows.share("two-digit sums", [i < hits for i in range(20)]),
        rows.ratio("speech written down: word errors", [errors], [100], better="less"),
        rows.number("picture codec: different codes", 71, "codes", 640),
    )


def test_the_table_shows_value_interval_goals_and_time() -> None:
    result = Result(tuple(replace(r, seconds=2.0) for r in rows_of()), (("clips made", "makes no video"),))
    shown = report.markdown(result, {"bundle": "pico"})
    assert "| two-digit sums | 95.0 % | 76.4-99.1 | 20 | ≥ 70 % ✓ | ≥ 95 % ✓ | 2.0 |" in shown
    assert "| speech written down: word errors | 20.0 % |" in shown
    assert "| ≤ 35 % ✓ | ≤ 12 % |" in shown
    assert "| picture codec: different codes | 71 codes |  | 640 |" in shown
    assert "Not made by this bundle: clips made (makes no video)." in shown
    assert shown.endswith("bundle pico, 6 s.\n")


def test_json_holds_numbers_and_no_nan() -> None:
    found = json.loads(json.dumps(report.to_dict(Result(rows_of()), {"seed": 0}), allow_nan=False))
    first, last = found["rows"][0], found["rows"][-1]
    assert first["value"] == 0.95
    assert first["interval_95"] == pytest.approx([0.764, 0.991], abs=0.001)
    assert (first["goal_gpu"], first["met_gpu"], first["met_2_cores"]) == ({"least": 0.95}, True, True)
    assert last["interval_95"] is None
    assert found["seed"] == 0


def test_a_comparison_finds_drops_in_either_direction() -> None:
    full, small = Result(rows_of()), Result(rows_of(word_errors=0.23, hits=18))
    drops = {d["task"]: d["drop"] for d in report.compared(small, full)}
    assert list(drops.values()) == [True, True, False]
    assert not any(d["drop"] for d in report.compared(full, small))
    shown = report.compared_markdown(report.compared(small, full), "int4", "f16")
    assert "| two-digit sums | 95.0 % | 90.0 % | **-5.00 points** |" in shown
    assert "2 of 3 rows drop by more than 2 points." in shown


def test_the_report_of_a_bundle_becomes_rows() -> None:
    trials = [{"method": "int8", "value": 0.9}, {"method": "int8 weights", "value": 0.98}]
    told = {
        "quality": {"text": {"tokens": 40, "loss": 2.5, "reference_loss": 2.4}},
        "quality_note": "against f16",
        "codecs": {
            "image_encoder": {"kept": "int8 weights", "trials": trials, "media": "128 items of pixels"},
            "image_decoder": {"kept": "int8", "trials": trials},
        },
    }
    loss, same = quantized.rows(told)
    assert (loss.task, round(loss.value, 3), loss.items) == ("loss of text against f16", 0.1, 40)
    assert (same.task, same.value, same.items) == ("int8 codec ids like float: image_encoder", 0.98, 128)
