"""`edge show`: what a model says about itself, from its manifest or GGUF header; loads no weights."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from edge import licences, store
from edge.cli import flags, measured, output
from edge.formats import gguf, manifest, quality_keys

_TERMS = ("licence", "use_policy", "notice")  # roles of the files that say under what terms


def command(model: flags.Model, as_json: flags.Json = False) -> None:
    """What a model is, reads, makes and weighs."""
    path = store.find(model)
    facts = of_bundle(path) if path.is_dir() else of_gguf(path)
    if as_json:
        return output.as_json(facts)
    for name, value in facts.items():
        if name not in ("files", "report", "obligations", "terms"):
            _say(f"{name:<15} {readable(value)}")
    if facts.get("files"):
        print()
        output.table(
            ["file", "role", "size"],
            [[f["path"], f["role"], output.size(f["bytes"])] for f in facts["files"]],
        )
    if measured.quality(facts.get("report")):
        print()
        output.table(measured.HEADINGS, measured.rows(facts["report"]))
    _print_terms(facts)
    return None


def _print_terms(facts: dict[str, Any]) -> None:
    """What the licence asks for, in short; then its files, which alone count."""
    if facts.get("obligations"):
        _say(f"\nThe licence {facts['licence']} asks you, in short (its text counts):")
        for line in facts["obligations"]:
            _say(f"  - {line}")
    for path, text in facts.get("terms", {}).items():
        _say(f"\n--- {path} ---\n{text.strip()}")


def _say(line: str) -> None:
    """A line of what strangers wrote."""
    print(output.harmless(line, sys.stdout))


def of_bundle(folder: Path) -> dict[str, Any]:
    """A bundle's manifest, and its report where it has one."""
    known = manifest.load(folder, hashes=False)
    return {
        "name": known.name,
        "path": str(folder),
        "family": known.family,
        "member": known.member,
        "architecture": known.architecture,
        "reads": list(known.modalities["in"]),
        "makes": list(known.modalities["out"]),
        "context_length": known.context_length,
        "recipe": dict(known.recipe),
        "licence": known.licence,
        "bytes": sum(entry.bytes for entry in known.files.values()),
        "files": [{"role": role, "path": e.path, "bytes": e.bytes} for role, e in known.files.items()],
        "obligations": list(licences.obligations(known.licence)),
        "terms": {
            entry.path: (folder / entry.path).read_text(encoding="utf-8", errors="replace")
            for role, entry in known.files.items()
            if role.startswith(_TERMS)
        },
        "report": measured.report(folder, known),
    }


def of_gguf(path: Path) -> dict[str, Any]:
    """The header of a single GGUF file; a native one also says what it reads and makes."""
    header = gguf.read_header(path)
    facts = {
        "name": header.metadata.get("general.name", path.stem),
        "path": str(path),
        "architecture": header.architecture,
        "context_length": header.metadata.get(f"{header.architecture}.context_length"),
        "licence": header.metadata.get("general.license", "not stated"),
        "obligations": list(licences.obligations(str(header.metadata.get("general.license", "")))),
        "tensors": len(header.tensors),
        "types": dict(Counter(tensor.type for tensor in header.tensors)),
        "bytes": header.file_size,
        "report": (told := quality_keys.read(header.metadata)),
    }
    from edge import projectors  # knows the engines

    encoders = projectors.beside(path, header)
    if encoders is not None:
        facts |= {"mmproj": encoders.path.name, "reads": ["text", *encoders.reads]}
    if told:
        names = {"recipe": "recipe", "judged_on": "judged_on", "source_sha256": "source", "tool": "tool"}
        facts |= {names[fact]: value for fact, value in told.items() if fact in names}
    native = json.loads(header.metadata.get("edge.native", "{}"))
    return facts | {
        "makes" if way == "out" else "reads": k for way, k in native.get("modalities", {}).items()
    }


def readable(value: Any) -> str:
    """One line of plain text."""
    if isinstance(value, dict):
        return ", ".join(f"{k} {v}" for k, v in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
