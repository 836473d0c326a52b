"""The decoders of a bundle: written without loss, quantized, as an ONNX graph; the vision tower beside.

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
from quantize.onnx_export import OnnxRecipe
from quantize.preparation import Run
from quantize.recipes import Recipe

GGUF, GRAPH, VOCABULARY = "decoder.gguf", "decoder.onnx", "vocabulary.gguf"
PROJECTOR = "mmproj.gguf"
_SOURCE, REFERENCE = f"{bundle.WORK}/source.gguf", f"{bundle.WORK}/reference.gguf"


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
    path = folder / REFERENCE
    write = partial(gguf_export.write_float, run.checkpoint, path, recipes.find("f16"), run.progress)
    resume.once(_mark(folder, "reference"), write, path)
    return path


def write_importance(run: Run, folder: Path, source: Path, chosen: Datasets) -> str:
    """Put the importance matrix into the folder, where the recipe uses one; what is said about it."""
    graph = run.onnx is not None and (run.onnx.uses_importance or run.options.goal is not None)
    if not graph and not (run.gguf and run.recipe.uses_importance):
        return "none: nothing that is written uses it"
    given, needed = run.options.imatrix, run.recipe.needs_importance
    target = folder / importance.FILE_NAME
    if given is not None:
        found = importance.read(given)
        importance.check(found, read_header(source), given.name, complete=needed)
        importance.write(target, found)
        return f"given: {given.name}, from {', '.join(found.datasets)}"
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
    return f"gathered on {chosen.calibrating.tokens} ids: {chosen.calibrated_on}"


def _mark(folder: Path, step: str) -> Path:
    return folder / bundle.WORK / f"{step}.done"


def write(run: Run, folder: Path, forms: Mapping[str, Form]) -> dict[str, str]:
    """All files of the decoders, by role; `forms` by format."""
    files: dict[str, str] = {}
    if run.gguf:
        files |= _write_gguf(run, folder, forms["gguf"])
    if run.onnx:
        files |= _write_onnx(run, folder, forms["onnx"])
    return files | _keep_grounds(folder, forms)


def write_projector(run: Run, folder: Path) -> dict[str, str]:
    """The vision tower beside the decoder, by role: in f16, or as a float recipe says."""
    if not run.projects:
        return {}
    assert isinstance(run.checkpoint, Checkpoint)
    gguf_export.write_projector(run.checkpoint, folder / PROJECTOR, projector_recipe(run), run.progress)
    read_header(folder / PROJECTOR)
    return {manifests.MMPROJ: PROJECTOR}


def projector_recipe(run: Run) -> Recipe:
    """How the vision tower is stored."""
    return run.recipe if run.recipe.streamed else recipes.find("f16")


def trial(run: Run, folder: Path, form: Form, kind: str) -> Path:
    """One decoder alone, in a folder for files, of a format."""
    if kind == "onnx":
        assert isinstance(form.checkpoint, Checkpoint)
        recipe = onnx_recipe(run, form)
        assert recipe is not None
        weights = importance.read(form.imatrix) if form.imatrix and recipe.uses_importance else None
        onnx_export.write(form.checkpoint, folder / GRAPH, recipe, run.progress, weights)
        return folder / GRAPH
    types = form.mixture.types if form.mixture else None
    llama_quantize.write(
        form.source, folder / GGUF, gguf_recipe(run, form), run.progress, form.imatrix, types
    )
    return folder / GGUF


def gguf_recipe(run: Run, form: Form) -> Recipe:
    """The run's, or the row that stands for a mixture: llama.cpp's number of the type with most bytes."""
    if not form.mixture:
        return run.recipe
    most, goal = form.mixture.most, form.mixture.plan.goal
    rows = recipes.RECIPES.values()
    nearest = next((r for r in rows if most in (r.type, r.type.removesuffix("_M"))), run.recipe)
    return Recipe(goal, f"mixed, most {most}", nearest.file_type, form.mixture.bits)


def onnx_recipe(run: Run, form: Form) -> OnnxRecipe | None:
    """The run's, or a mixture."""
    return onnx_export.mixed(form.mixture.plan.goal, form.mixture.types) if form.mixture else run.onnx


def _write_gguf(run: Run, folder: Path, form: Form) -> dict[str, str]:
    """Quantize, where the recipe or the mixture does."""
    if not run.recipe.streamed:
        kind = form.mixture.types if form.mixture else None, form.source.parent.name, _matrix(form)
        mark = _mark(folder, f"quantized-{resume.key(kind, ())}")
        resume.once(mark, partial(trial, run, folder, form, "gguf"), folder / GGUF)
    return {manifests.GGUF: GGUF}


def _matrix(form: Form) -> str | None:
    return resume.stamp(form.imatrix) if form.imatrix else None


def _keep_grounds(folder: Path, forms: Mapping[str, Form]) -> dict[str, str]:
    """The importance matrix of the first decoder, and what the types of each were chosen by."""
    files, matrix = {}, next(iter(forms.values())).imatrix
    if matrix:
        files["importance"] = importance.FILE_NAME
        if matrix.parent != folder:
            shutil.copyfile(matrix, folder / importance.FILE_NAME)
    for kind, form in forms.items():
        if form.mixture:
            role = "sensitivity" if kind == "gguf" else f"sensitivity_{kind}"
            files[role] = f"{role}.json"
            sensitivity.keep(folder / files[role], form.mixture.known)
    return files


def _write_onnx(run: Run, folder: Path, form: Form) -> dict[str, str]:
    """The graph and its weights, what onnxruntime-genai needs, and the vocabulary where no GGUF brings it."""
    assert isinstance(run.checkpoint, Checkpoint)  # onnx_export.require
    graph, weights = onnx_export.files(folder / GRAPH)
    mark = _mark(folder, f"onnx-{resume.key((form.source.parent.name, _matrix(form)), ())}")
    resume.once(mark, partial(trial, run, folder, form, "onnx"), graph, weights)
    files = {manifests.ONNX: graph.name, manifests.ONNX_DATA: weights.name}
    if not run.gguf:
        vocabulary_export.write(run.checkpoint, folder / VOCABULARY)
        files[manifests.VOCABULARY] = VOCABULARY
    return files | genai.write(run.checkpoint, graph, run.vocabulary.end)
