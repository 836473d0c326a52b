"""Turns a checkpoint's tokenizer into the vocabulary that a GGUF carries.

Job: tokens, their types, merges or scores, the name of the splitting rule, and what stands before a text.
Ignorance: writes no file, tokenizes nothing; SentencePiece itself stands in `sentencepiece`.
Source of the rules: llama.cpp's convert_hf_to_gguf_update.py and llama-vocab.cpp.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edge.errors import IntegrityError, UsageError
from edge.vocabulary import TEXT_SIZE, VOCABULARY_SIZE, token_names
from quantize import sentencepiece
from quantize.checkpoint import Checkpoint
from quantize.sentencepiece import CONTROL, NORMAL, UNUSED, USER_DEFINED, Pieces

NORMALIZERS = ("NFC", "NFD", "NFKC", "NFKD")  # llama.cpp does none of them; our engine does
_PADDING = re.compile(r"<\|unused_\d+\|>")
_LOOKS_SPECIAL = re.compile(
    r"<\|.*\|>|<｜.*｜>|<unused.*>|<pad>|<mask>"
)  # llama.cpp: does_token_look_special
_NO_SCORE = -1000.0  # llama.cpp's, for tokens that no joining makes


_CONTRACTION = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_REST = r"\s*[\r\n]+|\s+(?!\S)|\s+"


def _words(digits: str) -> str:
    """Qwen 2's rule; Llama 3's with up to three digits."""
    return rf"{_CONTRACTION}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|{digits}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|{_REST}"


def _cased(contraction: str, digits: str) -> str:
    """GPT-4o's rule: a word also ends where lower case turns to upper."""
    start, upper, lower = (
        r"[^\r\n\p{L}\p{N}]?", r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
    )  # fmt: skip
    return (
        rf"{start}{upper}*{lower}+{contraction}|{start}{upper}+{lower}*{contraction}"
        rf"|{digits}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|{_REST}"
    )


_GPT_2 = "GPT-2's words"  # tokenizers' ByteLevel with its own regex
_Steps = tuple[str, ...]
# steps of tokenizer.json's pre_tokenizer before the bytes, and ignore_merges: llama.cpp's name of the rule
_SPLITTERS: Mapping[tuple[_Steps, bool], str] = {
    ((_words(r"\p{N}"),), False): "qwen2",
    ((_words(r"\p{N}{1,3}"),), True): "llama-bpe",
    ((_words(r"\p{N}{1,3}"),), False): "smaug-bpe",  # Llama 3's words, every token by its merges
    ((_cased("", r"\p{N}"),), True): "tekken",
    ((_cased(_CONTRACTION + "?", r"\p{N}{1,3}"),), False): "llama4",
    ((_cased(_CONTRACTION + "?", r"\p{N}{1,3}"),), True): "llama4",
    ((_GPT_2,), False): "gpt-2",
    (("digits", _GPT_2), False): "smollm",
}


@dataclass(frozen=True)
class GgufVocabulary:
    """What `tokenizer.ggml.*` needs."""

    model: str  # "gpt2": byte-level BPE; "llama": SentencePiece
    pre: str  # llama.cpp's name of the splitting rule
    tokens: list[str]  # by id
    types: list[int]  # llama_token_type by id
    merges: list[str] = field(default_factory=list)  # "left right"; byte-level BPE only
    scores: list[float] = field(default_factory=list)  # by id; SentencePiece only
    prefix: str = ""  # as in `sentencepiece.Pieces`; byte-level BPE: none
    normalizer: str = ""  # one of NORMALIZERS
    leads: bool = False  # a begin-of-sequence token stands before a text
    trails: bool = False  # an end-of-sequence token after it


def read(checkpoint: Checkpoint, size: int) -> GgufVocabulary:
    """The vocabulary of a checkpoint folder: its tokenizer.json, else its tokenizer.model.

    Raises: as `convert`.
    """
    if (checkpoint.folder / "tokenizer.json").is_file():
        native = bool(checkpoint.facts.get("vocabulary", {}).get("blocks"))
        return convert(checkpoint.json("tokenizer.json"), size, native=native)
    settings = checkpoint.settings()
    pieces = sentencepiece.from_model((checkpoint.folder / "tokenizer.model").read_bytes())
    decoder = settings.get("added_tokens_decoder") or {}
    added: list[Mapping[str, Any]] = [{"id": int(i), **token} for i, token in decoder.items()]
    leads, trails = settings.get("add_bos_token", True), settings.get("add_eos_token", False)
    return _with_pieces(pieces, added, size, leads=bool(leads), trails=bool(trails))


def convert(tokenizer: Mapping[str, Any], size: int, *, native: bool) -> GgufVocabulary:
    """The vocabulary of `size` ids; ids that tokenizer.json does not name become unused padding.

    Raises:
        UsageError: a kind of tokenizer, or a splitting rule, that llama.cpp does not know.
        IntegrityError: ids out of range or given twice, or a native model with other names than the family's.
    """
    model, added = tokenizer.get("model") or {}, tokenizer.get("added_tokens") or []
    affixes = model.get("continuing_subword_prefix") or model.get("end_of_word_suffix")
    if model.get("type") != "BPE" or affixes:
        raise UsageError(
            f"the tokenizer is {model.get('type')!r}, expected a byte-level BPE as in Llama 3 or Qwen, or "
            "SentencePiece's BPE as in Llama 2"
        )
    leads, trails = _around(tokenizer.get("post_processor") or {})
    if model.get("byte_fallback"):
        pieces = sentencepiece.from_json(tokenizer, _base(model.get("vocab")))
        return _with_pieces(pieces, added, size, leads=leads, trails=trails)
    names = _names(model.get("vocab"), added, size)
    tokens = [names[i][0] if i in names else f"[PAD{i}]" for i in range(size)]
    types = [names[i][1] if i in names else UNUSED for i in range(size)]
    if native:
        _check_native(tokens)
    pre = _splitter(tokenizer.get("pre_tokenizer") or {}, bool(model.get("ignore_merges")))
    return GgufVocabulary(
        "gpt2", pre, tokens, types, _merges(model),
        normalizer=_normalizer(tokenizer.get("normalizer") or {}), leads=leads, trails=trails,
    )  # fmt: skip


