"""A float GGUF as the source of a run, where there is no checkpoint folder.

Job: answer what the pipeline asks of a checkpoint (`quantize.checkpoint.Checkpoint`) from a checked header.
Ignorance: reads no weights; llama.cpp converts and quantizes the file itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.errors import IntegrityError, UsageError
from edge.formats.gguf import GgufHeader, GgufTensor, read_header
from quantize.checkpoint import DTYPES, Checkpoint, check_facts, codecs_of, open_checkpoint

_ENDS = ("eos", "eot", "eom")  # tokens that end a turn


@dataclass(frozen=True)
class GgufSource:
    """A GGUF file proven to hold float weights and a vocabulary."""

    ready: Path  # the file: it need not be written first
    header: GgufHeader
    config: Mapping[str, Any]  # what the pipeline reads of a config.json
    facts: Mapping[str, Any]  # edge.native; empty for a text-only model
    tensors: Mapping[str, GgufTensor]

    @property
    def folder(self) -> Path:
        """Where codecs, held-out data and licences of the model are looked for."""
        return self.ready.parent

    @property
    def name(self) -> str:
        return str(self.header.metadata.get("general.name") or self.ready.stem)

    @property
    def gguf(self) -> str:
        """general.architecture."""
        return self.header.architecture

    @property
    def context_length(self) -> int:
        return int(self.config["max_position_embeddings"])

    @property
    def decoder(self) -> Mapping[str, GgufTensor]:
        """All of them."""
        return self.tensors

    @property
    def size(self) -> int:
        """Bytes of all weights."""
        return sum(t.size for t in self.tensors.values())

    @property
    def widest(self) -> str:
        """The type of the matrices; F32 if they are mixed."""
        kinds = {t.type for t in self.tensors.values() if len(t.shape) > 1}
        return kinds.pop() if len(kinds) == 1 else "F32"

    def tokenizer(self) -> Path | None:
        """None: the vocabulary is in the file."""
        return None

    def chat_template(self) -> str | None:
        template = self.header.metadata.get("tokenizer.chat_template")
        return template if isinstance(template, str) else None

    def codecs(self) -> dict[str, Path]:
        """As `Checkpoint.codecs`."""
        return codecs_of(self.folder, self.facts)


def open_source(path: str | Path) -> Checkpoint | GgufSource:
    """A checkpoint folder or a GGUF file, checked.

    Raises:
        UsageError: a GGUF that is quantized already; else as `open_checkpoint` and `edge.formats.gguf`.
    """
    return open_gguf(Path(path)) if Path(path).is_file() else open_checkpoint(path)


def open_gguf(path: Path) -> GgufSource:
    """Raises: UsageError: quantized already, or no decoder. IntegrityError: the header lies."""
    if path.suffix.lower() != ".gguf":
        raise UsageError(f"{path} is no folder and no .gguf file; name a Hugging Face folder or a float GGUF")
    header = read_header(path)
    metadata, arch = header.metadata, header.architecture
    small = sorted({t.type for t in header.tensors} - set(DTYPES))
    if small:
        raise UsageError(
            f"{path.name} is quantized already ({', '.join(small)}), and quantizing twice loses twice; "
            "name the F32, F16 or BF16 file, or the checkpoint"
        )
    if "tokenizer.ggml.tokens" not in metadata or "token_embd.weight" not in {t.name for t in header.tensors}:
        raise UsageError(f"{path.name} is no language model with its vocabulary; name the decoder's file")
    length = metadata.get(f"{arch}.context_length")
    if type(length) is not int:
        raise IntegrityError(f"{path.name} says nothing about {arch}.context_length; convert it again")
    ends = [metadata.get(f"tokenizer.ggml.{end}_token_id") for end in _ENDS]
    size = len(metadata["tokenizer.ggml.tokens"])
    config = {"vocab_size": size, "max_position_embeddings": length, "eos_token_id": ends}
    return GgufSource(path, header, config, _facts(path, metadata, size), {t.name: t for t in header.tensors})


def _facts(path: Path, metadata: Mapping[str, Any], size: int) -> dict[str, Any]:
    text = metadata.get("edge.native", "{}")
    try:
        facts = json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise IntegrityError(f"{path.name}: edge.native is no JSON ({error}); convert it again") from error
    return check_facts(path, facts, size) if facts else {}
