"""All tasks in the order of the table, what each needs of a bundle, and one walk over them.

Job: run what the bundle can, list what it cannot, share the time over the rows. Ignorance: what a task does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from models.evaluation import (
    clips,
    codecs,
    cross,
    fairness,
    hearing,
    making,
    reading,
    speaking,
    text,
    unmasked,
)
from models.evaluation.exam import Exam
from models.evaluation.rows import Row


class Task(NamedTuple):
    """A group of rows; `reads` and `makes` name the media that it needs, by words."""

    run: Callable[[Exam], list[Row]]
    reads: str = ""
    makes: str = ""


TASKS: dict[str, Task] = {
    "picture questions": Task(reading.questions, "image"),
    "captions": Task(reading.captions, "image"),
    "comparisons": Task(reading.comparisons, "image"),
    "emoji": Task(reading.named_emoji, "image"),
    "words read": Task(reading.written_words, "image"),
    "charts": Task(reading.charts, "image"),
    "speech heard": Task(hearing.speech, "audio"),
    "real digits": Task(hearing.digits, "audio"),
    "emotion": Task(hearing.moods, "audio"),
    "sounds": Task(hearing.sounds, "audio"),
    "spoken questions": Task(hearing.spoken_questions, "image audio"),
    "drawings": Task(making.drawings, "image", "image"),
    "words drawn": Task(making.writing, "image", "image"),
    "edits": Task(making.edits, "image", "image"),
    "spoken wishes": Task(making.spoken_wishes, "audio", "image"),
    "speech made": Task(speaking.round_trip, "audio", "audio"),
    "clips watched": Task(clips.watching, "video"),
    "clips made": Task(clips.animations, "", "video"),
    "next frame": Task(clips.next_frames, "video image", "image"),
    "pictures told aloud": Task(cross.told_aloud, "image audio", "audio"),
    "sounds of pictures": Task(cross.sounds_of_pictures, "image audio", "audio"),
    "sound tracks": Task(cross.sound_tracks, "video audio"),
    "sums": Task(text.sums),
    "chat": Task(text.chat),
    "knowledge": Task(text.knowledge),
    "honesty": Task(text.honest),
    "copying and sorting": Task(text.word_tasks),
    "voices alike": Task(fairness.speech, "audio"),
    "moods alike": Task(fairness.moods, "audio"),
    "names alike": Task(fairness.names),
    "book": Task(unmasked.book),
    "spans": Task(unmasked.spans, "", "image audio"),
    "picture codec": Task(codecs.pictures, "image", "image"),
    "sound codec": Task(codecs.sounds, "audio", "audio"),
}


@dataclass(frozen=True)
class Result:
    """What was measured, and the tasks that the bundle cannot be asked: (task, what it lacks)."""

    rows: tuple[Row, ...]
    skipped: tuple[tuple[str, str], ...] = ()

    @property
    def seconds(self) -> float:
        return sum(row.seconds for row in self.rows)


def lacking(task: Task, exam: Exam) -> str:
    """What the bundle lacks for a task, in words; "" where nothing."""
    unread = [f"reads no {kind}" for kind in task.reads.split() if kind not in exam.model.reads]
    unmade = [f"makes no {kind}" for kind in task.makes.split() if kind not in exam.model.makes]
    return ", ".join(unread + unmade)


def examine(exam: Exam, names: Sequence[str] = (), progress: Callable[[str], None] = print) -> Result:
    """All tasks, or those named."""
    rows: list[Row] = []
    skipped = []
    for name, task in TASKS.items():
        if names and name not in names:
            continue
        if missing := lacking(task, exam):
            skipped.append((name, missing))
            continue
        since = time.monotonic()
        made = [row for row in task.run(exam) if row.items]
        spent = time.monotonic() - since
        rows += timed(made, spent)
        progress(f"{spent:6.1f} s  {name}: " + ", ".join(f"{row.task} {row.written}" for row in made))
    return Result(tuple(rows), tuple(skipped))


def timed(rows: Sequence[Row], seconds: float) -> list[Row]:
    """The group's time shared by items."""
    whole = sum(row.items for row in rows)
    return [replace(row, seconds=seconds * row.items / whole) for row in rows]