def _with_pieces(
    pieces: Pieces, added: list[Mapping[str, Any]], size: int, *, leads: bool, trails: bool
) -> GgufVocabulary:
    """SentencePiece's vocabulary with the tokens that were added to it."""
    names = {
        i: (token, kind) for i, (token, kind) in enumerate(zip(pieces.tokens, pieces.types, strict=True))
    }
    for i, (token, kind) in _added(added).items():
        names[i] = names[i] if i in names and names[i][1] == sentencepiece.UNKNOWN else (token, kind)
    _check_range(names, size)
    rows = [names.get(i, (f"[PAD{i}]", UNUSED)) for i in range(size)]
    tokens, types = [token for token, _ in rows], [kind for _, kind in rows]
    scores = pieces.scores + [_NO_SCORE] * (size - len(pieces.scores))
    return GgufVocabulary("llama", "default", tokens, types, scores=scores, prefix=pieces.prefix,
                          leads=leads, trails=trails)  # fmt: skip


def _base(vocab: Any) -> dict[int, str]:
    """Names by id, without gaps."""
    if not isinstance(vocab, dict) or not all(type(i) is int for i in vocab.values()):
        raise IntegrityError(
            "tokenizer.json has no vocabulary of names and ids; download the checkpoint again"
        )
    names = {i: token for token, i in vocab.items()}
    if len(names) != len(vocab):
        raise IntegrityError(f"tokenizer.json names {len(vocab)} tokens with only {len(names)} different ids")
    return names


def _names(vocab: Any, added: list[Mapping[str, Any]], size: int) -> dict[int, tuple[str, int]]:
    names = {i: (token, NORMAL) for i, token in _base(vocab).items()} | _added(added)
    _check_range(names, size)
    return names


def _added(added: list[Mapping[str, Any]]) -> dict[int, tuple[str, int]]:
    """Tokens that stand whole, whatever the splitting rule says."""
    names = {}
    for token in added:
        text, special = token["content"], bool(token.get("special"))
        if _PADDING.fullmatch(text):
            names[token["id"]] = (text, UNUSED)
        elif special or _LOOKS_SPECIAL.fullmatch(text):
            names[token["id"]] = (text, CONTROL)
        else:
            names[token["id"]] = (text.replace("▁", " "), USER_DEFINED)
    return names


def _check_range(names: Mapping[int, tuple[str, int]], size: int) -> None:
    if nul := next((i for i, (token, _) in names.items() if "\0" in token), None):
        raise IntegrityError(f"the token {nul} holds a zero byte, which llama.cpp reads as its end")
    if min(names) < 0 or max(names) >= size:
        raise IntegrityError(
            f"the tokenizer names the id {max(names)}, but config.json has a vocabulary of {size}; "
            "they belong to different models"
        )


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
    if not merges:
        raise UsageError("the tokenizer has no merges, and llama.cpp refuses such a file; train it on text")
    return merges


def _normalizer(normalizer: Mapping[str, Any]) -> str:
    steps = normalizer.get("normalizers", [normalizer] if normalizer else [])
    kinds = [step.get("type") for step in steps]
    if not kinds:
        return ""
    if len(kinds) == 1 and kinds[0] in NORMALIZERS:
        return str(kinds[0])
    raise UsageError(
        f"the tokenizer rewrites text by {kinds}, expected nothing or one of {', '.join(NORMALIZERS)}; "
        "choose another checkpoint"
    )


def _around(post: Mapping[str, Any]) -> tuple[bool, bool]:
    """Whether a token stands before a text, and after it."""
    for step in post.get("processors", [post]):
        if step.get("type") == "TemplateProcessing" and len(single := step.get("single") or []) > 1:
            return "SpecialToken" in single[0], "SpecialToken" in single[-1]
    return False, False


def _splitter(pre: Mapping[str, Any], ignore_merges: bool) -> str:
    """llama.cpp's name of the rule that cuts text into words."""
    steps = tuple(step for s in pre.get("pretokenizers") or [pre] for step in _step(s))
    if steps[-1:] != ("bytes",) or (steps[:-1], ignore_merges) not in _SPLITTERS:
        raise UsageError(
            f"the tokenizer splits words by a rule that llama.cpp does not know ({' then '.join(steps)}, "
            f"ignore_merges {ignore_merges}); known rules: {', '.join(dict.fromkeys(_SPLITTERS.values()))}"
        )
    return _SPLITTERS[steps[:-1], ignore_merges]


def _step(step: Mapping[str, Any]) -> _Steps:
    """One step in our words; what has none stands as it is, and is in no table."""
    whole = step.get("behavior") == "Isolated" and not step.get("invert")
    if step.get("type") == "Split" and whole and "Regex" in step.get("pattern", {}):
        return (str(step["pattern"]["Regex"]),)
    if step.get("type") == "ByteLevel" and not step.get("add_prefix_space"):
        return (_GPT_2, "bytes") if step.get("use_regex", True) else ("bytes",)
    if step.get("type") == "Digits" and step.get("individual_digits"):
        return ("digits",)
    return (str(dict(step)),)
