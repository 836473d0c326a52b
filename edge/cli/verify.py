"""`edge verify`: prove that a bundle holds exactly what its manifest says. Opens no file but to hash it."""

from __future__ import annotations

from typing import Any

from edge import store
from edge.cli import flags, output
from edge.errors import UsageError
from edge.formats import manifest


def command(model: flags.Model, as_json: flags.Json = False) -> None:
    """Check every file of a bundle against its manifest."""
    folder = store.find(model)
    if not folder.is_dir():
        raise UsageError(f"{folder} is one file, and only a bundle folder has a manifest to check it against")
    known = manifest.load(folder)
    files: list[dict[str, Any]] = [
        {"role": role, "path": entry.path, "bytes": entry.bytes, "sha256": entry.sha256}
        for role, entry in known.files.items()
    ]
    if as_json:
        return output.as_json({"name": known.name, "path": str(folder), "ok": True, "files": files})
    output.table(
        ["", "file", "size", "sha256"],
        [["ok", f["path"], output.size(f["bytes"]), f["sha256"]] for f in files],
    )
    return output.note(f"{known.name}: {len(files)} files are what the manifest says")
