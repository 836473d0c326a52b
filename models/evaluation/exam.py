"""What every task needs at hand: the model, the corpus, how many items, and which.

Job: held-out items by number, a greedy answer, generators that depend on task and number alone.
Ignorance: tasks, scores. The model is used through its public door only.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

import edge
from edge.messages import Message, Text
from models.data import items
from models.data.banks import seeded
from models.data.pictures.picture import Picture
from models.data.sounds.voices import RATE
from models.data.text import requests
from models.data.text.turns import Split, Turn

T = TypeVar("T")
GREEDY = edge.SamplingOptions(temperature=0.0, max_tokens=120)
SEEDS_APART = 1_000_000  # items of one seed
BEYOND = 1_000_000_000  # number of the first training-split item that no bank holds
_PATIENCE = 200  # items looked at for one that fits


@dataclass(frozen=True)
class Exam:
    """One model being examined. `items` is the dial that all tasks take their shares of."""

    model: Any  # edge.Model, or what behaves so
    corpus: Path
    items: int = 200
    seed: int = 0

    @property
    def first(self) -> int:
        """The number of the first item."""
        return self.seed * SEEDS_APART

    def count(self, share: float) -> int:
        return max(1, round(self.items * share))

    def numbers(self, share: float) -> range:
        return range(self.first, self.first + self.count(share))

    def found(self, share: float, make: Callable[[int], T | None], first: int | None = None) -> Iterator[T]:
        """What `make` gives for one number after another, so many; None is passed over."""
        wanted = self.count(share)
        start = self.first if first is None else first
        made = (make(number) for number in range(start, start + wanted * _PATIENCE))
        return itertools.islice((item for item in made if item is not None), wanted)

    def rng(self, task: str, number: int) -> np.random.Generator:
        """For wordings and whatever an item leaves open."""
        return seeded(f"evaluation/{task}", number)

    def request(self, kind: str, number: int) -> str:
        """A request without a slot: by turns in a wording that training never shows (of some kinds there is one) and a known one."""
        return requests.ask(self.rng(kind, number), "train" if number % 2 else "heldout", kind)

    def answer(self, *parts: Any, earlier: Sequence[Turn] = ()) -> str:
        """The likeliest answer to the parts, after the earlier turns."""
        chat = self.model.chat()
        for question, answer in earlier:
            chat.history += [Message("user", (Text(question),)), Message("assistant", (Text(answer),))]
        return str(chat.ask(*parts, sampling=GREEDY).text).strip()

    def drawing(self, *parts: Any, seed: int) -> NDArray[np.uint8]:
        """The picture that answers the parts, sampled as the bundle says."""
        reply = self.model.chat().ask(*parts, make="image", sampling=edge.SamplingOptions(seed=seed))
        return np.asarray(reply.images[0].pixels)

    def sound(self, *parts: Any, seed: int) -> tuple[str, edge.Audio]:
        """What is said and what is heard in answer to the parts, sampled as the bundle says."""
        reply = self.model.chat().ask(*parts, make="audio", sampling=edge.SamplingOptions(seed=seed))
        return str(reply.text), heard(np.asarray(reply.audio.samples))

    def picture(
        self, kind: str, number: int, split: Split = "heldout"
    ) -> tuple[Picture, edge.Image, np.random.Generator]:
        """A picture, what the model is shown, and the generator that drew it."""
        shown, rng = items.picture(kind, number, self.corpus, split)
        return shown, edge.Image(shown.draw(rng)), rng


def heard(samples: NDArray[np.float32]) -> edge.Audio:
    return edge.Audio(samples, sample_rate=RATE)
