"""The loss of fine-tuning: new rows learn what they say, replayed rows what the model believed before.

Job: cross entropy on the former, divergence from a frozen copy on the latter (Li and Hoiem, Learning without Forgetting, 2016):
a whole distribution at every id tells more than the one id that the data drew from it.
Ignorance: data, adapters, schedules.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from models.decoder import Decoder


def loss(
    model: Decoder, before: Decoder, ids: Tensor, weights: Tensor, known: Tensor
) -> tuple[Tensor, Tensor]:
    """The weighted mean, and the plain nats (n,) of every weighted position.

    Args:
        before: the model as it was, frozen.
        ids, weights: (rows, width); 0 = read only.
        known: (rows,) bool, the replayed ones.
    """
    at = weights[:, 1:] > 0
    said = _said(model, ids, at)
    nats = -said.gather(1, ids[:, 1:][at].unsqueeze(1)).squeeze(1)
    kept = known.unsqueeze(1).expand_as(at)[at]
    cost = nats
    if known.any():
        with torch.no_grad():
            believed = _said(before, ids[known], at[known])
        apart = F.kl_div(said[kept], believed, log_target=True, reduction="none").sum(-1)
        cost = nats.masked_scatter(kept, apart)
    share = weights[:, 1:][at]
    return (cost * share).sum() / share.sum(), nats.detach()


def _said(model: Decoder, ids: Tensor, at: Tensor) -> Tensor:
    """Log probabilities (n, vocabulary) of what comes next, where `at` (rows, width - 1) says so."""
    hidden, table = model.hidden(ids[:, :-1])
    return F.linear(hidden[at], table).float().log_softmax(-1)
