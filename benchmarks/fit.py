"""What `edge fit` predicts against what happens: `python -m benchmarks.fit [--json PATH] [SIZE ...]`.

Job: pico and random checkpoints of about 50 M, 150 M and 1 B parameters in several types and contexts on both
engines: peak resident size and tokens/s of a process that fills every sequence, beside the prediction.
Sizes that are not asked for keep their rows.
Ignorance: quality; the weights are random. Needs 4 GB of disk in the temporary folder for 1 B (TMPDIR), and
quiet: memory does not mind other processes, speeds do.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

import edge
from edge import atomic, hardware, throughput
from edge.formats.manifest import Manifest, entry_of, load
from edge.options import EngineOptions
from quantize import gguf_export, llama_quantize, onnx_export, recipes, vocabulary_export
from quantize.checkpoint import open_checkpoint

HERE = Path(__file__).parent
RESULT = HERE / "results" / "fit.json"
PICO = HERE.parent / "models" / "weights" / "pico"
SHAPES = {  # width, layers, heads, KV heads, hidden
    "50m": (512, 12, 8, 4, 1536),
    "150m": (768, 20, 12, 4, 2048),
    "1b": (2048, 16, 32, 8, 8192),
}
GGUFS = {"50m": ("f16", "q8_0", "q4_0", "q4_k_m"), "150m": ("f16", "q8_0", "q4_0", "q4_k_m"),
         "1b": ("f16", "q4_0", "q4_k_m"), "pico": ("f16",)}  # fmt: skip
GRAPHS = {"50m": ("f32", "int8", "int4"), "150m": ("int8", "int4"), "1b": ("int4",), "pico": ("int4",)}
PLANS = {"pico": ((512, 1), (1024, 2)), "50m": ((512, 1), (2048, 2), (8192, 1)),
         "150m": ((512, 1), (2048, 2)), "1b": ((512, 1), (512, 2))}  # fmt: skip


def quiet(*_: object) -> None:
    """No progress."""


# --- models ---------------------------------------------------------------------------------------


def decoders(size: str, folder: Path) -> Iterator[Path]:
    """One decoder after the other, as a .gguf file or as a bundle's folder; each is gone afterwards."""
    source = PICO if size == "pico" else random_checkpoint(size, folder / "checkpoint")
    checkpoint = open_checkpoint(source)
    f16 = folder / "f16.gguf"
    gguf_export.write_float(checkpoint, f16, recipes.find("f16"), quiet)
    for name in GGUFS[size]:
        path = folder / f"{name}.gguf"
        if path != f16:
            llama_quantize.write(f16, path, recipes.find(name), quiet, None)
        yield path
        if path != f16:
            path.unlink()
    for name in GRAPHS[size]:
        bundle = folder / f"onnx-{name}"
        bundle.mkdir()
        onnx_export.write(checkpoint, bundle / "decoder.onnx", onnx_export.find(name), quiet)
        vocabulary_export.write(checkpoint, bundle / "vocabulary.gguf")
        write_manifest(bundle, checkpoint.context_length)
        yield bundle
        shutil.rmtree(bundle)


def write_manifest(bundle: Path, context: int) -> None:
    """Text in, text out: what `fit` needs to know of an ONNX bundle."""
    known = load(HERE.parent / "edge" / "bundles" / "pico", hashes=False)
    names = {"decoder_onnx": "decoder.onnx", "decoder_onnx_data": "decoder.onnx.data",
             "vocabulary": "vocabulary.gguf"}  # fmt: skip
    facts = {"name": "random", "modalities": {"in": ("text",), "out": ("text",)}, "context_length": context}
    files = {role: entry_of(bundle, name) for role, name in names.items()}
    made = Manifest(**{**vars(known), **facts, "files": files})
    (bundle / "manifest.json").write_text(made.to_json())


