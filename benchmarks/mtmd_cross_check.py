"""What Edge answers about a picture or a sound, against llama-mtmd-cli on the same files.

Job: for every kind of projector, a tiny model with random weights (tests/tiny_public.py), several media, one
question; greedy text of both; write results/mtmd_cross_check.json:
`python -m benchmarks.mtmd_cross_check FOLDER_OF_TOOLS`.
The tool can be built from vendor/llama.cpp in the source package of the installed llama-cpp-python.
Ignorance: quality. Random weights say noise; the same noise means the same ids, positions and embeddings.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import edge
from edge import atomic
from edge.media.audio import Sound
from edge.media.image import Picture
from tests import tiny_public

RESULT = Path(__file__).parent / "results" / "mtmd_cross_check.json"
QUESTION, TOKENS, CONTEXT, BATCH, MEDIA, TRIES = "What is it?", 16, 1024, 512, 6, 16


def media(folder: Path, sound: bool) -> list[Path]:
    """Noise in files: pictures of several shapes, or sounds of several lengths."""
    random, made = np.random.default_rng(0), []
    for i in range(MEDIA):
        if sound:
            noise = random.standard_normal(4000 * (i + 1)).astype(np.float32) * np.float32(0.1)
            made.append(Sound(noise, 16000).save(folder / f"{i}.wav"))
        else:
            pixels = random.integers(0, 256, (*random.integers(24, 100, 2), 3), dtype=np.uint8)
            made.append(Picture(pixels).save(folder / f"{i}.png"))
    return made


def theirs(tool: Path, model: Path, medium: Path) -> bytes:
    """What llama-mtmd-cli says."""
    sizes = ("-c", str(CONTEXT), "-b", str(BATCH), "-ub", str(BATCH), "-n", str(TOKENS), "-t", "1")
    said = b""
    for _ in range(TRIES):  # its printing thread is cut off at the end of the process, now here, now there
        done = subprocess.run(
            [tool, "-m", model, "--mmproj", model.with_name("mmproj.gguf"), "--image", medium, "-p", QUESTION,
             "--temp", "0", "--no-warmup", "--jinja", *sizes], capture_output=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-500:]
        said = max(said, done.stdout, key=len)
    for name in tiny_public.SPECIALS:  # Edge shows none
        said = said.replace(name.encode(), b"")
    return said.strip(b"\n")  # it writes line feeds of its own around the answer


def ours(model: Path, files: list[Path], sound: bool) -> list[bytes]:
    """What Edge says, as bytes: noise is no UTF-8."""
    options = edge.EngineOptions(context_length=CONTEXT, batch=BATCH, threads=1)
    greedy = edge.SamplingOptions(temperature=0.0, max_tokens=TOKENS, logprobs=0)
    said = []
    with edge.load(model, engine=options) as loaded:
        for file in files:
            part = edge.Audio(file) if sound else edge.Image(file)
            reply = loaded.chat().ask(part, QUESTION, sampling=greedy)
            said.append(b"".join(token.piece for token in reply.logprobs).strip(b"\n"))
    return said


def main(tools: Path) -> None:
    result: dict[str, Any] = {"tokens": TOKENS, "answers": MEDIA, "same": {}}
    with tempfile.TemporaryDirectory() as place:
        for name in tiny_public.MMPROJ:
            folder = Path(place, name)
            model, sound = tiny_public.model(folder, name), name in ("ultravox", "voxtral", "qwen2a")
            files = media(folder, sound)
            expected = [theirs(tools / "llama-mtmd-cli", model, file) for file in files]
            pairs = zip(ours(model, files, sound), expected, strict=True)
            result["same"][name] = sum(a == b for a, b in pairs)
    atomic.write_bytes(RESULT, (json.dumps(result, indent=2) + "\n").encode())
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
