"""A training row being written: ids, loss weights, and labels of what media codes show or say.

Job: turns and media spans in the one chat form of the family. Ignorance: what the conversation is about, batching.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge.vocabulary import AUDIO_BASE, IMAGE_BASE, SPECIAL
from models.data.sounds.phonemes import NO_LABEL

NONE = (-1, -1)  # no label
Label = tuple[int, int]  # classes: (thing, colour) of a picture cell, or (phoneme, -1) of a sound frame


class Span(NamedTuple):
    """A medium as ids, opener and closer included, with one label per id."""

    ids: list[int]
    labels: list[Label]


Encode = Callable[[str], Sequence[int]]
Part = str | Span


@dataclass
class Row:
    """One document. `labels[i]` says what code i shows, or, where `ahead[i]`, what the code after it must show."""

    encode: Encode
    ids: list[int] = field(default_factory=lambda: [SPECIAL["bos"]])
    weights: list[float] = field(default_factory=lambda: [0.0])
    labels: list[Label] = field(default_factory=lambda: [NONE])
    ahead: list[bool] = field(default_factory=lambda: [False])

    def user(self, *parts: Part) -> None:
        """What a person says; no loss, labels of what the codes are."""
        self._put([SPECIAL["user"]], 0.0)
        for part in parts:
            if isinstance(part, Span):
                self._put(part.ids, 0.0, part.labels)
            else:
                self._put(self.encode(part), 0.0)
        self._put([SPECIAL["end"]], 0.0)

    def assistant(self, *parts: tuple[Part, float], end: float = 1.0) -> None:
        """What the model says, each part with its loss weight; a medium's opener and closer weigh 1."""
        self._put([SPECIAL["assistant"]], 0.0)
        for part, weight in parts:
            if isinstance(part, str):
                self._put(self.encode(part), weight)
                continue
            coded = np.array(part.ids) >= IMAGE_BASE
            weights = np.where(coded, weight, 1.0).tolist()
            self._put(part.ids, weights, [*part.labels[1:], NONE], ahead=True)
        self._put([SPECIAL["end"]], end)

    def null(self) -> None:
        """The empty wish of guidance."""
        self._put([SPECIAL["user"], SPECIAL["null"], SPECIAL["end"]], 0.0)

    def text(self, text: str, weight: float, *, most: int) -> None:
        """Plain prose without turns, cut after `most` ids."""
        ids = self.encode(text)
        self._put(ids[:most], weight)
        self._put([SPECIAL["end"]], weight if len(ids) <= most else 0.0)

    def cut(self, length: int) -> Row:
        """At most `length` ids."""
        for column in (self.ids, self.weights, self.labels, self.ahead):
            del column[length:]  # type: ignore[attr-defined]
        return self

    def _put(
        self,
        ids: Sequence[int],
        weight: float | list[float],
        labels: Sequence[Label] = (),
        *,
        ahead: bool = False,
    ) -> None:
        self.ids += ids
        self.weights += weight if isinstance(weight, list) else [weight] * len(ids)
        self.labels += labels or [NONE] * len(ids)
        self.ahead += [ahead] * len(ids)


def image(codes: NDArray[np.uint16], labels: NDArray[np.int64] | None = None) -> Span:
    """A picture of 64 codes; labels (2, 8, 8) as `kinds.labels` gives them."""
    told = [NONE] * len(codes) if labels is None else _pairs(labels)
    return Span([SPECIAL["img"], *_ids(codes, IMAGE_BASE), SPECIAL["/img"]], [NONE, *told, NONE])


def video(frames: Sequence[NDArray[np.uint16]], labels: Sequence[NDArray[np.int64]]) -> Span:
    """Frames of 64 codes each, every one behind its mark."""
    ids, told = [SPECIAL["vid"]], [NONE]
    for codes, shown in zip(frames, labels, strict=True):
        ids += [SPECIAL["frame"], *_ids(codes, IMAGE_BASE)]
        told += [NONE, *_pairs(shown)]
    return Span([*ids, SPECIAL["/vid"]], [*told, NONE])


def audio(codes: NDArray[np.uint16], phonemes: NDArray[np.uint8] | None = None) -> Span:
    """A sound; phonemes (n,) where they are known."""
    told = (
        [NONE] * len(codes)
        if phonemes is None
        else [NONE if p == NO_LABEL else (int(p), -1) for p in phonemes.tolist()]
    )
    return Span([SPECIAL["aud"], *_ids(codes, AUDIO_BASE), SPECIAL["/aud"]], [NONE, *told, NONE])


def _ids(codes: NDArray[np.uint16], base: int) -> list[int]:
    return (codes.astype(int) + base).tolist()


def _pairs(labels: NDArray[np.int64]) -> list[Label]:
    return [(int(a), int(b)) for a, b in labels.reshape(2, -1).T]
