"""What a reference model said about every judged position, small enough to keep: the 512 most likely ids, the
mass of the rest, and 32 ids drawn from the rest.

Job: the value, its npz file, and the comparison of another model's log-probabilities with it.
Ignorance: models, modalities, statistics.

About 3.3 KB per position. The 512 log-probabilities are kept in 16 bits between their own smallest and
largest (a step is below 0.0005 nat) and made to add up again, so the divergence is that of a true
distribution: rounding moves a position by less than 0.2 % of its divergence, and the mean not visibly.
The rest is not lumped into one (that understated pico's divergence on sound by 9 %) but estimated without
bias from the drawn ids: with r = q/p, sum p log(p/q) over the rest is
sum p (r - 1 - log r) - (mass of q - mass of p), and only the first term, always >= 0, is sampled.
Source of the estimator: J. Schulman, "Approximating KL Divergence" (2020), k3.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import IntegrityError

TOP, DRAWN = 512, 32
MAX_POSITIONS = 1 << 17  # 430 MB of file: far beyond what a run judges
_STEPS = 65535
_SEED = 20240229

Logs = NDArray[np.float32]
_FORM: dict[str, tuple[str, int]] = {  # field: (type, dimensions)
    "ids": ("uint32", 2), "steps": ("uint16", 2), "low": ("float32", 1), "high": ("float32", 1),
    "rest": ("float32", 1), "drawn": ("uint32", 2), "drawn_logs": ("float32", 2), "losses": ("float32", 1),
    "rows": ("int32", 1),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class ReferenceLogits:
    """n positions, in the order of the judged rows."""

    ids: NDArray[np.uint32]  # (n, top), the most likely id first
    steps: NDArray[np.uint16]  # (n, top): log-probability between low and high
    low: Logs  # (n,) nats
    high: Logs  # (n,)
    rest: Logs  # (n,) probability of all other ids together
    drawn: NDArray[
        np.uint32
    ]  # (n, drawn) other ids, drawn by their probability; no columns where none are left
    drawn_logs: Logs  # (n, drawn) nats
    losses: Logs  # (n,) nats of the id that really followed
    rows: NDArray[np.int32]  # (n,) which judged row a position belongs to

    def __len__(self) -> int:
        return len(self.rows)

    def part(self, start: int, count: int) -> ReferenceLogits:
        """The positions from `start` on."""
        return ReferenceLogits(*(getattr(self, f.name)[start : start + count] for f in fields(self)))

    def of_rows(self, numbers: Sequence[int]) -> ReferenceLogits:
        """The positions of these judged rows, in ascending order, which are numbered anew."""
        chosen = np.isin(self.rows, numbers)
        found = ReferenceLogits(*(getattr(self, f.name)[chosen] for f in fields(self)))
        return replace(found, rows=np.searchsorted(numbers, found.rows).astype(np.int32))

    def top_logs(self) -> NDArray[np.float64]:
        """(n, top) log-probabilities, whose probabilities and the rest add up to 1."""
        spread = (self.high - self.low).astype(np.float64)[:, None]
        logs = self.low[:, None] + self.steps * (spread / _STEPS)
        total = np.exp(logs).sum(-1, keepdims=True)
        return np.asarray(logs + np.log1p(-self.rest.astype(np.float64))[:, None] - np.log(total))


def of_logs(logs: Logs, targets: NDArray[np.int32], row: int, start: int) -> ReferenceLogits:
    """Positions `start` … of one row: (n, vocabulary) log-probabilities and the ids that followed."""
    count = min(TOP, logs.shape[-1])
    ids = _most_likely(logs, count)
    top = np.take_along_axis(logs, ids, -1)
    others = np.exp(logs, dtype=np.float64)
    np.put_along_axis(others, ids, 0, -1)
    rest = others.sum(-1)
    low, high = top[:, -1], top[:, 0]
    width = np.maximum(high - low, 1e-3)[:, None]
    steps = np.rint((top - low[:, None]) / width * _STEPS).astype(np.uint16)
    drawn = _draw(others, row, start) if count < logs.shape[-1] else np.zeros((len(logs), 0), np.int64)
    return ReferenceLogits(
        ids.astype(np.uint32), steps, low, low + width[:, 0], rest.astype(np.float32),
        drawn.astype(np.uint32), np.take_along_axis(logs, drawn, -1), -logs[np.arange(len(logs)), targets],
        np.full(len(logs), row, np.int32),
    )  # fmt: skip


def compare(reference: ReferenceLogits, logs: Logs) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Divergence of each position, KL(reference || other) in nats, and whether the likeliest id is the same.

    `logs` (n, vocabulary) are the other model's log-probabilities at the same positions.
    """
    p = reference.top_logs()
    q = np.take_along_axis(logs, reference.ids.astype(np.int64), -1).astype(np.float64)
    divergence = (np.exp(p) * (p - q)).sum(-1)
    if reference.drawn.shape[1]:
        others = np.exp(logs, dtype=np.float64)
        np.put_along_axis(others, reference.ids.astype(np.int64), 0, -1)
        mass = others.sum(-1)  # not 1 - the top: no cancellation
        at_drawn = np.take_along_axis(logs, reference.drawn.astype(np.int64), -1)
        log_ratio = (at_drawn - reference.drawn_logs).astype(np.float64)
        sampled = reference.rest * (np.expm1(log_ratio) - log_ratio).mean(-1)
        divergence += sampled - (mass - reference.rest)
    return divergence, reference.ids[:, 0] == logs.argmax(-1)


