"""The one function of the pipeline: a checkpoint folder in, a measured bundle out.

Job: the order of the steps, and what is checked before the first byte is written.
Ignorance: how any step works; prints nothing.
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
    gguf_export,
    importance,
    llama_quantize,
    mixture,
    quality,
    recipes,
    report_page,
    sensitivity,
)
from quantize.budget import Goal, Plan
from quantize.checkpoint import Checkpoint, read_json
from quantize.children import Progress
from quantize.continuations import Continuation
from quantize.datasets import Datasets
from quantize.gguf_source import GgufSource, open_source
from quantize.mixture import Mixture
from quantize.recipes import Recipe
from quantize.report import CodecResult, Quality, Report, Size
from quantize.rows import Rows

DECODER = "decoder.gguf"
TEMPLATE = "chat_template.jinja"
_TOOLS = ("edge-multimodal", "llama-cpp-python", "gguf", "onnx", "onnxruntime", "numpy")
_MIXED = Recipe("a mixture", "mixed", 15, 8.5, needs_importance=True)  # until the mixture is chosen
_SLACK = 4 << 20  # bytes: headers, manifest, report
_LOGITS = 3 * quality.MAX_POSITIONS * 3500  # bytes: what the reference said, at most, in three modalities


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


@dataclass(frozen=True)
class _Run:
    """What every step of one run needs."""

    checkpoint: Checkpoint | GgufSource
    recipe: Recipe
    codecs: Mapping[str, Path]  # float codecs by role
    heldout: Mapping[str, calibration.Array]
    options: Options
    progress: Progress


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
        UsageError: unknown recipe, pickled weights, options that exclude one another, or `output` is
            something else than a bundle.
        NotFoundError: not a checkpoint, or a codec or a file of the options is missing.
        ModalityError: the examples hold media that the model does not read.
        IntegrityError: a file of the checkpoint or of the options is damaged.
        DoesNotFitError: the disk is too small, or nothing meets the goal; then with the nearest number.
    """
    started = time.monotonic()
    run, target = _prepare(Path(checkpoint), Path(output), recipe, options or Options(), progress)
    with bundle.building(target) as folder:
        work = folder / bundle.WORK
        source, chosen, weighed = _calibrated(run, folder)
        mixed = _mix(run, folder, chosen) if run.options.goal else None
        run = replace(run, recipe=mixed.recipe) if mixed else run
        _write_decoder(run, folder, source, mixed)
        measured, note = _measure(run, folder / DECODER, work, chosen.judged)
        codecs = _write_codecs(run, folder)
        copied = _copy_files(run, folder)
        told = Report(quality=measured, quality_note=note, judged_on=chosen.judged_on, importance=weighed,
                      codecs=codecs, plan=asdict(mixed.plan) if mixed else {},
                      **_facts(run, folder, started))  # fmt: skip
        (folder / "report.json").write_text(told.to_json(), encoding="utf-8")
        said = _continuations(run, folder, work, chosen.judged)
        (folder / "report.html").write_text(report_page.page(told, said, mixed), encoding="utf-8")
        _write_manifest(run, folder, copied, target.name)
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
    checkpoint = open_source(folder)
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
    run = _Run(checkpoint, chosen, checkpoint.codecs(), arrays, options, progress or (lambda *_: None))
    target = output.resolve()
    bundle.check_target(target)
    bundle.require_disk(target, _needed(run))
    return run, target


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
    result = int(parameters * run.recipe.bits / 8)
    reference = 2 * parameters + _LOGITS
    source = 0 if run.recipe.streamed or run.checkpoint.ready else run.checkpoint.size
    codecs = sum(path.stat().st_size for path in run.codecs.values())
    reference += 2 * parameters if run.options.goal else 0  # one trial at a time
    return result + reference + source + 2 * codecs + 4 * tokenizer + _SLACK


def _parameters(checkpoint: Checkpoint | GgufSource) -> int:
    return sum(prod(t.shape) for t in checkpoint.tensors.values())


def _write_float(run: _Run, folder: Path, work: Path) -> Path:
    """The decoder without loss: a float GGUF as it is; the result itself where the recipe is a float one."""
    if run.checkpoint.ready is not None and not run.recipe.streamed:
        return run.checkpoint.ready
    recipe = run.recipe if run.recipe.streamed else recipes.find(run.checkpoint.widest)
    path = folder / DECODER if run.recipe.streamed else work / "source.gguf"
    gguf_export.write_float(run.checkpoint, path, recipe, run.progress)
    read_header(path)
    return path


def _write_decoder(run: _Run, folder: Path, source: Path, mixed: Mixture | None) -> None:
    """Quantize, where the recipe or the mixture does."""
    if run.recipe.streamed:
        return
    matrix = folder / importance.FILE_NAME
    imatrix = matrix if matrix.is_file() else None
    types = mixed.types if mixed else None
    llama_quantize.write(source, folder / DECODER, run.recipe, run.progress, imatrix, types)
    if mixed:
        sensitivity.keep(folder / sensitivity.FILE_NAME, mixed.known)


