"""Media already turned into codes: banks on disk that documents draw from.

Job: which items a bank holds, and the arrays that `models.build_banks` wrote. Ignorance: codecs, ids.
What a picture or a clip shows is not stored: bank, split and number are the seed that makes it again.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

PICTURES = ("scenes", "emoji", "lettering", "charts")  # kinds.KINDS
SOUNDS = ("speech", "own_voice", "recordings", "moods", "sounds", "asked")


def seeded(bank: str, number: int) -> np.random.Generator:
    """The generator of an item: sample with it first, then draw or speak with it."""
    return np.random.default_rng((zlib.crc32(bank.encode()), number))


@dataclass(frozen=True, eq=False)
class Sound:
    """A clip: what it is or says, its codes, and per code the phoneme (255: none), where known."""

    number: int
    text: str
    codes: NDArray[np.uint16]
    phonemes: NDArray[np.uint8] | None


class Items(Protocol):
    """What a task asks of a bank, read from a file or made on demand."""

    def any(self, rng: np.random.Generator) -> int:
        """The number of a random item."""

    def codes(self, number: int) -> NDArray[np.uint16]:
        """(n, 64) of n pictures."""

    def sound(self, number: int) -> Sound:
        """A sound with its words."""


class Source(Protocol):
    """Banks by name."""

    def __getitem__(self, name: str) -> Items: ...


class Bank:
    """Items of codes: one sound, one picture, or several pictures each; numbered from `first`, which a file without it has at 0."""

    def __init__(self, path: Path) -> None:
        stored = np.load(path, allow_pickle=False)
        self._arrays: dict[str, NDArray[Any]] = {name: stored[name] for name in stored.files}
        self._ends = np.cumsum(self._arrays["lengths"])
        self.first = int(self._arrays.get("first", 0))

    def __len__(self) -> int:
        return len(self._ends)

    def codes(self, number: int) -> NDArray[np.uint16]:
        """(n,) of a sound; (n, 64) of n pictures."""
        return self._of("codes", number)

    def sound(self, number: int) -> Sound:
        known = "phonemes" in self._arrays
        return Sound(
            number,
            str(self._arrays["texts"][number - self.first]),
            self.codes(number),
            self._of("phonemes", number) if known else None,
        )

    def any(self, rng: np.random.Generator) -> int:
        """The number of a random item."""
        return self.first + int(rng.integers(len(self)))

    def _of(self, name: str, number: int) -> NDArray[Any]:
        if (at := number - self.first) < 0:
            raise IndexError(f"item {number} of a bank that begins at {self.first}")
        end = int(self._ends[at])
        return self._arrays[name][end - int(self._arrays["lengths"][at]) : end]


class Banks:
    """The banks of one folder, opened at first use."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._open: dict[str, Bank] = {}

    def __getitem__(self, name: str) -> Bank:
        if name not in self._open:
            self._open[name] = Bank(self.folder / f"{name}.npz")
        return self._open[name]
