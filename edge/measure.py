"""What a run cost: memory, and how fast a model reads and makes each modality.

Job: read and reset the peak resident size of a process; time turns through the public door.
Ignorance: engines; quality: what is said while it is timed is noise. Linux resets the peak; elsewhere it only
grows.
"""

from __future__ import annotations

import re
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.events import Finished, Timings, Usage
from edge.messages import Audio, Image, Part, Video
from edge.options import SamplingOptions

if TYPE_CHECKING:
    from edge.model import Model

_SELF = Path("/proc/self")
_RUNS, _ENOUGH = 5, 4.0  # of one turn, at most; seconds after which no further one is begun
_TOKENS, _WORDS = 64, 150  # text tokens that are made; words of a prompt
_TASKS, _SUBJECT = {"image": "draw", "audio": "speak", "video": "animate"}, "a red circle"
_SIDE, _RATE, _FRAMES = 64, 16_000, 4  # of the media that are read: pixels, samples of one second, pictures


# --- memory ---------------------------------------------------------------------------------------


def peak_memory(pid: int | None = None) -> int:
    """The largest resident size in bytes since the last reset, else since the process began.

    `pid`: of another process than this one (Linux; elsewhere 0).
    """
    try:
        status = (_SELF if pid is None else _SELF.parent / str(pid)) / "status"
        found = re.search(r"^VmHWM:\s+(\d+) kB", status.read_text(), re.MULTILINE)
    except OSError:
        found = None
    if found is not None:
        return int(found[1]) * 1024
    if pid is not None:
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # macOS counts bytes, others kB


def peak_of_children() -> int:
    """The largest resident size in bytes that any ended child process ever had; 0 before the first."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def reset_peak_memory() -> bool:
    """Start a new peak from what is resident now; False where the system cannot."""
    try:
        (_SELF / "clear_refs").write_text("5")  # proc(5): resets VmHWM
    except OSError:
        return False
    return True


# --- speed ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Speed:
    """How fast one kind of turn is: the median of its runs."""

    what: str  # "text", "reads image", "makes audio"
    prompt_tokens: int
    prompt: float  # of them per second, the encoding of media included
    first_token: float  # seconds from the call to the first token
    tokens: int  # that were made
    generation: float  # of them per second
    total: float  # seconds of the turn, the decoding of media included


def speeds(model: Model) -> list[Speed]:
    """A turn of text, and one for each medium that the model reads and makes; seconds for a small model.

    Media are noise and every prompt is another one, so that no cache knows them.
    """
    import numpy as np

    noise = np.random.default_rng(0)
    never: dict[int | str, float] = dict.fromkeys(model.vocabulary.end, -100.0)
    words = SamplingOptions(temperature=0, max_tokens=_TOKENS, logit_bias=never)
    found = [_median("text", lambda: _turn(model, [_text(noise)], "text", words))]
    for kind, medium in _MEDIA.items():
        if kind in model.reads:
            read = partial(_read, model, medium, noise, words)
            found.append(_median(f"reads {kind}", read))
    for kind, task in _TASKS.items():
        if kind in model.makes:
            asked = model.manifest.prompts.get(task, "{text}").replace("{text}", _SUBJECT)
            script = _SUBJECT if kind == "audio" else ""
            make = partial(_turn, model, [asked], kind, SamplingOptions(), script)
            found.append(_median(f"makes {kind}", make))
    return found


def _read(
    model: Model, medium: Callable[[Any], Part], noise: Any, words: SamplingOptions
) -> tuple[Usage, Timings]:
    return _turn(model, [medium(noise), "What is this?"], "text", words)


def _turn(
    model: Model, parts: list[str | Part], make: Any, sampling: SamplingOptions, script: str = ""
) -> tuple[Usage, Timings]:
    """What one turn of a fresh conversation took."""
    for event in model.chat().send(*parts, make=make, sampling=sampling, script=script):
        if isinstance(event, Finished):
            return event.usage, event.timings
    raise AssertionError("a stream ends with Finished")


def _median(what: str, turn: Callable[[], tuple[Usage, Timings]]) -> Speed:
    """Run a turn once to warm up, then some times; all numbers are of the run with the median total."""
    began = time.perf_counter()
    runs = [turn()]
    while len(runs) <= _RUNS and time.perf_counter() - began < _ENOUGH:
        runs.append(turn())
    kept = runs[1:] or runs  # a slow model's first turn is no warm-up
    middle = statistics.median_low(timings.total for _, timings in kept)
    usage, timings = next(run for run in kept if run[1].total == middle)
    fresh = usage.prompt_tokens - usage.cached_tokens
    return Speed(
        what=what,
        prompt_tokens=fresh,
        prompt=fresh / timings.first_token if timings.first_token > 0 else 0.0,
        first_token=timings.first_token,
        tokens=usage.completion_tokens,
        generation=timings.tokens_per_second(usage),
        total=timings.total,
    )


def _text(noise: Any) -> str:
    return " ".join(noise.choice(["red", "bird", "circle", "and", "of", "seven"], _WORDS))


_MEDIA: dict[str, Callable[[Any], Part]] = {
    "image": lambda noise: Image(noise.integers(0, 256, (_SIDE, _SIDE, 3), "uint8")),
    "audio": lambda noise: Audio(noise.standard_normal(_RATE, "float32") / 8, sample_rate=_RATE),
    "video": lambda noise: Video(noise.integers(0, 256, (_FRAMES, _SIDE, _SIDE, 3), "uint8"), 0.25),
}
