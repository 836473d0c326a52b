"""What every training stage shares: schedule, resumable state, curve.

Job: warm-up / constant / linear decay, crash-safe checkpoints, one JSON line per log point.
Ignorance: models, data, losses.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from models.muon import Muon


def rate(step: int, steps: int, *, warmup: float = 0.02, decay: float = 0.25) -> float:
    """Learning-rate factor in [0, 1]: linear up, constant, linear down over the last `decay`."""
    up = (step + 1) / max(1, round(steps * warmup))
    down = (steps - step) / max(1, round(steps * decay))
    return max(0.0, min(1.0, up, down))


def optimizer(model: nn.Module, lr: float, *, weight_decay: float = 0.1) -> torch.optim.AdamW:
    """AdamW (.9, .95), weight decay on matrices only."""
    return _adamw(list(model.parameters()), lr, weight_decay)


def _adamw(parameters: Sequence[nn.Parameter], lr: float, weight_decay: float) -> torch.optim.AdamW:
    matrices, vectors = [p for p in parameters if p.dim() >= 2], [p for p in parameters if p.dim() < 2]
    groups = [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.95), fused=True)


class Together:
    """Several optimizers that step as one."""

    def __init__(self, *parts: torch.optim.Optimizer) -> None:
        self.parts = parts

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        return [group for part in self.parts for group in part.param_groups]

    def zero_grad(self, set_to_none: bool = True) -> None:
        for part in self.parts:
            part.zero_grad(set_to_none)

    def step(self) -> None:
        for part in self.parts:
            part.step()

    def state_dict(self) -> dict[str, Any]:
        return {"parts": [part.state_dict() for part in self.parts]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for part, values in zip(self.parts, state["parts"], strict=True):
            part.load_state_dict(values)


def muon(
    layers: nn.Module, whole: nn.Module, lr: float, *, weight_decay: float = 0.1, float32: bool = False
) -> Together:
    """Muon for the matrices of `layers`, AdamW for all else of `whole`; both take the same learning rate."""
    matrices = [p for p in layers.parameters() if p.dim() == 2]
    theirs = {id(p) for p in matrices}
    rest = [p for p in whole.parameters() if id(p) not in theirs]
    dtype = torch.float32 if float32 else torch.bfloat16
    first = Muon(matrices, lr, weight_decay=weight_decay, dtype=dtype)
    return Together(first, _adamw(rest, lr, weight_decay))


@dataclass
class Run:
    """The resumable state of one stage in a folder: `state.pt` and `curve.jsonl`."""

    folder: Path
    steps: int
    lr: float
    step: int = 0
    _since: float = field(default_factory=time.monotonic)
    seconds: float = 0.0  # of training, over all resumed runs

    def resume(self, model: nn.Module, opt: torch.optim.Optimizer | Together) -> None:
        """Load the last checkpoint, if there is one."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "state.pt"
        if path.exists():
            state = torch.load(path, weights_only=True)
            model.load_state_dict(state["model"])
            opt.load_state_dict(state["optimizer"])
            self.step, self.seconds = state["step"], state["seconds"]
            print(f"resumed at step {self.step}", flush=True)
        self._since = time.monotonic()

    def save(self, model: nn.Module, opt: torch.optim.Optimizer | Together, name: str = "state.pt") -> None:
        """Write a checkpoint beside the old one, then rename: a kill leaves one of the two."""
        self.seconds += time.monotonic() - self._since
        self._since = time.monotonic()
        state = {
            "model": model.state_dict(),
            "optimizer": opt.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
        }
        torch.save(state, self.folder / (name + ".new"))
        os.replace(self.folder / (name + ".new"), self.folder / name)

    def set_rate(self, opt: torch.optim.Optimizer | Together, **schedule: float) -> float:
        """Set this step's learning rate; returns it."""
        lr = self.lr * rate(self.step, self.steps, **schedule)
        for group in opt.param_groups:
            group["lr"] = lr
        return lr

    def log(self, **values: Any) -> None:
        """Append a point to the curve and print it."""
        spent = self.seconds + time.monotonic() - self._since
        point = {"step": self.step, "seconds": round(spent, 1)}
        point |= {k: round(v, 5) if isinstance(v, float) else v for k, v in values.items()}
        with (self.folder / "curve.jsonl").open("a") as curve:
            curve.write(json.dumps(point) + "\n")
        print(json.dumps(point), flush=True)


def seed_everything(seed: int) -> None:
    torch.manual_seed(seed)
