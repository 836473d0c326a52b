"""A GGUF header that lies is refused with the two numbers that disagree, before anything is allocated."""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from edge.errors import IntegrityError, NotFoundError
from edge.formats.gguf import read_header

U8, U32, I32, F32, BOOL, STRING, ARRAY, U64 = 0, 4, 5, 6, 7, 8, 9, 10
CODES = {U8: "B", U32: "I", I32: "i", F32: "f", BOOL: "B", U64: "Q"}


def text(value: str | bytes, length: int | None = None) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(data) if length is None else length) + data


def scalar(kind: int, value: Any) -> bytes:
    return struct.pack("<I", kind) + (
        text(value) if kind == STRING else struct.pack("<" + CODES[kind], value)
    )


def array(kind: int, values: Sequence[Any], count: int | None = None) -> bytes:
    body = b"".join(text(v) if kind == STRING else struct.pack("<" + CODES[kind], v) for v in values)
    return struct.pack("<IIQ", ARRAY, kind, len(values) if count is None else count) + body


def row(name: str, shape: Sequence[int], kind: int = 0, offset: int = 0, dims: int | None = None) -> bytes:
    sizes = struct.pack(f"<{len(shape)}Q", *shape)
    return (
        text(name)
        + struct.pack("<I", len(shape) if dims is None else dims)
        + sizes
        + struct.pack("<IQ", kind, offset)
    )


def gguf(
    entries: Sequence[tuple[str, bytes]] = (),
    rows: Sequence[bytes] = (),
    data: int = 0,
    *,
    magic: bytes = b"GGUF",
    version: int = 3,
    tensors: int | None = None,
    keys: int | None = None,
) -> bytes:
    counts = (len(rows) if tensors is None else tensors, len(entries) if keys is None else keys)
    head = magic + struct.pack("<IQQ", version, *counts)
    head += b"".join(text(k) + v for k, v in entries) + b"".join(rows)
    return head + bytes(-len(head) % 32) + bytes(data)


TOKENS = ("tokenizer.ggml.tokens", array(STRING, ["a", "b", "c"]))
ARCH = ("general.architecture", scalar(STRING, "llama"))


def tokens(key: str, value: bytes) -> bytes:
    """Three tokens and one more key of the tokenizer."""
    return gguf([TOKENS, (f"tokenizer.ggml.{key}", value)])


def llama(key: str, value: int | str) -> bytes:
    return gguf([ARCH, (f"llama.{key}", scalar(U32 if isinstance(value, int) else STRING, value))])


HEADS = ("llama.attention.head_count", scalar(U32, 9))

