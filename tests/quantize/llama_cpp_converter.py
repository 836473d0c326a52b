"""What llama.cpp's own converter makes of the tiny checkpoints, kept in tests/fixtures/converter.json.

Job: run convert_hf_to_gguf.py of a llama.cpp source tree (the llama-cpp-python sdist has one under
vendor/llama.cpp) on each, and record metadata and tensor table; needs torch, transformers, sentencepiece.
    python -m tests.quantize.llama_cpp_converter PATH/TO/llama.cpp
Ignorance: what ours writes. The splitting rule is given to it: it knows only published tokenizers by hash.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import gguf

FIXTURE = Path(__file__).parents[1] / "fixtures" / "converter.json"
_RUN = """
import runpy, sys
root, folder, out, kind, *more = sys.argv[1:]
sys.path[:0] = [root, root + "/gguf-py"]
from conversion.base import TextModel
TextModel.get_vocab_base_pre = lambda self, tokenizer: "gpt-2"
sys.argv = ["convert", folder, "--outtype", kind, "--outfile", out, *more]
runpy.run_path(root + "/convert_hf_to_gguf.py", run_name="__main__")
"""


def described(path: Path) -> dict[str, Any]:
    """Metadata (long lists as their SHA-256) and tensors: shape, type, SHA-256 of the weights."""
    reader = gguf.GGUFReader(path)
    metadata = {k: _short(f.contents()) for k, f in reader.fields.items() if not k.startswith("GGUF.")}
    tensors = {
        t.name: [
            [int(n) for n in t.shape],
            t.tensor_type.name,
            hashlib.sha256(t.data.tobytes()).hexdigest()[:16],
        ]
        for t in reader.tensors
    }
    return {"metadata": metadata, "tensors": tensors}


def _short(value: Any) -> Any:
    if isinstance(value, list) and len(value) > 8:
        return f"{len(value)} values, {hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]}"
    return value


def _converted(root: str, folder: str, kind: str, *more: str) -> dict[str, Any]:
    out = Path(folder) / "theirs.gguf"
    command = [sys.executable, "-c", _RUN, root, folder, str(out), kind, *more]
    subprocess.run(command, check=True, capture_output=True)
    return described(out)


def main(root: str) -> None:
    """Write the fixture."""
    from tests.quantize import tiny_checkpoints

    found = {}
    for name in tiny_checkpoints.MADE:
        with tempfile.TemporaryDirectory() as folder:
            tiny_checkpoints.checkpoint(Path(folder), name)
            found[name] = _converted(root, folder, "f32")
            for kind in ("f16", "bf16") if "vision" in name else ():
                found[f"{name} mmproj {kind}"] = _converted(root, folder, kind, "--mmproj")
    FIXTURE.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
