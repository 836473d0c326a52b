"""The one function of the pipeline: a checkpoint folder in, a measured bundle out.

Job: the order of the steps, and what is checked before the first byte is written.
Ignorance: how any step works; prints nothing. A bundle holds a GGUF decoder, an ONNX one, or both.
"""

from __future__ import annotations

import platform
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
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
    bundle,
    calibration,
    codec_export,
    evaluate,
    genai,
    gguf_export,
    onnx_export,
    recipes,
    vocabulary_export,
)
from quantize.checkpoint import Checkpoint, read_json
from quantize.gguf_source import GgufSource, open_source
from quantize.onnx_export import OnnxRecipe
from quantize.recipes import Recipe
from quantize.report import CodecResult, Quality, Report, Size

Progress = Callable[[str, int, int], None]  # (what, done, of)
DECODER, GRAPH, VOCABULARY = "decoder.gguf", "decoder.onnx", "vocabulary.gguf"
FORMATS = ("gguf", "onnx", "both")
TEMPLATE, REPORT = "chat_template.jinja", "report.json"
_TOOLS = ("edge-multimodal", "llama-cpp-python", "gguf", "onnx", "onnxruntime", "numpy")
_SLACK = 4 << 20  # bytes: headers, manifest, report


@dataclass(frozen=True)
class _Run:
    """What every step of one run needs."""

    checkpoint: Checkpoint | GgufSource
    recipe: Recipe
    onnx: OnnxRecipe | None  # how the ONNX decoder is stored; None: the bundle has none
    gguf: bool  # whether it has a GGUF one
    codecs: Mapping[str, Path]  # float codecs by role
    heldout: Mapping[str, calibration.Array]
    heldout_path: Path
    strict_codecs: bool
    progress: Progress


def quantize(
    checkpoint: str | Path,
    output: str | Path,
    recipe: str = "int4",
    *,
    format: str = "gguf",
    progress: Progress | None = None,
    heldout: str | Path | None = None,
    strict_codecs: bool = False,
) -> Report:
    """Quantize a checkpoint folder, or a float GGUF, into a bundle folder.

    `format` is one of `FORMATS`: llama.cpp's decoder, onnxruntime's, or both.
    `progress(what, done, of)` is called as steps advance. `heldout` names a file as `quantize.calibration`
    describes it; None: heldout.npz of the checkpoint. `strict_codecs` raises where no small form of a codec
    passes its gate, instead of keeping the float one. An older bundle at `output` stays until the end.

    Raises:
        UsageError: unknown recipe or format, a format that cannot hold the model, pickled weights, or
        `output` is something else than a bundle.
        NotFoundError: not a checkpoint, or a codec or `heldout` is missing.
        IntegrityError: a file of the checkpoint is damaged. DoesNotFitError: the disk is too small.
    """
    started = time.monotonic()
    target = Path(output).resolve()
    run = _prepare(Path(checkpoint), recipe, format, heldout, strict_codecs, progress or (lambda *_: None))
    bundle.check_target(target)
    bundle.require_disk(target, _needed(run))
    with bundle.building(target) as folder:
        work = folder / bundle.WORK
        decoders = _write_decoders(run, folder, work)
        measured = [_measure(run, folder / decoders[role], work) for role in _decoders(decoders)]
        codecs = _write_codecs(run, folder)
        files = {**decoders, **{role: source.name for role, source in run.codecs.items()}}
        files |= {**_copy_files(run, folder), "report": REPORT}
        report = _report(run, folder, measured, codecs, started)
        (folder / REPORT).write_text(report.to_json(), encoding="utf-8")
        _write_manifest(run, folder, files, target.name)
    return report


def _prepare(folder: Path, recipe: str, format: str, heldout: str | Path | None, strict: bool,
             progress: Progress) -> _Run:  # fmt: skip
    chosen = recipes.find(recipe)
    if format not in FORMATS:
        raise UsageError(f"unknown format {format!r}; choose one of {', '.join(FORMATS)}")
    graph = None if format == "gguf" else onnx_export.find(recipe)
    checkpoint = open_source(folder)
    if graph is not None:
        onnx_export.require(checkpoint)
    path = Path(heldout) if heldout else checkpoint.folder / "heldout.npz"
    if heldout and not path.is_file():
        raise NotFoundError(f"the held-out file {path} does not exist; check the path")
    arrays = calibration.read_heldout(path, int(checkpoint.config["vocab_size"]))
    return _Run(
        checkpoint, chosen, graph, format != "onnx", checkpoint.codecs(), arrays, path, strict, progress
    )


def _needed(run: _Run) -> int:
    """Bytes the run may hold at once: the float decoder, the f16 reference, the result, the codecs twice."""
    parameters = _parameters(run.checkpoint)
    file = run.checkpoint.tokenizer()
    tokenizer = file.stat().st_size if file else 0
    result = int(parameters * run.recipe.bits / 8) if run.gguf else 0
    result += int(parameters * run.onnx.weight_bits / 8) if run.onnx else 0
    reference = 2 * parameters if run.heldout else 0
    source = 0 if run.recipe.streamed or run.checkpoint.ready else run.checkpoint.size
    codecs = sum(path.stat().st_size for path in run.codecs.values())
    return result + reference + source + 2 * codecs + 4 * tokenizer + _SLACK


