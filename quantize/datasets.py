"""Which rows calibrate the importance matrix and which rows judge the result; never the same ones.

Job: take the best data there is: the checkpoint's held-out ids, the user's examples, else a built-in text.
Every source is cut into two halves by turns (row 0 calibrates, row 1 is judged, …), so that all recipes of
one model are judged on the same rows. Where the user's examples calibrate and held-out ids exist, all of the
examples calibrate. Ignorance: what the rows are used for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edge.errors import ModalityError
from edge.formats.gguf import read_header
from quantize import builtin_text, calibration, children, examples, rows
from quantize.children import Progress
from quantize.rows import Rows


@dataclass(frozen=True)
class Datasets:
    """Two sets of rows that share none."""

    calibrating: Rows
    judged: Rows
    calibrated_on: str  # what it is, for the report and the importance matrix
    judged_on: str


def check_examples(given: Path, codecs: Mapping[str, Path]) -> None:
    """Prove the form of a JSONL file, and that the model has an encoder for every kind of medium in it.

    Raises:
        ModalityError: it has none. Errors of `examples.read` too.
    """
    for kind in sorted(examples.media(examples.read(given))):
        role = "audio_encoder" if kind == "audio" else "image_encoder"
        if role not in codecs:
            raise ModalityError(f"{given.name} holds {kind}, which this model does not read; take it out")


def choose(model: Path, heldout: Mapping[str, calibration.Array], given: Path | None,
           codecs: Mapping[str, Path], work: Path, progress: Progress) -> Datasets:  # fmt: skip
    """Rows for a GGUF; `given` names a checked JSONL file of examples, `codecs` are float encoders by role.

    Raises:
        EngineError: an example cannot be laid out for this model; the message says why.
    """
    ids = _held_out(model, heldout)
    if given is not None:
        own = _tokenized(model, given, codecs, work, progress)
        if ids:
            return Datasets(own, ids.halves()[1], given.name, "half of the held-out rows")
        return _cut(own, given.name)
    if ids:
        return _cut(ids, "the held-out rows")
    text = work / "builtin.jsonl"
    text.write_text(
        "".join(json.dumps({"text": t}) + "\n" for t in builtin_text.passages()), encoding="utf-8"
    )
    return _cut(_tokenized(model, text, {}, work, progress), builtin_text.NOTE)


def _cut(found: Rows, name: str) -> Datasets:
    calibrating, judged = found.halves()
    return Datasets(calibrating, judged, f"half of {name}", f"the other half of {name}")


def _held_out(model: Path, heldout: Mapping[str, calibration.Array]) -> Rows:
    names = [name for name in calibration.IDS if name in heldout]
    if not names:
        return Rows({})
    padding = read_header(model).metadata.get("tokenizer.ggml.padding_token_id")
    return Rows({name: rows.of_array(heldout[name], padding) for name in names})


def _tokenized(model: Path, source: Path, codecs: Mapping[str, Path], work: Path, progress: Progress) -> Rows:
    out = work / "rows.npz"
    listed = [f"{role}={path}" for role, path in codecs.items() if role.endswith("_encoder")]
    children.run_plain("quantize.native_tokenize", [model, source, out, *listed], progress)
    size = next(t.shape[-1] for t in read_header(model).tensors if t.name == "token_embd.weight")
    return rows.load(out, size)