LIES: dict[str, tuple[bytes, str]] = {
    "empty file": (b"", "4 bytes"),
    "other format": (gguf(magic=b"GGML"), "b'GGML'"),
    "version 1": (gguf(version=1), "version 1 "),
    "big-endian": (gguf(version=0x03000000), "big-endian"),
    "cut in the counts": (gguf()[:20], "8 bytes at offset 16"),
    "2**60 tensors": (gguf(tensors=2**60), str(2**60)),
    "2**64-1 tensors": (gguf(tensors=2**64 - 1), str(2**64 - 1)),
    "2**61 keys": (gguf(keys=2**61), str(2**61)),
    "key of 2**63 bytes": (gguf([("", b"")], keys=1)[:24] + struct.pack("<Q", 2**63) + bytes(64), str(2**63)),
    "key of 65536 bytes": (gguf([("k" * 65536, scalar(U8, 1))]), "65536"),
    "empty key": (gguf([("", scalar(U32, 1))]), "empty"),
    "key twice": (gguf([("a", scalar(U32, 1)), ("a", scalar(U32, 2))]), "given twice"),
    "key not UTF-8": (gguf()[:8] + struct.pack("<QQ", 0, 1) + text(b"\xff\xfe") + scalar(U64, 1), "UTF-8"),
    "unknown value type": (gguf([("a", struct.pack("<I", 13) + bytes(16))]), "type 13"),
    "bool of 7": (gguf([("a", scalar(BOOL, 7))]), "value 7"),
    "string of 2**62 bytes": (gguf([("a", struct.pack("<I", STRING) + text("x", 2**62))]), str(2**62)),
    "array of 2**61 numbers": (gguf([("a", array(U32, [1], 2**61))]), str(2**61)),
    "array that wraps to 0 bytes": (gguf([("a", array(U64, [], 2**61))]), str(2**61)),
    "array of 2**60 strings": (gguf([("a", array(STRING, ["x"], 2**60))]), str(2**60)),
    "array of arrays": (gguf([("a", struct.pack("<IIQ", ARRAY, ARRAY, 1) + bytes(32))]), "depth 2"),
    "array of unknown type": (gguf([("a", struct.pack("<IIQ", ARRAY, 99, 1) + bytes(32))]), "type 99"),
    "alignment 0": (gguf([("general.alignment", scalar(U32, 0))]), "alignment is 0"),
    "alignment 24": (gguf([("general.alignment", scalar(U32, 24))]), "alignment is 24"),
    "alignment 8192": (gguf([("general.alignment", scalar(U32, 8192))]), "alignment is 8192"),
    "alignment is text": (gguf([("general.alignment", scalar(STRING, "32"))]), "'32'"),
    "tensor name of 64 bytes": (gguf(rows=[row("n" * 64, [1])], data=32), "64 bytes"),
    "tensor without name": (gguf(rows=[row("", [1])], data=32), "no name"),
    "tensor with 5 dimensions": (gguf(rows=[row("t", [1] * 5)], data=32), "5 dimensions"),
    "tensor with 2**32-1 dimensions": (gguf(rows=[row("t", [1], dims=2**32 - 1)], data=32), str(2**32 - 1)),
    "tensor with a 0 dimension": (gguf(rows=[row("t", [0, 8])], data=32), "0 elements"),
    "elements that wrap": (gguf(rows=[row("t", [2**33, 2**33])], data=32), str(2**66)),
    "unknown tensor type": (gguf(rows=[row("t", [1], kind=4)], data=32), "type 4"),
    "row no multiple of its block": (gguf(rows=[row("t", [100], kind=12)], data=512), "block of 256"),
    "tensor past the end": (gguf(rows=[row("t", [16])], data=32), "but the file has"),
    "offset past the end": (gguf(rows=[row("t", [8], offset=2**40)], data=32), "but the file has"),
    "offset not aligned": (gguf(rows=[row("t", [1], offset=4)], data=64), "not a multiple of 32"),
    "tensors overlap": (gguf(rows=[row("t", [16]), row("u", [8], offset=32)], data=64), "overlap"),
    "tensor twice": (gguf(rows=[row("t", [8]), row("t", [8], offset=32)], data=64), "named t"),
    "more types than tokens": (tokens("token_type", array(I32, [1] * 4)), "3 tokens but 4"),
    "fewer scores than tokens": (tokens("scores", array(F32, [0.0])), "3 tokens but 1"),
    "scores are text": (tokens("scores", array(STRING, ["a"] * 3)), "array of float"),
    "tokens are numbers": (gguf([("tokenizer.ggml.tokens", array(U32, [1]))]), "array of strings"),
    "token type 9": (tokens("token_type", array(I32, [1, 9, 1])), "type 9"),
    "byte token without hex": (tokens("token_type", array(I32, [1, 6, 1])), "<0xHH>"),
    "end id past the tokens": (tokens("eos_token_id", scalar(U32, 3)), "is 3, but there are 3"),
    "merge without space": (tokens("merges", array(STRING, ["ab"])), "left right"),
    "embedding of another size": (gguf([TOKENS], [row("token_embd.weight", [8, 4])], 128), "3 tokens but"),
    "0 heads": (llama("attention.head_count", 0), "head_count is 0"),
    "513 layers": (llama("block_count", 513), "block_count is 513"),
    "600 experts": (llama("expert_count", 600), "expert_count is 600"),
    "layers as text": (llama("block_count", "4"), "'4'"),
    "more heads than width": (
        gguf([ARCH, HEADS, ("llama.embedding_length", scalar(U32, 8))]),
        "9, more than the embedding length 8",
    ),
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_a_lying_header_is_refused_with_its_numbers(lie: str, tmp_path: Path) -> None:
    data, told = LIES[lie]
    path = tmp_path / "lie.gguf"
    path.write_bytes(data)
    with pytest.raises(IntegrityError) as caught:
        read_header(path)
    assert told in str(caught.value)
    assert caught.value.exit_code == 6


def test_an_honest_header_is_read_whole(tmp_path: Path) -> None:
    entries = [
        ARCH,
        TOKENS,
        ("on", scalar(BOOL, 1)),
        ("general.alignment", scalar(U32, 64)),
        ("tokenizer.ggml.scores", array(F32, [0.5, 1.0, 2.0])),
        ("tokenizer.ggml.eos_token_id", scalar(U32, 2)),
    ]
    data = gguf(
        entries, [row("token_embd.weight", [8, 3]), row("q", [256, 2], kind=12, offset=128)], data=448 + 32
    )
    path = tmp_path / "ok.gguf"
    path.write_bytes(data)
    header = read_header(path)
    assert header.architecture == "llama"
    assert header.metadata["tokenizer.ggml.tokens"] == ["a", "b", "c"]
    assert header.metadata["on"] is True
    assert [(t.name, t.shape, t.type, t.size) for t in header.tensors] == [
        ("token_embd.weight", (8, 3), "F32", 96), ("q", (256, 2), "Q4_K", 288)]  # fmt: skip
    assert header.data_start % 64 == 0
    assert header.tensors[1].offset == header.data_start + 128


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="does not exist"):
        read_header(tmp_path / "none.gguf")


def test_no_single_flipped_byte_or_cut_escapes_the_reader(tmp_path: Path) -> None:
    entries = [ARCH, TOKENS, ("x", array(U32, [1, 2, 3])), ("on", scalar(BOOL, 1))]
    honest = gguf(entries, [row("t", [8]), row("u", [8], offset=32)], data=64)
    chance = random.Random(0)
    path = tmp_path / "fuzz.gguf"
    refused = 0
    for trial in range(600):
        data = bytearray(honest[: chance.randrange(len(honest))] if trial % 3 == 0 else honest)
        if data:
            data[chance.randrange(len(data))] = chance.choice([0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)])
        path.write_bytes(data)
        try:
            read_header(path)
        except IntegrityError:
            refused += 1
    assert refused > 300


def test_a_huge_claim_costs_no_memory(tmp_path: Path) -> None:
    import tracemalloc

    path = tmp_path / "huge.gguf"
    path.write_bytes(gguf([("a", array(U64, [1], 2**40))]))
    tracemalloc.start()
    with pytest.raises(IntegrityError):
        read_header(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000
