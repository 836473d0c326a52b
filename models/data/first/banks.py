"""Media already turned into codes: banks on disk that documents draw from.

Job: read the arrays that `models.build_banks` wrote. Ignorance: codecs, ids.
A picture's scene is not stored: its index is the seed that makes it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.data.first import pictures, speech


@dataclass(frozen=True, eq=False)
class Clip:
    """A sound: what is said or heard, and its codes."""

    text: str
    codes: NDArray[np.uint16]

    @property
    def digits(self) -> bool:
        return all(word in speech.DIGITS for word in self.text.split())


def scene_of(index: int) -> tuple[pictures.Scene, np.random.Generator]:
    """The scene of a picture in the bank, and the generator in the state to draw it with."""
    rng = np.random.default_rng((7, index))
    return pictures.sample(rng), rng


CELLS = len(pictures.COLOURS) * len(pictures.SHAPES) + 1  # one class per colour x shape, and the ground


def cells_of(scene: pictures.Scene) -> list[int]:
    """What each of the 8 x 8 picture codes shows: 0 for the ground, 1 + colour * shapes + shape for a thing."""
    made = []
    for cell in range(64):
        x, y = (cell % 8 + 0.5) / 8, (cell // 8 + 0.5) / 8
        near = [t for t in scene.things if (t.x - x) ** 2 + (t.y - y) ** 2 < (t.radius + 0.03) ** 2]
        names = [
            1 + list(pictures.COLOURS).index(t.colour) * len(pictures.SHAPES) + pictures.SHAPES.index(t.shape)
            for t in near
        ]
        made.append(names[0] if names else 0)
    return made


class _Clips:
    def __init__(self, path: Path) -> None:
        stored = np.load(path, allow_pickle=False)
        self.texts, self.codes = stored["texts"], stored["codes"]
        self.ends = np.cumsum(stored["lengths"])
        self.starts = self.ends - stored["lengths"]

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, i: int) -> Clip:
        return Clip(str(self.texts[i]), self.codes[self.starts[i] : self.ends[i]])


class Banks:
    """The banks of one folder: pictures, speech of many voices, the model's own voice, sounds."""

    def __init__(self, folder: Path) -> None:
        self.pictures = np.load(folder / "pictures.npz", allow_pickle=False)["codes"]  # (n, 64) uint16
        self.clips = {name: _Clips(folder / f"{name}.npz") for name in ("speech", "own_voice", "sounds")}

    def picture(self, rng: np.random.Generator) -> tuple[pictures.Scene, NDArray[np.uint16]]:
        i = int(rng.integers(len(self.pictures)))
        return scene_of(i)[0], self.pictures[i]

    def speech(self, rng: np.random.Generator) -> Clip:
        return self._any("speech", rng)

    def own_voice(self, rng: np.random.Generator) -> Clip:
        return self._any("own_voice", rng)

    def sound(self, rng: np.random.Generator) -> Clip:
        return self._any("sounds", rng)

    def _any(self, name: str, rng: np.random.Generator) -> Clip:
        clips = self.clips[name]
        return clips[int(rng.integers(len(clips)))]
