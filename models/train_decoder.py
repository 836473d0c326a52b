"""Stage 4: train the decoder. `python -m models.train_decoder --member pico-14m --steps 1500 --corpus ../shared/corpus`

Job: documents into batches of like length, weighted next-token loss, bf16 autocast, resumable state in runs/decoder.
A head that is thrown away after training names what each given picture code shows, and what the next drawn one must show: dense labels
teach reading and drawing faster than answers and codes alone.
Every conversation starts at position 0, as it does when it is used; there is no packing, so no document sees another.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional as F

from edge.vocabulary import AUDIO_BASE, IMAGE_BASE, SPECIAL
from models.data import dialogue
from models.data.banks import CELLS, Banks
from models.data.documents import Writer
from models.decoder import Decoder, Layer
from models.family import member
from models.training import Run, optimizer, seed_everything

Document = tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]
Batch = tuple[Tensor, Tensor, Tensor]
CELL_WEIGHT = 0.3
WIDTHS = (96, 128, 160, 192, 256, 320, 384, 512, 640, 768)  # padded lengths


def batches(
    writer: Writer, seed: int, tokens: int, *, start: int = 0, pool: int = 2048
) -> Iterator[tuple[Batch, int]]:
    """Endless ((ids, weights, cells), pool number), each about `tokens` tokens; pool k is the same whatever came before."""
    k = start
    while True:
        rng = np.random.default_rng((seed, k))
        groups: dict[int, list[Document]] = {}
        for _ in range(pool):
            document = writer.document(rng)
            groups.setdefault(next(w for w in WIDTHS if w >= len(document[0])), []).append(document)
        made = []
        for width, documents in groups.items():
            size = max(1, tokens // width)
            made += [
                _pad(documents[i : i + size], width) for i in range(0, len(documents) - 1, size)
            ]  # never one row: it recompiles
        for i in rng.permutation(len(made)):
            yield made[i], k
        k += 1


def _pad(documents: list[Document], width: int) -> Batch:
    ids = np.full((len(documents), width), SPECIAL["pad"], np.int64)
    weights, cells = np.zeros(ids.shape, np.float32), np.full(ids.shape, -1, np.int64)
    for row, (tokens, shares, shown) in enumerate(documents):
        ids[row, : len(tokens)], weights[row, : len(tokens)], cells[row, : len(tokens)] = (
            tokens,
            shares,
            shown,
        )
    return torch.from_numpy(ids), torch.from_numpy(weights), torch.from_numpy(cells)


def cell_loss(head: nn.Linear, hidden: Tensor, cells: Tensor) -> Tensor:
    """Cross entropy of what each read picture code, or the next drawn one, shows; 0 where the batch has no picture."""
    shown = cells[:, :-1]
    at = shown >= 0
    return F.cross_entropy(head(hidden[at]).float(), shown[at]) if at.any() else hidden.new_zeros(())


def by_modality(ids: Tensor, weights: Tensor, nats: Tensor) -> dict[str, float]:
    """Mean nats of the weighted targets, per kind of token."""
    target = ids[:, 1:][weights[:, 1:] > 0]
    kinds = {
        "text": target < SPECIAL["pad"],
        "image": (target >= IMAGE_BASE) & (target < AUDIO_BASE),
        "audio": target >= AUDIO_BASE,
    }
    return {k: float(nats[at].mean()) for k, at in kinds.items() if at.any()}


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("--member", default="pico-14m")
    parse.add_argument("--corpus", type=Path, required=True)
    parse.add_argument("--runs", type=Path, default=Path("runs"))
    parse.add_argument("--name", default="decoder")
    parse.add_argument("--steps", type=int, default=1500)
    parse.add_argument("--tokens", type=int, default=8192, help="tokens per step, padding included")
    parse.add_argument("--lr", type=float, default=2e-3)
    parse.add_argument("--threads", type=int, default=torch.get_num_threads())
    parse.add_argument("--decay", type=float, default=0.25)
    args = parse.parse_args()
    torch.set_num_threads(args.threads)
    seed_everything(0)
    tokenizer = Tokenizer.from_file(str(args.runs / "tokenizer/tokenizer.json"))
    writer = Writer(
        tokenizer,
        Banks(args.runs / "banks"),
        dialogue.corpus_paragraphs(args.corpus),
        dialogue.corpus_small_talk(args.corpus),
    )
    model = Decoder(member(args.member))
    Layer.forward = torch.compile(Layer.forward, dynamic=True)  # type: ignore[method-assign]  # one graph serves all layers: 1.5x
    both = nn.ModuleList([model, head := nn.Linear(model.member.width, 2 * CELLS)])
    opt = optimizer(both, args.lr)
    run = Run(args.runs / args.name, args.steps, args.lr)
    run.resume(both, opt)
    seen, kinds = 0, {}
    for (ids, weights, cells), pool in batches(writer, 11, args.tokens, start=run.step):
        if run.step >= run.steps:
            break
        lr = run.set_rate(opt, decay=args.decay)
        with torch.autocast("cpu", torch.bfloat16):
            loss, nats, hidden = model.loss(ids, weights)
            seeing = cell_loss(head, hidden, cells)
        opt.zero_grad(set_to_none=True)
        (loss + CELL_WEIGHT * seeing).backward()
        nn.utils.clip_grad_norm_(both.parameters(), 1.0)
        opt.step()
        run.step += 1
        seen += int((ids != SPECIAL["pad"]).sum())
        for kind, value in (
            by_modality(ids, weights, nats) | ({"cells": seeing.item()} if seeing > 0 else {})
        ).items():
            kinds[kind] = 0.95 * kinds.get(kind, value) + 0.05 * value
        if run.step % 20 == 0:
            run.log(lr=lr, loss=loss.item(), tokens=seen, pool=pool, **kinds)
        if run.step % 100 == 0 or run.step == run.steps:
            run.save(both, opt)
        if run.step == round(run.steps * (1 - args.decay)):
            run.save(both, opt, "before_decay.pt")


if __name__ == "__main__":
    main()
