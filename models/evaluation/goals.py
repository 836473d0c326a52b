"""What was to be reached, as the issue's table says it, for a model trained on 2 CPU cores and for one trained on a GPU.

Job: goals by the name of a row. Ignorance: what was measured. A goal is never softened here: it is changed in the issue first.
"""

from __future__ import annotations

from typing import NamedTuple


class Goal(NamedTuple):
    """A value between two bounds; None: no bound on that side. Shares are 0..1."""

    least: float | None = None
    most: float | None = None
    unit: str = "%"

    def met(self, value: float) -> bool:
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)

    @property
    def written(self) -> str:
        scale, unit = (100, " %") if self.unit == "%" else (1, f" {self.unit}")
        if self.least is not None and self.most is not None:
            return f"{self.least * scale:g}-{self.most * scale:g}{unit}"
        sign, bound = ("≥", self.least) if self.least is not None else ("≤", self.most or 0.0)
        return f"{sign} {bound * scale:g}{unit}"

    def to_dict(self) -> dict[str, float]:
        return {name: v for name, v in (("least", self.least), ("most", self.most)) if v is not None}


class Goals(NamedTuple):
    """Trained on 2 cores, and on a GPU; None: the issue asks for nothing."""

    cores: Goal | None = None
    gpu: Goal | None = None

    def named(self) -> tuple[tuple[str, Goal | None], ...]:
        return ("2_cores", self.cores), ("gpu", self.gpu)


NO_GOAL = Goals()


def _least(cores: float, gpu: float, unit: str = "%") -> Goals:
    return Goals(Goal(cores, None, unit), Goal(gpu, None, unit))


def _most(cores: float, gpu: float, unit: str = "%") -> Goals:
    return Goals(Goal(None, cores, unit), Goal(None, gpu, unit))


GOALS: dict[str, Goals] = {
    "picture questions": _least(0.90, 0.97),
    "emoji named, top 1,000": _least(0.40, 0.85),
    "words read: characters right": _least(0.70, 0.92),
    "speech written down: word errors": _most(0.35, 0.12),
    "real digits, unheard takes: word errors": _most(0.08, 0.03),
    "real digits, unheard speaker: word errors": _most(0.08, 0.03),
    "speech made, heard again: word errors": _most(0.40, 0.20),
    "speech made: duration": Goals(Goal(0.7, 1.4, "x"), Goal(0.8, 1.25, "x")),
    "drawn: everything asked": _least(0.75, 0.93),
    "clip questions: motion and order": _least(0.80, 0.93),
    "clips made: asked motion": _least(0.65, 0.85),
    "spoken questions about a picture": _least(0.70, 0.90),
    "emotion of a voice": _least(0.65, 0.85),
    "two-digit sums": _least(0.70, 0.95),
    "held-out book": _most(2.0, 1.6, "bits/byte"),
    "media well-formed without the grammar": _least(0.97, 0.99),
    "picture codec: scenes": _least(28.0, 28.0, "dB"),
    "sound codec: speech": _most(0.40, 0.40, "nat"),
    "int8 codec ids like float: image_encoder": _least(0.97, 0.97),
    "int8 codec ids like float: audio_encoder": _least(0.97, 0.97),
}
MOST_DROP = 0.02  # of any row, quantized against f16
