"""What a bundle says about itself: manifest.json, and the facts in its report.

Job: sizes, types, licence, versions, from the run and from the files as they lie.
Ignorance: how they were made.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from edge import licences
from edge.formats import manifest as manifests
from edge.formats.gguf import read_header
from edge.formats.manifest import Manifest
from quantize import decoder_files, onnx_export
from quantize.gguf_source import GgufSource
from quantize.preparation import Run
from quantize.report import Size

REPORT, PAGE = "report.json", "report.html"
_TOOLS = ("edge-multimodal", "llama-cpp-python", "gguf", "onnx", "onnxruntime", "numpy")


def of_report(run: Run, folder: Path, started: float) -> dict[str, Any]:
    """What the report says about sizes and time."""
    sizes, weights, decoder = {}, 0, sum(t.size for t in run.checkpoint.decoder.values())
    if run.gguf:
        sizes[manifests.GGUF] = Size(decoder, (folder / decoder_files.GGUF).stat().st_size)
        weights = sum(t.size for t in read_header(folder / decoder_files.GGUF).tensors)
    if run.onnx:
        written = [file.stat().st_size for file in onnx_export.files(folder / decoder_files.GRAPH)]
        sizes[manifests.ONNX] = Size(decoder, sum(written))
        weights = weights or written[1]
    if run.projects:
        path = folder / decoder_files.PROJECTOR
        sizes[manifests.MMPROJ] = Size(run.checkpoint.size - decoder, path.stat().st_size)
        weights += sum(t.size for t in read_header(path).tensors)
    for role, source in run.codecs.items():
        sizes[role] = Size(source.stat().st_size, (folder / source.name).stat().st_size)
    before = run.checkpoint.size + sum(source.stat().st_size for source in run.codecs.values())
    sizes["total"] = Size(before, sum(s.after for s in sizes.values()))
    parameters = run.parameters
    return {
        "name": run.checkpoint.name, "recipe": run.recipe.name, "type": run.type,
        "parameters": parameters, "bits_per_weight": round(8 * weights / parameters, 3),
        "seconds": round(time.monotonic() - started, 2), "sizes": sizes, "tools": _tools(),
        "projector": decoder_files.projector_recipe(run).type if run.projects else "",
    }  # fmt: skip


def write_manifest(run: Run, folder: Path, files: Mapping[str, str], name: str) -> None:
    """List `files`, by role, with the codecs and the reports, and prove that the folder holds them."""
    facts: Mapping[str, Any] = run.checkpoint.facts
    codecs = {role: path.name for role, path in run.codecs.items()}
    listed = {**files, **codecs, "report": REPORT, "report_page": PAGE}
    manifest = Manifest(
        name=run.checkpoint.name,
        family=str(facts.get("family", run.checkpoint.gguf)),
        member=str(facts.get("member", name)),
        architecture=run.checkpoint.gguf,
        modalities=facts.get("modalities", {"in": ["text"] + ["image"] * run.projects, "out": ["text"]}),
        vocabulary=run.vocabulary,
        files={role: manifests.entry_of(folder, path) for role, path in listed.items()},
        context_length=run.checkpoint.context_length,
        licence=str(facts.get("licence") or _licence(run)),
        recipe={"name": run.recipe.name, "type": run.type},
        prompts=facts.get("prompts", {}),
        sampling=facts.get("sampling", {}),
        tools=_tools(),
        provenance=facts.get("provenance", {}),
    )
    (folder / manifests.FILE_NAME).write_text(manifest.to_json(), encoding="utf-8")
    manifests.load(folder)


def _licence(run: Run) -> str:
    """What the licence file says it is, else what a GGUF's header says."""
    named = licences.name_of(licences.files(run.checkpoint.folder).values())
    source = run.checkpoint
    stated = source.header.metadata.get("general.license") if isinstance(source, GgufSource) else None
    return str(named or stated or "unknown")


def _tools() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for tool in _TOOLS:
        try:
            found[tool] = version(tool)
        except PackageNotFoundError:
            continue
    return found
