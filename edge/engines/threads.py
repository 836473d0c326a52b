"""How many threads the next step takes: measured, watched, corrected.

Job: a small pure controller. Native threads wait for each other by spinning, so when another process takes a
core the step time multiplies; the governor sees it (by the others' load, or by the step times alone), steps
down, and tries again later, ever more rarely while it does not pay.
Ignorance: what a step computes; it reads no clock and no file.
"""

from __future__ import annotations

from collections import deque
from statistics import median

_WINDOW = 4  # steps that make an opinion
_COLLAPSE = 1.6  # a median this many times the best one is no noise
_GAIN = 0.97  # more threads must be at least this much faster to be kept
_WAIT, _LONGEST_WAIT = 32, 2048  # steps until more threads are tried again


class ThreadGovernor:
    """Decode threads between 1 and `most`."""

    def __init__(self, most: int, start: int) -> None:
        self.most = max(1, most)
        self.threads = min(max(1, start), self.most)
        self._recent: deque[float] = deque(maxlen=_WINDOW)
        self._best: dict[int, float] = {}  # seconds, by thread count
        self._wait, self._left = _WAIT, _WAIT
        self._cap = self.most  # by the last word on the others' load
        self._trial_of: float | None = None  # the median that the tried count must beat

    def stepped(self, seconds: float, others: float | None = None) -> int:
        """Hear one step's time, and the processors others take (None: no news); the count to use next."""
        self._recent.append(seconds)
        if others is not None:
            self._cap = max(1, round(self.most - others))
        if self.threads > self._cap:
            return self._move(self._cap)
        if self._trial_of is not None and seconds > _COLLAPSE * self._trial_of:
            return self._step_down(1)  # a trial ends at its first bad step
        self._left -= 1
        if len(self._recent) < _WINDOW:
            return self.threads
        now = sorted(self._recent)[_WINDOW // 2]
        if self._trial_of is not None:
            return self._judge(now)
        best = self._best[self.threads] = min(
            self._best.get(self.threads, now) * 1.002, now
        )  # contexts grow: forget
        if now > _COLLAPSE * best and self.threads > 1:
            return self._step_down()
        if self._left <= 0 and self.threads < self._cap:
            self._trial_of = now
            return self._move(self.threads + 1, keep_trial=True)
        return self.threads

    def _judge(self, now: float) -> int:
        beaten = self._trial_of is not None and now <= _GAIN * self._trial_of
        self._trial_of = None
        if beaten:
            self._wait = self._left = _WAIT
            return self.threads
        return self._step_down(1)

    def _step_down(self, by: int | None = None) -> int:
        self._wait = min(2 * self._wait, _LONGEST_WAIT)
        return self._move(self.threads - (by or max(1, self.threads // 2)))

    def _move(self, threads: int, *, keep_trial: bool = False) -> int:
        if not keep_trial:
            self._trial_of = None
        self._left = self._wait
        self._recent.clear()
        self.threads = max(1, threads)
        return self.threads


def fastest(seconds: dict[int, list[float]]) -> int:
    """The thread count with the lowest median step; a higher count must earn it."""
    best = min(seconds)
    for threads in sorted(seconds):
        if median(seconds[threads]) < _GAIN * median(seconds[best]):
            best = threads
    return best
