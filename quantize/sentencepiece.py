"""SentencePiece vocabularies: from tokenizer.model, or from a tokenizer.json that carries one.

Job: pieces, scores and types as llama.cpp's `llama` tokenizer reads them.
Ignorance: special tokens of a chat, GGUF. Does not protect against a vocabulary that is merely odd.
Source: sentencepiece_model.proto; transformers' convert_slow_tokenizer.py (`generate_merges`).

A tokenizer.json of this kind holds merges instead of scores. SentencePiece joins the neighbours whose union
is the best piece, whichever way it is cut, so both say the same only if every cut of a piece is a merge.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edge.errors import IntegrityError, UsageError

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6  # as llama_token_type
_BYTE = re.compile(r"<0x[0-9A-Fa-f]{2}>")
_BPE = 2  # TrainerSpec.ModelType
_SPACE = "▁"


@dataclass(frozen=True)
class Pieces:
    """A vocabulary by id."""

    tokens: list[str]
    scores: list[float]  # larger is joined earlier
    types: list[int]
    prefix: str  # "always", "unless a space stands there", "never": a space before the text


def from_model(data: bytes) -> Pieces:
    """The vocabulary of a tokenizer.model.

    Raises:
        IntegrityError: not one. UsageError: a kind that llama.cpp would split differently.
    """
    tokens, scores, types, kind, normalizer = [], [], [], 1, {}
    for field, value in _fields(data):
        if field == 1:  # SentencePiece
            piece = dict(_fields(_bytes(value)))
            tokens.append(_bytes(piece.get(1, b"")).decode())
            scores.append(struct.unpack("<f", _bytes(piece.get(2, bytes(4))))[0])
            types.append(int(piece.get(3, NORMAL)))
        elif field == 2:
            kind = int(dict(_fields(_bytes(value))).get(3, 1))
        elif field == 3:
            normalizer = dict(_fields(_bytes(value)))
    if not tokens or any(not UNKNOWN - 1 <= t <= BYTE for t in types):
        raise IntegrityError("tokenizer.model holds no pieces of known types; download the checkpoint again")
    if kind != _BPE:
        raise UsageError("tokenizer.model is no BPE; of SentencePiece vocabularies only BPE can be converted")
    if normalizer.get(2) or normalizer.get(4, 1) or not normalizer.get(5, 1):
        raise UsageError(
            "tokenizer.model rewrites text before it splits it (a character map, or spaces removed), and "
            "llama.cpp does not; choose another checkpoint"
        )
    return Pieces(tokens, scores, types, "always" if normalizer.get(3, 1) else "never")


def from_json(tokenizer: Mapping[str, Any], names: Mapping[int, str]) -> Pieces:
    """The vocabulary of a tokenizer.json with byte fallback; `names` by id.

    Raises:
        UsageError: its merges are no SentencePiece vocabulary, or it rewrites text.
    """
    model = tokenizer["model"]
    ranks = {tuple(m.split(" ", 1) if isinstance(m, str) else m): i for i, m in enumerate(model["merges"])}
    order: dict[str, int] = {}  # joined pieces, best first
    for left, right in ranks:
        order.setdefault(left + right, len(order))
    _check_cuts(ranks, order, model["vocab"])
    tokens = [names.get(i, f"[PAD{i}]") for i in range(max(names) + 1)]
    scores = [-1.0 - order.get(token, len(order)) for token in tokens]
    types = [
        BYTE if _BYTE.fullmatch(t) else UNKNOWN if t == model.get("unk_token") else NORMAL for t in tokens
    ]
    if types.count(BYTE) != 256:
        raise UsageError(f"the tokenizer has {types.count(BYTE)} byte tokens, expected <0x00> to <0xFF>")
    return Pieces(tokens, scores, types, _prefix(tokenizer))


def _check_cuts(ranks: Mapping[Any, int], order: Mapping[str, int], vocabulary: Mapping[str, int]) -> None:
    for piece in order:
        for i in range(1, len(piece)):
            cut = piece[:i], piece[i:]
            if cut not in ranks and cut[0] in vocabulary and cut[1] in vocabulary:
                raise UsageError(
                    f"the tokenizer never joins {cut[0]!r} and {cut[1]!r}, though {piece!r} is a token; "
                    "llama.cpp would. Only vocabularies of SentencePiece can be converted"
                )


def _prefix(tokenizer: Mapping[str, Any]) -> str:
    """How a space comes before the text, from one of the three forms that transformers writes."""
    normalizer, pre = tokenizer.get("normalizer") or {}, tokenizer.get("pre_tokenizer") or {}
    steps = [_step(s) for s in normalizer.get("normalizers", [normalizer] if normalizer else [])]
    spaces = ("Replace", " ", _SPACE)
    if steps == [("Prepend", _SPACE), spaces] and not pre:
        return "always"
    if steps == [spaces] and not pre:
        return "never"
    if not steps and pre.get("type") == "Metaspace" and not pre.get("split") and pre["replacement"] == _SPACE:
        scheme = pre.get("prepend_scheme", "always")
        return "never" if scheme == "never" else "unless a space stands there"
    raise UsageError(
        f"the tokenizer prepares text by {steps or pre.get('type')!r}, which llama.cpp's SentencePiece "
        "tokenizer does not; choose another checkpoint"
    )


def _step(step: Mapping[str, Any]) -> tuple[Any, ...]:
    if step.get("type") == "Replace":
        return "Replace", step["pattern"].get("String"), step["content"]
    return step.get("type"), *(v for k, v in step.items() if k != "type")


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise _damaged("a number stands where bytes belong")
    return value


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """(field number, value) of one protobuf message: ints of varints, bytes of all else."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = _varint(data, at)
            yield key >> 3, value
            continue
        size = {1: 8, 5: 4}.get(kind)
        if kind == 2:
            size, at = _varint(data, at)
        if size is None or at + size > len(data):
            raise _damaged(f"a field of kind {kind} at byte {at} of {len(data)}")
        yield key >> 3, data[at : at + size]
        at += size


def _varint(data: Sequence[int], at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 64:
        value |= (data[at] & 127) << shift
        at += 1
        if data[at - 1] < 128:
            return value, at
        shift += 7
    raise _damaged(f"a number at byte {at} of {len(data)} does not end")


def _damaged(reason: str) -> IntegrityError:
    return IntegrityError(f"tokenizer.model is damaged: {reason}; download the checkpoint again")
