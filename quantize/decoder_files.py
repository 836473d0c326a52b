"""The decoders of a bundle: written without loss, quantized, and as an ONNX graph.

Job: which file comes from which, and the roles they have in the manifest.
Ignorance: how any of them is written, how good they are.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from edge.errors import EngineError
from edge.formats import manifest as manifests
from edge.formats.gguf import read_header
from quantize import (
    bundle,
    genai,
    gguf_export,
    importance,
    llama_quantize,
    onnx_export,
    recipes,
    resume,
    sensitivity,
    vocabulary_export,
)
from quantize.checkpoint import Checkpoint
from quantize.datasets import Datasets
from quantize.gguf_source import GgufSource
from quantize.mixture import Mixture
from quantize.preparation import Run

GGUF, GRAPH, VOCABULARY = "decoder.gguf", "decoder.onnx", "vocabulary.gguf"
_SOURCE = f"{bundle.WORK}/source.gguf"


@dataclass(frozen=True)
class Form:
    """What a decoder is written from: the weights as they are, or rotated."""

    checkpoint: Checkpoint | GgufSource
    source: Path  # the same as a float GGUF
    imatrix: Path | None  # of these very weights
    mixture: Mixture | None = None  # the types by tensor, where a goal chose them


def write_source(run: Run, folder: Path) -> Path:
    """The decoder without loss: a float GGUF as it is; the result itself where the recipe is a float one."""
    if run.checkpoint.ready is not None and not run.float_gguf:
        return run.checkpoint.ready
    recipe = run.recipe if run.float_gguf else recipes.find(run.checkpoint.widest)
    path = folder / (GGUF if run.float_gguf else _SOURCE)
    write = partial(gguf_export.write_float, run.checkpoint, path, recipe, run.progress)
    resume.once(_mark(folder, "source"), write, path)
    read_header(path)
    return path


def reference(run: Run, folder: Path) -> Path:
    """The decoder in f16: llama.cpp computes it within 1e-8 nat of f32, but bf16 only within 4e-5 (pico)."""
    source = run.checkpoint.ready or folder / _SOURCE
    if run.recipe.type == "F16":
        return folder / GGUF
    if source.is_file() and run.checkpoint.widest == "F16":
        return source
    path = folder / bundle.WORK / "reference.gguf"
    write = partial(gguf_export.write_float, run.checkpoint, path, recipes.find("f16"), run.progress)
    resume.once(_mark(folder, "reference"), write, path)
    return path


def write_importance(run: Run, folder: Path, source: Path, chosen: Datasets) -> str:
    """Put the importance matrix into the folder, where the recipe uses one; what is said about it."""
    if not run.gguf:
        return "none: it would serve a GGUF decoder alone"
    if run.recipe.streamed:
        return "none: nothing is rounded to less than 16 bits"
    if not run.recipe.uses_importance:
        return f"none: {run.recipe.type} does not use it"
    given, needed = run.options.imatrix, run.recipe.needs_importance
    target, aside = folder / importance.FILE_NAME, "; the ONNX decoder does not use it" if run.onnx else ""
    if given is not None:
        found = importance.read(given)
        importance.check(found, read_header(source), given.name, complete=needed)
        importance.write(target, found)
        return f"given: {given.name}, from {', '.join(found.datasets)}{aside}"
    try:
        work, dataset = folder / bundle.WORK, chosen.calibrated_on
        gather = partial(importance.gather, source, chosen.calibrating, dataset, work, run.progress)
        resume.once(_mark(folder, "importance"), gather, work / importance.FILE_NAME)
        found = importance.read(work / importance.FILE_NAME)
    except EngineError as error:
        if needed:
            raise
        return f"none: it could not be gathered ({error})"
    importance.check(found, read_header(source), importance.FILE_NAME, complete=needed)
    importance.write(target, found)
    return f"gathered on {chosen.calibrating.tokens} ids: {chosen.calibrated_on}{aside}"


def _mark(folder: Path, step: str) -> Path:
    return folder / bundle.WORK / f"{step}.done"


def write(run: Run, folder: Path, forms: Mapping[str, Form]) -> dict[str, str]:
    """All files of the decoders, by role; `forms` by format."""
    files = _write_gguf(run, folder, forms["gguf"]) if run.gguf else {}
    return files | (_write_onnx(run, folder, forms["onnx"]) if run.onnx else {})


def trial(run: Run, folder: Path, form: Form, kind: str) -> Path:
    """One decoder alone, in a folder for files, of a format."""
    if kind == "onnx":
        assert isinstance(form.checkpoint, Checkpoint)
        assert run.onnx is not None
        onnx_export.write(form.checkpoint, folder / GRAPH, run.onnx, run.progress)
        return folder / GRAPH
    types, recipe = (form.mixture.types, form.mixture.recipe) if form.mixture else (None, run.recipe)
    llama_quantize.write(form.source, folder / GGUF, recipe, run.progress, form.imatrix, types)
    return folder / GGUF


def _write_gguf(run: Run, folder: Path, form: Form) -> dict[str, str]:
    """Quantize, where the recipe or the mixture does; the file, and what its types were chosen by."""
    files = {manifests.GGUF: GGUF}
    if form.imatrix:
        files["importance"] = importance.FILE_NAME
        if form.imatrix.parent != folder:
            shutil.copyfile(form.imatrix, folder / importance.FILE_NAME)
    if not run.recipe.streamed:
        kind = form.mixture.types if form.mixture else None, form.source.parent.name
        mark = _mark(folder, f"quantized-{resume.key(kind, ())}")
        resume.once(mark, partial(trial, run, folder, form, "gguf"), folder / GGUF)
    if form.mixture:
        sensitivity.keep(folder / sensitivity.FILE_NAME, form.mixture.known)
        files["sensitivity"] = sensitivity.FILE_NAME
    return files


def _write_onnx(run: Run, folder: Path, form: Form) -> dict[str, str]:
    """The graph and its weights, what onnxruntime-genai needs, and the vocabulary where no GGUF brings it."""
    assert isinstance(run.checkpoint, Checkpoint)  # onnx_export.require
    graph, weights = onnx_export.files(folder / GRAPH)
    mark = _mark(folder, f"onnx-{resume.key((form.source.parent.name,), ())}")
    resume.once(mark, partial(trial, run, folder, form, "onnx"), graph, weights)
    files = {manifests.ONNX: graph.name, manifests.ONNX_DATA: weights.name}
    if not run.gguf:
        vocabulary_export.write(run.checkpoint, folder / VOCABULARY)
        files[manifests.VOCABULARY] = VOCABULARY
    return files | genai.write(run.checkpoint, graph, run.vocabulary.end)
