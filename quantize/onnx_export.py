"""Writes a checkpoint's decoder as an ONNX graph for onnxruntime, without torch.

Job: the layers of every architecture without experts, in onnxruntime's own operators: attention with shared
key and value buffers, weights in float32 or in blocks of 4 or 8 bits, streamed one tensor at a time.
Ignorance: how blocks are made (`onnx_blocks`), how files are laid out (`onnx_writer`); judges no quality.
Source: ContribOperators.md of onnxruntime 1.31; names of inputs and outputs as onnxruntime-genai's builder.

Two inputs have defaults, so that onnxruntime-genai need not know them. `inputs_embeds` (batch, n, width):
its row stands where an id is below 0. `logits_from` (1,): logits start there; -1, the default: the last only.
The logits are declared for one position: by that onnxruntime-genai knows that it gets the last one alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from edge.engines.onnx_engine import PAST, PRESENT
from edge.errors import IntegrityError, UsageError
from quantize import onnx_blocks, onnx_rope, tensor_names
from quantize.checkpoint import Checkpoint
from quantize.gguf_source import GgufSource
from quantize.importance import Importance
from quantize.onnx_blocks import FLOAT, Kind
from quantize.onnx_writer import DATA_SUFFIX, GraphWriter
from quantize.tensor_names import Row, Shape

Progress = Callable[[str, int, int], None]  # (what, done, of)
ARCHITECTURES = ("llama", "qwen2", "qwen3")  # general.architecture
INT8_ACTIVATIONS = 4  # MatMulNBits' accuracy_level
_ALL = np.iinfo(np.int64).max
_ENDS = ("token_embd.weight", "output.weight")  # take `head_bits`


@dataclass(frozen=True)
class OnnxRecipe:
    """How the matrices are stored."""

    name: str  # as the user writes it
    bits: int  # of the layers: 4, 8; 32 = float32
    head_bits: int  # of the embedding and the head
    block: int = 32  # weights that share a scale; rows that it does not divide take a smaller one
    symmetric: bool = False  # without zero points
    accuracy: int = INT8_ACTIVATIONS  # 0: float activations
    kinds: Mapping[str, str] = field(
        default_factory=dict
    )  # of `onnx_blocks.KINDS` by GGUF tensor name; first

    @property
    def type(self) -> str:
        """In words, for reports and manifests."""
        if self.kinds:
            counts = Counter(self.kinds.values())
            return f"ONNX mixed, {', '.join(kind for kind, _ in counts.most_common())}"
        blocks = f"{self.bits}-bit blocks of {self.block}, embedding and head {self.head_bits}-bit"
        return "ONNX F32" if self.bits == 32 else f"ONNX {blocks}"

    @property
    def weight_bits(self) -> float:
        """Bits per weight, nominal; for the disk estimate."""
        return max(self.bits, self.head_bits) * 1.2

    @property
    def uses_importance(self) -> bool:
        """Whether an importance matrix changes what is written: 8 bits take the whole range of a block."""
        return self.bits == 4 or bool(self.kinds)

    def kind(self, tensor: str) -> Kind:
        """Of a matrix by its GGUF name."""
        if tensor in self.kinds:
            return onnx_blocks.KINDS[self.kinds[tensor]] if self.kinds[tensor] != "f32" else FLOAT
        bits = self.head_bits if tensor in _ENDS else self.bits
        return FLOAT if bits == 32 else Kind(bits, self.block, self.symmetric or bits == 8)


RECIPES = {
    recipe.name: recipe
    for recipe in (
        OnnxRecipe("f32", 32, 32),
        OnnxRecipe("int8", 8, 8, symmetric=True),
        OnnxRecipe("int4", 4, 8),
    )
}


def mixed(name: str, kinds: Mapping[str, str]) -> OnnxRecipe:
    """With a kind for every matrix; "f32" too."""
    return OnnxRecipe(name, 32, 32, kinds=kinds)


def find(name: str) -> OnnxRecipe:
    """The recipe of this name.

    Raises:
        UsageError: ONNX has none of this name.
    """
    if name.lower() not in RECIPES:
        raise UsageError(
            f"the recipe {name!r} exists for GGUF only; for ONNX choose one of {', '.join(RECIPES)}"
        )
    return RECIPES[name.lower()]


def files(path: Path) -> tuple[Path, Path]:
    """The graph and its weights."""
    return path, path.with_name(path.name + DATA_SUFFIX)


def require(checkpoint: Checkpoint | GgufSource) -> None:
    """Refuse what no graph can be made of.

    Raises:
        UsageError: a GGUF file, or an architecture that is not in `ARCHITECTURES`.
    """
    if isinstance(checkpoint, GgufSource):
        raise UsageError(f"{checkpoint.ready.name} is a GGUF file; ONNX is made from a checkpoint folder")
    if checkpoint.gguf not in ARCHITECTURES:
        raise UsageError(
            f"ONNX export knows {', '.join(ARCHITECTURES)}, not {checkpoint.gguf}; use --format gguf"
        )


def write(checkpoint: Checkpoint, path: Path, recipe: OnnxRecipe, progress: Progress,
          weights: Importance | None = None) -> None:  # fmt: skip
    """Stream the decoder to `path` and the file of its weights beside it; `weights` say which columns matter.

    Raises:
        UsageError: an architecture or a size this writer cannot express.
        IntegrityError: tensors missing, misshapen or not finite. OSError: the disk refused.
    """
    require(checkpoint)
    rows = tensor_names.table(checkpoint.architecture, checkpoint.config)
    found = {name: t.shape for name, t in checkpoint.tensors.items()}
    tensor_names.check(rows, found, others=checkpoint.architecture.other_towers)
    with GraphWriter(path) as graph:
        columns = {name: entry.weights()[0] for name, entry in (weights.entries if weights else {}).items()}
        _Decoder(checkpoint, {row.target: row for row in rows}, recipe, graph, progress, columns).build()
        graph.save(checkpoint.name, facts(checkpoint, recipe))


def facts(checkpoint: Checkpoint, recipe: OnnxRecipe) -> dict[str, str]:
    """The graph's metadata."""
    return {
        "edge.architecture": checkpoint.gguf,
        "edge.context_length": str(checkpoint.context_length),
        "edge.recipe": recipe.name,
    }


