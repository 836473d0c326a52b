"""A float GGUF to a smaller type through llama.cpp's own quantizer.

Job: run it in a child process, with an importance matrix where there is one; check what came out.
Ignorance: how the float file was written, how the matrix was gathered.
"""

from __future__ import annotations

import re
from pathlib import Path

from edge.errors import EngineError
from edge.formats.gguf import read_header
from quantize import children
from quantize.children import Progress
from quantize.recipes import Recipe

_TENSOR_LINE = re.compile(r"\[\s*(\d+)/\s*(\d+)\]")  # llama.cpp's log, one line per tensor


def write(source: Path, target: Path, recipe: Recipe, progress: Progress, imatrix: Path | None) -> None:
    """Quantize `source` into `target`.

    Raises:
        EngineError: llama.cpp refused or crashed. IntegrityError: what it wrote is not a valid GGUF.
    """

    def watch(line: str) -> None:
        if match := _TENSOR_LINE.search(line):
            progress(f"quantize {recipe.type}", int(match[1]), int(match[2]))

    arguments = [str(source), str(target), str(recipe.file_type), str(children.cores()), str(imatrix or "")]
    children.run("quantize.native_quantize", arguments, watch)
    before, after = len(read_header(source).tensors), len(read_header(target).tensors)
    if before != after:
        raise EngineError(
            f"llama.cpp wrote {after} tensors of {before}; report this with the checkpoint's config.json"
        )
