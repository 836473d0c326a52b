"""Turns a Hugging Face tokenizer.json into the vocabulary that a GGUF carries.

Job: tokens, their types, merges and the name of the splitting rule; only byte-level BPE.
Ignorance: writes no file, tokenizes nothing. Source of the rules: llama.cpp's convert_hf_to_gguf_update.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edge.errors import IntegrityError, UsageError
from edge.vocabulary import TEXT_SIZE, VOCABULARY_SIZE, token_names

NORMAL, CONTROL, USER_DEFINED, UNUSED = 1, 3, 4, 5  # llama_token_type
_PADDING = re.compile(r"<\|unused_\d+\|>")

# splitting regex of tokenizer.json: llama.cpp's name of the same rule
_QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_SPLITTERS = {_QWEN2: "qwen2", _QWEN2.replace(r"\p{N}|", r"\p{N}{1,3}|"): "llama-bpe"}


@dataclass(frozen=True)
class GgufVocabulary:
    """What `tokenizer.ggml.*` needs."""

    tokens: list[str]  # by id
    types: list[int]  # llama_token_type by id
    merges: list[str]  # "left right"
    pre: str  # llama.cpp's name of the splitting rule


def convert(tokenizer: Mapping[str, Any], size: int, *, native: bool) -> GgufVocabulary:
    """The vocabulary of `size` ids; ids that tokenizer.json does not name become unused padding.

    Raises:
        UsageError: not a byte-level BPE, or a splitting rule that llama.cpp does not know.
        IntegrityError: ids out of range or given twice, or a native model with other names than the family's.
    """
    model = tokenizer.get("model", {})
    if model.get("type") != "BPE" or model.get("byte_fallback"):
        raise UsageError(f"the tokenizer is {model.get('type')!r}, expected a byte-level BPE as in Llama 3")
    names = _names(model.get("vocab"), tokenizer.get("added_tokens") or [], size)
    tokens = [names[i][0] if i in names else f"[PAD{i}]" for i in range(size)]
    types = [names[i][1] if i in names else UNUSED for i in range(size)]
    if native:
        _check_native(tokens)
    return GgufVocabulary(tokens, types, _merges(model), _splitter(tokenizer.get("pre_tokenizer") or {}))


def _names(vocab: Any, added: list[Mapping[str, Any]], size: int) -> dict[int, tuple[str, int]]:
    if not isinstance(vocab, dict) or not all(type(i) is int for i in vocab.values()):
        raise IntegrityError(
            "tokenizer.json has no vocabulary of names and ids; download the checkpoint again"
        )
    names = {token_id: (token, NORMAL) for token, token_id in vocab.items()}
    if len(names) != len(vocab):
        raise IntegrityError(f"tokenizer.json names {len(vocab)} tokens with only {len(names)} different ids")
    for token in added:
        special = CONTROL if token.get("special") else USER_DEFINED
        kind = UNUSED if _PADDING.fullmatch(token["content"]) else special
        names[token["id"]] = (token["content"], kind)
    if min(names) < 0 or max(names) >= size:
        raise IntegrityError(
            f"tokenizer.json names the id {max(names)}, but config.json has a vocabulary of {size}; "
            "they belong to different models"
        )
    return names


def _check_native(tokens: list[str]) -> None:
    if len(tokens) != VOCABULARY_SIZE:
        raise IntegrityError(
            f"a native model has {VOCABULARY_SIZE} tokens, this tokenizer.json has {len(tokens)}"
        )
    for i, expected in enumerate(token_names(), TEXT_SIZE):
        if tokens[i] != expected:
            raise IntegrityError(f"token {i} is {tokens[i]!r}, but the native family calls it {expected!r}")


def _merges(model: Mapping[str, Any]) -> list[str]:
    merges = [m if isinstance(m, str) else " ".join(m) for m in model.get("merges") or []]
    odd = next((m for m in merges if m.count(" ") != 1), None)
    if odd is not None:
        raise IntegrityError(f"the merge {odd!r} has {odd.count(' ')} spaces, expected 1; download it again")
    return merges


def _splitter(pre: Mapping[str, Any]) -> str:
    """llama.cpp's name of the rule that cuts text into words."""
    steps = pre.get("pretokenizers") or [pre]
    regex = next((s["pattern"].get("Regex") for s in steps if s.get("type") == "Split"), None)
    if regex in _SPLITTERS:
        return _SPLITTERS[regex]
    if regex is None and any(s.get("type") == "ByteLevel" and s.get("use_regex", True) for s in steps):
        return "gpt-2"
    raise UsageError(
        f"the tokenizer splits words by a rule that llama.cpp does not know ({regex!r}); "
        f"known rules: {', '.join([*_SPLITTERS.values(), 'gpt-2'])}"
    )