@dataclass(frozen=True)
class _Stored:
    """How one matrix lies in the file."""

    rows: int
    columns: int
    bits: int
    block: int  # 0 = float32
    zeros: bool
    biased: bool


class _Decoder:
    """The graph of one checkpoint, from ids to logits."""

    def __init__(self, checkpoint: Checkpoint, rows: dict[str, Row], recipe: OnnxRecipe, graph: GraphWriter,
                 progress: Progress, columns: Mapping[str, NDArray[np.float32]]) -> None:  # fmt: skip
        self._checkpoint, self._rows, self._recipe, self._graph = checkpoint, rows, recipe, graph
        self._progress, self._columns = progress, columns
        self._stored: dict[str, _Stored] = {}
        self._shape = Shape.of(checkpoint.config)
        self._epsilon = float(checkpoint.config["rms_norm_eps"])

    def build(self) -> None:
        """All nodes, first to last."""
        steps, what = self._shape.layers + 1, f"write onnx {self._recipe.name}"
        hidden, rest = self._embedded(), ""  # the stream, and what the last layer adds to it
        shared = (*self._lengths(), *self._rope_tables())
        for i in range(self._shape.layers):
            hidden, rest = self._layer(i, hidden, rest, shared)
            self._progress(what, i + 1, steps)
        self._head(self._norm("output_norm", hidden, rest)[0])
        self._progress(what, steps, steps)

    # --- ends -------------------------------------------------------------------------------------

    def _embedded(self) -> str:
        """(batch, sequence, width): rows of the embedding, and given ones where an id is below 0."""
        graph, width = self._graph, self._shape.width
        ids = graph.input("input_ids", TensorProto.INT64, ["batch", "sequence"])
        given = graph.input("inputs_embeds", TensorProto.FLOAT, ["given_batch", "given", width])
        graph.weight(given, np.zeros((1, 1, width), np.float32))
        zero = graph.weight("zero", np.array(0, np.int64))
        rows = self._gathered(graph.op("Max", [ids, zero], "known_ids"))
        absent = graph.op("Less", [ids, zero], "absent")
        axis = graph.weight("last_axis", np.array([-1], np.int64))
        mask = graph.op("Unsqueeze", [absent, axis], "absent_rows")
        return graph.op("Where", [mask, given, rows], "embedded")

    def _gathered(self, ids: str) -> str:
        graph, stored = self._graph, self._store("token_embd")
        if not stored.block:
            return graph.op("Gather", ["token_embd", ids], "embedding")
        flat = graph.view("token_embd.flat", "token_embd", (stored.rows, stored.columns * stored.bits // 8))
        inputs = [flat, ids, "token_embd.scales", *(["token_embd.zeros"] if stored.zeros else [])]
        return graph.contrib("GatherBlockQuantized", inputs, "embedding", bits=stored.bits,
                             block_size=stored.block, gather_axis=0, quantize_axis=1)  # fmt: skip

    def _head(self, hidden: str) -> None:
        """Logits of the positions from `logits_from` on."""
        graph = self._graph
        start = graph.input("logits_from", TensorProto.INT64, [1])
        graph.weight(start, np.array([-1], np.int64))
        end, axis = graph.weight("end", np.array([_ALL])), graph.weight("time_axis", np.array([1]))
        asked = graph.op("Slice", [hidden, start, end, axis], "asked")
        logits = graph.output("logits", TensorProto.FLOAT, ["batch", 1, self._shape.vocabulary])
        name = "token_embd" if self._shape.tied else "output"
        if not self._shape.tied:
            self._store(name)
        self._product(name, asked, logits)

    # --- a layer ----------------------------------------------------------------------------------

    def _layer(self, i: int, hidden: str, rest: str, shared: tuple[str, ...]) -> tuple[str, str]:
        """The stream and what is to be added to it, after one layer."""
        graph, at = self._graph, f"blk.{i}"
        normed, stream = self._norm(f"{at}.attn_norm", hidden, rest)
        attended = self._attention(i, (*self._queries(at, normed), *self._cache(i), *shared))
        mixed = self._matrix(f"{at}.attn_output", attended)
        normed, stream = self._norm(f"{at}.ffn_norm", stream, mixed)
        gate, up = self._matrix(f"{at}.ffn_gate", normed), self._matrix(f"{at}.ffn_up", normed)
        swish = graph.op("Mul", [gate, graph.op("Sigmoid", [gate], f"{at}.sigmoid")], f"{at}.swish")
        return stream, self._matrix(f"{at}.ffn_down", graph.op("Mul", [swish, up], f"{at}.gated"))

    def _norm(self, name: str, stream: str, rest: str) -> tuple[str, str]:
        """The normed sum, and the sum."""
        graph = self._graph
        scale = graph.weight(name, self._read(f"{name}.weight"))
        if not rest:
            inputs = [stream, scale]
            normed = graph.op("SimplifiedLayerNormalization", inputs, f"{name}.out", axis=-1,
                              epsilon=self._epsilon, stash_type=1)  # fmt: skip
            return normed, stream
        names = [f"{name}.out", "", "", f"{name}.sum"]
        graph.contrib("SkipSimplifiedLayerNormalization", [stream, rest, scale], names, epsilon=self._epsilon)
        return names[0], names[3]

    def _queries(self, at: str, x: str) -> tuple[str, str, str]:
        """Queries, keys, values: one product of all rows, or three where heads are normed one by one or their
        kinds differ."""
        names = (f"{at}.attn_q", f"{at}.attn_k", f"{at}.attn_v")
        normed = f"{at}.attn_q_norm.weight" in self._rows
        if not normed and len({self._recipe.kind(f"{name}.weight") for name in names}) == 1:
            self._store(f"{at}.attn_qkv", names)
            return self._product(f"{at}.attn_qkv", x), "", ""
        queries, keys, values = (self._matrix(name, x) for name in names)
        if normed:
            queries, keys = self._head_norm(names[0], queries), self._head_norm(names[1], keys)
        return queries, keys, values

    def _head_norm(self, name: str, x: str) -> str:
        graph, width = self._graph, self._shape.head_width
        heads = graph.weight(f"{name}.heads", np.array([0, 0, -1, width]))
        flat = graph.weight(f"{name}.flat", np.array([0, 0, self._rows[f"{name}.weight"].shape[0]]))
        cut = graph.op("Reshape", [x, heads], f"{name}.cut")
        return graph.op("Reshape", [self._norm(f"{name}_norm", cut, "")[0], flat], f"{name}.normed")

    def _cache(self, i: int) -> tuple[str, str]:
        """The layer's keys and values so far, (batch, heads, length, head width)."""
        heads, width = self._shape.kv_heads, self._shape.head_width
        sizes = ["batch", heads, "past", width]
        names = (f"{PAST}{i}.key", f"{PAST}{i}.value")
        key, value = (self._graph.input(name, TensorProto.FLOAT, sizes) for name in names)
        return key, value

    def _attention(self, i: int, inputs: tuple[str, ...]) -> str:
        graph, shape = self._graph, self._shape
        sizes = ["batch", shape.kv_heads, "total", shape.head_width]
        names = (f"{PRESENT}{i}.key", f"{PRESENT}{i}.value")
        present = [graph.output(name, TensorProto.FLOAT, sizes) for name in names]
        return graph.contrib("GroupQueryAttention", inputs, [f"blk.{i}.attended", *present], do_rotary=1,
                             num_heads=shape.heads, kv_num_heads=shape.kv_heads)  # fmt: skip

    def _lengths(self) -> tuple[str, str]:
        """Index of each sequence's last token (batch,), and the longest length (), from attention_mask."""
        graph = self._graph
        mask = graph.input("attention_mask", TensorProto.INT64, ["batch", "total"])
        one, axis = graph.weight("one", np.array([1])), graph.weight("mask_axis", np.array([1]))
        held = graph.op("ReduceSum", [mask, axis], "held", keepdims=0)
        last = graph.op(
            "Cast", [graph.op("Sub", [held, one], "held_last")], "seqlens_k", to=TensorProto.INT32
        )
        sizes = graph.op("Shape", [mask], "mask_shape")
        longest = graph.op("Gather", [sizes, graph.weight("second", np.array(1))], "mask_length", axis=0)
        return last, graph.op("Cast", [longest], "total_sequence_length", to=TensorProto.INT32)

    def _rope_tables(self) -> tuple[str, str]:
        """Cosine and sine (context, pairs), computed when the graph is opened: no bytes in the file."""
        graph = self._graph
        radians, factor = onnx_rope.frequencies(self._checkpoint.config, self._shape.head_width)
        limits = {"rope.start": 0, "rope.end": self._checkpoint.context_length, "rope.step": 1}
        for name, value in limits.items():
            graph.weight(name, np.array(value, np.float32))
        axis = graph.weight("rope.axis", np.array([1]))
        positions = graph.op(
            "Unsqueeze", [graph.op("Range", list(limits), "positions"), axis], "position_rows"
        )
        angles = graph.op("Mul", [positions, graph.weight("rope.radians", radians[None])], "angles")
        scale = graph.weight("rope.factor", np.array(factor, np.float32))
        turned = {kind: graph.op(kind, [angles], f"rope.{kind}") for kind in ("Cos", "Sin")}
        cos, sin = (graph.op("Mul", [name, scale], f"{name}.scaled") for name in turned.values())
        return cos, sin

    # --- weights ----------------------------------------------------------------------------------

    def _matrix(self, name: str, x: str) -> str:
        self._store(name)
        return self._product(name, x)

    def _store(self, name: str, sources: tuple[str, ...] = ()) -> _Stored:
        """Write a matrix, of several ones all rows, and its bias."""
        parts = [f"{source}.weight" for source in sources or (name,)]
        kind = self._recipe.kind(parts[0])
        biases = [b for source in sources or (name,) if (b := f"{source}.bias") in self._rows]
        rows, columns = sum(self._rows[p].shape[0] for p in parts), self._rows[parts[0]].shape[1]
        if biases:
            self._graph.weight(f"{name}.bias", np.concatenate([self._read(b) for b in biases]))
        if kind == FLOAT:
            self._graph.weight(name, np.concatenate([self._read(p) for p in parts]))
            stored = _Stored(rows, columns, kind.bits, 0, False, bool(biases))
        else:
            first, *others = (kind.quantize(self._checked(p), self._columns.get(p)) for p in parts)
            blocks = first.stacked(tuple(others)) if others else first
            self._graph.weight(name, blocks.codes)
            self._graph.weight(f"{name}.scales", blocks.scales)
            if blocks.zeros is not None:
                self._graph.weight(f"{name}.zeros", blocks.zeros)
            stored = _Stored(rows, columns, kind.bits, blocks.block, blocks.zeros is not None, bool(biases))
        self._stored[name] = stored
        return stored

    def _product(self, name: str, x: str, out: str = "") -> str:
        """x times a stored matrix, turned, plus its bias."""
        graph, stored, out = self._graph, self._stored[name], out or f"{name}.out"
        bias = f"{name}.bias" if stored.biased else ""
        if not stored.block:
            plain = f"{name}.product" if bias else out
            graph.contrib("FusedMatMul", [x, name], plain, transB=1)
            return graph.op("Add", [plain, bias], out) if bias else out
        inputs = [x, name, f"{name}.scales", f"{name}.zeros" if stored.zeros else "", "", bias]
        while not inputs[-1]:
            inputs.pop()
        return graph.contrib("MatMulNBits", inputs, out, K=stored.columns, N=stored.rows, bits=stored.bits,
                             block_size=stored.block, accuracy_level=self._recipe.accuracy)  # fmt: skip

    def _read(self, name: str) -> NDArray[np.float32]:
        return self._checked(name).astype(np.float32)

    def _checked(self, name: str) -> NDArray[Any]:
        """A tensor by its GGUF name, as Hugging Face lays it out."""
        tensor = self._checkpoint.read(self._rows[name].source)
        bad = tensor.size - int(np.isfinite(tensor).sum())
        if bad:
            raise IntegrityError(
                f"{self._rows[name].source} has {bad} of {tensor.size} values that are not finite; "
                "repair the checkpoint"
            )
        return tensor
