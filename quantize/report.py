"""What a run of the pipeline found out, as one value that becomes report.json.

Job: sizes, codec gates, quality against the reference. Ignorance: measures nothing itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Size:
    """Bytes of one part before and after."""

    before: int
    after: int


@dataclass(frozen=True)
class Quality:
    """One modality's judged positions under the result and under the reference."""

    tokens: int  # predictions compared
    loss: float  # nats per token, result
    reference_loss: float  # nats per token, reference
    agreement: float  # share of positions with the same most likely token, 0..1
    divergence: float  # mean KL(reference || result), nats
    divergence_99: float  # its 99th percentile
    divergence_999: float  # its 99.9th percentile
    perplexity_ratio: float  # result's over reference's
    rows: int  # sequences that the predictions come from: what the bootstrap draws
    intervals: Mapping[str, tuple[float, float]]  # 95 %, by field
    noise: Mapping[str, float]  # the reference against itself, by field
    accuracy: float | None = None  # share of positions whose real token is the likeliest; None: not measured
    reference_accuracy: float | None = None


@dataclass(frozen=True)
class CodecTrial:
    """One way to make a codec smaller, and what the gate measured."""

    method: str  # "int8", "int8 weights"
    value: float  # share of identical ids for an encoder, added error in dB for a decoder
    limit: float  # at least for an encoder, at most for a decoder
    passed: bool


@dataclass(frozen=True)
class CodecResult:
    """Which form of a codec the bundle carries."""

    kept: str  # "int8", "int8 weights", "float"
    trials: tuple[CodecTrial, ...]
    media: str  # what it was judged on


@dataclass(frozen=True)
class Report:
    """Everything measured in one run."""

    name: str
    recipe: str
    type: str
    parameters: int
    bits_per_weight: float
    seconds: float
    sizes: Mapping[str, Size]  # by role; "total" too
    quality: Mapping[str, Quality]  # by modality; empty when not measured
    quality_note: str  # against what, or why not measured
    codecs: Mapping[str, CodecResult] = field(default_factory=dict)  # by role
    tools: Mapping[str, str] = field(default_factory=dict)
    importance: str = ""  # which data the importance matrix comes from, or why there is none
    judged_on: str = ""  # which rows the quality was measured on
    plan: Mapping[str, Any] = field(default_factory=dict)  # `budget.Plan` with its front; empty for a recipe
    rotation: Mapping[str, Any] = field(default_factory=dict)  # by format: `rotation.Kept`; empty: none tried
    plan_onnx: Mapping[str, Any] = field(default_factory=dict)  # where `plan` is the GGUF's
    quality_onnx: Mapping[str, Quality] = field(default_factory=dict)  # where `quality` is the GGUF's
    projector: str = ""  # the type of a vision tower's matrices; empty where there is none

    @property
    def qualities(self) -> dict[str, Quality]:
        """Of all decoders, by modality; the ONNX decoder's beside a GGUF's are named so."""
        onnx = {f"{kind} (ONNX)": quality for kind, quality in self.quality_onnx.items()}
        return {**self.quality, **onnx}

    def to_json(self) -> str:
        """The text of report.json."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"

    @staticmethod
    def from_json(text: str | bytes) -> Report:
        """The inverse of `to_json`; only for files that a verified manifest lists."""
        data: dict[str, Any] = json.loads(text)
        data["sizes"] = {k: Size(**v) for k, v in data["sizes"].items()}
        for part in ("quality", "quality_onnx"):
            data[part] = {kind: _quality(found) for kind, found in data.get(part, {}).items()}
        for role, codec in data["codecs"].items():
            trials = tuple(CodecTrial(**t) for t in codec.pop("trials"))
            data["codecs"][role] = CodecResult(trials=trials, **codec)
        return Report(**data)


def _quality(data: dict[str, Any]) -> Quality:
    intervals = {name: tuple(ends) for name, ends in data.pop("intervals").items()}
    return Quality(intervals=intervals, **data)
