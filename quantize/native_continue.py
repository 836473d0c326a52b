"""The child process that lets one model go on from the beginnings of rows, always with the likeliest id.

Job: per row the prompt and what the model says, as text and as media codes, to OUT.json.
Arguments: MODEL TOKENS.gguf BEGINNINGS.npz VOCABULARY.json OUT.json IDS THREADS EXTRA_BUFFERS.
MODEL is a GGUF or an ONNX graph, TOKENS a GGUF of the same vocabulary.
Ignorance: what is shown of it. It may abort: its parent expects that.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from edge.children import die_with_parent
from edge.engines.llama_native import LlamaTokenizer
from edge.engines.vocabulary_file import VocabularyFile
from edge.vocabulary import MediaBlock, Vocabulary
from quantize import rows
from quantize.native_decoder import Decoder, open_decoder

TEXT_SHARE = 4  # text gets so much less room than media: a large model says 40 ids in seconds
Segment = dict[str, Any]  # {"text": ...} or {"kind": ..., "codes": [...]}


def greedy(model: Decoder, ids: list[int], count: int, end: tuple[int, ...]) -> list[int]:
    """At most `count` new ids, the end not among them."""
    said: list[int] = []
    start = 0
    while len(said) < count:
        row = np.array(ids + said, np.int32)
        while start < len(row):
            logits = model.feed(row, start)
            start += len(logits)
        best = int(logits[-1].argmax())
        if best in end:
            break
        said.append(best)
    return said


def segments(ids: list[int], vocabulary: Vocabulary, tokenizer: LlamaTokenizer) -> list[Segment]:
    """Text, and the codes of every medium; one that does not end is a medium all the same."""
    found: list[Segment] = []
    openers = {block.opener: block for block in vocabulary.blocks}
    open_block: MediaBlock | None = None
    text = b""
    for token in ids:
        if open_block is not None:
            if token == open_block.closer:
                open_block = None
            elif open_block.holds(token):
                found[-1]["codes"].append(token - open_block.base)
        elif token in openers:
            found += [{"text": text.decode("utf-8", "replace")}] if text else []
            open_block, text = openers[token], b""
            found.append({"kind": open_block.kind, "codes": []})
        else:
            text += tokenizer.piece(token)
    return found + ([{"text": text.decode("utf-8", "replace")}] if text else [])


def main(path: str, tokens: str, given: str, described: str, out: str, count: str, threads: str,
         extra: str) -> int:  # fmt: skip
    """Exit code 0 when OUT is written."""
    vocabulary = Vocabulary.from_dict(json.loads(Path(described).read_text()))
    beginnings = rows.load(Path(given), vocabulary.size)
    length = beginnings.longest + int(count)
    model = open_decoder(path, length, threads=int(threads), extra_buffers=extra == "1")
    words = VocabularyFile(tokens)
    told = []
    for number, (kind, ids) in enumerate(beginnings):
        wanted = int(count) // (TEXT_SHARE if kind == "text" else 1)
        said = greedy(model, ids.tolist(), wanted, vocabulary.end)
        both = [segments(part, vocabulary, words.tokenizer) for part in (ids.tolist(), said)]
        told.append({"kind": kind, "prompt": both[0], "said": both[1]})
        print(f"progress examples {number + 1} {len(list(beginnings))}", flush=True)
    Path(out).write_text(json.dumps(told))
    return 0


if __name__ == "__main__":
    die_with_parent()
    sys.exit(main(*sys.argv[1:]))
