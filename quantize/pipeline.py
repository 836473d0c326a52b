"""The one function of the pipeline: a checkpoint folder in, a measured bundle out.

Job: the order of the steps, and what is checked before the first byte is written.
Ignorance: how any step works; prints nothing. A bundle holds a GGUF decoder, an ONNX one, or both.
"""

from __future__ import annotations

import platform
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from math import prod
from pathlib import Path
from typing import Any

from edge import licences
from edge.errors import EngineError, IntegrityError, NotFoundError, UsageError
from edge.formats import manifest as manifests
from edge.formats.gguf import read_header
from edge.formats.manifest import Manifest
from edge.vocabulary import Vocabulary
from quantize import (
    budget,
    bundle,
    calibration,
    codec_export,
    continuations,
    datasets,
    genai,
    gguf_export,
    importance,
    llama_quantize,
    mixture,
    onnx_export,
    quality,
    recipes,
    report_page,
    sensitivity,
    vocabulary_export,
)
from quantize.budget import Goal, Plan
from quantize.checkpoint import Checkpoint, read_json
from quantize.children import Progress
from quantize.continuations import Continuation
from quantize.datasets import Datasets
from quantize.gguf_source import GgufSource, open_source
from quantize.mixture import Mixture
from quantize.onnx_export import OnnxRecipe
from quantize.recipes import Recipe
from quantize.report import CodecResult, Quality, Report, Size
from quantize.rows import Rows

DECODER, GRAPH, VOCABULARY = "decoder.gguf", "decoder.onnx", "vocabulary.gguf"
FORMATS = ("gguf", "onnx", "both")
TEMPLATE, REPORT, PAGE = "chat_template.jinja", "report.json", "report.html"
_TOOLS = ("edge-multimodal", "llama-cpp-python", "gguf", "onnx", "onnxruntime", "numpy")
_MIXED = Recipe("a mixture", "mixed", 15, 8.5, needs_importance=True)  # until the mixture is chosen
_SLACK = 4 << 20  # bytes: headers, manifest, report
_LOGITS = 3 * quality.MAX_POSITIONS * 3500  # bytes: what the reference said, at most, in three modalities

Measured = dict[str, Quality]  # by modality


@dataclass(frozen=True)
class Options:
    """What a run may be told beyond its recipe; None: the pipeline's own choice."""

    heldout: Path | None = (
        None  # npz as `quantize.calibration` describes it; None: the checkpoint's heldout.npz
    )
    calibration: Path | None = None  # JSONL as `quantize.examples` describes it; calibrates the decoder
    imatrix: Path | None = None  # a ready importance matrix, in llama.cpp's GGUF form
    strict_codecs: bool = False  # raise where no small form of a codec passes its gate
    goal: Goal | None = None  # a limit that chooses a type for every tensor; takes the recipe's place
    format: str = "gguf"  # of FORMATS: llama.cpp's decoder, onnxruntime's, or both


@dataclass(frozen=True)
class _Run:
    """What every step of one run needs."""

    checkpoint: Checkpoint | GgufSource
    recipe: Recipe
    onnx: OnnxRecipe | None  # how the ONNX decoder is stored; None: the bundle has none
    codecs: Mapping[str, Path]  # float codecs by role
    heldout: Mapping[str, calibration.Array]
    options: Options
    progress: Progress

    @property
    def gguf(self) -> bool:
        """Whether the bundle has a GGUF decoder."""
        return self.options.format != "onnx"

    @property
    def float_gguf(self) -> bool:
        """Whether it is a float one, which needs no quantizer."""
        return self.gguf and self.recipe.streamed


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
    run, target = _prepare(Path(checkpoint), Path(output), recipe, options or Options(), progress)
    with bundle.building(target) as folder:
        source, chosen, weighed = _calibrated(run, folder)
        mixed = _mix(run, folder, chosen) if run.options.goal else None
        run = replace(run, recipe=mixed.recipe) if mixed else run
        files = _write_decoders(run, folder, source, mixed)
        gguf, onnx, note = _measure(run, folder, chosen.judged)
        codecs = _write_codecs(run, folder)
        files |= _copy_files(run, folder)
        told = Report(quality=gguf or onnx, quality_onnx=onnx if gguf else {}, quality_note=note,
                      judged_on=chosen.judged_on, importance=weighed, codecs=codecs,
                      plan=asdict(mixed.plan) if mixed else {}, **_facts(run, folder, started))  # fmt: skip
        (folder / REPORT).write_text(told.to_json(), encoding="utf-8")
        said = _continuations(run, folder, chosen.judged)
        (folder / PAGE).write_text(report_page.page(told, said), encoding="utf-8")
        _write_manifest(run, folder, files, target.name)
    return told


