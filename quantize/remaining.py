"""How long a run still takes, from what the last run of its kind took on this machine.

Job: the seconds of each stage, kept per byte of checkpoint under `hardware.home()`; what is left, corrected
by how far and how fast the present stage is. No number where no run of this kind was finished here: a guess
would not be honest. Ignorance: what the stages do, how the number is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edge import hardware

FILE_NAME = "quantize_seconds.json"


class Clock:
    """Told of every progress of one run, in order; times in seconds of any monotonic clock."""

    def __init__(self, kind: str, scale: int, now: float) -> None:
        """`kind` names runs with the same stages; `scale` is what their time grows with: bytes."""
        self._kind, self._scale = f"{hardware.machine_key()} {kind}", max(1, scale)
        self._expected = _sound(hardware.remembered(_path()).get(self._kind), self._scale)
        self._spent: dict[str, float] = {}
        self._stage, self._since, self._done, self._of = "", now, 0, 0

    def tell(self, stage: str, done: int, of: int, now: float) -> None:
        """`done` of `of` parts of a stage are ready."""
        if stage != self._stage:
            self._close(now)
            self._stage, self._since = stage, now
        self._done, self._of = done, of

    def left(self, now: float) -> float | None:
        """Seconds until the run ends; None where nobody can know."""
        if self._stage not in self._expected:
            return None
        order = list(self._expected)
        later = order[order.index(self._stage) + 1 :]
        return self._present(now) + sum(self._expected[stage] for stage in later)

    def finish(self, now: float) -> None:
        """The run has ended well: remember what it took."""
        self._close(now)
        known = hardware.remembered(_path())
        took = {stage: seconds / self._scale for stage, seconds in self._spent.items()}
        if set(self._expected) <= set(took):  # a run that went on after a kill has seen only a part
            hardware.remember(_path(), known | {self._kind: took})

    def _present(self, now: float) -> float:
        """Of the present stage: by its own pace, the more the further it is."""
        spent, expected = now - self._since, self._expected[self._stage]
        share = self._done / self._of if self._of else 0.0
        by_plan = max(0.0, expected - spent)
        by_pace = spent / share - spent if share > 0 else by_plan
        return share * by_pace + (1 - share) * by_plan

    def _close(self, now: float) -> None:
        if self._stage:
            self._spent[self._stage] = self._spent.get(self._stage, 0.0) + now - self._since


def _path() -> Path:
    return hardware.home() / FILE_NAME


def _sound(found: object, scale: int) -> dict[str, float]:
    if not isinstance(found, Mapping) or not all(type(v) is float and v >= 0 for v in found.values()):
        return {}
    return {str(stage): per_byte * scale for stage, per_byte in found.items()}
