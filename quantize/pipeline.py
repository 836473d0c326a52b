"""The one function of the pipeline: a checkpoint folder in, a measured bundle out.

Job: the order of the steps. Ignorance: how any step works; prints nothing. A bundle holds a GGUF decoder, an
ONNX one, or both.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from edge import licences
from edge.errors import EngineError, IntegrityError
from quantize import (
    bundle,
    bundle_facts,
    calibration,
    codec_export,
    continuations,
    datasets,
    decoder_files,
    importance,
    mixture,
    quality,
    quality_stamp,
    report_page,
    resume,
    rotation_choice,
)
from quantize.backend import Backend, GgufBackend
from quantize.budget import Plan
from quantize.children import Progress
from quantize.continuations import Continuation
from quantize.datasets import Datasets
from quantize.decoder_files import Form
from quantize.mixture import Mixture
from quantize.onnx_backend import OnnxBackend
from quantize.preparation import Options, Run, prepare
from quantize.report import CodecResult, Quality, Report
from quantize.rotation import Kept
from quantize.rows import Rows

__all__ = ["Options", "plan", "quantize"]
TEMPLATE = "chat_template.jinja"
Measured = dict[str, Quality]  # by modality


def quantize(
    checkpoint: str | Path,
    output: str | Path,
    recipe: str = "int4",
    *,
    options: Options | None = None,
    progress: Progress | None = None,
) -> Report:
    """Quantize a checkpoint folder, or a float GGUF, into a bundle: by a recipe, or to meet `options.goal`.

    `progress(what, done, of)` is called as steps advance. An older bundle at `output` stays until the end.

    Raises:
        UsageError: unknown recipe or format, a format that cannot hold the model, pickled weights, options
            that exclude one another, or `output` is something else than a bundle.
        NotFoundError: not a checkpoint, or a codec or a file of the options is missing.
        ModalityError: the examples hold media that the model does not read.
        IntegrityError: a file of the checkpoint or of the options is damaged.
        DoesNotFitError: the disk is too small, or nothing meets the goal; then with the nearest number.
    """
    started = time.monotonic()
    run, target = prepare(Path(checkpoint), Path(output), recipe, options or Options(), progress)
    with bundle.building(target, run.key) as folder:
        resume.sweep(folder, folder / bundle.WORK)
        chosen, weighed, plain = _calibrated(run, folder)
        forms, rotations = _formed(run, folder, chosen, plain)
        run = _named(run, forms)
        files = decoder_files.write(run, folder, forms)
        gguf, onnx, note = _measure(run, folder, chosen.judged)
        mixtures = {kind: form.mixture for kind, form in forms.items() if form.mixture}
        files |= decoder_files.write_projector(run, folder)
        codecs = _write_codecs(run, folder)
        files |= _copy_files(run, folder)
        said = _continuations(run, folder, chosen.judged)
        _stamp(run, folder, {"gguf": gguf, "onnx": onnx}, note, chosen.judged_on)
        told = Report(quality=gguf or onnx, quality_onnx=onnx if gguf else {}, quality_note=note,
                      judged_on=chosen.judged_on, importance=weighed, codecs=codecs,
                      **_plans(run, mixtures),
                      rotation={kind: asdict(kept) for kind, kept in rotations.items()},
                      **bundle_facts.of_report(run, folder, started))  # fmt: skip
        (folder / bundle_facts.REPORT).write_text(told.to_json(), encoding="utf-8")
        (folder / bundle_facts.PAGE).write_text(report_page.page(told, said, mixtures), encoding="utf-8")
        bundle_facts.write_manifest(run, folder, files, target.name)
    return told


def plan(checkpoint: str | Path, output: str | Path, *, options: Options,
         progress: Progress | None = None) -> dict[str, Plan]:  # fmt: skip
    """What `quantize` would do to meet `options.goal`, by format; writes no bundle, works beside `output`.

    Errors as `quantize`.
    """
    run, target = prepare(Path(checkpoint), Path(output), "int4", options, progress)
    with bundle.scratch(target, run.key) as folder:
        chosen, _, plain = _calibrated(run, folder)
        forms, _ = _formed(run, folder, chosen, plain)
        return {kind: form.mixture.plan for kind, form in forms.items() if form.mixture}


def _calibrated(run: Run, folder: Path) -> tuple[Datasets, str, Form]:
    """The rows, what is said about the importance matrix, and the decoder's weights as they are."""
    given, work = run.options.calibration, folder / bundle.WORK
    source = decoder_files.write_source(run, folder)
    chosen = datasets.choose(source, run.heldout, given, run.codecs, work, run.progress)
    weighed = decoder_files.write_importance(run, folder, source, chosen)
    matrix = folder / importance.FILE_NAME
    return chosen, weighed, Form(run.checkpoint, source, matrix if matrix.is_file() else None)


def _formed(run: Run, folder: Path, chosen: Datasets, plain: Form) -> tuple[dict[str, Form], dict[str, Kept]]:
    """What each decoder is written from, by format: with a goal's types, and rotated where it pays."""
    forms, work = dict.fromkeys(run.formats, plain), folder / bundle.WORK
    if run.options.goal:
        f16 = decoder_files.reference(run, folder)
        forms = {kind: _mixed(run, chosen, plain, kind, f16, work) for kind in run.formats}
    if run.options.rotate == "off":
        return forms, {}
    forms, kept = rotation_choice.choose(run, folder, chosen, forms)
    for kind, form in forms.items():
        if form.mixture and form.checkpoint is not run.checkpoint:
            forms[kind] = _mixed(run, chosen, form, kind, form.source, form.source.parent)
        if mixture := forms[kind].mixture:
            told = replace(mixture, plan=replace(mixture.plan, rotation=kept[kind]))
            forms[kind] = replace(forms[kind], mixture=told)
    return forms, kept


