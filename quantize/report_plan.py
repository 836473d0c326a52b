"""The page's part on a mixture: what was possible, and where the model is sensitive.

Job: the front of bytes, divergence and speed as a chart; a heat map of the measured divergence of each group.
Ignorance: how a plan is found; measures nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape

from quantize.budget import Plan, Point
from quantize.mixture import Mixture
from quantize.sensitivity import Found, Sensitivity, mean

_WIDE, _HIGH, _LEFT, _BELOW = 620, 300, 70, 46
_DOT, _CHOSEN = "#5e81ac", "#d08770"
_CELL, _ROW, _NAMES = 46, 24, 110
_BELOW_FRONT = "MB of the file (a paler dot is slower; the ring was chosen)"
_LEAST = 1e-7  # nats: shown as the palest


def section(kind: str, mixture: Mixture) -> str:
    """Both charts, with a word on how to read them."""
    plan = mixture.plan
    told = (
        f"To meet {plan.goal}, every group of tensors got a type of its own. Expected: {_told(plan.point)}."
    )
    return (
        f"<h2>What was possible ({kind.upper()})</h2><p>{escape(told)}</p>{front(plan)}"
        f"<h2>Where it is sensitive ({kind.upper()})</h2>{heat(plan, mixture.known)}"
    )


def front(plan: Plan) -> str:
    """The least divergence by size as an <svg>; a paler dot is slower, the ring is the chosen one."""
    points = (*plan.front, plan.point)
    x = _Axis([p.bytes / 1e6 for p in points], _LEFT, _WIDE - 20, log=False)
    y = _Axis([_shown(p.divergence) for p in points], _HIGH - _BELOW, 32, log=True)
    speed = _Axis([p.tokens_per_second for p in points], 0.25, 1.0, log=False)
    dots = "".join(
        f'<circle cx="{x(p.bytes / 1e6):.1f}" cy="{y(_shown(p.divergence)):.1f}" r="5" fill="{_DOT}" '
        f'fill-opacity="{speed(p.tokens_per_second):.2f}"><title>{escape(_told(p))}</title></circle>'
        for p in points[:-1]
    )
    chosen = plan.point
    ring = (
        f'<circle cx="{x(chosen.bytes / 1e6):.1f}" cy="{y(_shown(chosen.divergence)):.1f}" r="8" '
        f'fill="none" stroke="{_CHOSEN}" stroke-width="3">'
        f"<title>chosen: {escape(_told(chosen))}</title></circle>"
    )
    label = f'role="img" aria-label="divergence by size" width="{_WIDE}" height="{_HIGH}"'
    return (
        f"<svg {label}>{_ticks_below(x)}{_ticks_left(y)}{dots}{ring}"
        f"{_text(_WIDE / 2, _HIGH - 6, _BELOW_FRONT, 'middle')}"
        f"{_text(4, 12, 'expected mean KL, nat')}</svg>"
    )


def heat(plan: Plan, known: Sensitivity) -> str:
    """Role by layers: what each group costs alone in a small type, and the type that it got."""
    chosen = {choice.group: choice.type for choice in plan.choices}
    cells = [(*_placed(name), name, _coarsest(found)) for name, found in known.measured.items()]
    roles = list(dict.fromkeys(role for role, *_ in cells))
    bands = sorted({band for _, band, *_ in cells}, key=lambda band: (band == "", _first(band)))
    shade = _Axis([_shown(nats) for *_, nats in cells], 0.05, 0.95, log=True)
    drawn = "".join(
        _cell(bands.index(band), roles.index(role), chosen.get(name, ""), shade(_shown(nats)),
              f"{name} alone in three bits: {nats:.2g} nat")
        for role, band, name, nats in cells
    )  # fmt: skip
    names = "".join(_text(0, (i + 1) * _ROW + 16, role) for i, role in enumerate(roles))
    heads = "".join(
        _text(_NAMES + (i + 0.5) * _CELL, 14, band or "all", "middle") for i, band in enumerate(bands)
    )
    size = f'width="{_NAMES + len(bands) * _CELL + 4}" height="{(len(roles) + 1) * _ROW + 6}"'
    note = (
        "Each field: a group of tensors by layer, in the type it got. The darker, the more divergence it "
        "causes when it alone is stored in about three bits and all else in f16 (measured)."
    )
    return (
        f'<p class="note">{escape(note)}</p>'
        f'<svg role="img" aria-label="sensitivity by layer" {size}>{names}{heads}{drawn}</svg>'
    )


class _Axis:
    """Values onto pixels (or shades)."""

    def __init__(self, values: Sequence[float], start: float, end: float, *, log: bool) -> None:
        self.log, self.start, self.end = log, start, end
        self.low, self.high = min(map(self._on, values)), max(map(self._on, values))

    def __call__(self, value: float) -> float:
        share = (self._on(value) - self.low) / ((self.high - self.low) or 1.0)
        return self.start + share * (self.end - self.start)

    def marks(self, count: int = 5) -> list[float]:
        """Evenly spaced values."""
        steps = [self.low + i * (self.high - self.low) / (count - 1) for i in range(count)]
        return [math.exp(s) if self.log else s for s in steps]

    def _on(self, value: float) -> float:
        return math.log(value) if self.log else value


def _shown(nats: float) -> float:
    return max(nats, _LEAST)


def _told(point: Point) -> str:
    return f"{point.bytes / 1e6:.2f} MB, {point.divergence:.4g} nat, {point.tokens_per_second:.0f} tokens/s"


def _ticks_below(axis: _Axis) -> str:
    return "".join(_text(axis(v), _HIGH - _BELOW + 22, f"{v:.1f}", "middle") for v in axis.marks())


def _ticks_left(axis: _Axis) -> str:
    lines = "".join(
        f'<line x1="{_LEFT - 4}" x2="{_WIDE}" y1="{axis(v):.1f}" y2="{axis(v):.1f}" stroke="#8883"/>'
        for v in axis.marks()
    )
    return lines + "".join(_text(_LEFT - 10, axis(v) + 4, f"{v:.2g}", "end") for v in axis.marks())


def _text(x: float, y: float, words: str, anchor: str = "start") -> str:
    at = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {at} font-size="12" fill="currentColor">{escape(words)}</text>'


def _cell(column: int, row: int, words: str, shade: float, told: str) -> str:
    left, top = _NAMES + column * _CELL, (row + 1) * _ROW
    return (
        f'<g><title>{escape(told)}</title><rect x="{left}" y="{top}" width="{_CELL - 2}" '
        f'height="{_ROW - 2}" fill="{_CHOSEN}" fill-opacity="{shade:.2f}"/>'
        f"{_text(left + _CELL / 2 - 1, top + 16, words, 'middle')}</g>"
    )


def _placed(group: str) -> tuple[str, str]:
    """ "ffn_down 4-7" is the role ffn_down in the band 4-7; "token_embd" has no band."""
    role, _, band = group.partition(" ")
    return role, band


def _first(band: str) -> int:
    return int(band.split("-")[0]) if band else 0


def _coarsest(found: Mapping[str, Found]) -> float:
    """The mean divergence over modalities at the anchor that hurts most."""
    return max(_means(found.values()))


def _means(found: Iterable[Found]) -> list[float]:
    return [mean(each, "divergence") for each in found]
