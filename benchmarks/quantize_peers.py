"""Converting and quantizing beside llama.cpp's own tools, on one random checkpoint of a known model's shape.

Job: make the checkpoint, run both ways to Q4_K_M by turns, and write results/quantize_peers.json:
    python -m benchmarks.quantize_peers make FOLDER [llama-3.2-1b]
    python -m benchmarks.quantize_peers compare FOLDER SOURCE_OF_LLAMA_CPP FOLDER_OF_TOOLS PYTHON_WITH_TORCH
    python -m benchmarks.quantize_peers memory FOLDER
The source lies in vendor/llama.cpp of llama-cpp-python's source package; the tools are built from it.
Compared is what both do: safetensors -> GGUF of the checkpoint's type -> Q4_K_M without an importance matrix.
What only `edge quantize` does (importance matrix, quality against f16, example answers, digests) is left out
of `compare` and is part of `memory`.

Memory is the sum over a process and its children, sampled every 20 ms: resident pages, and of these the
anonymous ones, which no page cache could give back.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path
from statistics import median
from typing import Any

import gguf
import ml_dtypes
import numpy as np

from edge import atomic

RESULT = Path(__file__).parent / "results" / "quantize_peers.json"
ROUNDS = 3
SHAPES: dict[str, dict[str, Any]] = {  # as the published config.json say
    "llama-3.2-1b": {"hidden_size": 2048, "num_hidden_layers": 16, "num_attention_heads": 32,
                     "num_key_value_heads": 8, "head_dim": 64, "intermediate_size": 8192},
    "llama-3.2-3b": {"hidden_size": 3072, "num_hidden_layers": 28, "num_attention_heads": 24,
                     "num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 8192},
}  # fmt: skip
_VOCABULARY, _SPECIALS = 128256, 256
_SHARD = 2_500_000_000  # bytes
EXAMPLES = 8
_ROPE = {"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
         "original_max_position_embeddings": 8192}  # fmt: skip
_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
_TEMPLATE = (
    "{% for m in messages %}<|special_2|>{{ m.role }}<|special_3|>{{ m.content }}<|special_1|>{% endfor %}"
    "{% if add_generation_prompt %}<|special_2|>assistant<|special_3|>{% endif %}"
)
_CONVERT = """
import runpy, sys
root, folder, out = sys.argv[1:]
sys.path[:0] = [root, root + "/gguf-py"]
from conversion.base import TextModel
TextModel.get_vocab_base_pre = lambda self, tokenizer: "llama-bpe"
sys.argv = ["convert", folder, "--outtype", "bf16", "--outfile", out]
runpy.run_path(root + "/convert_hf_to_gguf.py", run_name="__main__")
"""
_OURS = """
import sys
from pathlib import Path
from quantize import gguf_export, llama_quantize, recipes
from quantize.checkpoint import open_checkpoint
folder, middle, out = map(Path, sys.argv[1:])
ignore = lambda *_: None
gguf_export.write_float(open_checkpoint(folder), middle, recipes.find("bf16"), ignore)
llama_quantize.write(middle, out, recipes.find("q4_k_m"), ignore, None)
"""

Shard = dict[str, tuple[int, tuple[int, ...]]]  # number, from which the values are drawn, and shape by name


@dataclass(frozen=True)
class Spent:
    """What a command took."""

    seconds: float
    cpu_seconds: float  # of all processors: what another load on the machine changes least
    resident_mb: float  # peak
    anonymous_mb: float  # peak


def make(folder: Path, name: str) -> None:
    """A checkpoint in bfloat16 that has learned nothing; the same one for a name, always."""
    folder.mkdir(parents=True, exist_ok=True)
    config = SHAPES[name] | {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": _VOCABULARY,
        "max_position_embeddings": 131072, "rms_norm_eps": 1e-5, "rope_theta": 500000.0,
        "rope_scaling": _ROPE,
        "tie_word_embeddings": True, "torch_dtype": "bfloat16", "hidden_act": "silu",
        "bos_token_id": _VOCABULARY - _SPECIALS, "eos_token_id": _VOCABULARY - _SPECIALS + 1,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config, indent=1))
    (folder / "tokenizer.json").write_text(json.dumps(_tokenizer()))
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')
    (folder / "chat_template.jinja").write_text(_TEMPLATE)
    shards = _shards(config)
    files = [f"model-{n:05}-of-{len(shards):05}.safetensors" for n in range(1, len(shards) + 1)]
    if len(shards) == 1:
        files = ["model.safetensors"]
    else:
        places = {tensor: file for file, shard in zip(files, shards, strict=True) for tensor in shard}
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    for file, shard in zip(files, shards, strict=True):
        _write(folder / file, shard)


def _shards(config: dict[str, Any]) -> list[Shard]:
    """All tensors, as files of at most `_SHARD` bytes."""
    shards: list[Shard] = [{}]
    for number, (name, shape) in enumerate(_shapes(config)):
        held = sum(2 * prod(s) for _, s in shards[-1].values())
        if held + 2 * prod(shape) > _SHARD:
            shards.append({})
        shards[-1][name] = number, shape
    return shards


def _write(path: Path, shard: Shard) -> None:
    tensors, start = {}, 0
    for name, (_, shape) in shard.items():
        end = start + 2 * prod(shape)
        tensors[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [start, end]}
        start = end
    header = json.dumps(tensors).encode()
    header += b" " * (-len(header) % 8)
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        for number, shape in shard.values():
            for values in _values(number, shape):
                values.tofile(file)


def _shapes(config: dict[str, Any]) -> Iterator[tuple[str, tuple[int, ...]]]:
    width, hidden, head = config["hidden_size"], config["intermediate_size"], config["head_dim"]
    rows, keys = config["num_attention_heads"] * head, config["num_key_value_heads"] * head
    yield "model.embed_tokens.weight", (_VOCABULARY, width)
    for layer in range(config["num_hidden_layers"]):
        for name, shape in (
            ("input_layernorm", (width,)), ("post_attention_layernorm", (width,)),
            ("self_attn.q_proj", (rows, width)), ("self_attn.k_proj", (keys, width)),
            ("self_attn.v_proj", (keys, width)), ("self_attn.o_proj", (width, rows)),
            ("mlp.gate_proj", (hidden, width)), ("mlp.up_proj", (hidden, width)),
            ("mlp.down_proj", (width, hidden)),
        ):  # fmt: skip
            yield f"model.layers.{layer}.{name}.weight", shape
    yield "model.norm.weight", (width,)


def _values(number: int, shape: tuple[int, ...]) -> Iterator[Any]:
    """Norms are ones; matrices are normal, in pieces of at most 16 M numbers."""
    random, left = np.random.default_rng(number), prod(shape)
    while left:
        count = min(left, 1 << 24)
        values = np.ones(count, "f4") if len(shape) == 1 else 0.02 * random.standard_normal(count, "f4")
        yield values.astype(ml_dtypes.bfloat16)
        left -= count


def _tokenizer() -> dict[str, Any]:
    """Bytes, all pairs of bytes, and as many triples as fill the vocabulary."""
    from tokenizers import pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    pairs = [(a, b) for a in letters for b in letters]
    triples = [(a + b, c) for a, b in pairs for c in letters[:1]]
    merges = (pairs + triples)[: _VOCABULARY - _SPECIALS - len(letters)]
    tokens = [*letters, *("".join(m) for m in merges)]
    names = ["<|begin_of_text|>", *(f"<|special_{i}|>" for i in range(1, _SPECIALS))]
    steps = [
        {"type": "Split", "pattern": {"Regex": _SPLIT}, "behavior": "Isolated", "invert": False},
        {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
    ]
    return {
        "version": "1.0", "truncation": None, "padding": None, "normalizer": None,
        "added_tokens": [{"id": len(tokens) + i, "content": name, "single_word": False, "lstrip": False,
                          "rstrip": False, "normalized": False, "special": True}
                         for i, name in enumerate(names)],
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": steps},
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False,
                  "ignore_merges": True,
                  "vocab": {token: i for i, token in enumerate(tokens)},
                  "merges": [list(m) for m in merges]},
    }  # fmt: skip


def spent(command: list[str | Path], environment: dict[str, str] | None = None) -> Spent:
    """Run a command to its end and watch it."""
    started, used, peak, anonymous = time.monotonic(), _cpu(), 0, 0
    with tempfile.TemporaryFile() as log:
        child = subprocess.Popen(command, env=os.environ | (environment or {}), stdout=log, stderr=log)
        while child.poll() is None:
            now, alone = _memory(child.pid)
            peak, anonymous = max(peak, now), max(anonymous, alone)
            time.sleep(0.02)
        log.seek(0)
        assert child.returncode == 0, log.read()[-2000:].decode(errors="replace")
    seconds, cpu = time.monotonic() - started, _cpu() - used
    return Spent(round(seconds, 2), round(cpu, 2), round(peak / 1e6, 1), round(anonymous / 1e6, 1))


def _cpu() -> float:
    """Seconds that children which have ended computed."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _memory(pid: int) -> tuple[int, int]:
    """Bytes of a process and all below it: resident, and of these anonymous."""
    try:
        pages = [int(n) for n in Path(f"/proc/{pid}/statm").read_text().split()]
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (OSError, ValueError):
        return 0, 0
    below = [_memory(int(child)) for child in children]
    page = os.sysconf("SC_PAGE_SIZE")
    resident, alone = page * pages[1], page * (pages[1] - pages[2])
    return resident + sum(b[0] for b in below), alone + sum(b[1] for b in below)


