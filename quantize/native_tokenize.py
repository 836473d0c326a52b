"""The child process that turns examples into ids, with a GGUF's own tokenizer, template and codecs.

Job: lay each example out as the model reads it, media through the float codecs; rows by modality in OUT.
Arguments: MODEL.gguf EXAMPLES.jsonl OUT.npz ROLE=CODEC.onnx …
Ignorance: what the rows are good for. It may abort: its parent expects that.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edge.children import die_with_parent
from edge.engines.vocabulary_file import VocabularyFile
from edge.errors import EdgeError, ModalityError
from edge.formats.gguf import GgufHeader, read_header
from edge.frontends.base import Frontend
from edge.frontends.codecs import open_codecs
from edge.generation.prompt import Layout, Piece, Turn
from edge.generation.template import ChatTemplate
from edge.messages import Message, Part, Text
from edge.segments import EmbeddingSegment
from edge.vocabulary import Vocabulary
from quantize import examples
from quantize.rows import MAX_ROW, Ids, Rows

_PLAIN = "{% for m in messages %}{{ m['content'] }}\n{% endfor %}"  # for a model without a chat template


class Reader:
    """Examples in, rows of ids out."""

    def __init__(self, model: Path, codecs: Mapping[str, Path]) -> None:
        header, self._file = read_header(model), VocabularyFile(model)
        tokenizer = self._file.tokenizer
        self._vocabulary = _vocabulary(header, tokenizer.size)
        self._lead = tokenizer.bos() if tokenizer.adds_bos() else None
        names = {"bos": tokenizer.name(tokenizer.bos()), "eos": tokenizer.name(tokenizer.eos())}
        source = header.metadata.get("tokenizer.chat_template", _PLAIN)
        self._layout = Layout(ChatTemplate(source, **names), tokenizer, self._vocabulary, self._lead)
        self._frontends: dict[str, Frontend] = {
            codec.kind: codec for codec in open_codecs(codecs, self._vocabulary)
        }

    def rows(self, example: examples.Example) -> list[Ids]:
        """The example's ids, cut into rows.

        Raises:
            ModalityError: a medium that the model does not read. MediaError: one that cannot be read.
        """
        if isinstance(example, str):
            ids = [*([] if self._lead is None else [self._lead]), *self._layout.text(example)]
        else:
            segments = self._layout.build([self._turn(message) for message in example])
            ids = [i for s in segments if not isinstance(s, EmbeddingSegment) for i in s.ids]
        pieces = [ids[start : start + MAX_ROW] for start in range(0, len(ids), MAX_ROW)]
        return [np.array(piece, np.int32) for piece in pieces if len(piece) >= 2]

    def kind(self, ids: Ids) -> str:
        """The modality that most of a row's codes belong to; text where there are none."""
        clip = self._vocabulary.block("video")
        if clip is not None and clip.opener in ids:
            return "video"
        counts = {"text": 0}
        for block in self._vocabulary.blocks:
            counts[block.kind] = int(((ids >= block.base) & (ids < block.base + block.size)).sum())
        return max(counts, key=lambda kind: counts[kind])

    def _turn(self, message: Message) -> Turn:
        return Turn(message.role, tuple(piece for part in message.parts for piece in self._pieces(part)))

    def _pieces(self, part: Part) -> tuple[Piece, ...]:
        if isinstance(part, Text):
            return (part.text,)
        kind = type(part).__name__.lower()
        if kind not in self._frontends:
            raise ModalityError(f"the model does not read {kind}; take that line out of the calibration file")
        read = self._frontends[kind].encode(part)
        return read if isinstance(read, tuple) else (read,)


def _vocabulary(header: GgufHeader, size: int) -> Vocabulary:
    native = header.metadata.get("edge.native")
    if isinstance(native, str):
        return Vocabulary.from_dict(json.loads(native)["vocabulary"])
    return Vocabulary(size, size, ())


def main(model: str, source: str, out: str, *codecs: str) -> int:
    """Exit code 0 when the rows are in OUT."""
    roles = (codec.partition("=") for codec in codecs)
    reader = Reader(Path(model), {role: Path(path) for role, _, path in roles})
    by_kind: dict[str, list[Any]] = {}
    every = examples.read(Path(source))
    for done, example in enumerate(every, 1):
        for ids in reader.rows(example):
            by_kind.setdefault(reader.kind(ids), []).append(ids)
        print(f"progress tokenize {done} {len(every)}", flush=True)
    Rows({kind: tuple(rows) for kind, rows in sorted(by_kind.items())}).save(Path(out))
    return 0


if __name__ == "__main__":
    die_with_parent()
    try:
        sys.exit(main(*sys.argv[1:]))
    except EdgeError as error:
        sys.exit(str(error))
