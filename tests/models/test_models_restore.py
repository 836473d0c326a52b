"""A release becomes a run again: its own codecs, weight by weight, and a decoder that says what it said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytestmark = pytest.mark.train
WEIGHTS = Path(__file__).parents[2] / "models" / "weights" / "pico"


def test_the_codecs_of_a_release_come_back_whole(tmp_path: Path) -> None:
    from models import restore
    from models.codec_files import load_audio_codec, load_image_codec, version

    restore.restore(WEIGHTS, tmp_path)
    made = json.loads((WEIGHTS / "edge.json").read_text())["provenance"]["codecs"]
    assert version(load_image_codec(tmp_path)) == made["image_codec"]
    assert version(load_audio_codec(tmp_path)) == made["audio_codec"]
    assert (tmp_path / "tokenizer/tokenizer.json").read_bytes() == (WEIGHTS / "tokenizer.json").read_bytes()


def test_other_codecs_in_the_folder_are_refused(tmp_path: Path) -> None:
    import torch

    from models import restore

    restore.restore(WEIGHTS, tmp_path)
    path = tmp_path / "audio_codec/state.pt"
    state = torch.load(path, weights_only=True)
    state["model"]["0.head.weight"] += 1
    torch.save(state, path)
    with pytest.raises(SystemExit, match="remove them first"):
        restore.restore(WEIGHTS, tmp_path)


def test_training_starts_from_the_weights_of_a_release(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    from models.decoder import Decoder
    from models.family import member
    from models.train_decoder import start

    model = Decoder(member("pico-14m"))
    start(model, WEIGHTS)
    released = load_file(WEIGHTS / "model.safetensors")
    for name, value in model.merged().items():
        assert torch.equal(value, released[name].float()), name