def theirs(folder: Path, source: Path, tools: Path, python: Path, work: Path) -> dict[str, Spent]:
    """llama.cpp's converter, then its quantizer."""
    middle, result = work / "theirs.gguf", work / "theirs-q4.gguf"
    convert = spent([python, "-c", _CONVERT, source, folder, middle])
    quantize = spent([tools / "llama-quantize", middle, result, "Q4_K_M", str(os.cpu_count())])
    middle.unlink()
    return {"convert": convert, "quantize": quantize}


def ours(folder: Path, work: Path) -> Spent:
    """The same two steps as `edge quantize` takes them."""
    middle, result = work / "ours.gguf", work / "ours-q4.gguf"
    found = spent([sys.executable, "-c", _OURS, folder, middle, result])
    middle.unlink()
    return found


def compare(folder: Path, source: Path, tools: Path, python: Path) -> dict[str, Any]:
    """Both by turns; ratios of the medians."""
    rounds = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory(dir=folder.parent) as work:
            their, our = theirs(folder, source, tools, python, Path(work)), ours(folder, Path(work))
            told = differing(Path(work) / "ours-q4.gguf", Path(work) / "theirs-q4.gguf")
        rounds.append({"theirs": {k: asdict(v) for k, v in their.items()}, "ours": asdict(our),
                       "differing": told})  # fmt: skip
        print(json.dumps(rounds[-1]), file=sys.stderr, flush=True)
    ratios = {}
    for name in ("seconds", "cpu_seconds"):
        summed = median(sum(part[name] for part in r["theirs"].values()) for r in rounds)
        ratios[name] = median(r["ours"][name] for r in rounds) / summed
    for name in ("resident_mb", "anonymous_mb"):
        most = median(max(part[name] for part in r["theirs"].values()) for r in rounds)
        ratios[name] = median(r["ours"][name] for r in rounds) / most
    return {"ratios": {k: round(v, 3) for k, v in ratios.items()}, "rounds": rounds}