def join(parts: list[ReferenceLogits]) -> ReferenceLogits:
    """All positions, in order; at least one part."""
    return ReferenceLogits(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(parts[0])))


def save(path: Path, reference: ReferenceLogits, digest: str) -> None:
    """As an npz; `digest` names the rows that were read."""
    arrays = {f.name: getattr(reference, f.name) for f in fields(reference)}
    np.savez(path, digest=np.frombuffer(digest.encode(), np.uint8), **arrays)


def load(path: Path, digest: str, vocabulary_size: int) -> ReferenceLogits:
    """The inverse of `save`.

    Raises:
        IntegrityError: not such a file, of other rows, or numbers that no distribution has.
    """
    try:
        if path.stat().st_size > MAX_POSITIONS * 4096:
            raise _bad(path, f"it has {path.stat().st_size} bytes")
        with np.load(path, allow_pickle=False) as file:
            arrays: dict[str, Any] = {name: file[name] for name in file.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise _bad(path, str(error)) from error
    stored = arrays.pop("digest", np.zeros(0, np.uint8))
    if stored.dtype != np.uint8 or bytes(stored) != digest.encode():
        raise _bad(path, "it was computed on other rows")
    if set(arrays) != set(_FORM):
        raise _bad(path, f"it holds {sorted(arrays)}")
    reference = ReferenceLogits(**arrays)
    _check(path, reference, vocabulary_size)
    return reference


def _check(path: Path, reference: ReferenceLogits, size: int) -> None:
    n = len(reference.rows) if reference.rows.ndim else 0
    for name, (kind, dims) in _FORM.items():
        array = getattr(reference, name)
        if array.dtype != np.dtype(kind) or array.ndim != dims or len(array) != n or not n:
            raise _bad(path, f"{name} is {array.dtype} {array.shape}, expected {kind} with {dims} dimensions")
        if array.dtype == np.float32 and not np.isfinite(array).all():
            raise _bad(path, f"{name} is not finite")
    if n > MAX_POSITIONS or reference.ids.shape != reference.steps.shape or not reference.ids.shape[1]:
        raise _bad(path, f"ids are {reference.ids.shape} and steps {reference.steps.shape}")
    if reference.drawn.shape != reference.drawn_logs.shape:
        raise _bad(path, f"drawn are {reference.drawn.shape} and drawn_logs {reference.drawn_logs.shape}")
    if max(int(reference.ids.max()), int(reference.drawn.max(initial=0))) >= size:
        raise _bad(path, f"it names ids beyond the vocabulary of {size}")
    if not (
        (reference.rest >= 0).all() and (reference.rest < 1).all() and (reference.high > reference.low).all()
    ):
        raise _bad(path, "its masses are no probabilities")


def _most_likely(logs: Logs, count: int) -> NDArray[np.int64]:
    """(n, count) ids, the most likely first; of equal ones the lowest id leads, as in argmax."""
    found = np.argpartition(-logs, count - 1, -1)[:, :count] if count < logs.shape[-1] else None
    ids = np.sort(found, -1) if found is not None else np.broadcast_to(np.arange(logs.shape[-1]), logs.shape)
    order = np.argsort(-np.take_along_axis(logs, ids, -1), -1, kind="stable")
    return np.take_along_axis(ids, order, -1)


def _draw(weights: NDArray[np.float64], row: int, start: int) -> NDArray[np.int64]:
    """(n, DRAWN) ids by weight; the same for the same position in every run."""
    random = np.random.default_rng((_SEED, row, start))
    edges = weights.cumsum(-1)
    points = random.random((len(weights), DRAWN)) * edges[:, -1:]
    return np.stack([np.searchsorted(e, p, side="right") for e, p in zip(edges, points, strict=True)])


def _bad(path: Path, why: str) -> IntegrityError:
    return IntegrityError(f"{path.name} holds no sound reference logits: {why}; measure the reference again")
