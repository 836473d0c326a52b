"""An importance matrix is what the matrices were fed, in llama.cpp's form; nothing malformed is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from edge.errors import IntegrityError, NotFoundError
from edge.formats.gguf import read_header
from quantize import gguf_export, importance, llama_quantize, recipes
from quantize.checkpoint import open_checkpoint
from quantize.importance import Entry, Importance
from quantize.rows import Rows
from tests import tiny


def ignore(*_: object) -> None:
    pass


def rows_of(*lengths: int, size: int = 256, seed: int = 3) -> Rows:
    random = np.random.default_rng(seed)
    return Rows({"text": tuple(random.integers(0, size, n).astype(np.int32) for n in lengths)})


@pytest.fixture(scope="module")
def model(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("float") / "f32.gguf"
    gguf_export.write_float(open_checkpoint(tiny_checkpoint), path, recipes.find("f32"), ignore)
    return path


@pytest.fixture(scope="module")
def gathered(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Importance:
    return importance.gather(model, rows_of(40, 150), "two rows", tmp_path_factory.mktemp("w"), ignore)


def test_the_first_projection_saw_the_normalized_embeddings(gathered: Importance) -> None:
    table = tiny.weights()["model.embed_tokens.weight"].astype("<f4")
    table = (table.view(np.uint32) + 0x7FFF + ((table.view(np.uint32) >> 16) & 1) >> 16 << 16).view(
        "<f4"
    )  # bf16
    ids = np.concatenate([row for _, row in rows_of(40, 150)])
    x = table[ids]
    x = x / np.sqrt(np.square(x).mean(-1, keepdims=True) + 1e-5)
    entry = gathered.entries["blk.0.attn_q.weight"]
    assert entry.counts.tolist() == [190]
    assert np.allclose(entry.sums[0], np.square(x).sum(0), rtol=1e-4)


def test_every_matrix_of_every_block_and_the_tied_head_are_seen(gathered: Importance, model: Path) -> None:
    matrices = {t.name for t in read_header(model).tensors if len(t.shape) > 1}
    assert set(gathered.entries) == matrices
    assert gathered.datasets == ("two rows",)
    assert gathered.chunks == 1


def test_experts_are_counted_one_by_one(tmp_path: Path) -> None:
    path = mixture(tmp_path / "moe.gguf")
    found = importance.gather(path, rows_of(30, size=64), "x", tmp_path, ignore).entries
    router, gate, down = (
        found[f"blk.0.{n}.weight"] for n in ("ffn_gate_inp", "ffn_gate_exps", "ffn_down_exps")
    )
    assert gate.counts.shape == (4,)
    assert gate.counts.sum() == down.counts.sum() == 30  # one expert per token
    assert np.count_nonzero(gate.counts) > 1
    assert np.allclose(gate.sums.sum(0), router.sums[0], rtol=1e-4)  # the router reads what the experts read
    assert (gate.weights()[gate.counts == 0] == 1).all()


def test_the_file_is_llama_cpps_and_reads_back_equal(gathered: Importance, tmp_path: Path) -> None:
    importance.write(tmp_path / "i.gguf", gathered)
    read = gguf.GGUFReader(tmp_path / "i.gguf")
    assert {f for f in read.fields if not f.startswith("GGUF.")} == {
        "general.type", "imatrix.datasets", "imatrix.chunk_count", "imatrix.chunk_size"}  # fmt: skip
    shapes = {t.name: t.shape.tolist() for t in read.tensors}
    assert shapes["blk.0.attn_q.weight.in_sum2"] == [tiny.WIDTH]
    assert shapes["blk.0.attn_q.weight.counts"] == [1]
    again = importance.read(tmp_path / "i.gguf")
    assert again.datasets == gathered.datasets
    for name, entry in gathered.entries.items():
        assert np.array_equal(again.entries[name].sums, entry.sums)
        assert np.array_equal(again.entries[name].counts, entry.counts)
    assert [p.name for p in tmp_path.iterdir()] == ["i.gguf"]


def test_merging_two_runs_is_one_run_over_both(model: Path, gathered: Importance, tmp_path: Path) -> None:
    both = rows_of(40, 150).by_kind["text"]
    parts = [importance.gather(model, Rows({"text": (row,)}), f"row {i}", tmp_path, ignore)
             for i, row in enumerate(both)]  # fmt: skip
    merged = importance.merge(parts)
    assert merged.datasets == ("row 0", "row 1")
    for name, entry in gathered.entries.items():
        assert np.array_equal(merged.entries[name].counts, entry.counts)
        assert np.allclose(merged.entries[name].sums, entry.sums, rtol=1e-3)


def test_matrices_of_different_models_do_not_merge() -> None:
    a, b = (Importance({"m": Entry(np.ones((1, n), "f4"), np.ones(1, "f4"))}, ("x",)) for n in (4, 8))
    with pytest.raises(IntegrityError, match=r"\(1, 4\) columns .* \(1, 8\)"):
        importance.merge([a, b])


def test_the_quantizer_uses_it_and_the_result_says_so(
    model: Path, gathered: Importance, tmp_path: Path
) -> None:
    importance.write(tmp_path / "i.gguf", gathered)
    for name, matrix in (("plain", None), ("weighed", tmp_path / "i.gguf")):
        llama_quantize.write(model, tmp_path / f"{name}.gguf", recipes.find("q3_k_m"), ignore, matrix)
    plain, weighed = (read_header(tmp_path / f"{n}.gguf") for n in ("plain", "weighed"))
    assert weighed.metadata["quantize.imatrix.file"] == "imatrix.gguf"
    assert weighed.metadata["quantize.imatrix.dataset"] == "two rows"
    assert weighed.metadata["quantize.imatrix.entries_count"] == len(gathered.entries)
    assert [t.type for t in plain.tensors] == [t.type for t in weighed.tensors]
    assert (tmp_path / "plain.gguf").read_bytes()[-10_000:] != (tmp_path / "weighed.gguf").read_bytes()[
        -10_000:
    ]


def test_two_bits_are_written_where_llama_cpp_refuses_without_a_matrix(
    model: Path, gathered: Importance, tmp_path: Path
) -> None:
    importance.write(tmp_path / "i.gguf", gathered)
    llama_quantize.write(model, tmp_path / "d.gguf", recipes.find("iq2_xxs"), ignore, tmp_path / "i.gguf")
    assert "IQ2_XXS" in {t.type for t in read_header(tmp_path / "d.gguf").tensors}


def test_a_matrix_of_another_model_is_refused(model: Path, gathered: Importance) -> None:
    header = read_header(model)
    name, entry = next(iter(gathered.entries.items()))
    narrow = Importance({name: Entry(entry.sums[:, :8], entry.counts)}, ("x",))
    strange = Importance({"other.weight": entry}, ("x",))
    some = Importance({name: entry}, ("x",))
    for bad, told, complete in ((narrow, "1 x 8 values", False), (strange, "names no matrix", False),
                                (some, "lacks", True)):  # fmt: skip
        with pytest.raises(IntegrityError, match=told):
            importance.check(bad, header, "i.gguf", complete=complete)
    importance.check(some, header, "i.gguf", complete=False)


FACTS: dict[str, Any] = {"general.type": "imatrix", "imatrix.datasets": ["a"], "imatrix.chunk_count": 1,
                         "imatrix.chunk_size": 128}  # fmt: skip
SOUND = {"m.in_sum2": np.ones(4, "f4"), "m.counts": np.ones(1, "f4")}


def crafted(path: Path, facts: dict[str, Any], tensors: dict[str, Any]) -> Path:
    writer = importance._Writer(path, "")
    for key, value in facts.items():
        if isinstance(value, str):
            writer.add_string(key, value)
        elif isinstance(value, list):
            writer.add_array(key, value)
        else:
            (writer.add_uint32 if isinstance(value, int) else writer.add_float32)(key, value)
    for name, array in tensors.items():
        writer.add_tensor(name, array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_the_crafted_base_is_sound(tmp_path: Path) -> None:
    assert importance.read(crafted(tmp_path / "i.gguf", FACTS, SOUND)).chunks == 1


@pytest.mark.parametrize(
    ("facts", "tensors", "told"),
    [
        ({"general.type": "model"}, {}, "general.type is 'model'"),
        ({"imatrix.chunk_count": 0}, {}, "chunk_count is 0"),
        ({"imatrix.chunk_size": 1.5}, {}, "chunk_size is 1.5"),
        ({"imatrix.datasets": [1, 2]}, {}, "datasets is no list of names"),
        ({"imatrix.datasets": "a"}, {}, "datasets is no list of names"),
        ({}, {"n.in_sum2": np.ones(4, "f4")}, "n.counts has no partner"),
        ({}, {"n.counts": np.ones(4, "f4")}, "n.counts has no partner"),
        ({}, {"stray": np.ones(4, "f4")}, "stray has no partner"),
        ({}, {"m.counts": np.ones(2, "f4")}, "counts"),
        ({}, {"m.in_sum2": np.ones((2, 4), "f4")}, "counts"),
        ({}, {"m.in_sum2": np.ones(4, "f2")}, "F16"),
        ({}, {"m.in_sum2": np.array([1, np.nan, 1, 1], "f4")}, "no sum of squares"),
        ({}, {"m.in_sum2": np.array([1, np.inf, 1, 1], "f4")}, "no sum of squares"),
        ({}, {"m.in_sum2": np.array([1, -1, 1, 1], "f4")}, "no sum of squares"),
        ({}, {"m.counts": np.array([-1], "f4")}, "no count"),
        ({}, {"m.counts": np.array([0.5], "f4")}, "no count"),
        ({}, {"m.counts": np.array([0], "f4")}, "no count"),
        ({}, {"m.counts": np.array([np.nan], "f4")}, "no count"),
    ],
)  # fmt: skip
def test_a_malformed_matrix_is_refused(
    facts: dict[str, Any], tensors: dict[str, Any], told: str, tmp_path: Path
) -> None:
    with pytest.raises(IntegrityError, match=told):
        importance.read(crafted(tmp_path / "i.gguf", FACTS | facts, SOUND | tensors))


@pytest.mark.parametrize("missing", list(FACTS))
def test_a_matrix_without_a_fact_is_refused(missing: str, tmp_path: Path) -> None:
    facts = {key: value for key, value in FACTS.items() if key != missing}
    with pytest.raises(IntegrityError, match=missing):
        importance.read(crafted(tmp_path / "i.gguf", facts, SOUND))


BROKEN: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "half": lambda data: data[: len(data) // 2],
    "another magic": lambda data: b"GGML" + data[4:],
    "text": lambda data: b"hello\n" * 20,
    "huge count": lambda data: data[:8] + b"\xff" * 8 + data[16:],
}


@pytest.mark.parametrize("name", list(BROKEN))
def test_what_is_no_gguf_is_refused(name: str, tmp_path: Path) -> None:
    path = crafted(tmp_path / "i.gguf", FACTS, SOUND)
    path.write_bytes(BROKEN[name](path.read_bytes()))
    with pytest.raises(IntegrityError):
        importance.read(path)


def test_llama_cpps_old_form_is_refused_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "i.dat").write_bytes(b"\x01\x00\x00\x00rest")
    with pytest.raises(IntegrityError, match="old form; convert it"):
        importance.read(tmp_path / "i.dat")
    with pytest.raises(NotFoundError):
        importance.read(tmp_path / "none.gguf")


def mixture(path: Path) -> Path:
    """A random one-block Llama with four experts, one used per token, without a tokenizer."""
    random, width, hidden, size = np.random.default_rng(5), 64, 32, 64
    writer = gguf.GGUFWriter(path, "llama")
    facts = {"vocab_size": size, "context_length": 64, "embedding_length": width, "block_count": 1,
             "feed_forward_length": hidden, "attention.head_count": 2, "expert_count": 4,
             "expert_used_count": 1, "rope.dimension_count": 32}  # fmt: skip
    for name, value in facts.items():
        writer.add_uint32(f"llama.{name}", value)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("none")
    shapes = {"token_embd": (size, width), "output_norm": (width,), "output": (size, width),
              "blk.0.attn_norm": (width,), "blk.0.ffn_norm": (width,), "blk.0.ffn_gate_inp": (4, width),
              "blk.0.ffn_gate_exps": (4, hidden, width), "blk.0.ffn_up_exps": (4, hidden, width),
              "blk.0.ffn_down_exps": (4, width, hidden)}  # fmt: skip
    shapes |= {f"blk.0.attn_{n}": (width, width) for n in ("q", "k", "v", "output")}
    for name, shape in shapes.items():
        flat = np.ones(shape, "f4") if len(shape) == 1 else random.normal(0, 0.1, shape).astype("f4")
        writer.add_tensor(f"{name}.weight", flat)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
