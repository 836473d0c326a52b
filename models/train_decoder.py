"""Stage 4: train the decoder. `python -m models.train_decoder --member pico-14m --steps 10000 --corpus ../shared/corpus`

Job: rows into batches of like length, weighted next-token loss, bf16 autocast, resumable state in runs/decoder.
A head that is thrown away after training names what each given code shows or says, and what the next made one must: dense labels teach
reading, drawing and speaking faster than answers and codes alone.
Every conversation starts at position 0, as it does when it is used; there is no packing, so no row sees another.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional as F

from edge.vocabulary import AUDIO_BASE, IMAGE_BASE, SPECIAL
from models.batching import cut, width
from models.data.ahead import ahead
from models.data.banks import Banks
from models.data.documents import Writer
from models.data.pictures import kinds
from models.data.rows import Row
from models.data.sounds import voices
from models.data.tasks.desk import Desk
from models.decoder import Decoder, Layer
from models.family import member
from models.training import Run, muon, optimizer, seed_everything

Batch = tuple[Tensor, Tensor, Tensor, Tensor]  # ids, weights (n, t); labels (n, t, 2); ahead (n, t)
NAMING_WEIGHT = 0.3
GROUP = 32  # steps whose rows are written together, about
STEP_OF_WIDTH = 16  # rows are padded to multiples of this
_TYPICAL = 150  # ids of a row, about


class Naming(nn.Module):
    """The throw-away head: (thing, colour) of picture codes and phonemes of sound codes, of this id and of the next."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.sizes = [len(kinds.WHATS), len(kinds.COLOURS), len(voices.PHONEMES)]
        self.now, self.next = (nn.Linear(width, sum(self.sizes)) for _ in range(2))

    def forward(self, hidden: Tensor, labels: Tensor, ahead: Tensor) -> Tensor:
        """Cross entropy per label, averaged over the labels; 0 where there are none."""
        total, count = hidden.new_zeros(()), 0
        for head, of in ((self.now, ~ahead), (self.next, ahead)):
            at = of & (labels[..., 0] >= 0)
            if not at.any():
                continue
            what, colour, phoneme = head(hidden[at]).float().split(self.sizes, -1)
            told, seen = labels[at], labels[at][:, 1] >= 0
            nats = (
                F.cross_entropy(what[seen], told[seen, 0], reduction="sum")
                + F.cross_entropy(colour[seen], told[seen, 1], reduction="sum")
                + F.cross_entropy(phoneme[~seen], told[~seen, 0], reduction="sum")
            )
            total, count = total + nats, count + len(told)
        return total / max(1, count)


@cache
def writer(tokenizer: Path, banks: Path, corpus: Path) -> Writer:
    """One per process."""
    return Writer(Tokenizer.from_file(str(tokenizer)), Desk(Banks(banks), corpus))


