"""What a caller may choose: how to sample, and how to run the engine.

Job: small frozen settings, one comment per field with unit and off value.
Ignorance: knows no defaults of any model (the manifest has them) and does no I/O. Imports nothing of ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Adapter = str | Path | tuple[str | Path, float]  # a LoRA file, or (file, scale)


@dataclass(frozen=True)
class SamplingOptions:
    """How the next token is chosen. `None` means: what the bundle's manifest says for this modality."""

    temperature: float | None = None  # 0 = greedy
    top_k: int | None = None  # tokens kept; 0 = all
    top_p: float | None = None  # probability mass kept; 1 = all
    min_p: float | None = None  # floor relative to the best token; 0 = off
    repetition_penalty: float | None = None  # divides seen logits; 1 = off
    repetition_window: int | None = None  # tokens looked back at
    guidance: float | None = None  # u + s(c - u); 1 = off (one sequence)
    seed: int | None = None  # None = fresh entropy
    max_tokens: int | None = None  # new text tokens (media have their own length); None = to the end
    stop: tuple[str, ...] | None = None  # texts that end the reply and are not shown; () = none
    logit_bias: Mapping[int | str, float] | None = None  # added to text logits, by id or by one token's text
    logprobs: int | None = None  # natural logs for each text token and so many alternatives; None = off

    def over(self, base: SamplingOptions) -> SamplingOptions:
        """These settings where given, else those of `base`."""
        mine: dict[str, Any] = vars(self)
        return SamplingOptions(**{k: getattr(base, k) if v is None else v for k, v in mine.items()})


@dataclass(frozen=True)
class EngineOptions:
    """How the engine runs on this machine. `None` means: measured or read from the machine."""

    context_length: int | None = None  # tokens per sequence; None = 2048 or the model's own if smaller
    threads: int | None = None  # compute threads; None = chosen by affinity, quota, model size, load
    batch: int = 512  # tokens fed to the engine at once
    sequences: int = 2  # parallel KV sequences; guidance needs 2
    engine: Literal["auto", "llama.cpp", "onnx"] = "auto"  # auto: as `edge bench` found, else llama.cpp
    speculate: int = 0  # ids guessed from the text so far and checked in one call, at most; 0 = off
    cache_bytes: int | None = None  # of kept files; None = 1 GiB, none with $EDGE_NO_CACHE; 0 = no files
    mmproj: str | Path | None = None  # encoders of a public model; None = the bundle's, or the one beside it
    adapters: tuple[Adapter, ...] = ()  # LoRA files (GGUF) over the weights; scale 1 = as trained, 0 = off