def random_checkpoint(size: str, folder: Path) -> Path:
    """A Hugging Face folder with pico's vocabulary and random weights, one tensor in memory at a time."""
    width, layers, heads, kv_heads, hidden = SHAPES[size]
    folder.mkdir()
    for file in PICO.iterdir():
        if file.suffix in (".json", ".jinja") and not file.name.startswith(("config", "evaluation")):
            shutil.copy(file, folder / file.name)
    config = json.loads((PICO / "config.json").read_text())
    config |= {"hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": heads,
               "num_key_value_heads": kv_heads, "intermediate_size": hidden, "head_dim": width // heads,
               "max_position_embeddings": 8192}  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    kv = width // heads * kv_heads
    shapes = {"model.embed_tokens": (config["vocab_size"], width), "model.norm": (width,)}
    for i in range(layers):
        for name, shape in {
            "self_attn.q_proj": (width, width), "self_attn.k_proj": (kv, width),
            "self_attn.v_proj": (kv, width), "self_attn.o_proj": (width, width),
            "mlp.gate_proj": (hidden, width), "mlp.up_proj": (hidden, width),
            "mlp.down_proj": (width, hidden), "input_layernorm": (width,),
            "post_attention_layernorm": (width,),
        }.items():  # fmt: skip
            shapes[f"model.layers.{i}.{name}"] = shape
    write_random(folder / "model.safetensors", shapes)
    return folder


def write_random(path: Path, shapes: dict[str, tuple[int, ...]]) -> None:
    """bf16 normal matrices (the same numbers, shifted) and norms of ones."""
    pool = (np.random.default_rng(0).standard_normal(1 << 22, np.float32) * 0.03).astype(ml_dtypes.bfloat16)
    header, at = {}, 0
    for name, shape in shapes.items():
        end = at + 2 * int(np.prod(shape))
        header[f"{name}.weight"] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [at, end]}
        at = end
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for i, shape in enumerate(shapes.values()):
            ones = np.ones(shape, ml_dtypes.bfloat16)
            file.write((ones if len(shape) == 1 else np.resize(np.roll(pool, 977 * i), shape)).tobytes())


# --- the comparison -------------------------------------------------------------------------------


def measured(*arguments: object) -> dict[str, Any]:
    """What a process of its own took: this one has more loaded than the runtime."""
    command = [sys.executable, HERE / "fit_case.py", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def row(name: str, found: edge.Fit, happened: dict[str, Any]) -> dict[str, Any]:
    """One prediction beside what happened."""
    predicted = found.room.total
    told = {"model": name, "engine": found.engine, "context": found.context, "sequences": found.sequences,
            "predicted": predicted, **happened, "error": predicted / happened["peak"] - 1,
            "decode_range": found.decode, "prefill_range": found.prefill}  # fmt: skip
    print(f"{name:<14}{found.sequences} x {found.context:<6}predicted {predicted / 1e6:7.1f} MB, peak "
          f"{happened['peak'] / 1e6:7.1f} MB ({told['error']:+.1%})", speeds(told), flush=True)  # fmt: skip
    return told


def speeds(told: dict[str, Any]) -> str:
    """Tokens per second beside their range."""
    if "decode" not in told:
        return ""
    return "; ".join(
        f"{kind} {told[kind]:.0f} in {told[f'{kind}_range'][0]:.0f}..{told[f'{kind}_range'][1]:.0f}"
        for kind in ("decode", "prefill")
    )


def compare(sizes: list[str]) -> list[dict[str, Any]]:
    """Every case."""
    rows = [row("pico bundle", edge.fit("pico"), measured("everything"))] if "pico" in sizes else []
    for size in sizes:
        with tempfile.TemporaryDirectory() as work:
            for path in decoders(size, Path(work)):
                for context, sequences in PLANS[size]:
                    options = EngineOptions(context_length=context, sequences=sequences)
                    found = edge.fit(path, engine=options)
                    rows.append(row(f"{size} {path.stem}", found, measured(path, context, sequences)))
    return rows


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("sizes", nargs="*", default=["pico", *SHAPES], metavar="SIZE")
    parse.add_argument("--json", type=Path, default=RESULT)
    given = parse.parse_args()
    known = json.loads(given.json.read_text())["rows"] if given.json.is_file() else []
    rows = [r for r in known if r["model"].split()[0] not in given.sizes] + compare(given.sizes)
    errors = [abs(r["error"]) for r in rows]
    inside = {
        kind: statistics.mean(
            r[f"{kind}_range"][0] <= r[kind] <= r[f"{kind}_range"][1] for r in rows if kind in r
        )
        for kind in ("decode", "prefill")
    }
    print(f"largest error {max(errors):.1%}, mean {statistics.mean(errors):.1%}; speeds inside: {inside}")
    machine = {"system": platform.platform(), "cpus": hardware.usable_cpus(), **vars(throughput.here())}
    result = {"machine": machine, "largest_error": max(errors), "inside": inside, "rows": rows}
    atomic.write_bytes(given.json, (json.dumps(result, indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
