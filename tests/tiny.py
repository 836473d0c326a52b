"""A random native model in about a second, without torch: checkpoint, codecs, bundle.

Job: real files with the real vocabulary and real graphs, only small and untrained.
Ignorance: nothing here has learned anything; use it for contracts, never for quality.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

from edge import vocabulary as v
from edge.generation.decode import Decoder
from edge.generation.scheduler import Task
from edge.generation.slots import Line
from edge.segments import Segment

WIDTH, HEADS, KV_HEADS, FF, CONTEXT = 256, 4, 2, 256, 512
VIDEO_CONTEXT = 2048  # a clip of 8 frames is 522 ids
QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
TEMPLATE = (
    "<|bos|>{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
MERGED = "the picture of a red circle and the sound of a green bird"  # words that the tiny BPE knows
FACTS: dict[str, Any] = {
    "family": "pico", "member": "tiny", "name": "tiny", "vocabulary": v.NATIVE.to_dict(),
    "modalities": {"in": ["text", "image", "audio"], "out": ["text", "image", "audio"]},
    "prompts": {"draw": "Draw {text}.", "speak": "Say: {text}", "transcribe": "What is said?",
                "describe_image": "Describe the picture.", "describe_audio": "What do you hear?"},
    "sampling": {"text": {"temperature": 0.7, "top_p": 0.9, "max_tokens": 32}, "exact": {"temperature": 0},
                 "image": {"temperature": 1.0, "top_k": 128, "guidance": 2.0},
                 "audio": {"temperature": 0.8, "top_k": 50, "repetition_penalty": 1.1,
                           "repetition_window": 64}},
    "licence": "Apache-2.0", "provenance": {"training_data": "none: random weights"},
}  # fmt: skip
VIDEO_FACTS = {"modalities": {way: ["text", "image", "audio", "video"] for way in ("in", "out")}}


def checkpoint(
    folder: Path,
    *,
    layers: int = 1,
    shards: int = 1,
    dtype: str = "BF16",
    seed: int = 0,
    video: bool = False,
) -> Path:
    """A Hugging Face folder with random weights, a real tokenizer, float codecs and held-out ids."""
    folder.mkdir(parents=True, exist_ok=True)
    _write_json(folder / "config.json", config(layers, VIDEO_CONTEXT if video else CONTEXT))
    _write_json(folder / "edge.json", {**FACTS, **VIDEO_FACTS} if video else FACTS)
    _write_json(
        folder / "generation_config.json",
        {"bos_token_id": v.SPECIAL["bos"], "eos_token_id": v.SPECIAL["end"]},
    )
    _write_json(folder / "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast",
                "bos_token": "<|bos|>", "eos_token": "<|end|>", "pad_token": "<|pad|>"})  # fmt: skip
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    (folder / "LICENSE").write_text("Apache License 2.0 (a test file)\n")
    (folder / "tokenizer.json").write_text(tokenizer_json())
    write_shards(folder, weights(layers, seed), shards, dtype)
    heldout(folder / "heldout.npz", seed)
    for role, make in CODECS.items():
        onnx.save(make(), folder / f"{role}.onnx")
    return folder


def bundle(folder: Path, recipe: str = "int4", **options: Any) -> Path:
    """A real bundle of the tiny model, made by the real pipeline; the checkpoint lies beside it."""
    from quantize.pipeline import quantize

    source = checkpoint(folder.parent / f"{folder.name}.checkpoint", **options)
    quantize(source, folder, recipe)
    return folder


def forget(model: Any) -> None:
    """Let no sequence of a model hold anything, as after a start."""
    for slot in model.wiring.decoder._scheduler._slots:
        model.engine.truncate(0, sequence=slot.number)
        slot.held.clear()


def read(decoder: Decoder, prompt: Sequence[Segment]) -> tuple[Any, int]:
    """The logits after a prompt, as a stream gets them, and how much of it was held already."""
    line = Line(prompt)

    def routine() -> Generator[Any, Any, None]:
        (logits,) = yield (line,)
        yield logits

    return decoder._scheduler.take(Task(routine(), lambda: False)), line.cached_tokens or 0


def config(layers: int = 1, context: int = CONTEXT) -> dict[str, Any]:
    return {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": WIDTH,
        "intermediate_size": FF,
        "num_hidden_layers": layers, "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS,
        "vocab_size": v.VOCABULARY_SIZE, "max_position_embeddings": context, "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0, "hidden_act": "silu", "tie_word_embeddings": True, "torch_dtype": "bfloat16",
        "attention_bias": False, "mlp_bias": False,
        "bos_token_id": v.SPECIAL["bos"], "eos_token_id": v.SPECIAL["end"], "pad_token_id": v.SPECIAL["pad"],
    }  # fmt: skip


def weights(layers: int = 1, seed: int = 0) -> dict[str, NDArray[np.float32]]:
    """Hugging Face names and shapes (out, in)."""
    random = np.random.default_rng(seed)
    kv = WIDTH // HEADS * KV_HEADS
    shapes: dict[str, tuple[int, ...]] = {
        "model.embed_tokens": (v.VOCABULARY_SIZE, WIDTH),
        "model.norm": (WIDTH,),
    }
    for i in range(layers):
        at = f"model.layers.{i}"
        shapes |= {f"{at}.self_attn.q_proj": (WIDTH, WIDTH), f"{at}.self_attn.k_proj": (kv, WIDTH),
                   f"{at}.self_attn.v_proj": (kv, WIDTH), f"{at}.self_attn.o_proj": (WIDTH, WIDTH),
                   f"{at}.mlp.gate_proj": (FF, WIDTH), f"{at}.mlp.up_proj": (FF, WIDTH),
                   f"{at}.mlp.down_proj": (WIDTH, FF), f"{at}.input_layernorm": (WIDTH,),
                   f"{at}.post_attention_layernorm": (WIDTH,)}  # fmt: skip
    return {
        f"{name}.weight": np.ones(shape, np.float32)
        if len(shape) == 1
        else random.standard_normal(shape, np.float32) * np.float32(0.06)
        for name, shape in shapes.items()
    }


def write_shards(folder: Path, tensors: dict[str, NDArray[np.float32]], shards: int, dtype: str) -> None:
    names = sorted(tensors)
    if shards == 1:
        write_safetensors(folder / "model.safetensors", tensors, dtype)
        return
    places = {name: f"model-{i % shards + 1:05}-of-{shards:05}.safetensors" for i, name in enumerate(names)}
    for place in set(places.values()):
        write_safetensors(folder / place, {n: tensors[n] for n in names if places[n] == place}, dtype)
    _write_json(folder / "model.safetensors.index.json", {"metadata": {}, "weight_map": places})


def write_safetensors(path: Path, tensors: dict[str, NDArray[np.float32]], dtype: str = "BF16") -> None:
    kinds = {"F32": np.float32, "F16": np.float16, "BF16": ml_dtypes.bfloat16}
    header, blobs, at = {}, [], 0
    for name, tensor in tensors.items():
        blob = tensor.astype(kinds[dtype]).tobytes()
        header[name] = {"dtype": dtype, "shape": list(tensor.shape), "data_offsets": [at, at + len(blob)]}
        blobs.append(blob)
        at += len(blob)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(blobs))


@cache
def tokenizer_json() -> str:
    """A byte-level BPE: 256 bytes, a few words, placeholders to 8192, then specials and media."""
    alphabet = _byte_letters()
    vocabulary = {letter: i for i, letter in enumerate(alphabet)}
    merges: list[tuple[str, str]] = []
    for word in dict.fromkeys(MERGED.split()):
        for whole in ("Ġ" + word, word):
            left = whole[0]
            for right in whole[1:]:
                if left + right not in vocabulary:
                    vocabulary[left + right] = len(vocabulary)
                    merges.append((left, right))
                left += right
    for i in range(v.TEXT_SIZE - len(vocabulary)):
        vocabulary[f"<unused_text_{i}>"] = len(vocabulary)
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(QWEN2), behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])  # fmt: skip
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(
        [AddedToken(name, special=True, normalized=False) for name in v.token_names()]
    )
    assert tokenizer.get_vocab_size() == v.VOCABULARY_SIZE
    return tokenizer.to_str()


def heldout(path: Path, seed: int = 0) -> None:
    """Random ids of the right shape, 4 rows of 48 per modality, and 16 smooth pictures and sounds."""
    random = np.random.default_rng(seed + 1)
    text = random.integers(0, 256, (4, 48))
    image = np.concatenate([text[:, :8], random.integers(v.IMAGE_BASE, v.IMAGE_BASE + 3969, (4, 40))], 1)
    audio = np.concatenate([text[:, :8], random.integers(v.AUDIO_BASE, v.AUDIO_BASE + 3969, (4, 40))], 1)
    pixels = np.kron(random.integers(0, 256, (16, 3, 8, 8)), np.ones((8, 8)))
    mel = np.repeat(random.normal(-4, 2, (16, 80, 10)), 5, axis=2)
    ids = {
        name: rows.astype(np.uint16) for name, rows in (("text", text), ("image", image), ("audio", audio))
    }
    np.savez(path, **ids, pixels=pixels.astype(np.uint8), mel=mel.astype(np.float16))


def _byte_letters() -> list[str]:
    """GPT-2's letter for each byte, in byte order."""
    plain = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = iter(range(256, 512))
    return [chr(b) if b in plain else chr(next(others)) for b in range(256)]


