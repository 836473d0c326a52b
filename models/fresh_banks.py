"""Banks that encode on demand: items of any split, without a file.

Job: stand in for `models.data.banks.Banks` where few items are wanted: held-out rows, tests, a GPU beside many cores.
Ignorance: tasks, rows.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from models.audio_codec import AudioCodec
from models.build_banks import drawn, encode_pictures, heard
from models.data.banks import Sound
from models.data.text.turns import Split
from models.image_codec import ImageCodec

COUNT = 100_000  # items of a bank


class FreshBank:
    """One bank, as `banks.Bank`."""

    def __init__(self, name: str, split: Split, corpus: Path, image: ImageCodec, audio: AudioCodec) -> None:
        self.name, self.split, self.corpus, self.image, self.audio = name, split, corpus, image, audio

    def any(self, rng: np.random.Generator) -> int:
        return int(rng.integers(COUNT))

    def codes(self, number: int) -> NDArray[np.uint16]:
        """(n, 64) of n pictures."""
        return encode_pictures(self.image, [drawn(self.name, number, self.corpus, self.split)])[0]

    def sound(self, number: int) -> Sound:
        made = heard(self.name, number, self.corpus, self.split)
        codes = self.audio.encode(torch.from_numpy(made.mel)[None])[0].numpy().astype(np.uint16)
        return Sound(number, made.text, codes, made.phonemes[: len(codes)])


class FreshBanks:
    """All banks of a split, as `banks.Banks`."""

    def __init__(self, split: Split, corpus: Path, image: ImageCodec, audio: AudioCodec) -> None:
        self._parts = split, corpus, image, audio

    def __getitem__(self, name: str) -> FreshBank:
        return FreshBank(name, *self._parts)
