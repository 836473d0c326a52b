"""Trained codecs on disk: load the state of a training run, export the four float ONNX graphs.

Job: one place that knows where a codec's weights lie and how its graphs are named. `python -m models.codec_files OUT` exports.
Ignorance: quantization, data.
"""

from __future__ import annotations

import argparse
import hashlib
from dataclasses import dataclass
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


def _place(name: str) -> int:
    return int(name.split(".")[2])


def load_image_codec(runs: Path) -> ImageCodec:
    """The trained picture codec (the semantic head stays behind), in eval mode."""
    state = _state(runs / "image_codec", "0.")
    width = state["encoder.head.weight"].shape[1]
    last = max((k for k in state if k.startswith("decoder.body.") and k.endswith(".weight")), key=_place)
    codec = ImageCodec(width, scale=width // 4 // state[last].shape[1]).to(memory_format=torch.channels_last)
    codec.load_state_dict(state)
    return codec.eval()


def load_audio_codec(runs: Path) -> AudioCodec:
    """The trained sound codec (the head that names phonemes stays behind), in eval mode."""
    state = _state(runs / "audio_codec", "0.")
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


@dataclass(frozen=True)
class _Graph:
    """One of the four files: how the codec is wrapped, an example input, and the dynamic axes of input and output."""

    name: str
    wrap: type[_Encode]
    example: Tensor
    source: tuple[str, dict[int, str]]
    result: tuple[str, dict[int, str]]


_BATCH, _FRAMES, _STEPS = {0: "batch"}, {0: "batch", 2: "time"}, {0: "batch", 1: "time"}
_GRAPHS = (
    _Graph("image_encoder", _Encode, torch.zeros(2, 3, 64, 64), ("pixels", _BATCH), ("codes", _BATCH)),
    _Graph(
        "image_decoder",
        _DecodeImage,
        torch.zeros(2, 64, dtype=torch.int64),
        ("codes", _BATCH),
        ("pixels", _BATCH),
    ),
    _Graph("audio_encoder", _Encode, torch.zeros(2, 80, 50), ("mel", _FRAMES), ("codes", _STEPS)),
    _Graph(
        "audio_decoder", _Decode, torch.zeros(2, 50, dtype=torch.int64), ("codes", _STEPS), ("mel", _FRAMES)
    ),
)


def export(image: ImageCodec, audio: AudioCodec, folder: Path) -> None:
    """Write image_encoder, image_decoder, audio_encoder, audio_decoder (.onnx)."""
    folder.mkdir(parents=True, exist_ok=True)
    codecs = {"image": (image, IMAGE_BASE), "audio": (audio, AUDIO_BASE)}
    for graph in _GRAPHS:
        kind = graph.name.partition("_")[0]
        codec, base = codecs[kind]
        facts = {"block": kind, "base": str(base), "codes": str(codec.fsq.codes), "version": version(codec)}
        plain = codec.to(memory_format=torch.contiguous_format).eval()
        _write(graph, plain, folder / f"{graph.name}.onnx", {f"edge.{k}": v for k, v in facts.items()})


def _write(graph: _Graph, codec: nn.Module, path: Path, facts: dict[str, str]) -> None:
    ends = dict((graph.source, graph.result))
    torch.onnx.export(
        graph.wrap(codec), (graph.example,), str(path), input_names=[graph.source[0]], output_names=[graph.result[0]],
        opset_version=OPSET, dynamic_axes=ends, dynamo=False,
    )  # fmt: skip
    made = onnx.load(path)
    onnx.helper.set_model_props(made, facts)
    onnx.checker.check_model(made)
    onnx.save(made, path)


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("out", type=Path)
    parse.add_argument("--runs", type=Path, default=Path("runs"))
    args = parse.parse_args()
    export(load_image_codec(args.runs), load_audio_codec(args.runs), args.out)


if __name__ == "__main__":
    main()
