"""Small tokenizers with the pre-tokenizers of the families that people have, trained on the hard strings.

Job: tokenizer.json as a dictionary, by name. Source of the forms: the tokenizer.json of each family.
Ignorance: no model.
"""

from __future__ import annotations

import json
import struct
from functools import cache
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

from tests import tiny
from tests.quantize.hard_strings import strings

SPECIALS = ("<|begin|>", "<|end|>")
TOOL = "<tool>"  # an added token that is not special
_TEXT = [
    *(s for s in strings() if not {"<", "\0"} & set(s)),  # a vocabulary learns no special tokens, and no zero
    "the picture of the sound of the bird " * 20,
    "日本語のテキスト 中文测试 " * 5,
    "1234 5678 90 " * 5,
]

_LLAMA_3 = tiny.QWEN2.replace(r"\p{N}|", r"\p{N}{1,3}|")
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_END = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
_TEKKEN = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_LLAMA_4 = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+{_END}|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*{_END}"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def _split(regex: str) -> Any:
    return pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(regex), behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])  # fmt: skip


_WORDS = pre_tokenizers.ByteLevel(add_prefix_space=False)
_BYTE_LEVEL: dict[str, tuple[Any, bool, Any]] = {  # llama.cpp's name: steps, ignore_merges, normalizer
    "llama-bpe": (_split(_LLAMA_3), True, None),
    "smaug-bpe": (_split(_LLAMA_3), False, None),
    "qwen2": (_split(tiny.QWEN2), False, normalizers.NFC()),
    "gpt-2": (_WORDS, False, None),
    "smollm": (pre_tokenizers.Sequence([pre_tokenizers.Digits(True), _WORDS]), False, None),
    "tekken": (_split(_TEKKEN), True, None),
    "llama4": (_split(_LLAMA_4), False, None),
}
BYTE_LEVEL = tuple(_BYTE_LEVEL)
SENTENCEPIECE = ("legacy", "first", "never")  # how a space comes before a text


@cache
def byte_level(name: str) -> str:
    """tokenizer.json of 600 tokens with the splitting rule of a family."""
    steps, ignore_merges, normalizer = _BYTE_LEVEL[name]
    tokenizer = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    tokenizer.pre_tokenizer = steps
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        _TEXT, trainers.BpeTrainer(vocab_size=600, initial_alphabet=alphabet, show_progress=False)
    )
    tokenizer.add_special_tokens(list(SPECIALS))
    tokenizer.add_tokens([AddedToken(TOOL, normalized=False)])
    return str(tokenizer.to_str())


@cache
def pieces() -> list[tuple[str, float, int]]:
    """A SentencePiece vocabulary: piece, score, type, best first, as sentencepiece orders them."""
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.Metaspace()
    trained.train_from_iterator(_TEXT, trainers.BpeTrainer(vocab_size=900, show_progress=False))
    joined = list(dict.fromkeys("".join(m) for m in json.loads(trained.to_str())["model"]["merges"]))
    letters = sorted({c for token in trained.get_vocab() for c in token})
    rows: list[tuple[str, float, int]] = [("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("</s>", 0.0, 3)]
    rows += [(f"<0x{i:02X}>", 0.0, 6) for i in range(256)]
    rows += [(token, -1.0 - i, 1) for i, token in enumerate([*joined, *letters])]
    return rows


def merges(rows: list[tuple[str, float, int]]) -> list[tuple[str, str]]:
    """As transformers' convert_slow_tokenizer writes them: every cut of every piece, best piece first."""
    ids = {token: i for i, (token, _, _) in enumerate(rows)}
    found = [
        (score, token[:i], token[i:])
        for token, score, _ in rows
        for i in range(1, len(token))
        if token[:i] in ids and token[i:] in ids
    ]
    found.sort(key=lambda m: (m[0], len(m[1]), len(m[2])), reverse=True)
    return [(left, right) for _, left, right in found]


@cache
def sentencepiece(prefix: str) -> str:
    """tokenizer.json of the vocabulary above, in the form of Llama 2 (legacy), Mistral 0.3 (first), Yi."""
    rows = pieces()
    model = models.BPE({t: i for i, (t, _, _) in enumerate(rows)}, merges(rows), unk_token="<unk>",
                       fuse_unk=True, byte_fallback=True)  # fmt: skip
    tokenizer = Tokenizer(model)
    if prefix == "legacy":
        steps = [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
        tokenizer.normalizer = normalizers.Sequence(steps)
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace("▁", prefix, False)
    tokenizer.add_special_tokens(["<unk>", "<s>", "</s>"])
    return str(tokenizer.to_str())


def model_file(*, kind: int = 2, spaces_removed: bool = False) -> bytes:
    """The same vocabulary as tokenizer.model, a protobuf; `kind` 1 is Unigram, 2 is BPE."""
    data = b"".join(
        _field(1, _field(1, token.encode()) + b"\x15" + struct.pack("<f", score) + bytes([0x18, type_]))
        for token, score, type_ in pieces()
    )
    return data + _field(2, bytes([0x18, kind])) + _field(3, bytes([0x20, spaces_removed]))


def _field(number: int, data: bytes) -> bytes:
    size, length = len(data), bytearray()
    while size > 127:
        length.append(size & 127 | 128)
        size >>= 7
    return bytes([number << 3 | 2]) + bytes([*length, size]) + data
