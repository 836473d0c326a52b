"""Whether rotated weights are kept: they are rounded as the plain ones, and the measured divergence decides.

Job: for each decoder of a run, try every rotation that the checkpoint allows, at the same types and bytes, on
calibrating rows; keep the best where it diverges less. Ignorance: how weights are turned or rounded.

A mixture is chosen for plain weights first and tried on rotated ones as it is; where they win, the types are
chosen anew for them.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from quantize import bundle, decoder_files, gguf_export, importance, quality, recipes, rotation, sensitivity
from quantize.checkpoint import Checkpoint
from quantize.datasets import Datasets
from quantize.decoder_files import Form
from quantize.preparation import Run
from quantize.quality import Reference
from quantize.rotation import Kept, Rotation

FALLS = 0.98  # of the plain divergence, at most: less is the luck of a seed
_PLAIN = Rotation().name


def choose(
    run: Run, folder: Path, chosen: Datasets, plain: Mapping[str, Form]
) -> tuple[dict[str, Form], dict[str, Kept]]:
    """The form that each decoder is written from, by format, and what was measured for it.

    Raises:
        EngineError: the model or its trial cannot run on this machine.
    """
    checkpoint = run.checkpoint
    assert isinstance(checkpoint, Checkpoint)  # preparation
    work, few = folder / bundle.WORK / "rotation", chosen.calibrating.first(sensitivity.ROWS)
    shutil.rmtree(work, ignore_errors=True)  # trials of a killed run are made anew
    work.mkdir()
    f16 = decoder_files.reference(run, folder)
    reference = quality.measure_reference(f16, few, work, run.progress)
    measured = {kind: {_PLAIN: _divergence(run, reference, form, kind)} for kind, form in plain.items()}
    best, offered = dict(plain), rotation.offered(checkpoint)
    for turned in offered.rotations:
        form = _rotated(
            run, work / turned.name, turned, chosen, needs_matrix=any(f.imatrix for f in plain.values())
        )
        for kind, found in measured.items():
            same = replace(form, mixture=plain[kind].mixture)
            found[turned.name] = _divergence(run, reference, same, kind)
            if found[turned.name] == min(found.values()) <= FALLS * found[_PLAIN]:
                best[kind] = same
        _sweep(work, best)
    told = {kind: Kept(_kept(found), found, offered.left_out) for kind, found in measured.items()}
    return best, told


def _rotated(run: Run, place: Path, turned: Rotation, chosen: Datasets, *, needs_matrix: bool) -> Form:
    """Rotated weights, as a folder and as F16, with an importance matrix of their own."""
    assert isinstance(run.checkpoint, Checkpoint)
    place.mkdir()
    stored = rotation.write(run.checkpoint, place / run.checkpoint.name, turned, run.progress)
    source, matrix = place / "f16.gguf", place / importance.FILE_NAME
    gguf_export.write_float(stored, source, recipes.find("f16"), run.progress)
    if not needs_matrix:
        return Form(stored, source, None)
    found = importance.gather(source, chosen.calibrating, chosen.calibrated_on, place, run.progress)
    importance.write(matrix, found)
    return Form(stored, source, matrix)


def _divergence(run: Run, reference: Reference, form: Form, kind: str) -> float:
    """Nats on the calibrating rows, mean over modalities."""
    path = decoder_files.trial(run, reference.work, form, kind)
    found = reference.positions(path, run.of_format(kind))
    return sum(float(p["divergence"].mean()) for p in found.values()) / len(found)


def _kept(found: Mapping[str, float]) -> str:
    least = min(found, key=lambda name: found[name])
    return least if found[least] <= FALLS * found[_PLAIN] else _PLAIN


def _sweep(work: Path, best: Mapping[str, Form]) -> None:
    """Remove the rotated weights that no decoder is written from."""
    used = {form.source.parent for form in best.values()}
    for path in work.iterdir():
        if path.is_dir() and path not in used:
            shutil.rmtree(path)
