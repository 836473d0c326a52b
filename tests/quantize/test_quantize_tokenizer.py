"""A converted vocabulary splits text into the ids that the checkpoint's own tokenizer gives."""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer

from edge.engines.llama_cpp import LlamaCppEngine
from edge.errors import EdgeError, IntegrityError, UsageError
from edge.formats.gguf import read_header
from edge.options import EngineOptions
from quantize import gguf_export, gguf_tokenizer, recipes, sentencepiece
from quantize.checkpoint import open_checkpoint
from tests import tiny
from tests.quantize import tiny_tokenizers
from tests.quantize.hard_strings import strings

WIDTH = 32
# llama.cpp's rules of these two know no combining marks: it cuts words there, the checkpoint's own does not
MARKLESS = ("tekken", "llama4")


def has_marks(text: str) -> bool:
    return any(unicodedata.category(c).startswith("M") and c != "\ufe0f" for c in text)


def folder(path: Path, tokenizer: str | bytes, size: int) -> Path:
    """A checkpoint of one empty layer around a tokenizer.json, or a tokenizer.model."""
    path.mkdir(exist_ok=True)
    config = tiny.config() | {"hidden_size": WIDTH, "intermediate_size": WIDTH, "num_attention_heads": 1,
                              "num_key_value_heads": 1, "vocab_size": size, "bos_token_id": None,
                              "eos_token_id": None, "pad_token_id": None}  # fmt: skip
    (path / "config.json").write_text(json.dumps(config))
    if isinstance(tokenizer, bytes):
        (path / "tokenizer.model").write_bytes(tokenizer)
    else:
        (path / "tokenizer.json").write_text(tokenizer)
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens": (size, WIDTH), "model.norm": (WIDTH,)}
    at = "model.layers.0."
    shapes |= {f"{at}self_attn.{n}_proj": (WIDTH, WIDTH) for n in "qkvo"}
    shapes |= {f"{at}mlp.{n}_proj": (WIDTH, WIDTH) for n in ("gate", "up", "down")}
    shapes |= {f"{at}{n}": (WIDTH,) for n in ("input_layernorm", "post_attention_layernorm")}
    tensors = {f"{name}.weight": np.zeros(shape, np.float32) for name, shape in shapes.items()}
    tiny.write_safetensors(path / "model.safetensors", tensors)
    return path


@contextmanager
def opened(path: Path) -> Iterator[LlamaCppEngine]:
    gguf_export.write_float(open_checkpoint(path), path / "d.gguf", recipes.find("f16"), lambda *_: None)
    engine = LlamaCppEngine(path / "d.gguf", EngineOptions(context_length=64, threads=1))
    yield engine
    engine.close()


def differing(engine: LlamaCppEngine, own: Tokenizer, texts: list[str], *, special: bool) -> list[str]:
    """Texts that the two split differently; with `special`, written special tokens count as such."""
    own.encode_special_tokens = not special
    ours = engine.tokenizer.encode
    return [t for t in texts if ours(t, special=special) != own.encode(t, add_special_tokens=False).ids]


def test_there_are_two_hundred_hard_strings() -> None:
    assert len(strings()) >= 200


@pytest.mark.parametrize("special", [False, True])
@pytest.mark.parametrize("name", tiny_tokenizers.BYTE_LEVEL)
def test_byte_level_ids_are_those_of_hugging_face(name: str, special: bool, tmp_path: Path) -> None:
    own = Tokenizer.from_str(tiny_tokenizers.byte_level(name))
    texts = [t for t in strings() if name not in MARKLESS or not has_marks(t)]
    assert len(texts) >= 190
    with opened(folder(tmp_path, own.to_str(), own.get_vocab_size())) as engine:
        assert differing(engine, own, texts, special=special) == []
        assert read_header(tmp_path / "d.gguf").metadata["tokenizer.ggml.pre"] == name
        for text in texts:
            seen = own.normalizer.normalize_str(text) if own.normalizer else text
            pieces = b"".join(map(engine.tokenizer.piece, engine.tokenizer.encode(text)))
            assert pieces.decode() == seen


