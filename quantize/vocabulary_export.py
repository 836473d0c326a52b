"""Writes a vocabulary as a GGUF without weights: the tokenizer of bundles without a GGUF decoder.

Job: one file that `edge.engines.vocabulary_file` opens. Ignorance: what stands in it (`gguf_metadata`).
"""

from __future__ import annotations

from pathlib import Path

import gguf

from quantize import gguf_metadata, recipes
from quantize.checkpoint import Checkpoint


def write(checkpoint: Checkpoint, path: Path) -> None:
    """Raises: as `gguf_metadata.add`. OSError: the disk refused."""
    writer = gguf.GGUFWriter(None, checkpoint.gguf)
    gguf_metadata.add(writer, checkpoint, recipes.find("f32"))
    try:
        writer.write_header_to_file(path)
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
    finally:
        writer.close()
