"""What quantization cost, as the bundle's own report tells it.

Job: rows from a bundle's report.json. Ignorance: how it was measured (quantize knows); nothing is measured here.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.evaluation.rows import Row, number


def rows(report: Mapping[str, Any]) -> list[Row]:
    """Loss over the f16 decoder's by modality, and how many codec ids stayed what the float encoder gives."""
    note = report.get("quality_note") or "against f16"
    found = [
        number(
            f"loss of {name} {note}", q["loss"] - q["reference_loss"], "nat/token", int(q["tokens"]), "less"
        )
        for name, q in report.get("quality", {}).items()
    ]
    for name, codec in report.get("codecs", {}).items():
        kept = [t for t in codec.get("trials", ()) if t["method"] == codec.get("kept")]
        if kept and name.endswith("encoder"):
            low = Row(f"int8 codec ids like float: {name}", kept[-1]["value"], "%", _items(codec), math.nan, math.nan)  # fmt: skip
            found.append(low)
    return found


def of_bundle(folder: Path, entry: str) -> list[Row]:
    """The rows of the report that lies in the folder; none where there is no report."""
    path = folder / entry
    return rows(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else []


def _items(codec: Mapping[str, Any]) -> int:
    first = str(codec.get("media", "0")).split()[0]
    return int(first) if first.isdigit() else 0
