"""`edge list`: the bundles that can be loaded by name. Knows not where they lie (edge.store does)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edge import store
from edge.cli import flags, output
from edge.errors import EdgeError
from edge.formats import manifest


def command(as_json: flags.Json = False) -> None:
    """The bundles on this machine."""
    found = [described(folder) for folder in store.installed()]
    if as_json:
        return output.as_json(found)
    if not found:
        return output.note(f"no bundles yet; make one: {store.how_to_install()}")
    rows = [
        [
            b["name"],
            b["recipe"],
            output.size(b["bytes"]),
            " ".join(b["reads"]),
            " ".join(b["makes"]),
            b["path"],
        ]
        for b in found
    ]
    return output.table(["name", "recipe", "size", "reads", "makes", "path"], rows)


def described(folder: Path) -> dict[str, Any]:
    """One row: a damaged bundle is named as such, it does not hide the others."""
    try:
        known = manifest.load(folder, hashes=False)
    except EdgeError as error:
        return {
            "name": folder.name,
            "path": str(folder),
            "recipe": "damaged",
            "bytes": 0,
            "reads": [],
            "makes": [],
            "problem": str(error),
        }
    return {
        "name": folder.name,
        "path": str(folder),
        "recipe": str(known.recipe.get("name", "")),
        "bytes": sum(entry.bytes for entry in known.files.values()),
        "reads": list(known.modalities["in"]),
        "makes": list(known.modalities["out"]),
    }
