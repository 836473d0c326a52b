"""Trained codecs on disk: load the state of a training run, export the four float ONNX graphs.

Job: one place that knows where a codec's weights lie and how its graphs are named. `python -m models.codec_files OUT` exports.
Ignorance: quantization, data.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from edge.vocabulary import AUDIO_BASE, IMAGE_BASE
from models.audio_codec import AudioCodec
from models.image_codec import ImageCodec

OPSET = 18


def _state(run: Path, prefix: str = "") -> dict[str, Tensor]:
    state: dict[str, Tensor] = torch.load(run / "state.pt", weights_only=True)["model"]
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def load_image_codec(runs: Path) -> ImageCodec:
    """The trained picture codec (the semantic head stays behind), in eval mode."""
    state = _state(runs / "image_codec", "0.")
    codec = ImageCodec(width=state["encoder.head.weight"].shape[1]).to(memory_format=torch.channels_last)
    codec.load_state_dict(state)
    return codec.eval()


def load_audio_codec(runs: Path) -> AudioCodec:
    """The trained sound codec, in eval mode."""
    state = _state(runs / "audio_codec")
    codec = AudioCodec(width=state["head.weight"].shape[1]).to(memory_format=torch.channels_last)
    codec.load_state_dict(state)
    return codec.eval()


class _Encode(nn.Module):
    def __init__(self, codec: nn.Module) -> None:
        super().__init__()
        self.codec = codec

    def forward(self, media: Tensor) -> Tensor:
        codes: Tensor = self.codec.encode(media)  # type: ignore[operator]
        return codes


class _Decode(_Encode):
    def forward(self, media: Tensor) -> Tensor:
        made: Tensor = self.codec.decode(media)  # type: ignore[operator]
        return made


class _DecodeImage(_Encode):
    """Eight by eight codes; the grid is fixed, so the graph holds no square root."""

    def forward(self, media: Tensor) -> Tensor:
        codec = self.codec
        made: Tensor = codec.decoder(codec.fsq.decode(media.view(-1, 8, 8))).clamp(0, 1)  # type: ignore[union-attr, operator]
        return made


def version(codec: nn.Module) -> str:
    """Twelve hex digits that name these weights: tokens made by another codec mean something else."""
    digest = hashlib.sha256()
    for name, tensor in sorted(codec.state_dict().items()):
        digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]


def _write(
    module: nn.Module,
    path: Path,
    example: Tensor,
    names: tuple[str, str],
    axes: dict[int, str],
    facts: dict[str, str],
) -> None:
    torch.onnx.export(
        module.eval(), (example,), str(path), input_names=[names[0]], output_names=[names[1]], opset_version=OPSET,
        dynamic_axes={names[0]: axes, names[1]: axes if len(axes) > 1 else {0: "batch"}}, dynamo=False,
    )  # fmt: skip
    graph = onnx.load(path)
    onnx.helper.set_model_props(graph, facts)
    onnx.checker.check_model(graph)
    onnx.save(graph, path)


def export(image: ImageCodec, audio: AudioCodec, folder: Path) -> None:
    """Write image_encoder, image_decoder, audio_encoder, audio_decoder (.onnx)."""
    folder.mkdir(parents=True, exist_ok=True)
    image, audio = (
        image.to(memory_format=torch.contiguous_format),
        audio.to(memory_format=torch.contiguous_format),
    )
    for kind, codec, base in (("image", image, IMAGE_BASE), ("audio", audio, AUDIO_BASE)):
        facts = {
            "edge.block": kind,
            "edge.base": str(base),
            "edge.codes": str(codec.fsq.codes),
            "edge.version": version(codec),
        }
        if kind == "image":
            _write(
                _Encode(codec),
                folder / "image_encoder.onnx",
                torch.rand(2, 3, 64, 64),
                ("pixels", "codes"),
                {0: "batch"},
                facts,
            )
            _write(
                _DecodeImage(codec),
                folder / "image_decoder.onnx",
                torch.randint(0, 3969, (2, 64)),
                ("codes", "pixels"),
                {0: "batch"},
                facts,
            )
        else:
            mel, codes = torch.randn(2, 80, 50), torch.randint(0, 3969, (2, 50))
            _write(
                _Encode(codec),
                folder / "audio_encoder.onnx",
                mel,
                ("mel", "codes"),
                {0: "batch", 2: "time"},
                facts,
            )
            _write(
                _Decode(codec),
                folder / "audio_decoder.onnx",
                codes,
                ("codes", "mel"),
                {0: "batch", 1: "time"},
                facts,
            )


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("out", type=Path)
    parse.add_argument("--runs", type=Path, default=Path("runs"))
    args = parse.parse_args()
    export(load_image_codec(args.runs), load_audio_codec(args.runs), args.out)


if __name__ == "__main__":
    main()
