"""The thread counts of one llama.cpp context: measured at the start, watched while it runs.

Job: a few timed steps for each count, the load of other processes now and then, the counts set by both.
Ignorance: what a step computes; by which rule a count is judged (threads.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable

from edge import hardware
from edge.engines.threads import ThreadGovernor, fastest

_PROBE_BYTES = 512 << 20  # larger models are bound by memory bandwidth: all free threads, no probe
_PROBE_STEPS, _PROBE_SECONDS = 4, 0.6
_HOPELESS = 0.1  # seconds: more threads that take as long for one token need not be timed again
_LOAD_EVERY = 0.2  # seconds between two looks at what other processes take


class ThreadWatch:
    """Sets the threads of steps and of prompts; a fixed count stays."""

    def __init__(
        self,
        fixed: int | None,
        model_bytes: int,
        apply: Callable[[int, int], None],
        step: Callable[[], float],
    ) -> None:
        """`apply(steps, prompts)` sets the counts; `step()` computes one token and gives its seconds."""
        self.fixed, self._apply = fixed, apply
        self.meter, self._others, self.looked = hardware.LoadMeter(), 0.0, 0.0
        cpus = fixed or hardware.usable_cpus()
        self.governor = ThreadGovernor(cpus, fixed or hardware.choose_threads(model_bytes, cpus=cpus))
        if fixed is None and cpus > 1 and model_bytes < _PROBE_BYTES:
            self.governor.threads = fastest(self._timed(cpus, step))
        apply(self.governor.threads, cpus)

    def stepped(self, seconds: float, *, lone: bool) -> None:
        """Look around; the governor hears only of steps of one token, which it can compare."""
        if self.fixed is None:
            before, others = self.governor.threads, self.look()
            if lone and self.governor.stepped(seconds, others) != before:
                self._apply(self.governor.threads, self.bulk)

    def look(self) -> float | None:
        """Processors that others take, when measured just now; sets the prompt's threads by it."""
        if self.fixed is not None or (now := time.monotonic()) - self.looked < _LOAD_EVERY:
            return None
        self.looked = now
        others = self.meter.others()
        if others is not None and round(others) != round(self._others):
            self._others = others
            self._apply(self.governor.threads, self.bulk)
        return others

    @property
    def bulk(self) -> int:
        """Threads of a call with many tokens."""
        return max(1, round(self.governor.most - self._others))

    def _timed(self, cpus: int, step: Callable[[], float]) -> dict[int, list[float]]:
        """Seconds per step for 1, 2, 4 … threads, within a time budget."""
        self.meter.others()
        step()  # pages the weights in
        times: dict[int, list[float]] = {}
        deadline = time.perf_counter() + _PROBE_SECONDS
        threads = 1
        while threads <= cpus and (not times or time.perf_counter() < deadline):
            self._apply(threads, cpus)
            if step() > _HOPELESS and times:  # starts the threads; here they wait for a busy processor
                break
            times[threads] = [step() for _ in range(_PROBE_STEPS)]
            threads *= 2
        return times