def _mixed(run: Run, chosen: Datasets, form: Form, kind: str, f16: Path, work: Path) -> Form:
    """With the types that meet the goal; `work` is a folder for its files alone."""
    assert run.options.goal is not None
    assert form.imatrix is not None
    backend: Backend = GgufBackend(f16, form.imatrix)
    if kind == "onnx":
        backend = OnnxBackend(f16, form.imatrix, form.checkpoint.folder)
    made = mixture.choose(run.options.goal, backend, chosen.calibrating, work, run.of_format(kind))
    return replace(form, mixture=made)


def _named(run: Run, forms: Mapping[str, Form]) -> Run:
    """With the recipes that the goal led to."""
    if not run.options.goal:
        return run
    gguf, onnx = forms.get("gguf"), forms.get("onnx")
    recipe = decoder_files.gguf_recipe(run, gguf) if gguf else replace(run.recipe, name=str(run.options.goal))
    return replace(run, recipe=recipe, onnx=decoder_files.onnx_recipe(run, onnx) if onnx else None)


def _plans(run: Run, mixtures: Mapping[str, Mixture]) -> dict[str, Any]:
    """The report's fields; as with quality, the ONNX decoder's stands apart only beside a GGUF's."""
    names = {run.formats[0]: "plan", **({"onnx": "plan_onnx"} if run.gguf else {})}
    return {names[kind]: asdict(mixture.plan) for kind, mixture in mixtures.items()}


def _measure(run: Run, folder: Path, judged: Rows) -> tuple[Measured, Measured, str]:
    """Quality of the GGUF decoder and of the ONNX one, and against what; a measurement that cannot run is
    said, not raised."""
    gguf: Measured = {}
    onnx: Measured = {}
    try:
        f16 = decoder_files.reference(run, folder)
        reference = quality.measure_reference(f16, judged, folder / bundle.WORK, run.progress)
        if run.gguf:
            gguf = reference.quality(folder / decoder_files.GGUF, run.of_format("gguf"))
        if run.onnx:
            onnx = reference.quality(folder / decoder_files.GRAPH, run.of_format("onnx"))
    except (EngineError, IntegrityError) as error:
        partly = f"against f16 (the ONNX decoder was not measured: {error})"
        return gguf, onnx, partly if gguf else f"not measured: {error}"
    return gguf, onnx, "against f16"


def _stamp(run: Run, folder: Path, found: dict[str, Measured], note: str, judged_on: str) -> None:
    """Put the numbers into the decoders themselves; in the room of the reference, which is needed no more."""
    (folder / decoder_files.REFERENCE).unlink(missing_ok=True)
    digest = quality_stamp.source_digest(run.checkpoint)
    for kind in run.formats:
        facts = {"note": note, "judged_on": judged_on, "recipe": run.recipe.name, "source_sha256": digest}
        told = quality_stamp.values(found[kind], facts)
        if kind == "gguf":
            quality_stamp.gguf(folder / decoder_files.GGUF, told)
        else:
            quality_stamp.onnx_graph(folder / decoder_files.GRAPH, told)


def _continuations(run: Run, folder: Path, judged: Rows) -> list[Continuation]:
    """What f16 and the result say; nothing where one of them cannot run."""
    result = folder / (decoder_files.GGUF if run.gguf else decoder_files.GRAPH)
    ours = {role: folder / path.name for role, path in run.codecs.items()}
    work, codecs = folder / bundle.WORK, (run.codecs, ours)
    try:
        models = decoder_files.reference(run, folder), result
        return continuations.compare(models, codecs, judged, run.vocabulary, work, run.progress)
    except (EngineError, IntegrityError):
        return []


def _write_codecs(run: Run, folder: Path) -> dict[str, CodecResult]:
    results = {}
    vocabulary = run.vocabulary
    for done, (role, source) in enumerate(run.codecs.items()):
        run.progress("codecs", done, len(run.codecs))
        kind = role.partition("_")[0]
        block = next((b for b in vocabulary.blocks if b.kind == kind), None)
        encoder, decoder = run.codecs.get(f"{kind}_encoder"), run.codecs.get(f"{kind}_decoder")
        if block is None:
            raise IntegrityError(
                f"edge.json names the modality {kind}, but its vocabulary has no {kind} block"
            )
        if run.recipe.streamed:
            shutil.copyfile(source, folder / source.name)
            results[role] = CodecResult("float", (), f"the recipe {run.recipe.name} keeps codecs as they are")
            continue
        media = calibration.media(kind, run.heldout, block, decoder)
        results[role] = codec_export.export(role, source, folder / source.name, media, encoder,
                                            strict=run.options.strict_codecs)  # fmt: skip
    if run.codecs:
        run.progress("codecs", len(run.codecs), len(run.codecs))
    return results


def _copy_files(run: Run, folder: Path) -> dict[str, str]:
    """Tokenizer, template, licence and usage policy, by role."""
    found = licences.files(run.checkpoint.folder)
    if (tokenizer := run.checkpoint.tokenizer()) is not None:
        found["tokenizer"] = tokenizer
    for path in found.values():
        shutil.copyfile(path, folder / path.name)
    copied = {role: path.name for role, path in found.items()}
    template = run.checkpoint.chat_template()
    if template is not None:
        copied["chat_template"] = TEMPLATE
        (folder / TEMPLATE).write_text(template, encoding="utf-8")
    return copied