def plan(checkpoint: str | Path, output: str | Path, *, options: Options,
         progress: Progress | None = None) -> Plan:  # fmt: skip
    """What `quantize` would do to meet `options.goal`; writes no bundle, works beside `output`.

    Errors as `quantize`.
    """
    run, target = _prepare(Path(checkpoint), Path(output), "int4", options, progress)
    with bundle.scratch(target) as folder:
        _, chosen, _ = _calibrated(run, folder)
        return _mix(run, folder, chosen).plan


def _prepare(
    folder: Path, output: Path, recipe: str, options: Options, progress: Progress | None
) -> tuple[_Run, Path]:
    """The run and where its bundle goes, once everything that can be refused was looked at."""
    chosen = _MIXED if options.goal else recipes.find(recipe)
    _check_format(options)
    graph = None if options.format == "gguf" else onnx_export.find(recipe)
    checkpoint = open_source(folder)
    if graph is not None:
        onnx_export.require(checkpoint)
    if options.goal:
        budget.check_possible(options.goal, [t.shape for t in checkpoint.tensors.values()])
    if options.imatrix and options.calibration:
        raise UsageError(
            "--imatrix and --calibration exclude one another; a ready matrix needs no calibration"
        )
    if options.imatrix:
        importance.read(options.imatrix)
    if options.calibration:
        datasets.check_examples(options.calibration, checkpoint.codecs())
    path = options.heldout or checkpoint.folder / "heldout.npz"
    if options.heldout and not path.is_file():
        raise NotFoundError(f"the held-out file {path} does not exist; check the path")
    arrays = calibration.read_heldout(path, int(checkpoint.config["vocab_size"]))
    run = _Run(checkpoint, chosen, graph, checkpoint.codecs(), arrays, options, progress or (lambda *_: None))
    target = output.resolve()
    bundle.check_target(target)
    bundle.require_disk(target, _needed(run))
    return run, target


def _check_format(options: Options) -> None:
    """Refuse what a format cannot do: only GGUF has types to choose, and matrices that weigh their errors."""
    if options.format not in FORMATS:
        raise UsageError(f"unknown format {options.format!r}; choose one of {', '.join(FORMATS)}")
    if options.format != "gguf" and options.goal:
        raise UsageError(
            f"--max-size, --max-kl and --max-ram choose GGUF types, and --format {options.format} makes an "
            "ONNX decoder; name a --recipe (f32, int8, int4), or use --format gguf"
        )
    if options.format == "onnx" and (options.imatrix or options.calibration):
        raise UsageError(
            "--imatrix and --calibration serve the GGUF decoder alone, and --format onnx makes none; leave "
            "them out, or use --format both (--heldout names your own ids to be judged on)"
        )


def _calibrated(run: _Run, folder: Path) -> tuple[Path, Datasets, str]:
    """The decoder without loss, the rows, and what is said about the importance matrix, put in its place."""
    work = folder / bundle.WORK
    source = _write_float(run, folder, work)
    chosen = datasets.choose(source, run.heldout, run.options.calibration, run.codecs, work, run.progress)
    return source, chosen, _write_importance(run, folder / importance.FILE_NAME, source, chosen)


def _needed(run: _Run) -> int:
    """Bytes the run may hold at once: the float decoder, the f16 reference, the result, the codecs twice."""
    parameters = _parameters(run.checkpoint)
    file = run.checkpoint.tokenizer()
    tokenizer = file.stat().st_size if file else 0
    result = int(parameters * run.recipe.bits / 8) if run.gguf else 0
    result += int(parameters * run.onnx.weight_bits / 8) if run.onnx else 0
    reference = 2 * parameters + _LOGITS
    source = 0 if run.float_gguf or run.checkpoint.ready else run.checkpoint.size
    codecs = sum(path.stat().st_size for path in run.codecs.values())
    reference += 2 * parameters if run.options.goal else 0  # one trial at a time
    return result + reference + source + 2 * codecs + 4 * tokenizer + _SLACK


def _parameters(checkpoint: Checkpoint | GgufSource) -> int:
    return sum(prod(t.shape) for t in checkpoint.tensors.values())


def _write_float(run: _Run, folder: Path, work: Path) -> Path:
    """The decoder without loss: a float GGUF as it is; the result itself where the recipe is a float one."""
    if run.checkpoint.ready is not None and not run.float_gguf:
        return run.checkpoint.ready
    recipe = run.recipe if run.float_gguf else recipes.find(run.checkpoint.widest)
    path = folder / DECODER if run.float_gguf else work / "source.gguf"
    gguf_export.write_float(run.checkpoint, path, recipe, run.progress)
    read_header(path)
    return path