def _mix(run: _Run, folder: Path, chosen: Datasets) -> Mixture:
    assert run.options.goal is not None
    work = folder / bundle.WORK
    source, imatrix = _reference(run, folder / DECODER, work), folder / importance.FILE_NAME
    return mixture.choose(run.options.goal, source, imatrix, chosen.calibrating, work, run.progress)


def _write_importance(run: _Run, target: Path, source: Path, chosen: Datasets) -> str:
    """Put the matrix at `target`, where the recipe uses one; what is said about it."""
    if run.recipe.streamed:
        return "none: nothing is rounded to less than 16 bits"
    if not run.recipe.uses_importance:
        return f"none: {run.recipe.type} does not use it"
    given, needed = run.options.imatrix, run.recipe.needs_importance
    if given is not None:
        found = importance.read(given)
        importance.check(found, read_header(source), given.name, complete=needed)
        importance.write(target, found)
        return f"given: {given.name}, from {', '.join(found.datasets)}"
    try:
        work = target.parent / bundle.WORK
        found = importance.gather(source, chosen.calibrating, chosen.calibrated_on, work, run.progress)
    except EngineError as error:
        if needed:
            raise
        return f"none: it could not be gathered ({error})"
    importance.check(found, read_header(source), importance.FILE_NAME, complete=needed)
    importance.write(target, found)
    return f"gathered on {chosen.calibrating.tokens} ids: {chosen.calibrated_on}"


def _measure(run: _Run, decoder: Path, work: Path, judged: Rows) -> tuple[dict[str, Quality], str]:
    """Quality by modality, and against what; a measurement that cannot run is said, not raised."""
    try:
        reference = quality.measure_reference(_reference(run, decoder, work), judged, work, run.progress)
        return reference.quality(decoder, run.progress), "against f16"
    except (EngineError, IntegrityError) as error:
        return {}, f"not measured: {error}"


def _reference(run: _Run, decoder: Path, work: Path) -> Path:
    """The decoder in f16: llama.cpp computes it within 1e-8 nat of f32, but bf16 only within 4e-5 (pico)."""
    source = run.checkpoint.ready or work / "source.gguf"
    if run.recipe.type == "F16":
        return decoder
    if source.is_file() and run.checkpoint.widest == "F16":
        return source
    path = work / "reference.gguf"
    if path.is_file():  # the mixture was measured against it
        return path
    gguf_export.write_float(run.checkpoint, path, recipes.find("f16"), run.progress)
    return path


def _continuations(run: _Run, folder: Path, work: Path, judged: Rows) -> list[Continuation]:
    """What f16 and the result say; nothing where llama.cpp cannot run one of them."""
    models = (_reference(run, folder / DECODER, work), folder / DECODER)
    ours = {role: folder / path.name for role, path in run.codecs.items()}
    try:
        return continuations.compare(
            models, (run.codecs, ours), judged, _vocabulary(run.checkpoint), work, run.progress
        )
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
    sizes = {"decoder": Size(run.checkpoint.size, (folder / DECODER).stat().st_size)}
    for role, source in run.codecs.items():
        sizes[role] = Size(source.stat().st_size, (folder / source.name).stat().st_size)
    sizes["total"] = Size(sum(s.before for s in sizes.values()), sum(s.after for s in sizes.values()))
    parameters = _parameters(run.checkpoint)
    weights = sum(t.size for t in read_header(folder / DECODER).tensors)
    return {
        "name": run.checkpoint.name, "recipe": run.recipe.name, "type": run.recipe.type,
        "parameters": parameters, "bits_per_weight": round(8 * weights / parameters, 3),
        "seconds": round(time.monotonic() - started, 2), "sizes": sizes, "tools": _tools(),
    }  # fmt: skip


def _write_manifest(run: _Run, folder: Path, copied: Mapping[str, str], name: str) -> None:
    facts: Mapping[str, Any] = run.checkpoint.facts
    codecs = {role: path.name for role, path in run.codecs.items()}
    matrix = {"importance": importance.FILE_NAME} if (folder / importance.FILE_NAME).is_file() else {}
    if (folder / sensitivity.FILE_NAME).is_file():
        matrix["sensitivity"] = sensitivity.FILE_NAME
    reports = {"report": "report.json", "report_page": "report.html"}
    files = {"decoder": DECODER, **matrix, **codecs, **copied, **reports}
    manifest = Manifest(
        name=run.checkpoint.name,
        family=str(facts.get("family", run.checkpoint.gguf)),
        member=str(facts.get("member", name)),
        architecture=run.checkpoint.gguf,
        modalities=facts.get("modalities", {"in": ["text"], "out": ["text"]}),
        vocabulary=_vocabulary(run.checkpoint),
        files={role: manifests.entry_of(folder, path) for role, path in files.items()},
        context_length=run.checkpoint.context_length,
        licence=str(facts.get("licence") or _licence(run)),
        recipe={"name": run.recipe.name, "type": run.recipe.type},
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
