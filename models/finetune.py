"""Teach a checkpoint something new. `python -m models.finetune CHECKPOINT DATA.jsonl -o OUT`

Job: conversations into batches, LoRA (or all weights) trained on what the assistant says, old conversations kept as they were, the result
written: OUT/adapter.gguf, and with --merge or --full OUT/checkpoint. A killed run goes on where it stopped.
Ignorance: how a line becomes ids (models.data.conversations), how an adapter is written (models.lora).
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edge import atomic
from edge.errors import EdgeError, UsageError
from models import checkpoints, lora, retention
from models.batching import cut, width
from models.data import replay
from models.data.conversations import Reader, Row
from models.training import Run, optimizer, seed_everything
from quantize.checkpoint import Checkpoint, open_checkpoint

ADAPTER, CHECKPOINT, SETTINGS, STATE = "adapter.gguf", "checkpoint", "settings.json", "state.pt"
UNPROMPTED = (
    0.1  # share of made media that are learned after the empty prompt too, as the base model learned them
)
STEP_OF_WIDTH = 32  # rows are padded to multiples of this
SAVE_SECONDS, LOG_EVERY = 60.0, 10
LEARNING_RATES = {False: 2e-3, True: 3e-4}  # LoRA, all weights


@dataclass(frozen=True)
class Settings:
    """How to train."""

    full: bool = False  # all weights instead of an adapter
    rank: int = 16  # of the adapter's matrices
    alpha: float = 32.0  # the change is scaled by alpha / rank
    lr: float = 0.0  # peak learning rate; 0 = 2e-3 for an adapter, 3e-4 for all weights
    epochs: int = 3  # times each new conversation is seen
    tokens: int = 2048  # per step, padding included
    share: float = 0.5  # of replayed conversations among all, where there is a replay file
    seed: int = 0
    merge: bool = False  # write the adapted weights as a checkpoint, too

    @property
    def peak(self) -> float:
        return self.lr or LEARNING_RATES[self.full]


def finetune(
    folder: Path, data: Path, out: Path, settings: Settings | None = None, *, old: Path | None = None
) -> list[Path]:
    """Train and write; the paths of what was written. `old` is replayed: conversations, or what `taught` finds.

    Raises:
        EdgeError: bad data, a checkpoint this trainer cannot compute, a folder with another result in it.
    """
    chosen = _checked(settings or Settings())
    base = open_checkpoint(folder)
    reader = Reader(base)
    new = reader.read(data)
    replayed = [replace(row, known=True) for row in reader.read(old)] if old else []
    _claim(out, base, chosen, [data, *([old] if old else [])])
    seed_everything(chosen.seed)
    model = checkpoints.load(base)
    before = copy.deepcopy(model).requires_grad_(False)
    adapted = None if chosen.full else lora.attach(model, chosen.rank, chosen.alpha)
    codes = min((block.base for block in reader.vocabulary.blocks), default=reader.vocabulary.size)
    facts = train(model, before, adapted, plan(new, replayed, chosen), out, chosen.peak, codes)
    made = write(
        base, model, adapted, out, chosen, {"conversations": len(new), "replayed": len(replayed), **facts}
    )
    (out / STATE).unlink(missing_ok=True)
    return made


def taught(folder: Path) -> Path | None:
    """What a checkpoint was taught with, where it carries a part of it."""
    path = folder / replay.FILE
    return path if path.is_file() else None


def plan(new: Sequence[Row], old: Sequence[Row], settings: Settings) -> list[list[Row]]:
    """All batches of all epochs: each new row once an epoch, and old ones among them by their share."""
    batches = []
    for epoch in range(settings.epochs):
        rng = np.random.default_rng((settings.seed, epoch))
        replayed = round(len(new) * settings.share / (1 - settings.share)) if old else 0
        order = [int(i) for i in np.resize(rng.permutation(len(old)), replayed)] if old else []
        rows = [_prompted(row, rng) for row in [*new, *(old[i] for i in order)]]
        shuffled = [rows[i] for i in rng.permutation(len(rows))]
        # like lengths together, and no batch much smaller than others
        by_width = sorted(shuffled, key=lambda row: width(row, STEP_OF_WIDTH))
        made = list(cut(by_width, settings.tokens, step=STEP_OF_WIDTH))
        batches += [made[i] for i in rng.permutation(len(made))]
    return batches


def train(
    model: checkpoints.Plain,
    before: checkpoints.Plain,
    adapted: lora.Adapted | None,
    batches: list[list[Row]],
    out: Path,
    lr: float,
    codes: int,
) -> dict[str, Any]:
    """Run through all batches, `before` being the model as it was; what it cost. The state is saved every minute. Ids from `codes` on are media."""
    learned = model if adapted is None else nn.ParameterList(p for m in adapted.values() for p in (m.a, m.b))
    opt, kind = optimizer(learned, lr, weight_decay=0.01), faster_type()
    run, saved = Run(out, len(batches), lr), time.monotonic()
    run.resume(learned, opt)
    recent: list[tuple[Tensor, Tensor]] = []  # targets and their nats
    for batch in batches[run.step :]:
        rate = run.set_rate(opt, warmup=0.05)
        ids, weights = padded(batch)
        known = torch.tensor([row.known for row in batch])
        with torch.autocast("cpu", kind, enabled=kind != torch.float32):
            loss, nats = retention.loss(model, before, ids, weights, known)
        opt.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(learned.parameters(), 1.0)
        opt.step()
        run.step += 1
        recent.append((ids[:, 1:][weights[:, 1:] > 0], nats))
        if run.step % LOG_EVERY == 0 or run.step == len(batches):
            run.log(of=len(batches), lr=rate, **means(recent, codes))
            recent.clear()
        if time.monotonic() - saved > SAVE_SECONDS:
            run.save(learned, opt)
            saved = time.monotonic()
    run.save(learned, opt)
    return {"steps": run.step, "seconds": round(run.seconds)}


def means(recent: Sequence[tuple[Tensor, Tensor]], codes: int) -> dict[str, float]:
    """Mean nats per learned token, words and media apart: batches hold more of the one or of the other."""
    target, nats = (torch.cat(values) for values in zip(*recent, strict=True))
    kinds = {"text": target < codes, "media": target >= codes}
    return {name: float(nats[at].mean()) for name, at in kinds.items() if at.any()}


def padded(rows: Sequence[Row]) -> tuple[Tensor, Tensor]:
    """ids and weights (rows, width); what pads has no weight and comes last, so that nothing sees it."""
    room = max(width(row, STEP_OF_WIDTH) for row in rows)
    ids, weights = np.zeros((len(rows), room), np.int64), np.zeros((len(rows), room), np.float32)
    for i, row in enumerate(rows):
        ids[i, : len(row.ids)], weights[i, : len(row.ids)] = row.ids, row.weights
    return torch.from_numpy(ids), torch.from_numpy(weights)


def faster_type() -> torch.dtype:
    """bf16 where this processor multiplies it clearly faster than f32; near a tie f32, so that runs are alike."""
    times = {}
    for kind in (torch.float32, torch.bfloat16):
        x, w = torch.ones(512, 256, dtype=kind), torch.ones(1024, 256, dtype=kind)
        F.linear(x, w)
        since = time.perf_counter()
        for _ in range(5):
            F.linear(x, w)
        times[kind] = time.perf_counter() - since
    return torch.bfloat16 if times[torch.float32] > 1.5 * times[torch.bfloat16] else torch.float32


def write(
    base: Checkpoint,
    model: checkpoints.Plain,
    adapted: lora.Adapted | None,
    out: Path,
    settings: Settings,
    facts: dict[str, Any],
) -> list[Path]:
    made = []
    if adapted is not None:
        lora.write_adapter(out / ADAPTER, base, adapted)
        made.append(out / ADAPTER)
    if adapted is None or settings.merge:
        state = model.merged() if adapted is None else lora.merged(model, adapted)
        checkpoints.write(base, state, out / CHECKPOINT, facts | {"settings": asdict(settings)})
        made.append(out / CHECKPOINT)
    return made


def _prompted(row: Row, rng: np.random.Generator) -> Row:
    return row.unprompted if row.unprompted is not None and rng.random() < UNPROMPTED else row


def _checked(settings: Settings) -> Settings:
    whole = {"rank": settings.rank, "epochs": settings.epochs, "tokens": settings.tokens}
    for name, value in whole.items():
        if value < 1:
            raise UsageError(f"{name} is {value}, expected 1 or more")
    if not 0 < settings.peak < 1 or not settings.alpha > 0 or not 0 <= settings.share < 1:
        raise UsageError(
            f"lr {settings.lr}, alpha {settings.alpha}, share {settings.share}: expected lr between 0 and 1, "
            "alpha above 0, share from 0 to below 1"
        )
    return settings


def _claim(out: Path, base: Checkpoint, settings: Settings, files: Sequence[Path]) -> None:
    """Take the folder, or an interrupted run of the very same kind in it.

    Raises:
        UsageError: it holds something else.
    """
    sources = [*sorted({tensor.file for tensor in base.tensors.values()}), *files]
    wanted = {
        "settings": asdict(settings),
        "sources": [hashlib.sha256(p.read_bytes()).hexdigest() for p in sources],
    }
    if out.is_dir() and any(out.iterdir()):
        path = out / SETTINGS
        same = path.is_file() and json.loads(path.read_text()) == wanted
        finished = not (out / STATE).exists() and any((out / name).exists() for name in (ADAPTER, CHECKPOINT))
        if not same or finished:
            raise UsageError(
                f"{out} holds another run or a finished one; name a new folder, or remove this one"
            )
        return
    out.mkdir(parents=True, exist_ok=True)
    atomic.write_bytes(out / SETTINGS, (json.dumps(wanted, indent=1) + "\n").encode())


def main(words: Sequence[str] | None = None) -> None:
    default = Settings()
    parse = argparse.ArgumentParser(prog="models.finetune", description=__doc__)
    parse.add_argument("checkpoint", type=Path)
    parse.add_argument("data", type=Path, help="JSON lines, one conversation each")
    parse.add_argument("-o", "--out", type=Path, required=True, help="the folder to write")
    parse.add_argument(
        "--replay",
        type=Path,
        help=f"old conversations, so that nothing is forgotten; else {replay.FILE} of the checkpoint",
    )
    parse.add_argument("--no-replay", action="store_true")
    parse.add_argument(
        "--share", type=float, default=default.share, help="of replayed conversations among all"
    )
    parse.add_argument("--full", action="store_true", help="train all weights; writes a checkpoint")
    parse.add_argument("--merge", action="store_true", help="write a checkpoint beside the adapter")
    parse.add_argument("--rank", type=int, default=default.rank)
    parse.add_argument("--alpha", type=float, default=default.alpha)
    parse.add_argument("--lr", type=float, default=default.lr, help="0: 2e-3, with --full 3e-4")
    parse.add_argument("--epochs", type=int, default=default.epochs)
    parse.add_argument("--tokens", type=int, default=default.tokens, help="per step")
    parse.add_argument("--seed", type=int, default=default.seed)
    parse.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = parse.parse_args(words)
    torch.set_num_threads(args.threads)
    names = ("full", "merge", "rank", "alpha", "lr", "epochs", "tokens", "seed", "share")
    try:
        settings = Settings(**{name: getattr(args, name) for name in names})
        old = None if args.no_replay else args.replay or taught(args.checkpoint)
        for path in finetune(args.checkpoint, args.data, args.out, settings, old=old):
            print(f"wrote {path}")
    except EdgeError as error:
        print(f"finetune: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None


if __name__ == "__main__":
    main()
