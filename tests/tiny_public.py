"""Public multimodal models with random weights: a decoder and the `mmproj` file beside it, as GGUF.

Job: the architectures, tensors and keys that llama.cpp's converters write, only small and untrained.
Ignorance: nothing here has learned anything; what it says is noise, but the same noise for the same prompt.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray

from tests import tiny

WIDTH, HEADS, KV_HEADS, FF, LAYERS, CONTEXT = 64, 4, 2, 96, 2, 2048
SEEN, SEEN_HEADS, SEEN_FF, SEEN_LAYERS = 32, 2, 48, 2  # of an encoder of pictures
HEARD = 40  # width of an encoder of sound
SPECIALS = (
    "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_start|>", "<|image_end|>",
    "<start_of_image>", "<end_of_image>", "<fake_token_around_image>", "<global-img>", "[BEGIN_AUDIO]",
    "<|audio_bos|>", "<|audio_eos|>", "<img>", "</img>",
    *(f"<row_{row}_col_{column}>" for row in range(1, 5) for column in range(1, 5)),
)  # fmt: skip
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
Weights = dict[str, NDArray[np.float32]]


class _File:
    """One GGUF file: keys, then tensors of noise."""

    def __init__(self, path: Path, architecture: str, seed: int) -> None:
        self.writer = gguf.GGUFWriter(path, architecture)
        self.random = np.random.default_rng(seed)

    def tensor(self, name: str, *shape: int, gain: float = 1.0) -> None:
        """Shape as numpy has it: outputs first, ggml's order turned round."""
        scale = gain / np.sqrt(shape[-1]) if len(shape) > 1 else 0.2
        values = self.random.standard_normal(shape).astype(np.float32) * np.float32(scale)
        ones = len(shape) == 1 and name.endswith("weight")
        self.writer.add_tensor(name, (values + np.float32(ones)).astype(np.float32))

    def close(self) -> None:
        self.writer.write_header_to_file()
        self.writer.write_kv_data_to_file()
        self.writer.write_tensors_to_file()
        self.writer.close()


# --- decoders ---------------------------------------------------------------------------------------------


def decoder(
    path: Path, architecture: str, *, width: int = WIDTH, template: str = TEMPLATE, seed: int = 1
) -> Path:
    """A decoder of one of "llama", "llama4", "qwen2vl", "gemma3"."""
    file = _File(path, architecture, seed)
    writer, head = file.writer, width // HEADS
    writer.add_name(f"tiny-{architecture}")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(width)
    layers = _LAYERS.get(architecture, LAYERS)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(FF)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_rope_dimension_count(head)
    writer.add_vocab_size(_add_tokenizer(writer, template))
    _KEYS.get(architecture, lambda w, h: None)(writer, head)
    file.tensor("token_embd.weight", _vocabulary_size(), width, gain=4.0)
    file.tensor("output_norm.weight", width)
    for i in range(layers):
        _decoder_block(file, f"blk.{i}", architecture, width, head)
    file.close()
    return path


def _decoder_block(file: _File, at: str, architecture: str, width: int, head: int) -> None:
    file.tensor(f"{at}.attn_norm.weight", width)
    file.tensor(f"{at}.ffn_norm.weight", width)
    for name, rows in (("q", width), ("k", KV_HEADS * head), ("v", KV_HEADS * head)):
        file.tensor(f"{at}.attn_{name}.weight", rows, width, gain=2.0)
        if architecture == "qwen2vl":
            file.tensor(f"{at}.attn_{name}.bias", rows)
    file.tensor(f"{at}.attn_output.weight", width, width, gain=2.0)
    if architecture == "gemma3":
        for name, size in (("attn_q_norm", head), ("attn_k_norm", head),
                           ("post_attention_norm", width), ("post_ffw_norm", width)):  # fmt: skip
            file.tensor(f"{at}.{name}.weight", size)
    if architecture != "llama4":
        _dense(file, at, "", width)
        return
    file.tensor(f"{at}.ffn_gate_inp.weight", 2, width)
    for name, shape in (("gate", (2, FF, width)), ("up", (2, FF, width)), ("down", (2, width, FF))):
        file.tensor(f"{at}.ffn_{name}_exps.weight", *shape)
    _dense(file, at, "_shexp", width)


def _dense(file: _File, at: str, ending: str, width: int) -> None:
    file.tensor(f"{at}.ffn_gate{ending}.weight", FF, width)
    file.tensor(f"{at}.ffn_up{ending}.weight", FF, width)
    file.tensor(f"{at}.ffn_down{ending}.weight", width, FF)


def _llama4_keys(writer: Any, head: int) -> None:
    writer.add_expert_count(2)
    writer.add_expert_used_count(1)
    writer.add_expert_feed_forward_length(FF)
    writer.add_interleave_moe_layer_step(1)
    writer.add_key_length(head)
    writer.add_value_length(head)


def _gemma3_keys(writer: Any, head: int) -> None:
    writer.add_key_length(head)
    writer.add_value_length(head)


