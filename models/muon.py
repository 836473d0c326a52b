"""Muon: momentum whose update is made nearly orthogonal, for the matrices of a network's layers.

Job: the optimizer step, matrices of one shape at once. Ignorance: which parameters, the learning rate's course.
Source: K. Jordan et al., "Muon" (2024); the scale that matches AdamW's steps from "Muon is scalable for LLM training" (2025).
torch.optim.Muon does the same one matrix after the other, and always in bfloat16, which processors without it emulate.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

_STEPS, _A, _B, _C = 5, 3.4445, -4.7750, 2.0315  # Newton-Schulz, of fifth order


def orthogonal(matrices: Tensor, dtype: torch.dtype) -> Tensor:
    """(n, rows, columns): each with its singular values brought near 1, whatever they were."""
    tall = matrices.shape[1] > matrices.shape[2]
    x = (matrices.mT if tall else matrices).to(dtype)
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(_STEPS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=_B, alpha=_C), x, beta=_A)
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, orthogonalised; decoupled weight decay."""

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float,
        *,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        dtype: torch.dtype = torch.bfloat16,
    ) -> None:
        """`params` are matrices; `dtype` is what the iteration computes in."""
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})
        self.dtype = dtype

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One step of every matrix that has a gradient."""
        for group in self.param_groups:
            alike: dict[torch.Size, list[Tensor]] = defaultdict(list)
            for matrix in group["params"]:
                if matrix.grad is not None:
                    alike[matrix.shape].append(matrix)
            for matrices in alike.values():
                self._step(matrices, group)

    def _step(self, matrices: list[Tensor], group: dict[str, Any]) -> None:
        rows, columns = matrices[0].shape
        updates = torch.stack([self._momentum(m, group["momentum"]) for m in matrices])
        scale = 0.2 * max(rows, columns) ** 0.5  # the root mean square of AdamW's steps
        for matrix, update in zip(matrices, orthogonal(updates, self.dtype), strict=True):
            matrix.mul_(1 - group["lr"] * group["weight_decay"])
            matrix.add_(update, alpha=-group["lr"] * scale)

    def _momentum(self, matrix: Tensor, momentum: float) -> Tensor:
        assert matrix.grad is not None
        state = self.state[matrix]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(matrix)
        held: Tensor = state["momentum_buffer"]
        held.lerp_(matrix.grad, 1 - momentum)
        return matrix.grad.lerp(held, momentum)
