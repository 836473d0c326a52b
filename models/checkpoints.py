"""Our decoder from a checkpoint folder, and back into one.

Job: load the weights of a plain tied Llama into `models.decoder`; write changed weights as a folder that transformers and
`edge quantize` open. Ignorance: training, adapters, GGUF.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from edge import atomic
from edge.errors import UsageError
from models.decoder import NORM_EPS, ROPE_THETA, Decoder
from models.family import Member
from quantize.checkpoint import Checkpoint, open_checkpoint
from quantize.gguf_metadata import rope_base, rope_scaling
from quantize.tensor_names import Shape, check, table

DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
CARRIED = ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja",
           "special_tokens_map.json", "heldout.npz", "LICENSE")  # fmt: skip


class Plain(Decoder):
    """The decoder over a released embedding matrix: codes share nothing any more."""

    def __init__(self, member: Member) -> None:
        super().__init__(member)
        del self.factors

    def table(self) -> Tensor:
        return self.model.embed_tokens.weight


def load(checkpoint: Checkpoint) -> Plain:
    """The decoder in f32, in eval mode.

    Raises:
        UsageError: a Llama that `models.decoder` cannot compute. IntegrityError: tensors missing or misshapen.
    """
    model = Plain(_member(checkpoint))
    check(
        table(checkpoint.architecture, checkpoint.config), {n: t.shape for n, t in checkpoint.tensors.items()}
    )
    state = {
        name.removeprefix("model."): torch.from_numpy(checkpoint.read(name).astype("float32"))
        for name in checkpoint.tensors
        if name != "lm_head.weight"
    }
    model.model.load_state_dict(state)
    return model.eval()


def _member(checkpoint: Checkpoint) -> Member:
    config, shape = checkpoint.config, Shape.of(checkpoint.config)
    wrong = [
        what
        for what, bad in {
            "an architecture other than LlamaForCausalLM": config["architectures"] != ["LlamaForCausalLM"],
            "biases": bool(config.get("attention_bias") or config.get("mlp_bias")),
            "an untied output head": not shape.tied,
            f"a rope base other than {ROPE_THETA:g}": rope_base(config) != ROPE_THETA,
            "rope scaling": rope_scaling(config)[0] != "default",
            f"a norm epsilon other than {NORM_EPS:g}": float(config["rms_norm_eps"]) != NORM_EPS,
            "heads wider than their share": shape.head_width * shape.heads != shape.width,
        }.items()
        if bad
    ]
    if wrong:
        raise UsageError(
            f"{checkpoint.folder} has {' and '.join(wrong)}; this trainer is for the native family. Train it with another "
            "trainer of Llama models, and convert the adapter with llama.cpp's convert_lora_to_gguf.py"
        )
    context = int(config["max_position_embeddings"])
    return Member(
        "", shape.width, shape.layers, shape.heads, shape.kv_heads, shape.ff, shape.vocabulary, context
    )


def write(
    base: Checkpoint, state: Mapping[str, Tensor], folder: Path, training: Mapping[str, Any]
) -> Checkpoint:
    """A folder like `base` with other weights, in its type; the weights come last, so that half a folder is none.

    `state` has transformers' names; `training` goes into edge.json's provenance.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.safetensors").unlink(missing_ok=True)
    for source in [base.folder / name for name in CARRIED] + sorted(base.folder.glob("*.onnx")):
        if source.is_file():
            atomic.write_bytes(folder / source.name, source.read_bytes())
    if base.facts:
        provenance = {**base.facts.get("provenance", {}), "fine_tuned": dict(training)}
        facts = {**base.facts, "provenance": provenance}
        atomic.write_bytes(folder / "edge.json", (json.dumps(facts, indent=1) + "\n").encode())
    kind = DTYPES[base.widest]
    weights = {name: value.detach().to(kind).contiguous() for name, value in state.items()}
    atomic.write_bytes(folder / "model.safetensors", save(weights, {"format": "pt"}))
    return open_checkpoint(folder)