def differing(ours: Path, theirs: Path) -> dict[str, Any]:
    """What is not the same in two GGUFs: metadata keys, and tensors whose type or bytes are others, with the
    largest relative difference of a value (None: another type or shape, or only one file has it)."""
    files = gguf.GGUFReader(ours), gguf.GGUFReader(theirs)
    keys = [{name: field.contents() for name, field in file.fields.items()} for file in files]
    tensors = [{tensor.name: tensor for tensor in file.tensors} for file in files]
    found = {}
    for name in sorted(tensors[0] | tensors[1]):
        one, other = (t.get(name) for t in tensors)
        if one is None or other is None or one.tensor_type != other.tensor_type:
            found[name] = None
        elif not np.array_equal(one.data, other.data):
            a, b = (gguf.quants.dequantize(t.data, t.tensor_type) for t in (one, other))
            found[name] = float(f"{np.max(np.abs(a - b) / np.maximum(np.abs(b), 1e-9)):.2g}")
    other_keys = sorted(name for name in keys[0] | keys[1] if keys[0].get(name) != keys[1].get(name))
    return {"tensors": found, "keys": other_keys, "tensors in all": len(tensors[0])}


def memory(folder: Path) -> dict[str, Any]:
    """Peak memory of the whole command with everything that it measures, by step, on a few short examples:
    more of them take longer, not more memory."""
    from quantize import builtin_text
    from quantize.checkpoint import open_checkpoint

    sizes = [tensor.size for tensor in open_checkpoint(folder).tensors.values()]
    largest = max(sizes) / 1e6
    with tempfile.TemporaryDirectory(dir=folder.parent) as work:
        examples = Path(work) / "examples.jsonl"
        lines = [json.dumps({"text": text[:120]}) for text in builtin_text.passages(EXAMPLES)]
        examples.write_text("\n".join(lines))
        found = peaks([sys.executable, "-m", "edge.cli.main", "quantize", folder, "-o",
                       Path(work) / "bundle", "--recipe", "q4_k_m", "--calibration", examples])  # fmt: skip
    told = {
        step: {
            "resident_mb": round(resident / 1e6, 1), "anonymous_mb": round(alone / 1e6, 1),
            "resident beyond the largest tensor_mb": round(resident / 1e6 - largest, 1),
        }
        for step, (resident, alone) in found.items()
    }  # fmt: skip
    return {"checkpoint_mb": round(sum(sizes) / 1e6, 1), "largest_tensor_mb": round(largest, 1),
            "examples": EXAMPLES, "steps": told}  # fmt: skip


