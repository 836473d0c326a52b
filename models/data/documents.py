"""Conversations as training rows: the mixture and its curriculum.

Job: choose tasks by their shares, one or several to a row. Ignorance: what a task writes, how rows are batched.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np
from tokenizers import Tokenizer

from models.data.rows import Row
from models.data.tasks import (
    clips as tasks_clips,
)
from models.data.tasks import (
    cross as tasks_cross,
)
from models.data.tasks import (
    pictures as tasks_pictures,
)
from models.data.tasks import (
    sounds as tasks_sounds,
)
from models.data.tasks import (
    text as tasks_text,
)
from models.data.tasks.desk import Desk

LONGEST = 768
_ROOM = 330  # ids that must be free for another task
Task = Callable[[Desk, Row, np.random.Generator], None]


class Share(NamedTuple):
    """A task and its share of the rows, first and last in the course of training."""

    task: Task
    early: float
    late: float


_read, _draw = tasks_pictures.read, tasks_pictures.draw
TASKS: dict[str, Share] = {
    "read scenes": Share(partial(_read, kind="scenes"), 0.17, 0.12),
    "read emoji": Share(partial(_read, kind="emoji"), 0.08, 0.09),
    "read lettering": Share(partial(_read, kind="lettering"), 0.09, 0.06),
    "read charts": Share(partial(_read, kind="charts"), 0.03, 0.02),
    "compare": Share(tasks_pictures.compare, 0.01, 0.02),
    "draw scenes": Share(partial(_draw, kind="scenes"), 0.15, 0.26),
    "draw emoji": Share(partial(_draw, kind="emoji"), 0.03, 0.02),
    "draw lettering": Share(partial(_draw, kind="lettering"), 0.03, 0.015),
    "draw charts": Share(partial(_draw, kind="charts"), 0.01, 0.005),
    "edit": Share(tasks_pictures.edit, 0.03, 0.035),
    "hear speech": Share(partial(tasks_sounds.hear, bank="speech"), 0.11, 0.14),
    "hear digits": Share(partial(tasks_sounds.hear, bank="recordings"), 0.02, 0.03),
    "hear mood": Share(tasks_sounds.mood, 0.015, 0.02),
    "name sound": Share(tasks_sounds.name_sound, 0.015, 0.015),
    "make sound": Share(tasks_sounds.make_sound, 0.005, 0.01),
    "speak": Share(tasks_sounds.speak, 0.07, 0.07),
    "asked aloud": Share(tasks_cross.asked_aloud, 0.02, 0.05),
    "told aloud": Share(tasks_cross.told_aloud, 0.0, 0.02),
    "sound of picture": Share(tasks_cross.sound_of_picture, 0.0, 0.01),
    "watch": Share(tasks_clips.watch, 0.01, 0.025),
    "watch with sound": Share(tasks_cross.watch_with_sound, 0.0, 0.015),
    "animate": Share(tasks_clips.animate, 0.01, 0.02),
    "go on": Share(tasks_clips.go_on, 0.0, 0.005),
    "talk": Share(tasks_text.talk_a_while, 0.07, 0.15),
    "dialogue": Share(tasks_text.read_dialogue, 0.01, 0.01),
    "prose": Share(tasks_text.prose, 0.01, 0.04),
}
_ALONE = ("prose",)


class Writer:
    """Writes random rows; `progress` in 0..1 says how far training has come."""

    def __init__(self, tokenizer: Tokenizer, desk: Desk, shares: Mapping[str, float] | None = None) -> None:
        """`shares` by name stand for the table's, from first to last; the others stay as they are.

        Raises:
            KeyError: no task has that name.
        """
        self.desk = desk
        chosen = {
            name: TASKS[name]._replace(early=share, late=share) for name, share in (shares or {}).items()
        }
        self._tasks = TASKS | chosen
        self._encode = lru_cache(200_000)(self._encoded)
        self._tokenizer = tokenizer

    def _encoded(self, text: str) -> tuple[int, ...]:
        return tuple(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def row(self, rng: np.random.Generator, progress: float) -> Row:
        """One task, and later in training more often several in a row; at most LONGEST ids."""
        row = Row(self._encode)
        names = list(self._tasks)
        shares = np.array([s.early + (s.late - s.early) * progress for s in self._tasks.values()])
        more = 1.0
        while rng.random() < more and len(row.ids) < LONGEST - _ROOM:
            name = names[int(rng.choice(len(names), p=shares / shares.sum()))]
            if more < 1 and name in _ALONE:
                break
            TASKS[name].task(self.desk, row, rng)
            more = 0.0 if name in _ALONE else 0.1 + 0.25 * progress
        return row.cut(LONGEST)
