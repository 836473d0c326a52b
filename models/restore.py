"""The way back: a released checkpoint as the state of the early stages. `python -m models.restore models/weights/pico --runs runs`

Job: tokenizer and frozen codecs of a release where `build_banks`, `train_decoder` and `release` look for them, so that training goes on
(`train_decoder --start`) without the folder of the run that made it. Ignorance: the decoder's optimizer and the throw-away heads: a
release does not hold them.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

from models.codec_files import load_audio_codec, load_image_codec, version

TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")
CODECS = ("image_codec", "audio_codec")
_WRAPPED = "codec."  # codec_files exports the codec inside of a module
_SIDE = "0."  # trainers hold the codec first, beside its head


def codec_state(folder: Path, name: str) -> dict[str, Tensor]:
    """The parameters of a codec, read back from its two float graphs."""
    kind = name.partition("_")[0]
    state = {}
    for way in ("encoder", "decoder"):
        for weight in onnx.load(folder / f"{kind}_{way}.onnx").graph.initializer:
            if weight.name.startswith(_WRAPPED):
                array = numpy_helper.to_array(weight).copy()
                state[_SIDE + weight.name.removeprefix(_WRAPPED)] = torch.from_numpy(array)
    return state


def restore(release: Path, runs: Path) -> None:
    """Write runs/tokenizer, runs/image_codec and runs/audio_codec; existing states stay as they are.

    Raises:
        SystemExit: what was read back is not the codec that made the release's tokens.
    """
    (runs / "tokenizer").mkdir(parents=True, exist_ok=True)
    for file in TOKENIZER:
        shutil.copyfile(release / file, runs / "tokenizer" / file)
    for name in CODECS:
        path = runs / name / "state.pt"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.save({"model": codec_state(release, name)}, path)
    found = {"image_codec": version(load_image_codec(runs)), "audio_codec": version(load_audio_codec(runs))}
    wanted = json.loads((release / "edge.json").read_text())["provenance"]["codecs"]
    if found != wanted:
        raise SystemExit(
            f"restore: the codecs in {runs} are {found}, the release was made with {wanted}; remove them first"
        )


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("release", type=Path)
    parse.add_argument("--runs", type=Path, default=Path("runs"))
    args = parse.parse_args()
    restore(args.release, args.runs)
    print(f"restored tokenizer and codecs of {args.release} to {args.runs}")


if __name__ == "__main__":
    main()
