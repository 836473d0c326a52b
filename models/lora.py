"""Low-rank adapters over our decoder: attach, merge, and write as llama.cpp reads them.

Job: W + alpha/rank * B A for every matrix of every layer (Hu et al. 2021); the GGUF adapter file with llama.cpp's names and row order.
Ignorance: training, data. The embedding stays as it is: llama.cpp cannot adapt a tied one.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import gguf
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edge import atomic
from edge.formats.lora import ALPHA, TYPE, A, B
from models.decoder import Decoder
from quantize.checkpoint import Checkpoint
from quantize.tensor_names import table

MATRICES = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


class LoraLinear(nn.Module):
    """A frozen matrix and its low-rank change; at first the change is zero."""

    def __init__(self, base: nn.Linear, rank: int, alpha: float) -> None:
        super().__init__()
        self.base, self.scale = base, alpha / rank
        self.a = nn.Parameter(torch.randn(rank, base.in_features) / base.in_features**0.5)
        self.b = nn.Parameter(torch.zeros(base.out_features, rank))

    def forward(self, x: Tensor) -> Tensor:
        changed: Tensor = self.base(x) + self.scale * F.linear(F.linear(x, self.a), self.b)
        return changed

    def merged(self) -> Tensor:
        """The matrix as one, (out, in)."""
        return self.base.weight + self.scale * (self.b @ self.a)


Adapted = Mapping[str, LoraLinear]  # by transformers' name of the changed tensor


def attach(model: Decoder, rank: int, alpha: float) -> Adapted:
    """Freeze the decoder and put an adapter over every matrix of its layers."""
    model.requires_grad_(False)
    made = {}
    for name, module in list(model.model.layers.named_modules()):
        where, _, leaf = name.rpartition(".")
        if leaf in MATRICES:
            made[f"model.layers.{name}.weight"] = adapter = LoraLinear(module, rank, alpha)
            setattr(model.model.layers.get_submodule(where), leaf, adapter)
    return made


def merged(model: Decoder, adapted: Adapted) -> dict[str, Tensor]:
    """The state of a stock LlamaForCausalLM with the changes in it."""
    layers = {name: adapter.merged() for name, adapter in adapted.items()}
    others = {
        f"model.{name}": value
        for name, value in model.model.state_dict().items()
        if not name.endswith((".a", ".b", ".base.weight"))
    }
    return others | layers


def write_adapter(path: Path, base: Checkpoint, adapted: Adapted) -> None:
    """A GGUF LoRA adapter (f16) for every GGUF that is made of `base`. Crash-safe."""
    rows = {row.source: row for row in table(base.architecture, base.config)}
    first = next(iter(adapted.values()))
    with tempfile.TemporaryDirectory() as folder:
        part = Path(folder) / "adapter.gguf"
        writer = gguf.GGUFWriter(part, "llama")
        writer.add_type("adapter")
        writer.add_string(TYPE, "lora")
        writer.add_float32(ALPHA, first.scale * first.a.shape[0])
        writer.add_string("general.base_model.0.name", str(base.facts.get("name") or base.folder.name))
        writer.add_uint32("general.base_model.count", 1)
        for name, adapter in adapted.items():
            row, a, b = rows[name], _half(adapter.a), _half(adapter.b)
            b = np.ascontiguousarray(row.convert(b))
            writer.add_tensor(row.target + A, a)  # (rank, in)
            writer.add_tensor(row.target + B, b)  # (out, rank)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        atomic.write_bytes(path, part.read_bytes())


def _half(weight: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.float16]]:
    return weight.detach().to(torch.float16).numpy()