def _write_json(path: Path, data: dict[str, Any]) -> None:
    path.write_text(json.dumps(data, indent=1))


# --- codecs: FSQ with levels [9,7,7,9] = 3969 codes -------------------------------------------------------

LEVELS = np.array([9, 7, 7, 9])
STRIDES = np.array([1, 9, 63, 441])  # code = sum of digit * stride


class _Graph:
    """Collects nodes and weights of one ONNX graph."""

    def __init__(self, seed: int) -> None:
        self.nodes: list[Any] = []
        self.weights: list[Any] = []
        self.random = np.random.default_rng(seed)

    def const(self, value: Any, dtype: Any = np.float32) -> str:
        name = f"c{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def op(self, kind: str, *inputs: str, out: str | None = None, **attributes: Any) -> str:
        name = out or f"t{len(self.nodes)}"
        self.nodes.append(
            helper.make_node(kind, list(inputs), [name], name=f"n{len(self.nodes)}", **attributes)
        )
        return name

    def conv(
        self, x: str, cin: int, cout: int, k: tuple[int, ...], gain: float = 1.0, stride: int = 1
    ) -> str:
        w = self.random.standard_normal((cout, cin, *k)) * gain / np.sqrt(cin * np.prod(k))
        pads = [n // 2 for n in k] * 2 if stride == 1 else [0] * (2 * len(k))
        bias = self.random.standard_normal(cout) * 0.1
        return self.op("Conv", x, self.const(w), self.const(bias), kernel_shape=list(k), pads=pads,
                       strides=[stride] * len(k))  # fmt: skip

    def silu(self, x: str) -> str:
        return self.op("Mul", x, self.op("Sigmoid", x))

    def quantize(self, x: str, spatial: int, out: str) -> str:
        """(b, 4, …) latents -> (b, n) codes."""
        half = (LEVELS - 1).reshape(1, 4, *[1] * spatial) / 2
        digits = self.op(
            "Add", self.op("Round", self.op("Mul", self.op("Tanh", x), self.const(half))), self.const(half)
        )
        code = self.op("ReduceSum", self.op("Mul", digits, self.const(STRIDES.reshape(half.shape))),
                       self.const([1], np.int64), keepdims=0)  # fmt: skip
        flat = self.op("Reshape", code, self.const([0, -1], np.int64))
        return self.op("Cast", flat, out=out, to=TensorProto.INT64)

    def dequantize(self, codes: str) -> str:
        """(b, n) codes -> (b, n, 4) latents in [-1, 1]."""
        one = self.op("Unsqueeze", codes, self.const([2], np.int64))
        digits = self.op(
            "Mod", self.op("Div", one, self.const(STRIDES, np.int64)), self.const(LEVELS, np.int64)
        )
        scaled = self.op("Mul", self.op("Cast", digits, to=TensorProto.FLOAT), self.const(2 / (LEVELS - 1)))
        return self.op("Sub", scaled, self.const(1.0))

    def model(
        self, block: str, x: tuple[str, int, list[Any]], y: tuple[str, int, list[Any]]
    ) -> onnx.ModelProto:
        infos = [helper.make_tensor_value_info(*i) for i in (x, y)]
        graph = helper.make_graph(self.nodes, f"tiny_{block}", infos[:1], infos[1:], self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        base = v.IMAGE_BASE if block == "image" else v.AUDIO_BASE
        facts = {"edge.block": block, "edge.base": base, "edge.codes": 3969, "edge.version": f"tiny-{block}"}
        helper.set_model_props(model, {k: str(value) for k, value in facts.items()})
        onnx.checker.check_model(model)
        return model


def image_encoder() -> onnx.ModelProto:
    g = _Graph(1)
    x = g.silu(g.conv("pixels", 3, 16, (8, 8), gain=2.0, stride=8))
    x = g.silu(g.conv(x, 16, 16, (3, 3)))
    g.quantize(g.conv(x, 16, 4, (1, 1), gain=2.0), 2, "codes")
    return g.model(
        "image", ("pixels", TensorProto.FLOAT, ["b", 3, "h", "w"]), ("codes", TensorProto.INT64, ["b", "n"])
    )


def image_decoder(side: int = 64) -> onnx.ModelProto:
    g, patch = _Graph(2), side // 8
    grid = g.op(
        "Reshape", g.op("Transpose", g.dequantize("codes"), perm=[0, 2, 1]), g.const([0, 4, 8, 8], np.int64)
    )
    x = g.silu(g.conv(grid, 4, 16, (3, 3), gain=2.0))
    x = g.conv(x, 16, 3 * patch**2, (1, 1), gain=2.0)
    g.op("Sigmoid", g.op("DepthToSpace", x, blocksize=patch), out="pixels")
    return g.model(
        "image", ("codes", TensorProto.INT64, ["b", 64]), ("pixels", TensorProto.FLOAT, ["b", 3, side, side])
    )


def audio_encoder() -> onnx.ModelProto:
    g = _Graph(3)
    x = g.silu(g.conv("mel", 80, 32, (3,), gain=0.4))
    g.quantize(g.conv(x, 32, 4, (1,), gain=2.0), 1, "codes")
    return g.model(
        "audio", ("mel", TensorProto.FLOAT, ["b", 80, "t"]), ("codes", TensorProto.INT64, ["b", "t"])
    )


def audio_decoder() -> onnx.ModelProto:
    g = _Graph(4)
    x = g.silu(g.conv(g.op("Transpose", g.dequantize("codes"), perm=[0, 2, 1]), 4, 32, (3,), gain=2.0))
    g.op("Sub", g.conv(x, 32, 80, (1,), gain=2.0), g.const(4.0), out="mel")
    return g.model(
        "audio", ("codes", TensorProto.INT64, ["b", "t"]), ("mel", TensorProto.FLOAT, ["b", 80, "t"])
    )


CODECS = {"image_encoder": image_encoder, "image_decoder": image_decoder,
          "audio_encoder": audio_encoder, "audio_decoder": audio_decoder}  # fmt: skip
