"""Types chosen per tensor reach the file, and what llama.cpp did not follow is an error."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest

from edge.errors import EngineError
from edge.formats.gguf import read_header
from quantize import llama_quantize, recipes
from quantize.recipes import Recipe

INT8 = recipes.find("int8")


def ignore(*_: object) -> None:
    """No progress is shown."""


def small(path: Path, layers: int = 12, width: int = 256, hidden: int = 0) -> Path:
    """A random Llama without a tokenizer; of width x width matrices only, where `hidden` is 0."""
    hidden = hidden or width
    random, writer = np.random.default_rng(3), gguf.GGUFWriter(path, "llama")
    facts = {"vocab_size": 64, "context_length": 64, "embedding_length": width, "block_count": layers,
             "feed_forward_length": hidden, "attention.head_count": 4,
             "rope.dimension_count": 64}  # fmt: skip
    for name, value in facts.items():
        writer.add_uint32(f"llama.{name}", value)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("no_vocab")
    shapes: dict[str, tuple[int, ...]] = {"token_embd": (64, width), "output_norm": (width,)}
    for layer in range(layers):
        shapes |= {f"blk.{layer}.{n}": (width,) for n in ("attn_norm", "ffn_norm")}
        shapes |= {f"blk.{layer}.attn_{n}": (width, width) for n in ("q", "k", "v", "output")}
        shapes |= {f"blk.{layer}.ffn_{n}": (hidden, width) for n in ("gate", "up")}
        shapes |= {f"blk.{layer}.ffn_down": (width, hidden)}
    for name, shape in shapes.items():
        values = np.ones(shape) if len(shape) == 1 else random.normal(0, 0.05, shape)
        writer.add_tensor(f"{name}.weight", values.astype("f4"))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def types_of(path: Path) -> dict[str, str]:
    return {tensor.name: tensor.type for tensor in read_header(path).tensors}


def test_each_tensor_gets_the_type_that_was_asked_and_no_other(tmp_path: Path) -> None:
    source, target = small(tmp_path / "s.gguf"), tmp_path / "t.gguf"
    asked = {"blk.1.ffn_up.weight": "Q4_K", "blk.2.attn_q.weight": "IQ4_XS", "blk.3.attn_k.weight": "F16",
             "token_embd.weight": "Q6_K"}  # fmt: skip
    llama_quantize.write(source, target, INT8, ignore, None, asked)
    found = types_of(target)
    assert {name: found[name] for name in asked} == asked
    others = {kind for name, kind in found.items() if name not in asked}
    assert others == {"Q8_0", "F32"}
    assert found["blk.11.ffn_up.weight"] == "Q8_0"  # a name that ends like another one
    assert not list(tmp_path.glob("*.json"))


def test_a_type_that_llama_cpp_does_not_follow_is_an_error(tmp_path: Path) -> None:
    source, target = small(tmp_path / "s.gguf", layers=1), tmp_path / "t.gguf"
    with pytest.raises(EngineError, match=r"output_norm\.weight as F32, but Q4_K was asked"):
        llama_quantize.write(source, target, INT8, ignore, None, {"output_norm.weight": "Q4_K"})
    float_recipe = Recipe("f16", "F16", 1, 16.0)  # llama.cpp overrules only quantized defaults
    with pytest.raises(EngineError, match="but Q4_K was asked"):
        llama_quantize.write(source, target, float_recipe, ignore, None, {"blk.0.attn_q.weight": "Q4_K"})