def _write_decoders(run: _Run, folder: Path, source: Path, mixed: Mixture | None) -> dict[str, str]:
    """All files of the decoders, by role."""
    files = _write_gguf(run, folder, source, mixed) if run.gguf else {}
    return files | (_write_onnx(run, folder, run.onnx) if run.onnx else {})


def _write_gguf(run: _Run, folder: Path, source: Path, mixed: Mixture | None) -> dict[str, str]:
    """Quantize, where the recipe or the mixture does; the file, and what its types were chosen by."""
    files, matrix = {manifests.GGUF: DECODER}, folder / importance.FILE_NAME
    if matrix.is_file():
        files["importance"] = matrix.name
    if not run.recipe.streamed:
        imatrix, types = matrix if matrix.is_file() else None, mixed.types if mixed else None
        llama_quantize.write(source, folder / DECODER, run.recipe, run.progress, imatrix, types)
    if mixed:
        sensitivity.keep(folder / sensitivity.FILE_NAME, mixed.known)
        files["sensitivity"] = sensitivity.FILE_NAME
    return files


def _write_onnx(run: _Run, folder: Path, recipe: OnnxRecipe) -> dict[str, str]:
    """The graph and its weights, what onnxruntime-genai needs, and the vocabulary where no GGUF brings it."""
    assert isinstance(run.checkpoint, Checkpoint)  # onnx_export.require
    onnx_export.write(run.checkpoint, folder / GRAPH, recipe, run.progress)
    graph, weights = onnx_export.files(folder / GRAPH)
    files = {manifests.ONNX: graph.name, manifests.ONNX_DATA: weights.name}
    if not run.gguf:
        vocabulary_export.write(run.checkpoint, folder / VOCABULARY)
        files[manifests.VOCABULARY] = VOCABULARY
    return files | genai.write(run.checkpoint, graph, _vocabulary(run.checkpoint).end)


def _mix(run: _Run, folder: Path, chosen: Datasets) -> Mixture:
    assert run.options.goal is not None
    source, imatrix, work = _reference(run, folder), folder / importance.FILE_NAME, folder / bundle.WORK
    return mixture.choose(run.options.goal, source, imatrix, chosen.calibrating, work, run.progress)


def _write_importance(run: _Run, target: Path, source: Path, chosen: Datasets) -> str:
    """Put the matrix at `target`, where the recipe uses one; what is said about it."""
    if not run.gguf:
        return "none: it would serve a GGUF decoder alone"
    if run.recipe.streamed:
        return "none: nothing is rounded to less than 16 bits"
    if not run.recipe.uses_importance:
        return f"none: {run.recipe.type} does not use it"
    given, needed = run.options.imatrix, run.recipe.needs_importance
    aside = "; the ONNX decoder does not use it" if run.onnx else ""
    if given is not None:
        found = importance.read(given)
        importance.check(found, read_header(source), given.name, complete=needed)
        importance.write(target, found)
        return f"given: {given.name}, from {', '.join(found.datasets)}{aside}"
    try:
        work = target.parent / bundle.WORK
        found = importance.gather(source, chosen.calibrating, chosen.calibrated_on, work, run.progress)
    except EngineError as error:
        if needed:
            raise
        return f"none: it could not be gathered ({error})"
    importance.check(found, read_header(source), importance.FILE_NAME, complete=needed)
    importance.write(target, found)
    return f"gathered on {chosen.calibrating.tokens} ids: {chosen.calibrated_on}{aside}"


def _measure(run: _Run, folder: Path, judged: Rows) -> tuple[Measured, Measured, str]:
    """Quality of the GGUF decoder and of the ONNX one, and against what; a measurement that cannot run is
    said, not raised."""
    gguf: Measured = {}
    onnx: Measured = {}
    try:
        reference = quality.measure_reference(
            _reference(run, folder), judged, folder / bundle.WORK, run.progress
        )
        if run.gguf:
            gguf = reference.quality(folder / DECODER, run.progress)
        if run.onnx:
            onnx = reference.quality(folder / GRAPH, run.progress)
    except (EngineError, IntegrityError) as error:
        return (
            gguf,
            {},
            f"against f16 (the ONNX decoder was not: {error})" if gguf else f"not measured: {error}",
        )
    return gguf, onnx, "against f16"


def _reference(run: _Run, folder: Path) -> Path:
    """The decoder in f16: llama.cpp computes it within 1e-8 nat of f32, but bf16 only within 4e-5 (pico)."""
    work = folder / bundle.WORK
    source = run.checkpoint.ready or work / "source.gguf"
    if run.recipe.type == "F16":
        return folder / DECODER
    if source.is_file() and run.checkpoint.widest == "F16":
        return source
    path = work / "reference.gguf"
    if path.is_file():  # the mixture was measured against it
        return path
    gguf_export.write_float(run.checkpoint, path, recipes.find("f16"), run.progress)
    return path


