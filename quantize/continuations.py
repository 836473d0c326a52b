"""The same beginnings, continued by the f16 model and by the result: what the numbers look like.

Job: cut judged rows where the answer begins, let both models go on, render the media that they make.
Ignorance: how a page shows them. Source of a picture are codes: of the float codec for f16, of the bundle's
for the result.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.onnx_session import OnnxSession
from edge.vocabulary import IMAGE_SPAN, Vocabulary
from quantize import children
from quantize.children import Progress
from quantize.rows import Ids, Rows

EACH = 2  # rows of a modality
NEW = 160  # ids: two pictures, three seconds of sound, or 40 of text


@dataclass(frozen=True, eq=False)
class Shown:
    """A stretch of text, or a medium: a picture (h, w, 3) uint8, a log-mel (80, t) float32, or neither."""

    text: str = ""
    kind: str = ""
    pixels: NDArray[np.uint8] | None = None
    mel: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Continuation:
    """One beginning and both ends."""

    kind: str  # modality of the row
    prompt: tuple[Shown, ...]
    reference: tuple[Shown, ...]
    result: tuple[Shown, ...]


def compare(models: tuple[Path, Path], codecs: tuple[Mapping[str, Path], Mapping[str, Path]], judged: Rows,
            vocabulary: Vocabulary, work: Path, progress: Progress) -> list[Continuation]:  # fmt: skip
    """Continuations of the first judged rows by (f16 GGUF, result), with the codec decoders of each by role.

    Raises:
        EngineError: one of the models cannot run on this machine.
    """
    some = Rows({kind: rows[:EACH] for kind, rows in judged.by_kind.items()})
    beginnings = Rows({k: tuple(beginning(r, vocabulary) for r in rows) for k, rows in some.by_kind.items()})
    beginnings.save(work / "beginnings.npz")
    (work / "vocabulary.json").write_text(json.dumps(vocabulary.to_dict()))
    told = []
    for name, model in zip(("reference", "result"), models, strict=True):
        out = work / f"{name}_said.json"
        files = (model, models[0], work / "beginnings.npz", work / "vocabulary.json", out, str(NEW))
        children.run_model("quantize.native_continue", files, model, _of_model(name, progress))
        told.append(json.loads(out.read_text()))
    theirs, ours = (_Renderer(decoders) for decoders in codecs)
    return [
        Continuation(a["kind"], theirs.all(a["prompt"]), theirs.all(a["said"]), ours.all(b["said"]))
        for a, b in zip(*told, strict=True)
    ]


def _of_model(name: str, progress: Progress) -> Progress:
    return lambda what, done, of: progress(f"{what}, {name}", done, of)


def beginning(row: Ids, vocabulary: Vocabulary) -> Ids:
    """A row up to its first answer: behind the first end and the role after it; else the row's half."""
    ends = np.flatnonzero(np.isin(row, vocabulary.end))
    cut = int(ends[0]) + 2 if len(ends) else len(row)
    return row[: cut if 2 <= cut < len(row) - 1 else max(1, len(row) // 2)]


class _Renderer:
    """Codes into pixels and log-mels, by ONNX decoders."""

    def __init__(self, codecs: Mapping[str, Path]) -> None:
        self._sessions = {
            kind: OnnxSession(codecs[role])
            for kind, role in (("image", "image_decoder"), ("audio", "audio_decoder"))
            if role in codecs
        }

    def all(self, segments: list[dict[str, Any]]) -> tuple[Shown, ...]:
        return tuple(self._one(segment) for segment in segments)

    def _one(self, segment: dict[str, Any]) -> Shown:
        kind, codes = segment.get("kind", ""), segment.get("codes", [])
        session = self._sessions.get("image" if kind == "video" else kind)
        if not kind or session is None or not codes:
            return Shown(segment.get("text", ""), kind)
        top = int(session.metadata.get("edge.codes", 1 << 16)) - 1
        if kind == "audio":
            mel = session.run({session.inputs[0]: np.minimum([codes], top).astype(np.int64)})[0]
            return Shown(kind=kind, mel=np.asarray(mel[0], np.float32))
        whole = len(codes) // IMAGE_SPAN * IMAGE_SPAN
        frames = np.array(codes[:whole]).reshape(-1, IMAGE_SPAN)
        made = [
            session.run({session.inputs[0]: np.minimum(f[None], top).astype(np.int64)})[0][0] for f in frames
        ]
        if not made:
            return Shown(kind=kind)
        side_by_side = np.concatenate(made, 2).transpose(1, 2, 0)  # (h, n * w, 3)
        return Shown(kind=kind, pixels=(side_by_side.clip(0, 1) * 255).round().astype(np.uint8))