def group(number: int, *, runs: Path, corpus: Path, tokens: int, groups: int, seed: int = 11) -> list[Batch]:
    """Batches of about `tokens` ids for GROUP steps or so; the same for the same number."""
    rng = np.random.default_rng((seed, number))
    write = writer(runs / "tokenizer/tokenizer.json", runs / "banks", corpus)
    rows = [write.row(rng, min(1.0, number / groups)) for _ in range(GROUP * tokens // _TYPICAL)]
    by_length = sorted(rows, key=lambda row: len(row.ids))
    # a single row would be compiled anew
    batches = [_padded(some) for some in cut(by_length, tokens, step=STEP_OF_WIDTH, fewest=2)]
    return [batches[i] for i in rng.permutation(len(batches))]


def _padded(rows: list[Row]) -> Batch:
    room = max(width(row, STEP_OF_WIDTH) for row in rows)
    ids = np.full((len(rows), room), SPECIAL["pad"], np.int64)
    weights, ahead = np.zeros(ids.shape, np.float32), np.zeros(ids.shape, bool)
    labels = np.full((*ids.shape, 2), -1, np.int64)
    for i, row in enumerate(rows):
        n = len(row.ids)
        ids[i, :n], weights[i, :n], labels[i, :n], ahead[i, :n] = row.ids, row.weights, row.labels, row.ahead
    return torch.from_numpy(ids), torch.from_numpy(weights), torch.from_numpy(labels), torch.from_numpy(ahead)


def batches(make: partial[list[Batch]], start: int, workers: int) -> Iterator[Batch]:
    for made in ahead(make, start // GROUP, workers=workers):
        yield from made


def by_modality(ids: Tensor, weights: Tensor, nats: Tensor) -> dict[str, float]:
    """Mean nats of the weighted targets, per kind of token."""
    target = ids[:, 1:][weights[:, 1:] > 0]
    found = {
        "text": target < SPECIAL["pad"],
        "image": (target >= IMAGE_BASE) & (target < AUDIO_BASE),
        "audio": target >= AUDIO_BASE,
    }
    return {k: float(nats[at].mean()) for k, at in found.items() if at.any()}


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("--member", default="pico-14m")
    parse.add_argument("--corpus", type=Path, required=True)
    parse.add_argument("--runs", type=Path, default=Path("runs"))
    parse.add_argument("--name", default="decoder")
    parse.add_argument("--steps", type=int, default=10_000)
    parse.add_argument("--tokens", type=int, default=5120, help="tokens per step, padding included")
    parse.add_argument("--lr", type=float, default=2e-3)
    parse.add_argument("--optimizer", choices=["muon", "adamw"], default="muon")
    parse.add_argument("--threads", type=int, default=torch.get_num_threads())
    parse.add_argument("--workers", type=int, default=0, help="processes that write rows")
    parse.add_argument(
        "--minutes", type=float, default=float("inf"), help="save and stop after so many; run again to go on"
    )
    parse.add_argument("--decay", type=float, default=0.25)
    args = parse.parse_args()
    torch.set_num_threads(args.threads)
    seed_everything(0)
    model = Decoder(member(args.member))
    Layer.forward = torch.compile(Layer.forward, dynamic=True)  # type: ignore[method-assign]  # one graph serves all layers: 1.5x
    both = nn.ModuleList([model, naming := Naming(model.member.width)])
    opt = muon(model.model.layers, both, args.lr) if args.optimizer == "muon" else optimizer(both, args.lr)
    run = Run(args.runs / args.name, args.steps, args.lr)
    run.resume(both, opt)
    make = partial(
        group, runs=args.runs, corpus=args.corpus, tokens=args.tokens, groups=max(1, args.steps // GROUP)
    )
    seen, means = 0, {}
    stop = time.monotonic() + 60 * args.minutes
    for ids, weights, labels, coming in batches(make, run.step, args.workers):
        if run.step >= run.steps:
            break
        lr = run.set_rate(opt, decay=args.decay)
        with torch.autocast("cpu", torch.bfloat16):
            loss, nats, hidden = model.loss(ids, weights)
            named = naming(hidden, labels[:, :-1], coming[:, :-1])
        opt.zero_grad(set_to_none=True)
        (loss + NAMING_WEIGHT * named).backward()
        nn.utils.clip_grad_norm_(both.parameters(), 1.0)
        opt.step()
        run.step += 1
        seen += int((ids != SPECIAL["pad"]).sum())
        for kind, value in (by_modality(ids, weights, nats) | {"naming": named.item()}).items():
            means[kind] = 0.95 * means.get(kind, value) + 0.05 * value
        if run.step % 20 == 0:
            run.log(lr=lr, loss=loss.item(), tokens=seen, **means)
        over = run.step == run.steps or time.monotonic() > stop
        if run.step % 100 == 0 or over:
            run.save(both, opt)
        if run.step == round(run.steps * (1 - args.decay)):
            run.save(both, opt, "before_decay.pt")
        if over:
            break


if __name__ == "__main__":
    main()