_LAYERS = {"llama4": 4}  # every fourth layer has no rope, and llama.cpp aborts where there is none
_KEYS: dict[str, Callable[[Any, int], None]] = {
    "llama4": _llama4_keys,
    "gemma3": _gemma3_keys,
    "qwen2vl": lambda writer, head: writer.add_rope_dimension_sections([head // 8, head // 8, head // 4, 0]),
}


def _vocabulary_size() -> int:
    return 256 + 1 + len(SPECIALS)


def _add_tokenizer(writer: Any, template: str) -> int:
    """256 bytes, one merge (two line feeds, which Idefics3 looks up), specials."""
    letters = tiny._byte_letters()
    feed = letters[ord("\n")]
    tokens = [*letters, feed * 2, *SPECIALS]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([1] * 257 + [3] * len(SPECIALS))
    writer.add_token_merges([f"{feed} {feed}"])
    writer.add_bos_token_id(257)
    writer.add_eos_token_id(258)
    writer.add_add_bos_token(False)
    writer.add_chat_template(template)
    return len(tokens)


# --- encoders ---------------------------------------------------------------------------------------------


def _vision(path: Path, kind: str, seed: int, *, side: int, patch: int, width: int, merge: str = "") -> _File:
    """The keys that every encoder of pictures has; `merge` names the key of the patches that become one."""
    file = _File(path, "clip", seed)
    writer = file.writer
    writer.add_clip_has_vision_encoder(True)
    writer.add_clip_projector_type(kind)
    writer.add_vision_projection_dim(width)
    writer.add_vision_image_size(side)
    writer.add_vision_patch_size(patch)
    writer.add_vision_embedding_length(SEEN)
    writer.add_vision_feed_forward_length(SEEN_FF)
    writer.add_vision_block_count(SEEN_LAYERS)
    writer.add_vision_head_count(SEEN_HEADS)
    writer.add_vision_attention_layernorm_eps(1e-5)
    writer.add_vision_image_mean([0.5, 0.5, 0.5])
    writer.add_vision_image_std([0.5, 0.5, 0.5])
    writer.add_vision_use_gelu(True)
    if merge:
        writer.add_uint32(f"clip.vision.{merge}", 2)
    return file


def _blocks(
    file: _File,
    prefix: str,
    *,
    width: int = SEEN,
    unbiased: str = "",
    gate: bool = False,
    rms: bool = False,
) -> None:
    for i in range(SEEN_LAYERS):
        at = f"{prefix}.blk.{i}"
        shapes = {"attn_q": (width, width), "attn_k": (width, width), "attn_v": (width, width),
                  "attn_out": (width, width), "ffn_up": (SEEN_FF, width),
                  "ffn_down": (width, SEEN_FF)}  # fmt: skip
        if gate:
            shapes["ffn_gate"] = (SEEN_FF, width)
        for norm in ("ln1", "ln2"):
            file.tensor(f"{at}.{norm}.weight", width)
            if not rms:
                file.tensor(f"{at}.{norm}.bias", width)
        for name, shape in shapes.items():
            file.tensor(f"{at}.{name}.weight", *shape)
            if name != unbiased:
                file.tensor(f"{at}.{name}.bias", shape[0])


def _normed(file: _File, name: str, *, width: int = SEEN, rms: bool = False) -> None:
    file.tensor(f"{name}.weight", width)
    if not rms:
        file.tensor(f"{name}.bias", width)


def llama4_mmproj(path: Path, *, width: int = WIDTH, seed: int = 2) -> Path:
    file = _vision(path, "llama4", seed, side=32, patch=8, width=width, merge="projector.scale_factor")
    file.tensor("v.class_embd", SEEN)
    file.tensor("v.patch_embd.weight", SEEN, 3 * 8 * 8)
    file.tensor("v.position_embd.weight", 17, SEEN)
    _normed(file, "v.pre_ln")
    _normed(file, "v.post_ln")
    _blocks(file, "v")
    file.tensor("mm.model.mlp.1.weight", 40, SEEN * 4)
    file.tensor("mm.model.mlp.2.weight", 40, 40)
    file.tensor("mm.model.fc.weight", width, 40, gain=4.0)
    file.close()
    return path


def idefics3_mmproj(path: Path, *, width: int = WIDTH, seed: int = 2) -> Path:
    file = _vision(path, "idefics3", seed, side=32, patch=8, width=width, merge="projector.scale_factor")
    file.writer.add_uint32("clip.vision.preproc_image_size", 64)
    _siglip(file)
    file.tensor("mm.model.fc.weight", width, SEEN * 4, gain=4.0)
    file.close()
    return path


def gemma3_mmproj(path: Path, *, width: int = WIDTH, seed: int = 2) -> Path:
    file = _vision(path, "gemma3", seed, side=32, patch=8, width=width, merge="projector.scale_factor")
    _siglip(file)
    file.tensor("mm.input_projection.weight", SEEN, width, gain=4.0)
    file.tensor("mm.soft_emb_norm.weight", SEEN)
    file.close()
    return path


def internvl_mmproj(path: Path, *, width: int = WIDTH, seed: int = 2) -> Path:
    file = _vision(path, "internvl", seed, side=32, patch=8, width=width, merge="projector.scale_factor")
    file.tensor("v.class_embd", SEEN)
    _siglip(file, positions=17)
    for i in range(SEEN_LAYERS):
        file.tensor(f"v.blk.{i}.ls1.weight", SEEN)
        file.tensor(f"v.blk.{i}.ls2.weight", SEEN)
    file.tensor("mm.model.mlp.0.weight", SEEN * 4)
    file.tensor("mm.model.mlp.0.bias", SEEN * 4)
    file.tensor("mm.model.mlp.1.weight", 40, SEEN * 4)
    file.tensor("mm.model.mlp.1.bias", 40)
    file.tensor("mm.model.mlp.3.weight", width, 40, gain=4.0)
    file.tensor("mm.model.mlp.3.bias", width)
    file.close()
    return path


def _siglip(file: _File, positions: int = 16) -> None:
    file.tensor("v.patch_embd.weight", SEEN, 3, 8, 8, gain=0.5)
    file.tensor("v.patch_embd.bias", SEEN)
    file.tensor("v.position_embd.weight", positions, SEEN)
    _normed(file, "v.post_ln")
    _blocks(file, "v")


def qwen_mmproj(path: Path, *, version: str = "2", width: int = WIDTH, seed: int = 2) -> Path:
    """Of Qwen2-VL or, with version "2.5", of Qwen2.5-VL."""
    newer = version == "2.5"
    file = _vision(path, f"qwen{version}vl_merger", seed, side=56, patch=8, width=width)
    if newer:
        file.writer.add_vision_n_wa_pattern(2)
    for name in ("v.patch_embd.weight", "v.patch_embd.weight.1"):
        file.tensor(name, SEEN, 3, 8, 8, gain=0.5)
    _normed(file, "v.post_ln", rms=newer)
    _blocks(file, "v", gate=newer, rms=newer)
    file.tensor("mm.0.weight", 40, SEEN * 4)
    file.tensor("mm.0.bias", 40)
    file.tensor("mm.2.weight", width, 40, gain=4.0)
    file.tensor("mm.2.bias", width)
    file.close()
    return path


def audio_mmproj(path: Path, kind: str, *, width: int = WIDTH, seed: int = 2) -> Path:
    """Of "ultravox", "voxtral" or "qwen2a"."""
    file = _File(path, "clip", seed)
    writer, stack = file.writer, 8 if kind == "ultravox" else 4
    writer.add_clip_has_audio_encoder(True)
    writer.add_clip_projector_type(kind)
    writer.add_audio_projection_dim(width)
    writer.add_audio_embedding_length(HEARD)
    writer.add_audio_feed_forward_length(SEEN_FF)
    writer.add_audio_block_count(SEEN_LAYERS)
    writer.add_audio_head_count(SEEN_HEADS)
    writer.add_audio_attention_layernorm_eps(1e-5)
    writer.add_audio_num_mel_bins(20)
    file.tensor("a.conv1d.1.weight", HEARD, 20, 3)
    file.tensor("a.conv1d.1.bias", HEARD, 1)
    file.tensor("a.conv1d.2.weight", HEARD, HEARD, 3)
    file.tensor("a.conv1d.2.bias", HEARD, 1)
    file.tensor("a.position_embd.weight", 1500, HEARD)
    _normed(file, "a.post_ln", width=HEARD)
    _blocks(file, "a", width=HEARD, unbiased="attn_k")
    if kind == "qwen2a":
        file.tensor("mm.a.fc.weight", width, HEARD)
        file.tensor("mm.a.fc.bias", width)
    else:
        writer.add_audio_stack_factor(stack)
        file.tensor("mm.a.mlp.1.weight", 80, HEARD * stack)
        if kind == "ultravox":
            file.tensor("mm.a.norm_pre.weight", HEARD * stack)
            file.tensor("mm.a.norm_mid.weight", 40)
        file.tensor("mm.a.mlp.2.weight", width, 40 if kind == "ultravox" else 80, gain=4.0)
    file.close()
    return path


MMPROJ: dict[str, tuple[str, Callable[[Path], Path]]] = {  # name: decoder's architecture, its encoders' maker
    "llama4": ("llama4", llama4_mmproj),
    "gemma3": ("gemma3", gemma3_mmproj),
    "smolvlm": ("llama", idefics3_mmproj),
    "internvl": ("llama", internvl_mmproj),
    "qwen2vl": ("qwen2vl", qwen_mmproj),
    "qwen2.5vl": ("qwen2vl", lambda path: qwen_mmproj(path, version="2.5")),
    "ultravox": ("llama", lambda path: audio_mmproj(path, "ultravox")),
    "voxtral": ("llama", lambda path: audio_mmproj(path, "voxtral")),
    "qwen2a": ("llama", lambda path: audio_mmproj(path, "qwen2a")),
}  # fmt: skip


def model(folder: Path, name: str) -> Path:
    """A folder with model.gguf and mmproj.gguf; the path of the first."""
    folder.mkdir(parents=True, exist_ok=True)
    architecture, mmproj = MMPROJ[name]
    mmproj(folder / "mmproj.gguf")
    return decoder(folder / "model.gguf", architecture)