def _continuations(run: _Run, folder: Path, judged: Rows) -> list[Continuation]:
    """What f16 and the result say; nothing where one of them cannot run."""
    models = (_reference(run, folder), folder / (DECODER if run.gguf else GRAPH))
    ours = {role: folder / path.name for role, path in run.codecs.items()}
    work, vocabulary = folder / bundle.WORK, _vocabulary(run.checkpoint)
    try:
        return continuations.compare(models, (run.codecs, ours), judged, vocabulary, work, run.progress)
    except (EngineError, IntegrityError):
        return []


def _write_codecs(run: _Run, folder: Path) -> dict[str, CodecResult]:
    results = {}
    vocabulary = _vocabulary(run.checkpoint)
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


def _copy_files(run: _Run, folder: Path) -> dict[str, str]:
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


def _facts(run: _Run, folder: Path, started: float) -> dict[str, Any]:
    """What the report says about sizes and time."""
    sizes, weights = {}, 0
    if run.gguf:
        sizes[manifests.GGUF] = Size(run.checkpoint.size, (folder / DECODER).stat().st_size)
        weights = sum(t.size for t in read_header(folder / DECODER).tensors)
    if run.onnx:
        written = [file.stat().st_size for file in onnx_export.files(folder / GRAPH)]
        sizes[manifests.ONNX] = Size(run.checkpoint.size, sum(written))
        weights = weights or written[1]
    for role, source in run.codecs.items():
        sizes[role] = Size(source.stat().st_size, (folder / source.name).stat().st_size)
    before = run.checkpoint.size + sum(source.stat().st_size for source in run.codecs.values())
    sizes["total"] = Size(before, sum(s.after for s in sizes.values()))
    parameters = _parameters(run.checkpoint)
    return {
        "name": run.checkpoint.name, "recipe": run.recipe.name, "type": _type(run),
        "parameters": parameters, "bits_per_weight": round(8 * weights / parameters, 3),
        "seconds": round(time.monotonic() - started, 2), "sizes": sizes, "tools": _tools(),
    }  # fmt: skip


def _type(run: _Run) -> str:
    """How the weights are stored, in words; the GGUF's first."""
    kinds = [run.recipe.type] if run.gguf else []
    return " and ".join([*kinds, run.onnx.type] if run.onnx else kinds)


def _write_manifest(run: _Run, folder: Path, files: Mapping[str, str], name: str) -> None:
    facts: Mapping[str, Any] = run.checkpoint.facts
    codecs = {role: path.name for role, path in run.codecs.items()}
    listed = {**files, **codecs, "report": REPORT, "report_page": PAGE}
    manifest = Manifest(
        name=run.checkpoint.name,
        family=str(facts.get("family", run.checkpoint.gguf)),
        member=str(facts.get("member", name)),
        architecture=run.checkpoint.gguf,
        modalities=facts.get("modalities", {"in": ["text"], "out": ["text"]}),
        vocabulary=_vocabulary(run.checkpoint),
        files={role: manifests.entry_of(folder, path) for role, path in listed.items()},
        context_length=run.checkpoint.context_length,
        licence=str(facts.get("licence") or _licence(run)),
        recipe={"name": run.recipe.name, "type": _type(run)},
        prompts=facts.get("prompts", {}),
        sampling=facts.get("sampling", {}),
        tools=_tools(),
        provenance=facts.get("provenance", {}),
    )
    (folder / manifests.FILE_NAME).write_text(manifest.to_json(), encoding="utf-8")
    manifests.load(folder)


def _licence(run: _Run) -> str:
    """What the licence file says it is, else what a GGUF's header says."""
    named = licences.name_of(licences.files(run.checkpoint.folder).values())
    source = run.checkpoint
    stated = source.header.metadata.get("general.license") if isinstance(source, GgufSource) else None
    return str(named or stated or "unknown")


def _vocabulary(checkpoint: Checkpoint | GgufSource) -> Vocabulary:
    """From edge.json; of a text-only model, one block of text."""
    if checkpoint.facts:
        return Vocabulary.from_dict(checkpoint.facts["vocabulary"])
    size, ends = int(checkpoint.config["vocab_size"]), None
    generation = checkpoint.folder / "generation_config.json"
    if isinstance(checkpoint, Checkpoint) and generation.is_file():
        ends = read_json(generation).get("eos_token_id")
    ends = checkpoint.config.get("eos_token_id") if ends is None else ends
    listed = ends if isinstance(ends, list) else [ends]
    return Vocabulary(size, size, tuple(e for e in listed if type(e) is int and 0 <= e < size))


def _tools() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for tool in _TOOLS:
        try:
            found[tool] = version(tool)
        except PackageNotFoundError:
            continue
    return found
