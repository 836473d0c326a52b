"""The knapsack: never over budget, never worse with more, and exactly what trying everything finds."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from quantize import knapsack


def random_case(seed: int, groups: int, options: int) -> tuple[list[list[float]], list[list[int]]]:
    random = np.random.default_rng(seed)
    sizes = [sorted(int(s) for s in random.integers(1, 30, options)) for _ in range(groups)]
    costs = [[float(c) for c in random.exponential(1, options)] for _ in range(groups)]
    return costs, sizes


def cost(costs: list[list[float]], picked: list[int]) -> float:
    return sum(c[i] for c, i in zip(costs, picked, strict=True))


def size(sizes: list[list[int]], picked: list[int]) -> int:
    return sum(s[i] for s, i in zip(sizes, picked, strict=True))


@pytest.mark.parametrize("seed", range(8))
def test_small_cases_are_what_trying_everything_finds(seed: int) -> None:
    costs, sizes = random_case(seed, groups=5, options=4)
    table = knapsack.solve(costs, sizes, step=1)
    for limit in range(0, sum(map(max, sizes)) + 5, 3):
        fitting = [list(p) for p in product(range(4), repeat=5) if size(sizes, list(p)) <= limit]
        picked = table.choice(limit)
        assert (picked is None) == (not fitting)
        if picked is not None:
            assert size(sizes, picked) <= limit
            assert cost(costs, picked) == pytest.approx(min(cost(costs, p) for p in fitting))


@pytest.mark.parametrize("seed", range(4))
def test_on_a_coarse_grid_no_choice_is_over_budget_and_more_bytes_never_cost_more(seed: int) -> None:
    costs, sizes = random_case(seed, groups=40, options=12)
    sizes = [[1000 * s + 7 for s in options] for options in sizes]
    table = knapsack.solve(costs, sizes, step=500)
    before = np.inf
    for limit in range(table.smallest, sum(map(max, sizes)) + 10_000, 3001):
        picked = table.choice(limit)
        assert picked is not None
        assert size(sizes, picked) <= limit
        assert cost(costs, picked) <= before + 1e-12
        before = cost(costs, picked)
    assert cost(costs, picked or []) == pytest.approx(sum(map(min, costs)))


def test_the_grid_costs_at_most_a_step_per_group() -> None:
    costs, sizes = random_case(11, groups=20, options=6)
    sizes = [[s * 977 for s in options] for options in sizes]
    exact, coarse = knapsack.solve(costs, sizes, step=977), knapsack.solve(costs, sizes)
    assert coarse.step < 977
    for limit in range(exact.smallest, 500_000, 20_011):
        fine, rough = exact.choice(limit), coarse.choice(limit + 20 * coarse.step)
        assert fine is not None
        assert rough is not None
        assert cost(costs, rough) <= cost(costs, fine) + 1e-12


def test_below_the_smallest_there_is_no_choice() -> None:
    table = knapsack.solve([[1.0, 0.0], [1.0, 0.0]], [[10, 20], [5, 50]], step=1)
    assert table.smallest == 15
    assert table.choice(14) is None
    assert table.choice(-1) is None
    assert table.choice(15) == [0, 0]
