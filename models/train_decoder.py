"""Stage 4: train the decoder. `python -m models.train_decoder --member pico-14m --steps 10000 --corpus ../shared/corpus`

Job: rows into batches of like length, weighted next-token loss, bf16 autocast, resumable state in runs/decoder.
A head that is thrown away after training names what each given code shows or says, and what the next made one must: dense labels teach
reading, drawing and speaking faster than answers and codes alone.
Every conversation starts at position 0, as it does when it is used; there is no packing, so no row sees another.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional as F

from edge.vocabulary import AUDIO_BASE, IMAGE_BASE, SPECIAL
from models.batching import cut, width
from models.codec_files import load_audio_codec, load_image_codec
from models.data.ahead import ahead
from models.data.banks import Banks, Source
from models.data.documents import Writer
from models.data.pictures import kinds
from models.data.rows import Row
from models.data.sounds import voices
from models.data.tasks.desk import Desk
from models.decoder import Decoder, Layer
from models.family import member
from models.fresh_banks import FreshBanks
from models.training import Run, Together, muon, optimizer, seed_everything

Batch = tuple[Tensor, Tensor, Tensor, Tensor]  # ids, weights (n, t); labels (n, t, 2); ahead (n, t)
NAMING_WEIGHT = 0.3
GROUP = 32  # steps whose rows are written together, about
STEP_OF_WIDTH = 16  # rows are padded to multiples of this
LATE = 0.7  # where in the curriculum a run begins that starts from a release
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
def writer(runs: Path, corpus: Path, *, fresh: bool, shares: str) -> Writer:
    """One per process; `fresh`: media are made and encoded as rows need them, and no bank is read; `shares` as JSON."""
    banks: Source = Banks(runs / "banks")
    if fresh:
        torch.set_num_threads(1)
        banks = FreshBanks("train", corpus, load_image_codec(runs), load_audio_codec(runs))
    tokenizer = Tokenizer.from_file(str(runs / "tokenizer/tokenizer.json"))
    return Writer(tokenizer, Desk(banks, corpus), json.loads(shares))


def group(
    number: int,
    *,
    runs: Path,
    corpus: Path,
    tokens: int,
    groups: int,
    seed: int = 11,
    begin: float = 0.0,
    fresh: bool = False,
    shares: str = "{}",
) -> list[Batch]:
    """Batches of about `tokens` ids for GROUP steps or so; the same for the same number.

    `begin` in 0..1 is where in the curriculum the first group stands.
    """
    rng = np.random.default_rng((seed, number))
    write = writer(runs, corpus, fresh=fresh, shares=shares)
    progress = min(1.0, begin + (1 - begin) * number / groups)
    rows = [write.row(rng, progress) for _ in range(GROUP * tokens // _TYPICAL)]
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


def start(model: Decoder, release: Path) -> None:
    """The weights of a release; the vectors that media codes share are merged into their rows there, so they begin at zero."""
    state = {name: value.float() for name, value in load_file(release / "model.safetensors").items()}
    model.load_state_dict(state | {"factors": torch.zeros_like(model.factors)})


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
    parse.add_argument(
        "--start",
        type=Path,
        help="a released checkpoint to begin from, late in the curriculum, instead of from nothing",
    )
    parse.add_argument(
        "--seed", type=int, default=11, help="of the rows; a run with --start needs one of its own"
    )
    parse.add_argument(
        "--fresh",
        action="store_true",
        help="make media as they are needed instead of reading banks: for short runs",
    )
    parse.add_argument(
        "--float32", action="store_true", help="no bfloat16: faster where the processor has none"
    )
    parse.add_argument(
        "--shares", default="{}", help="of the rows, by task, instead of the table's: '{\"talk\": 0.3}'"
    )
    args = parse.parse_args()
    torch.set_num_threads(args.threads)
    seed_everything(0)
    model = Decoder(member(args.member))
    Layer.forward = torch.compile(Layer.forward, dynamic=True)  # type: ignore[method-assign]  # one graph serves all layers: 1.5x
    if args.start:
        start(model, args.start)
    both = nn.ModuleList([model, naming := Naming(model.member.width)])
    if args.optimizer == "muon":
        opt: Together | torch.optim.AdamW = muon(model.model.layers, both, args.lr, float32=args.float32)
    else:
        opt = optimizer(both, args.lr)
    run = Run(args.runs / args.name, args.steps, args.lr)
    run.resume(both, opt)
    make = partial(
        group, runs=args.runs, corpus=args.corpus, tokens=args.tokens, groups=max(1, args.steps // GROUP),
        seed=args.seed, begin=LATE if args.start else 0.0, fresh=args.fresh, shares=args.shares,
    )  # fmt: skip
    seen, means = 0, {}
    stop = time.monotonic() + 60 * args.minutes
    for ids, weights, labels, coming in batches(make, run.step, args.workers):
        if run.step >= run.steps:
            break
        lr = run.set_rate(opt, decay=args.decay)
        with torch.autocast("cpu", torch.bfloat16, enabled=not args.float32):
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
