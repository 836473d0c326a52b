"""Our importance matrix and our divergence against llama.cpp's own tools, on the same text and models.

Job: run llama-imatrix and llama-perplexity --kl-divergence beside `quantize`, and write
results/quality_cross_check.json: `python -m benchmarks.quality_cross_check FOLDER_OF_TOOLS [CHECKPOINT]`.
The tools can be built from vendor/llama.cpp in the source package of the installed llama-cpp-python.
Ignorance: media; llama.cpp's tools read text only.

llama-perplexity judges the second half of every chunk; so do the numbers here. It cuts the reference's logits
16 below their maximum, which moves its own perplexity ratio (pico: by 10 %); the one compared here is that of
its two plain perplexities.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from edge import atomic
from quantize import builtin_text, gguf_export, importance, llama_quantize, quality, recipes
from quantize.checkpoint import open_checkpoint
from quantize.native_tokenize import Reader
from quantize.rows import Rows

RESULT = Path(__file__).parent / "results" / "quality_cross_check.json"
CHUNK, PASSAGES = 128, 24
RECIPES = ("q8_0", "q4_k_m", "q2_k")
_NUMBERS = {"divergence": r"Mean +KLD: +([\d.-]+)", "divergence_99": r"99\.0% +KLD: +([\d.-]+)",
            "divergence_999": r"99\.9% +KLD: +([\d.-]+)", "agreement": r"Same top p: +([\d.]+)",
            "perplexity": r"Mean PPL\(Q\) +: +([\d.]+)"}  # fmt: skip


def ignore(*_: object) -> None:
    """No progress is shown."""


def told(tools: Path, name: str, model: Path, text: Path, *more: str | Path) -> str:
    sizes = ("-c", str(CHUNK), "-b", str(CHUNK), "-ub", str(CHUNK), "-t", "1")
    done = subprocess.run(
        [tools / name, "-m", model, "-f", text, *sizes, *more], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-500:]
    return done.stdout + done.stderr


def read(path: Path, text: str) -> Rows:
    ids = np.concatenate(Reader(path, {}).rows(text))
    return Rows({"text": tuple(ids[i : i + CHUNK] for i in range(0, len(ids) - CHUNK + 1, CHUNK))})


def sums(tools: Path, model: Path, text: Path, rows: Rows, work: Path) -> dict[str, Any]:
    """How far the sums of the two importance matrices are apart."""
    told(tools, "llama-imatrix", model, text, "-o", work / "theirs.gguf", "--process-output", "--no-ppl")
    theirs, ours = importance.read(work / "theirs.gguf"), importance.gather(model, rows, "text", work, ignore)
    apart = [np.abs(ours.entries[name].sums / e.sums - 1).max() for name, e in theirs.entries.items()]
    same = all(np.array_equal(ours.entries[name].counts, e.counts) for name, e in theirs.entries.items())
    only = sorted(set(ours.entries) - set(theirs.entries))
    return {"matrices": len(theirs.entries), "only_ours": only, "counts_equal": same,
            "largest_relative_difference": float(max(apart))}  # fmt: skip


def ours_of(reference: quality.Reference, model: Path) -> dict[str, float]:
    found = reference.positions(model, ignore)["text"]
    second = np.concatenate([np.arange(len(row) - 1) >= CHUNK // 2 for _, row in reference.judged])
    divergence = found["divergence"][second]
    return {
        "divergence": float(divergence.mean()), "divergence_99": float(np.quantile(divergence, 0.99)),
        "divergence_999": float(np.quantile(divergence, 0.999)),
        "agreement": float(found["agreement"][second].mean()),
        "perplexity_ratio": float(np.exp((found["loss"] - found["reference_loss"])[second].mean())),
    }  # fmt: skip


def main(tools: Path, folder: Path) -> None:
    checkpoint, text = open_checkpoint(folder), "\n\n".join(builtin_text.passages(PASSAGES))
    with tempfile.TemporaryDirectory() as place:
        work = Path(place)
        (work / "text.txt").write_text(text, encoding="utf-8")
        gguf_export.write_float(checkpoint, work / "f16.gguf", recipes.find("f16"), ignore)
        rows = read(work / "f16.gguf", text)
        result: dict[str, Any] = {"model": folder.name, "tokens": rows.tokens, "recipes": {}}
        result["importance"] = sums(tools, work / "f16.gguf", work / "text.txt", rows, work)
        base = ("--kl-divergence-base", work / "base.kld")
        plain = told(tools, "llama-perplexity", work / "f16.gguf", work / "text.txt", *base)
        perplexity = float(re.findall(r"PPL = ([\d.]+)", plain)[-1])
        reference = quality.measure_reference(work / "f16.gguf", rows, work, ignore)
        for name in RECIPES:
            path = work / f"{name}.gguf"
            llama_quantize.write(work / "f16.gguf", path, recipes.find(name), ignore, None)
            words = told(tools, "llama-perplexity", path, work / "text.txt", *base, "--kl-divergence")
            theirs = {key: float(re.findall(form, words)[-1]) for key, form in _NUMBERS.items()}
            theirs["agreement"] /= 100
            theirs["perplexity_ratio"] = theirs.pop("perplexity") / perplexity
            result["recipes"][name] = {"theirs": theirs, "ours": ours_of(reference, path)}
    atomic.write_bytes(RESULT, (json.dumps(result, indent=2) + "\n").encode())
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else "models/weights/pico"))