def peaks(command: list[str | Path]) -> dict[str, tuple[int, int]]:
    """Run a command; the most bytes, resident and anonymous, while each of its children ran, and alone."""
    found: dict[str, tuple[int, int]] = {}
    with tempfile.TemporaryFile() as log:
        child = subprocess.Popen(command, stdout=log, stderr=log)
        while child.poll() is None:
            step, now = _step(child.pid), _memory(child.pid)
            before = found.get(step, (0, 0))
            found[step] = max(before[0], now[0]), max(before[1], now[1])
            time.sleep(0.02)
        log.seek(0)
        assert child.returncode == 0, log.read()[-2000:].decode(errors="replace")
    return found


def _step(pid: int) -> str:
    """The module that a child of a process runs; "the command itself" where there is none."""
    try:
        below = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        words = Path(f"/proc/{below[0]}/cmdline").read_bytes().decode().split("\0") if below else []
    except (OSError, IndexError):
        words = []
    module = next((word for word in words if word.startswith("quantize.native_")), "")
    mode = [word for word in words if word in ("reference", "compare")]
    return " ".join([module, *mode]) if module else "the command itself"


def keep(name: str, found: dict[str, Any]) -> None:
    """Put one part into the result file."""
    told = json.loads(RESULT.read_text()) if RESULT.is_file() else {}
    atomic.write_bytes(RESULT, (json.dumps(told | {name: found}, indent=1) + "\n").encode())


def main(what: str, folder: str, *rest: str) -> None:
    if what == "make":
        make(Path(folder), rest[0] if rest else "llama-3.2-1b")
    elif what == "compare":
        source, tools, python = map(Path, rest)
        keep("compare", compare(Path(folder), source, tools, python))
    else:
        keep(f"memory {Path(folder).name}", memory(Path(folder)))


if __name__ == "__main__":
    main(*sys.argv[1:])
