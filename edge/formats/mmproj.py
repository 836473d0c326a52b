"""An `mmproj` file: the encoders and projectors of a public model, proven sound before native code sees them.

Job: what such a file reads (pictures, sounds), how wide its embeddings are; and for each kind of
projector that is known here the keys, tensors, shapes and types that libmtmd computes with, as rows of data.
Ignorance: weights, media, the decoder. A kind that has no row is refused: libmtmd ends the process on a
tensor of an unexpected shape.
Source: tools/mtmd/clip.cpp, clip-impl.h and models/ of llama.cpp, as bundled in llama-cpp-python 0.3.36.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, NoReturn

from edge.errors import IntegrityError, UsageError
from edge.formats.gguf import GgufHeader, GgufTensor, read_header

ARCHITECTURE = "clip"
MOST_IMAGE_SIDE, MOST_MELS, WHISPER_POSITIONS, MOST_TILES = (
    8192,
    256,
    1500,
    64,
)  # clip.cpp: load_hparams, whisper-enc.cpp

# A shape is written in ggml's order, a letter per dimension, "?" = may be missing: d width, c 3 colours,
# p patch side, k numbers of a patch, n positions, q merged patches, m mel bands, s stacked frames, t width of
# the decoder, 1 and 3 themselves; any other letter is free, but the same everywhere in the file.
Shapes = dict[str, str]
_BLOCK: Shapes = {
    "ln1.weight": "d", "ln1.bias": "d?", "ln2.weight": "d", "ln2.bias": "d?",
    "attn_q.weight": "dd", "attn_k.weight": "dd", "attn_v.weight": "dd", "attn_out.weight": "dd",
    "attn_q.bias": "d?", "attn_k.bias": "d?", "attn_v.bias": "d?", "attn_out.bias": "d?",
    "ffn_up.weight": "df", "ffn_up.bias": "f?", "ffn_down.weight": "fd", "ffn_down.bias": "d?",
}  # fmt: skip
_QWEN_BLOCK: Shapes = _BLOCK | {
    "attn_q.bias": "d", "attn_k.bias": "d", "attn_v.bias": "d",
    "ffn_gate.weight": "df?", "ffn_gate.bias": "f?",
}  # fmt: skip
_WHISPER_BLOCK: Shapes = {k: v for k, v in _BLOCK.items() if k != "attn_k.bias"} | {
    "ln1.bias": "d", "ln2.bias": "d", "attn_q.bias": "d", "attn_v.bias": "d"
}  # fmt: skip
_AFTER: Shapes = {"v.post_ln.weight": "d?", "v.post_ln.bias": "d?"}
_SIGLIP: Shapes = _AFTER | {
    "v.patch_embd.weight": "ppcd",
    "v.patch_embd.bias": "d?",
    "v.position_embd.weight": "dn",
}
_QWEN: Shapes = _AFTER | {
    "v.patch_embd.weight": "ppcd", "v.patch_embd.weight.1": "ppcd",
    "mm.0.weight": "qh", "mm.0.bias": "h", "mm.2.weight": "ht", "mm.2.bias": "t",
}  # fmt: skip
_WHISPER: Shapes = {
    "a.conv1d.1.weight": "3md", "a.conv1d.1.bias": "1d", "a.conv1d.2.weight": "3dd", "a.conv1d.2.bias": "1d",
    "a.position_embd.weight": "dn", "a.post_ln.weight": "d?", "a.post_ln.bias": "d?",
}  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """One kind of projector that libmtmd computes."""

    called: str  # what people call the models that have it
    medium: str  # "image" or "audio"
    block: Shapes
    rest: Shapes
    keys: tuple[str, ...] = ()  # needed beyond those of its medium
    merge: int | None = None  # patches per side that become one, where fixed; 0: one or more, by a key


KINDS: Mapping[str, Kind] = {
    "llama4": Kind("Llama 4", "image", _BLOCK, _AFTER | {
        "v.class_embd": "d", "v.patch_embd.weight": "kd", "v.position_embd.weight": "dn",
        "v.pre_ln.weight": "d?", "v.pre_ln.bias": "d?",
        "mm.model.mlp.1.weight": "qa", "mm.model.mlp.2.weight": "ab", "mm.model.fc.weight": "bt"}),
    "gemma3": Kind("Gemma 3", "image", _BLOCK, _SIGLIP | {
        "mm.input_projection.weight": "td", "mm.soft_emb_norm.weight": "d"}, merge=4),
    "idefics3": Kind("SmolVLM, Idefics3", "image", _BLOCK, _SIGLIP | {"mm.model.fc.weight": "qt"}),
    "internvl": Kind("InternVL", "image", _BLOCK | {
        "ls1.weight": "d?", "ls2.weight": "d?", "attn_q_norm.weight": "d?", "attn_k_norm.weight": "d?"},
        _SIGLIP | {"v.class_embd": "d", "mm.model.mlp.0.weight": "q", "mm.model.mlp.0.bias": "q",
        "mm.model.mlp.1.weight": "qa", "mm.model.mlp.1.bias": "a",
        "mm.model.mlp.3.weight": "at", "mm.model.mlp.3.bias": "t"}),
    "qwen2vl_merger": Kind("Qwen2-VL", "image", _QWEN_BLOCK, _QWEN, merge=2),
    "qwen2.5vl_merger": Kind(
        "Qwen2.5-VL, Qwen2.5-Omni", "image", _QWEN_BLOCK, _QWEN, ("clip.vision.n_wa_pattern",), merge=2),
    "ultravox": Kind("Ultravox", "audio", _WHISPER_BLOCK, _WHISPER | {
        "mm.a.norm_pre.weight": "s", "mm.a.mlp.1.weight": "sh", "mm.a.norm_mid.weight": "g",
        "mm.a.mlp.2.weight": "gt"}, ("clip.audio.projector.stack_factor",)),
    "voxtral": Kind("Voxtral", "audio", _WHISPER_BLOCK, _WHISPER | {
        "mm.a.mlp.1.weight": "sh", "mm.a.mlp.2.weight": "ht"}, ("clip.audio.projector.stack_factor",)),
    "qwen2a": Kind("Qwen2-Audio, Qwen2.5-Omni", "audio", _WHISPER_BLOCK, _WHISPER | {
        "mm.a.fc.weight": "dt", "mm.a.fc.bias": "t"}),
}  # fmt: skip
_OMNI = {"image": "qwen2.5vl_merger", "audio": "qwen2a"}  # projector type qwen2.5o names both
_OF = {"video": "image"}  # what encodes it
_ENCODERS = {"image": ("vision", "v"), "audio": ("audio", "a")}  # in keys, in tensor names
_SIZES = ("embedding_length", "feed_forward_length", "block_count", "projection_dim", "attention.head_count")
_OWN_SIZES = {"image": ("image_size", "patch_size"), "audio": ("num_mel_bins",)}
_SWAPPED = ("gemma3", "idefics3", "qwen2vl_merger", "qwen2.5vl_merger")  # old files call up down
_TYPES = {  # of keys that libmtmd reads for every kind; it ends the process on another type
    r"clip\.has_\w+_encoder|clip\.use_\w+": "bool",
    r"clip\.(\w+\.)?projector_type": "string",
    r"clip\.\w+\.attention\.layer_norm_epsilon": "f32",
    r"clip\.vision\.image_(mean|std|grid_pinpoints)|clip\.\w+\.feature_layer": "array",
    r"clip\.vision\.mm_patch_merge_type": "string",
    r"clip\.(vision|audio)\.(\w+_length|block_count|projection_dim|attention\.\w+|image_size|patch_size"
    r"|image_(min|max)_pixels|preproc_\w+|spatial_merge_size|n_wa_pattern|window_size|num_mel_bins"
    r"|projector\.(scale_factor|stack_factor))|clip\.minicpmv_query_num": "u32",
}
# tensors that libmtmd takes up in any file that has them
_TAKEN = re.compile(
    r"v\.class_embd|[va]\.(pre_ln|post_ln|norm_embd|position_embd|patch_embd|blk|deepstack)\..*"
)
_FLOATS = ("F32", "F16", "BF16")
_WEIGHTS = (*_FLOATS, "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K",
            "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S", "IQ1_S", "IQ1_M", "IQ4_NL",
            "IQ4_XS")  # fmt: skip


@dataclass(frozen=True)
class Mmproj:
    """What a proven file is."""

    path: Path
    projectors: Mapping[str, str]  # kind by medium: "image" and "audio"
    width: int  # of an embedding: the decoder's
    bytes: int

    @property
    def reads(self) -> tuple[str, ...]:
        """The media; who sees pictures sees clips, as pictures one after another."""
        return tuple(kind for kind in ("image", "video", "audio") if _OF.get(kind, kind) in self.projectors)

    @property
    def scales(self) -> bool:
        """Whether the tokens of a picture grow with its pixels."""
        return self.projectors.get("image", "").startswith("qwen")


def read(path: str | Path) -> Mmproj:
    """The facts of a file, once everything that libmtmd trusts is proven.

    Raises:
        NotFoundError: there is no such file.
        IntegrityError: no mmproj file, or one that libmtmd cannot compute.
        UsageError: sound perhaps, but of a kind that is not known here.
    """
    path = Path(path)
    header = read_header(path)
    if header.architecture != ARCHITECTURE:
        raise IntegrityError(
            f"{path.name} is a model of architecture {header.architecture!r}, but an mmproj file has "
            f"{ARCHITECTURE!r}; give the file whose name starts with mmproj"
        )
    _check_key_types(path, header)
    kinds = {medium: kind for medium in _ENCODERS if (kind := _kind(path, header, medium))}
    if not kinds:
        _refuse(path, "it has no encoder for pictures and none for sound")
    widths = {_Encoder(path, header, medium, kind).width() for medium, kind in kinds.items()}
    if len(widths) > 1:
        _refuse(path, f"its projectors make embeddings of different widths, {sorted(widths)}")
    return Mmproj(path, kinds, widths.pop(), header.file_size)


def _refuse(path: Path, why: str) -> NoReturn:
    raise IntegrityError(f"{path.name} is not a sound mmproj file: {why}; get or build the file again")


def _check_key_types(path: Path, header: GgufHeader) -> None:
    for key, kind in header.types.items():
        expected = next((t for pattern, t in _TYPES.items() if re.fullmatch(pattern, key)), kind)
        if kind != expected:
            _refuse(path, f"{key} has type {kind}, expected {expected}")
        if kind == "u32" and key.startswith("clip.") and header.metadata[key] > 2**31 - 1:
            _refuse(path, f"{key} is {header.metadata[key]}, more than {2**31 - 1}")


def _kind(path: Path, header: GgufHeader, medium: str) -> str:
    """The kind of projector for a medium; empty where the file has no encoder for it."""
    name = _ENCODERS[medium][0]
    if not header.metadata.get(f"clip.has_{name}_encoder", False):
        return ""
    stated = header.metadata.get("clip.projector_type") or header.metadata.get(
        f"clip.{name}.projector_type", ""
    )
    kind = _OMNI[medium] if stated == "qwen2.5o" else str(stated)
    if kind not in KINDS or KINDS[kind].medium != medium:
        known = ", ".join(f"{k} ({v.called})" for k, v in KINDS.items() if v.medium == medium)
        raise UsageError(
            f"{path.name} has a projector of kind {kind!r} for {medium}, which is not read here; "
            f"these are: {known}"
        )
    return kind


class _Encoder:
    """One encoder and its projector, held against the row of its kind."""

    def __init__(self, path: Path, header: GgufHeader, medium: str, name: str) -> None:
        self.path, self.header, self.medium, self.name = path, header, medium, name
        self.kind, (self.section, self.prefix) = KINDS[name], _ENCODERS[medium]
        self.tensors = {tensor.name: tensor for tensor in header.tensors}
        for key in self.kind.keys:
            self._needed(key)
        self.sizes = {size: self._size(size) for size in (*_SIZES, *_OWN_SIZES[medium])}
        self._check_heads()
        self.bound = self._picture() if medium == "image" else self._sound()

    def width(self) -> int:
        """Of its embeddings, once every tensor is there and fits."""
        if self.name == "llama4" and "v.blk.0.attn_post_norm.weight" in self.tensors:
            _refuse(self.path, "its converter called ln2 attn_post_norm, and libmtmd applies that elsewhere")
        wanted = {f"{self.prefix}.blk.{i}.{name}": shape for i in range(self.sizes["block_count"])
                  for name, shape in self._block().items()} | self.kind.rest  # fmt: skip
        for name, letters in wanted.items():
            self._check(name, letters)
        for name in self.tensors:
            if name.startswith(f"{self.prefix}.") and name not in wanted and _TAKEN.fullmatch(name):
                _refuse(self.path, f"it has the tensor {name}, which no projector of {self.name} has")
        if "g" in self.bound and self.bound["h"] != 2 * self.bound["g"]:
            _refuse(self.path, f"its gate has {self.bound['h']} rows, expected 2 x {self.bound['g']}")
        return self.bound["t"]

    # --- keys -------------------------------------------------------------------------------------

    def _needed(self, key: str) -> Any:
        if key not in self.header.metadata:
            _refuse(self.path, f"it has no {key}")
        return self.header.metadata[key]

    def _size(self, name: str) -> int:
        value = self._needed(f"clip.{self.section}.{name}")
        least = 0 if name in ("feed_forward_length", "projection_dim") else 1  # old converters wrote 0
        if not least <= value <= (512 if name == "block_count" else 1 << 20):
            _refuse(self.path, f"clip.{self.section}.{name} is {value}")
        return int(value)

    def _check_heads(self) -> None:
        width, heads = self.sizes["embedding_length"], self.sizes["attention.head_count"]
        turned = (
            4 if self.name == "llama4" or (self.name.startswith("qwen2") and self.medium == "image") else 1
        )
        if width % (heads * turned):
            _refuse(self.path, f"{heads} heads do not share a width of {width}")
        for name in ("head_count_kv", "head_dim"):
            value = self.header.metadata.get(f"clip.{self.section}.attention.{name}")
            if value not in (None, {"head_count_kv": heads, "head_dim": width // heads}[name]):
                _refuse(self.path, f"clip.{self.section}.attention.{name} is {value}")
        epsilon = self._needed(f"clip.{self.section}.attention.layer_norm_epsilon")
        if not isfinite(epsilon) or not 0 <= epsilon < 1:
            _refuse(self.path, f"its layer_norm_epsilon is {epsilon}")
        if self.header.metadata.get("clip.use_gelu") and self.header.metadata.get("clip.use_silu"):
            _refuse(self.path, "it says use_gelu and use_silu")

    def _picture(self) -> dict[str, int]:
        side, patch, width = (self.sizes[k] for k in ("image_size", "patch_size", "embedding_length"))
        key = "spatial_merge_size" if self.name.startswith("qwen") else "projector.scale_factor"
        merge = self.header.metadata.get(f"clip.vision.{key}", self.kind.merge or 1)
        patches = side // patch
        free = self.name.startswith(
            "qwen"
        )  # pictures of any size; the graph merges 2 x 2 whatever a key says
        least = 2 if self.name == "idefics3" else 1
        if (
            side > MOST_IMAGE_SIDE
            or patches < 1
            or merge < least
            or (merge != 2 if free else patches % merge)
        ):
            _refuse(
                self.path, f"pictures of {side}, patches of {patch} and {merge} merged do not go together"
            )
        if self.name == "llama4" and side % patch:
            _refuse(self.path, f"patches of {patch} do not tile pictures of {side}")
        if free and 112 // patch // 2 < 1:  # the window of Qwen2.5-VL, in pixels
            _refuse(self.path, f"patches of {patch} are larger than the window of attention")
        self._check_cut()
        for key in ("image_mean", "image_std"):
            values = self._needed(f"clip.vision.{key}")
            if len(values) < 3 or not all(type(v) is float and isfinite(v) for v in values) or (
                key == "image_std" and not all(values[:3])
            ):  # fmt: skip
                _refuse(self.path, f"clip.vision.{key} is {values[:3]}")
        if self.header.metadata.get("clip.vision.image_grid_pinpoints"):
            _refuse(self.path, f"it has image_grid_pinpoints, which no projector of {self.name} has")
        return {"d": width, "c": 3, "p": patch, "k": 3 * patch * patch, "q": width * merge * merge,
                "n": patches * patches + ("v.class_embd" in self.kind.rest)}  # fmt: skip

    def _check_cut(self) -> None:
        """Into how many tiles a picture may be cut, and how large it is made before."""
        found = self.header.metadata
        fewest, most = (
            found.get("clip.vision.preproc_min_tiles", 1),
            found.get("clip.vision.preproc_max_tiles", 12),
        )
        side = found.get("clip.vision.preproc_image_size", 1)
        if not 1 <= fewest <= most <= MOST_TILES or not 0 <= side <= MOST_IMAGE_SIDE:
            _refuse(self.path, f"it cuts pictures of {side} into {fewest} to {most} tiles")

    def _sound(self) -> dict[str, int]:
        width, bands = self.sizes["embedding_length"], self.sizes["num_mel_bins"]
        stack = self.header.metadata.get("clip.audio.projector.stack_factor", 1)
        if bands > MOST_MELS or not 1 <= stack <= 64:
            _refuse(
                self.path, f"{bands} mel bands and {stack} frames in a stack are not 1-{MOST_MELS} and 1-64"
            )
        positions = self.tensors.get("a.position_embd.weight")
        rows = positions.shape[-1] if positions else 0
        if rows < WHISPER_POSITIONS:
            _refuse(self.path, f"it has {rows} positions for sound, expected {WHISPER_POSITIONS}")
        self._check_stacks(width, stack)
        return {"d": width, "m": bands, "s": width * stack, "n": rows}

    def _check_stacks(self, width: int, stack: int) -> None:
        """libmtmd counts the tokens of half a minute in two ways and ends the process where they differ."""
        if self.name == "qwen2a":
            return
        halved = 2 if self.name == "voxtral" else 1  # frames are pooled by two before they are stacked
        numbers, row = width * (WHISPER_POSITIONS // halved), width * stack
        made = ((numbers + row - 1) & ~(row - 1)) // row if stack > 1 else numbers // width  # its GGML_PAD
        if made != -(-2 * WHISPER_POSITIONS // stack) // 2 // halved:
            _refuse(self.path, f"stacks of {stack} do not go with a width of {width}")

    # --- tensors ----------------------------------------------------------------------------------

    def _block(self) -> Shapes:
        down = self.tensors.get(f"{self.prefix}.blk.0.ffn_down.weight")
        width = self.sizes["embedding_length"]
        if self.name not in _SWAPPED or down is None or down.shape[0] != width or down.shape[-1] == width:
            return self.kind.block
        turned = {"ffn_up": "ffn_down", "ffn_down": "ffn_up"}
        return {
            re.sub("^ffn_(up|down)", lambda match: turned[match[0]], name): shape
            for name, shape in self.kind.block.items()
        }

    def _check(self, name: str, letters: str) -> None:
        tensor = self.tensors.get(name)
        if tensor is None:
            if not letters.endswith("?"):
                _refuse(self.path, f"it has no tensor {name}")
            return
        letters = letters.rstrip("?")
        shape = tensor.shape + (1,) * (len(letters) - len(tensor.shape))
        expected = tuple(self._bound(letter, size) for letter, size in zip(letters, shape, strict=False))
        if shape != expected:
            _refuse(self.path, f"its tensor {name} has the shape {list(shape)}, expected {list(expected)}")
        self._check_type(tensor, letters)

    def _bound(self, letter: str, size: int) -> int:
        return int(letter) if letter.isdigit() else self.bound.setdefault(letter, size)

    def _check_type(self, tensor: GgufTensor, letters: str) -> None:
        allowed: tuple[str, ...] = _WEIGHTS
        if len(letters) == 1 or letters in ("1d", "dn"):  # added to and multiplied with, element by element
            allowed = ("F32",)
        elif tensor.name.startswith(("v.patch_embd", "a.conv1d")):  # unfolded into columns
            allowed = ("F32", "F16")
        elif letters == "td":  # turned on its side
            allowed = _FLOATS
        if tensor.type not in allowed:
            _refuse(
                self.path, f"its tensor {tensor.name} is {tensor.type}, expected {' or '.join(allowed[:4])}"
            )
