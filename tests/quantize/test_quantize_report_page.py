"""report.html: self-contained, honest about what was not measured, and both models' answers are in it."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace

import numpy as np
from PIL import Image

from edge.vocabulary import NATIVE, SPECIAL
from quantize import continuations, report_page
from quantize.continuations import Continuation, Shown
from quantize.report import CodecResult, CodecTrial, Quality, Report, Size

QUALITY = Quality(
    tokens=100, loss=2.1, reference_loss=2.0, agreement=0.93, divergence=0.0123, divergence_99=0.1,
    divergence_999=0.2, perplexity_ratio=1.02, rows=4,
    intervals={"divergence": (0.01, 0.015), "agreement": (0.9, 0.95), "perplexity_ratio": (1.0, 1.04)},
    noise={"divergence": 1e-7, "agreement": 1.0},
)  # fmt: skip
REPORT = Report(
    name="tiny <model>", recipe="int4", type="Q4_K_M", parameters=1000, bits_per_weight=5.1, seconds=1.0,
    sizes={"decoder": Size(2000, 700), "total": Size(2000, 700)}, quality={"text": QUALITY},
    quality_note="against f16", judged_on="the other half", importance="gathered on 10 ids",
    codecs={"image_encoder": CodecResult("int8", (CodecTrial("int8", 0.98, 0.97, True),), "4 pictures")},
)  # fmt: skip


def pictures(html: str) -> list[Image.Image]:
    data = re.findall(r'src="data:image/png;base64,([^"]+)"', html)
    return [Image.open(io.BytesIO(base64.b64decode(d))) for d in data]


def test_the_page_holds_everything_itself_and_escapes_what_others_wrote() -> None:
    said = Continuation("text", (Shown("<b>who?</b>"),), (Shown("a & b"),), (Shown("<script>x</script>"),))
    html = report_page.page(REPORT, [said])
    assert "<script" not in html
    assert "http" not in html
    assert "&lt;script&gt;x" in html
    assert "tiny &lt;model&gt; as int4" in html
    for told in ("0.0123 (0.0100 – 0.0150)", "93.0% (90.0% – 95.0%)", "98.0% of the ids", "35%"):
        assert told in html


def test_a_noticeable_loss_is_said_and_so_is_what_was_not_measured() -> None:
    assert "may notice" in report_page.page(REPORT, [])
    better = replace(REPORT, quality={"text": replace(QUALITY, agreement=0.99)})
    assert "may notice" not in report_page.page(better, [])
    unknown = replace(REPORT, quality={}, quality_note="not measured: no rows")
    assert "not measured: no rows" in report_page.page(unknown, [])


def test_the_onnx_decoder_beside_a_gguf_has_rows_of_its_own() -> None:
    worse = replace(QUALITY, agreement=0.71, divergence=0.0456)
    html = report_page.page(replace(REPORT, quality_onnx={"text": worse}), [])
    assert html.count("<td>text</td>") == html.count("<td>text (ONNX)</td>") == 1
    assert "0.0456 (" in html
    assert "the same in 71.0%" in html


def test_pictures_and_spectrograms_are_shown_pixel_by_pixel() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 16, 3), dtype=np.uint8)
    mel = np.linspace(-4, 2, 80 * 25, dtype=np.float32).reshape(80, 25)
    said = Continuation("image", (), (Shown(kind="image", pixels=pixels),), (Shown(kind="audio", mel=mel),))
    drawn, heard = pictures(report_page.page(REPORT, [said]))
    assert np.array_equal(np.asarray(drawn), pixels)
    assert heard.size == (50, 80)
    tones = np.asarray(heard, float).sum((1, 2))
    assert tones[0] > tones[-1]  # the loud high band is above


def test_a_beginning_ends_where_the_answer_starts_and_is_half_of_plain_text() -> None:
    row = np.array([SPECIAL["bos"], SPECIAL["user"], 5, 6, SPECIAL["end"], SPECIAL["assistant"], 7, 8, 9])
    assert continuations.beginning(row.astype(np.int32), NATIVE).tolist() == row[:6].tolist()
    plain = np.arange(10, dtype=np.int32)
    assert len(continuations.beginning(plain, NATIVE)) == 5
