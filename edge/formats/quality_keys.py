"""What a decoder file says of its own quality: keys in a GGUF's metadata or an ONNX graph's.

Job: the keys' names, numbers to keys and back to the form of report.json, so that a file that travels alone
still tells. Ignorance: how anything was measured, how either file is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PREFIX = "edge.quality."
FACTS = ("note", "judged_on", "recipe", "source_sha256", "tool")  # texts: against what, on which rows …
_NAMES = {  # of report.json: in a key
    "divergence": "kl", "agreement": "top1", "perplexity_ratio": "perplexity_ratio", "tokens": "positions",
    "accuracy": "right", "reference_accuracy": "right_before",
}  # fmt: skip
_DIGITS = 4  # significant ones: the rest differs from processor to processor


def keys(quality: Mapping[str, Mapping[str, Any]], facts: Mapping[str, str]) -> dict[str, str | int | float]:
    """Key and value of everything; `quality` by modality with report.json's names, `facts` by FACTS."""
    found: dict[str, str | int | float] = {PREFIX + name: facts[name] for name in FACTS if name in facts}
    for kind, numbers in quality.items():
        for name, short in _NAMES.items():
            value = numbers.get(name)
            if isinstance(value, int | float):
                rounded = value if isinstance(value, int) else float(f"{value:.{_DIGITS}g}")
                found[f"{PREFIX}{kind}.{short}"] = rounded
    return found


def read(metadata: Mapping[str, Any]) -> dict[str, Any] | None:
    """The facts, and "quality" as report.json has it; None where the file says nothing."""
    own = {key.removeprefix(PREFIX): value for key, value in metadata.items() if key.startswith(PREFIX)}
    if not own:
        return None
    names = {short: name for name, short in _NAMES.items()}
    quality: dict[str, dict[str, float]] = {}
    for key, value in own.items():
        kind, _, short = key.rpartition(".")
        if kind and short in names and isinstance(value, int | float):
            quality.setdefault(kind, {})[names[short]] = value
    return {**{name: own[name] for name in FACTS if name in own}, "quality": quality}