def _parameters(checkpoint: Checkpoint | GgufSource) -> int:
    return sum(prod(t.shape) for t in checkpoint.tensors.values())


def _write_decoders(run: _Run, folder: Path, work: Path) -> dict[str, str]:
    """All files of the decoders, by role."""
    written = {}
    if run.gguf:
        _write_decoder(run, folder / DECODER, work)
        written[manifests.GGUF] = DECODER
    if run.onnx is not None and isinstance(run.checkpoint, Checkpoint):
        onnx_export.write(run.checkpoint, folder / GRAPH, run.onnx, run.progress)
        graph, weights = onnx_export.files(folder / GRAPH)
        written |= {manifests.ONNX: graph.name, manifests.ONNX_DATA: weights.name}
        written |= genai.write(run.checkpoint, graph, _vocabulary(run.checkpoint).end)
        if not run.gguf:
            vocabulary_export.write(run.checkpoint, folder / VOCABULARY)
            written[manifests.VOCABULARY] = VOCABULARY
    return written


def _decoders(roles: Mapping[str, str]) -> list[str]:
    """The roles that compute, the first one first in the report."""
    return [role for role in (manifests.GGUF, manifests.ONNX) if role in roles]


def _write_decoder(run: _Run, target: Path, work: Path) -> None:
    if run.recipe.streamed:
        gguf_export.write_float(run.checkpoint, target, run.recipe, run.progress)
    else:
        gguf_export.write_quantized(_source(run, work), target, run.recipe, run.progress)
    read_header(target)


def _source(run: _Run, work: Path) -> Path:
    """The decoder without loss, as GGUF; written where the checkpoint is none."""
    if run.checkpoint.ready is not None:
        return run.checkpoint.ready
    path = work / "source.gguf"
    gguf_export.write_float(run.checkpoint, path, recipes.find(run.checkpoint.widest), run.progress)
    return path


def _measure(run: _Run, decoder: Path, work: Path) -> tuple[dict[str, Quality], str]:
    """Quality by modality, and against what; a measurement that cannot run is said, not raised."""
    if not any(name in run.heldout for name in calibration.IDS):
        return {}, "not measured: the checkpoint has no heldout.npz with held-out ids"
    try:
        reference = _reference(run, work)
        return evaluate.compare(reference, decoder, run.heldout_path, work, run.progress), "against f16"
    except (EngineError, IntegrityError) as error:
        return {}, f"not measured: {error}"


def _reference(run: _Run, work: Path) -> Path:
    source = run.checkpoint.ready or work / "source.gguf"
    if source.is_file() and run.checkpoint.widest == "F16":
        return source
    path = work / "reference.gguf"
    gguf_export.write_float(run.checkpoint, path, recipes.find("f16"), run.progress)
    return path


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
                                            strict=run.strict_codecs)  # fmt: skip
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


def _report(run: _Run, folder: Path, measured: list[tuple[dict[str, Quality], str]],
            codecs: dict[str, CodecResult], started: float) -> Report:  # fmt: skip
    sizes, weights = {}, 0
    if run.onnx is not None:
        written = [file.stat().st_size for file in onnx_export.files(folder / GRAPH)]
        sizes[manifests.ONNX], weights = Size(run.checkpoint.size, sum(written)), written[1]
    if run.gguf:
        sizes[manifests.GGUF] = Size(run.checkpoint.size, (folder / DECODER).stat().st_size)
        weights = sum(t.size for t in read_header(folder / DECODER).tensors)
    for role, source in run.codecs.items():
        sizes[role] = Size(source.stat().st_size, (folder / source.name).stat().st_size)
    before = run.checkpoint.size + sum(source.stat().st_size for source in run.codecs.values())
    sizes["total"] = Size(before, sum(s.after for s in sizes.values()))
    parameters = _parameters(run.checkpoint)
    quality, note = measured[0]
    return Report(
        name=run.checkpoint.name, recipe=run.recipe.name, type=_type(run), parameters=parameters,
        bits_per_weight=round(8 * weights / parameters, 3), seconds=round(time.monotonic() - started, 2),
        sizes=sizes, quality=quality, quality_note=note, codecs=codecs, tools=_tools(),
        quality_onnx=measured[1][0] if len(measured) > 1 else {},
    )  # fmt: skip


def _type(run: _Run) -> str:
    """How the weights are stored, in words."""
    kinds = [run.recipe.type] if run.gguf else []
    return " and ".join([*kinds, run.onnx.type] if run.onnx else kinds)


def _write_manifest(run: _Run, folder: Path, files: Mapping[str, str], name: str) -> None:
    facts: Mapping[str, Any] = run.checkpoint.facts
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
