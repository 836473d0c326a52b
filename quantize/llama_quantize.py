"""A float GGUF to a smaller type through llama.cpp's own quantizer.

Job: run it in a child process, with an importance matrix where there is one and with types by tensor where
they were chosen; check what came out.
Ignorance: how the float file was written, how the matrix was gathered.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from edge.errors import EngineError
from edge.formats.gguf import read_header
from quantize import children
from quantize.children import Progress
from quantize.recipes import Recipe

_TENSOR_LINE = re.compile(r"\[\s*(\d+)/\s*(\d+)\]")  # llama.cpp's log, one line per tensor


def write(source: Path, target: Path, recipe: Recipe, progress: Progress, imatrix: Path | None,
          types: Mapping[str, str] | None = None) -> None:  # fmt: skip
    """Quantize `source` into `target`; `types` by tensor name overrule the recipe.

    Raises:
        EngineError: llama.cpp refused or crashed. IntegrityError: what it wrote is not a valid GGUF.
    """

    def watch(line: str) -> None:
        if match := _TENSOR_LINE.search(line):
            progress(f"quantize {recipe.type}", int(match[1]), int(match[2]))

    arguments = [str(source), str(target), str(recipe.file_type), str(children.cores()), str(imatrix or "")]
    asked = target.with_name(f"{target.name}.types.json") if types else None
    try:
        if asked:
            asked.write_text(json.dumps(dict(types or {})), encoding="utf-8")
        children.run("quantize.native_quantize", [*arguments, str(asked or "")], watch)
    finally:
        if asked:
            asked.unlink(missing_ok=True)
    _check(source, target, types or {})


def _check(source: Path, target: Path, types: Mapping[str, str]) -> None:
    before, written = len(read_header(source).tensors), read_header(target).tensors
    if before != len(written):
        raise EngineError(
            f"llama.cpp wrote {len(written)} tensors of {before}; report this with the model's config.json"
        )
    found = {tensor.name: tensor.type for tensor in written}
    for name, kind in types.items():
        if found.get(name) != kind:
            raise EngineError(f"llama.cpp wrote {name} as {found.get(name)}, but {kind} was asked")
