"""The decoders of a bundle: written without loss, quantized, and as an ONNX graph.

Job: which file comes from which, and the roles they have in the manifest.
Ignorance: how any of them is written, how good they are.
"""

from __future__ import annotations

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
    sensitivity,
    vocabulary_export,
)
from quantize.checkpoint import Checkpoint
from quantize.datasets import Datasets
from quantize.mixture import Mixture
from quantize.onnx_export import OnnxRecipe
from quantize.preparation import Run

GGUF, GRAPH, VOCABULARY = "decoder.gguf", "decoder.onnx", "vocabulary.gguf"
_SOURCE = f"{bundle.WORK}/source.gguf"


def write_source(run: Run, folder: Path) -> Path:
    """The decoder without loss: a float GGUF as it is; the result itself where the recipe is a float one."""
    if run.checkpoint.ready is not None and not run.float_gguf:
        return run.checkpoint.ready
    recipe = run.recipe if run.float_gguf else recipes.find(run.checkpoint.widest)
    path = folder / (GGUF if run.float_gguf else _SOURCE)
    gguf_export.write_float(run.checkpoint, path, recipe, run.progress)
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
    if path.is_file():  # the mixture was measured against it
        return path
    gguf_export.write_float(run.checkpoint, path, recipes.find("f16"), run.progress)
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
        found = importance.gather(source, chosen.calibrating, dataset, work, run.progress)
    except EngineError as error:
        if needed:
            raise
        return f"none: it could not be gathered ({error})"
    importance.check(found, read_header(source), importance.FILE_NAME, complete=needed)
    importance.write(target, found)
    return f"gathered on {chosen.calibrating.tokens} ids: {chosen.calibrated_on}{aside}"


def write(run: Run, folder: Path, source: Path, mixed: Mixture | None) -> dict[str, str]:
    """All files of the decoders, by role."""
    files = _write_gguf(run, folder, source, mixed) if run.gguf else {}
    return files | (_write_onnx(run, folder, run.onnx) if run.onnx else {})


def _write_gguf(run: Run, folder: Path, source: Path, mixed: Mixture | None) -> dict[str, str]:
    """Quantize, where the recipe or the mixture does; the file, and what its types were chosen by."""
    files, matrix = {manifests.GGUF: GGUF}, folder / importance.FILE_NAME
    if matrix.is_file():
        files["importance"] = matrix.name
    if not run.recipe.streamed:
        imatrix, types = matrix if matrix.is_file() else None, mixed.types if mixed else None
        llama_quantize.write(source, folder / GGUF, run.recipe, run.progress, imatrix, types)
    if mixed:
        sensitivity.keep(folder / sensitivity.FILE_NAME, mixed.known)
        files["sensitivity"] = sensitivity.FILE_NAME
    return files


def _write_onnx(run: Run, folder: Path, recipe: OnnxRecipe) -> dict[str, str]:
    """The graph and its weights, what onnxruntime-genai needs, and the vocabulary where no GGUF brings it."""
    assert isinstance(run.checkpoint, Checkpoint)  # onnx_export.require
    onnx_export.write(run.checkpoint, folder / GRAPH, recipe, run.progress)
    graph, weights = onnx_export.files(folder / GRAPH)
    files = {manifests.ONNX: graph.name, manifests.ONNX_DATA: weights.name}
    if not run.gguf:
        vocabulary_export.write(run.checkpoint, folder / VOCABULARY)
        files[manifests.VOCABULARY] = VOCABULARY
    return files | genai.write(run.checkpoint, graph, run.vocabulary.end)
