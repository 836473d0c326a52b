"""What the page says of a mixture: every point of the front, the chosen one, every group with its type."""

from __future__ import annotations

import re

import pytest

from quantize import report_plan
from quantize.budget import Choice, Plan, Point
from quantize.mixture import Mixture
from quantize.sensitivity import Sensitivity

FRONT = tuple(Point(10_000_000 - 1_000_000 * i, 0.001 * 4.0**i, 100.0 + i) for i in range(5))
FAR = {"text": 0.5, "image": 1.5}
GROUPS = {"ffn_down 0-4": ("Q4_K", 2e-3), "ffn_down 5-9": ("Q6_K", 4e-2), "token_embd": ("Q5_K", 0.0)}


@pytest.fixture
def mixture() -> Mixture:
    choices = tuple(Choice(name, kind, 100, 0.001) for name, (kind, _) in GROUPS.items())
    plan = Plan("max-size 9.0 MB", choices, FRONT[1], FRONT, 1.0)
    measured = {
        name: {
            "Q3_K": {kind: {"divergence": nats * far, "agreement": 0.9} for kind, far in FAR.items()},
            "Q5_K": {"text": {"divergence": nats / 9, "agreement": 1.0}},
        }
        for name, (_, nats) in GROUPS.items()
    }  # fmt: skip
    return Mixture(plan, {}, "Q4_K", 4.5, Sensitivity("s", measured, {}))


def places(html: str, what: str) -> list[tuple[float, float]]:
    found = re.findall(rf'<circle cx="([\d.]+)" cy="([\d.]+)" r="{what}"', html)
    return [(float(x), float(y)) for x, y in found]


def test_the_front_shows_every_point_and_a_ring_around_the_chosen_one(mixture: Mixture) -> None:
    html = report_plan.front(mixture.plan)
    dots, rings = places(html, "5"), places(html, "8")
    assert len(dots) == len(FRONT)
    assert rings == [dots[1]]
    assert sorted(dots) == sorted(dots, key=lambda dot: dot[1])  # smaller files lie further left and higher
    assert "9.00 MB, 0.004 nat, 101 tokens/s" in html


def test_the_heat_map_names_each_groups_type_and_is_darkest_where_it_hurts(mixture: Mixture) -> None:
    html = report_plan.heat(mixture.plan, mixture.known)
    shades = dict(re.findall(r'<title>(.+?) alone .+?fill-opacity="([\d.]+)"', html))
    assert set(shades) == set(GROUPS)
    assert float(shades["ffn_down 5-9"]) > float(shades["ffn_down 0-4"]) > float(shades["token_embd"])
    for kind, _ in GROUPS.values():
        assert f">{kind}</text>" in html
    assert "ffn_down 5-9 alone in three bits: 0.04 nat" in html


def test_one_point_alone_is_a_chart_too(mixture: Mixture) -> None:
    alone = Plan("max-kl 0.1", mixture.plan.choices, FRONT[0], FRONT[:1], 1.0)
    assert places(report_plan.front(alone), "8") == places(report_plan.front(alone), "5")
