"""The host sampler against the definitions of its settings."""

from __future__ import annotations

import numpy as np
import pytest

from edge.errors import EngineError, UsageError
from edge.generation import sampling
from edge.generation.sampling import Sampler
from edge.options import SamplingOptions


def sampler(seed: int = 0, **options: float) -> Sampler:
    return Sampler(SamplingOptions(**options), np.random.default_rng(seed))  # type: ignore[arg-type]


def draws(chosen: Sampler, logits: np.ndarray, count: int = 4000) -> np.ndarray:
    return np.bincount([chosen(logits) for _ in range(count)], minlength=len(logits)) / count


def test_temperature_zero_takes_the_largest() -> None:
    assert sampler(temperature=0)(np.array([1, 5, 3], dtype=np.float32)) == 1


def test_plain_sampling_follows_the_softmax() -> None:
    logits = np.log(np.array([0.5, 0.3, 0.2], dtype=np.float32))
    assert np.allclose(draws(sampler(), logits), [0.5, 0.3, 0.2], atol=0.03)


def test_temperature_divides_the_logits() -> None:
    logits = np.array([0, 1], dtype=np.float32)
    expected = np.exp([0, 2]) / np.exp([0, 2]).sum()
    assert np.allclose(draws(sampler(temperature=0.5), logits), expected, atol=0.03)


def test_the_same_seed_gives_the_same_choices_and_another_seed_others() -> None:
    logits = np.random.default_rng(1).normal(size=500).astype(np.float32)
    runs = [[chosen(logits) for _ in range(50)] for chosen in (sampler(3), sampler(3), sampler(4))]
    assert runs[0] == runs[1] != runs[2]


def test_top_k_never_leaves_the_k_largest() -> None:
    logits = np.random.default_rng(2).normal(size=300).astype(np.float32)
    best = set(np.argsort(logits)[-5:])
    chosen = sampler(top_k=5)
    assert {chosen(logits) for _ in range(500)} == best


def test_top_p_keeps_the_smallest_set_that_reaches_p() -> None:
    weights = np.array([0.1, 0.4, 0.2, 0.3], dtype=np.float32)
    assert np.flatnonzero(sampling.top_p(weights, 0.65)).tolist() == [1, 3]
    assert np.flatnonzero(sampling.top_p(weights, 0.75)).tolist() == [1, 2, 3]


def test_top_p_is_exact_where_the_nucleus_is_larger_than_the_first_guess() -> None:
    weights = np.linspace(1, 2, 4000, dtype=np.float32)
    kept = np.count_nonzero(sampling.top_p(weights, 0.9))
    mass = np.cumsum(np.sort(weights)[::-1], dtype=np.float64)
    assert kept == int(np.searchsorted(mass, 0.9 * mass[-1])) + 1


def test_the_running_sum_is_that_of_a_plain_cumsum() -> None:
    values = np.random.default_rng(5).random(1000).astype(np.float32)
    mass = np.cumsum(values, dtype=np.float64)
    for goal in [0.0, *np.linspace(0, mass[-1] * 0.9999, 300)]:
        assert sampling.reach(values, goal) == int(np.searchsorted(mass, goal, side="right"))
    assert sampling.reach(values, mass[-1] * 2) == 999


def test_sampling_from_many_follows_the_softmax_too() -> None:
    logits = np.zeros(1000, dtype=np.float32)
    logits[700:] = -np.inf
    counts = draws(sampler(), logits, 20_000)
    assert counts[700:].sum() == 0
    assert abs(counts[:350].sum() - 0.5) < 0.02


def test_min_p_is_a_floor_relative_to_the_best() -> None:
    logits = np.log(np.array([0.6, 0.29, 0.11], dtype=np.float32))
    assert draws(sampler(min_p=0.3), logits)[2] == 0
    assert draws(sampler(min_p=0.1), logits)[2] > 0


def test_the_penalty_weakens_seen_ids_of_either_sign_once() -> None:
    logits = np.array([4, -4, 4], dtype=np.float32)
    assert sampling.penalise(logits, [0, 0, 1], 2.0).tolist() == [2, -8, 4]
    assert logits.tolist() == [4, -4, 4]


def test_logits_that_are_no_numbers_are_an_error_not_a_choice() -> None:
    with pytest.raises(EngineError, match="no numbers"):
        sampler()(np.array([0, np.nan], dtype=np.float32))


@pytest.mark.parametrize(
    "options",
    [{"temperature": -1}, {"top_p": 0}, {"top_p": 2}, {"min_p": -0.1}, {"top_k": -1}, {"guidance": -1}],
)
def test_a_setting_outside_of_its_range_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="must lie between"):
        sampler(**options)
