"""Short clips of one to five things on a background that move, grow, change, come and go.

Job: the frozen `Clip`, whose frames are `Scene`s, and `sample`. Ignorance: how frames are drawn and clips are worded
(asked of others). The hold-out is by composition: `clip_words.unseen`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.data.clips import questions as clip_questions
from models.data.clips import words as clip_words
from models.data.clips.makers import MAKERS, SHARES
from models.data.clips.words import Track, seen
from models.data.pictures.backgrounds import BACKGROUNDS, WEIGHTS
from models.data.pictures.picture import Asked
from models.data.pictures.scene_words import arrangement
from models.data.pictures.scenes import Scene
from models.data.pictures.things import Split, Thing

KINDS = tuple(MAKERS)


@dataclass(frozen=True)
class Clip:
    """Tracks of equal length on one background; the first is whom the caption is about."""

    kind: str
    tracks: tuple[Track, ...]
    background: str = "white"

    @property
    def novel(self) -> bool:
        return clip_words.unseen(self.kind, self.tracks)

    @property
    def sound(self) -> bool:
        """Whether every frame is a scene in which everything can be told."""
        return all(frame.sound for frame in self.frames())

    def frames(self) -> list[Scene]:
        times = zip(*self.tracks, strict=True)
        return [Scene(tuple(t for t in time if t), self.background) for time in times]

    def draw(self, rng: np.random.Generator, side: int = 64) -> list[NDArray[np.uint8]]:
        """A picture (side, side, 3) per frame: what does not change has equal pixels in all of them."""
        seed = int(rng.integers(2**62))
        return [frame.draw(np.random.default_rng(seed), side) for frame in self.frames()]

    def caption(self) -> str:
        """What happens, as a sentence without capital and full stop."""
        return clip_words.caption(self.kind, self.tracks, self.background)

    def wish(self) -> str:
        """What happens, as a noun phrase: what follows "Make a video of"."""
        return clip_words.wish(self.kind, self.tracks, self.background)

    def heading(self) -> str:
        """Where the first thing goes ("to the right", "up"), or "" if it does not go one way."""
        there = seen(self.tracks[0])
        return clip_words.heading(there[0], there[-1]) if self.kind in ("motion", "push", "pass") else ""

    def questions(self, rng: np.random.Generator) -> list[Asked]:
        return clip_questions.questions(self.kind, self.tracks, rng)

    def continuation(self, rng: np.random.Generator) -> tuple[list[Scene], Scene] | None:
        """The first frames and the one that must follow, or None where no frame follows from those before it."""
        frames = self.frames()
        known = [k for k in range(2, len(frames)) if frames[k] != frames[k - 1] and self._follows(k)]
        if not known:
            return None
        k = known[int(rng.integers(len(known)))]
        return frames[:k], frames[k]

    def _follows(self, k: int) -> bool:
        """Whether frame k goes on as the two before it: steadily, or with the next one of a row."""
        if self.kind == "count":
            things = [seen(track)[0] for track in self.tracks]
            return k >= 3 and bool(arrangement(things)) and self.tracks[-1][0] is None
        return all(_steady(*track[k - 2 : k + 1]) for track in self.tracks)


def _steady(a: Thing | None, b: Thing | None, c: Thing | None) -> bool:
    if not (a and b and c):
        return a is b is c
    same = (a.kind, b.kind) == (b.kind, c.kind)
    return same and all(abs(x - 2 * y + z) < 0.002 for x, y, z in ((a.x, b.x, c.x), (a.y, b.y, c.y), (a.radius, b.radius, c.radius)))  # fmt: skip


def sample(rng: np.random.Generator, split: Split = "train") -> Clip:
    """A random clip. Training ones are never novel, held-out ones always: by an unseen colour x shape, two shapes
    that never meet, or (a third of them) something that this shape never does."""
    kind = KINDS[int(rng.choice(len(KINDS), p=SHARES))]
    made_of: Split = "train" if split == "train" or rng.random() < 1 / 3 else "heldout"
    while True:
        tracks = MAKERS[kind](rng, made_of, kind)
        if not tracks:
            continue
        for _ in range(4):
            ground = BACKGROUNDS[int(rng.choice(len(BACKGROUNDS), p=list(WEIGHTS.values())))]
            made = Clip(kind, tracks, ground)
            if made.sound and made.novel == (split == "heldout"):
                return made