@pytest.mark.parametrize("special", [False, True])
@pytest.mark.parametrize("prefix", tiny_tokenizers.SENTENCEPIECE)
def test_sentencepiece_ids_are_those_of_hugging_face(prefix: str, special: bool, tmp_path: Path) -> None:
    own = Tokenizer.from_str(tiny_tokenizers.sentencepiece(prefix))
    texts = [t for t in strings() if not special or prefix != "first" or "</s>" not in t[1:]]
    with opened(folder(tmp_path, own.to_str(), own.get_vocab_size() + 5)) as engine:
        assert differing(engine, own, texts, special=special) == []


def test_a_tokenizer_model_says_the_same_as_the_json_made_of_it(tmp_path: Path) -> None:
    own = Tokenizer.from_str(tiny_tokenizers.sentencepiece("legacy"))
    with opened(folder(tmp_path, tiny_tokenizers.model_file(), own.get_vocab_size())) as engine:
        assert differing(engine, own, strings(), special=False) == []
        assert engine.tokenizer.adds_bos()
    fast = gguf_tokenizer.convert(json.loads(own.to_str()), own.get_vocab_size(), native=False)
    slow = sentencepiece.from_model(tiny_tokenizers.model_file())
    assert (fast.tokens, fast.types) == (slow.tokens, slow.types)
    joined = len({left + right for left, right in tiny_tokenizers.merges(tiny_tokenizers.pieces())})
    assert fast.scores[259 : 259 + joined] == slow.scores[259 : 259 + joined]


def test_text_is_composed_where_the_tokenizer_composes_it(tmp_path: Path) -> None:
    own = Tokenizer.from_str(tiny_tokenizers.byte_level("qwen2"))
    with opened(folder(tmp_path, own.to_str(), own.get_vocab_size())) as engine:
        assert engine.tokenizer.encode("e\u0301") == engine.tokenizer.encode("é")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"normalizer": {"type": "Lowercase"}}, "rewrites text by ['Lowercase']"),
        ({"pre_tokenizer": {"type": "Whitespace"}}, "splits words by a rule"),
        ({"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": True}}, "splits words by a rule"),
        ({"model": {"type": "WordPiece"}}, "the tokenizer is 'WordPiece'"),
        ({"model": {"type": "Unigram"}}, "the tokenizer is 'Unigram'"),
        ({"model": {"type": "BPE", "end_of_word_suffix": "</w>"}}, "expected a byte-level BPE"),
        ({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}}, "no merges"),
    ],
)
def test_what_llama_cpp_would_split_differently_is_refused(changes: dict[str, Any], told: str) -> None:
    data = json.loads(tiny_tokenizers.byte_level("gpt-2")) | changes
    with pytest.raises(UsageError) as caught:
        gguf_tokenizer.convert(data, 700, native=False)
    assert told in str(caught.value)


def test_merges_that_are_no_sentencepiece_vocabulary_are_refused() -> None:
    data = json.loads(tiny_tokenizers.sentencepiece("legacy"))
    merges = data["model"]["merges"]
    made = Counter("".join(m) for m in merges)
    merges.remove(next(m for m in merges if made["".join(m)] > 1))
    with pytest.raises(UsageError, match="never joins"):
        gguf_tokenizer.convert(data, 2000, native=False)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", IntegrityError),
        (b"\x0a\xff", IntegrityError),
        (b"\x0a" + b"\xff" * 12, IntegrityError),
        (b"\x0b", IntegrityError),
        (b"\x08\x01", IntegrityError),
        (b"\x0a\x02\x18\x09", IntegrityError),
        (tiny_tokenizers.model_file(kind=1), UsageError),
        (tiny_tokenizers.model_file(spaces_removed=True), UsageError),
    ],
)
def test_a_tokenizer_model_that_cannot_be_converted_is_refused(data: bytes, kind: type[EdgeError]) -> None:
    with pytest.raises(kind):
        sentencepiece.from_model(data)
