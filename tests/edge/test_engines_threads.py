"""The thread governor against a simulated machine."""

from __future__ import annotations

from collections.abc import Callable

from edge.engines.threads import ThreadGovernor, fastest


def simulate(
    governor: ThreadGovernor, steps: int, cost: Callable[[int], float], others: float | None = None
) -> list[int]:
    return [governor.stepped(cost(governor.threads), others) for _ in range(steps)]


def idle(threads: int) -> float:
    return 1.0 / threads


def crowded(threads: int) -> float:
    """One of two cores is taken: two threads spin for each other."""
    return 1.0 if threads == 1 else 5.0


def test_an_idle_machine_keeps_its_threads() -> None:
    assert set(simulate(ThreadGovernor(2, 2), 500, idle)) == {2}


def test_when_steps_collapse_it_steps_down_within_a_few() -> None:
    governor = ThreadGovernor(2, 2)
    simulate(governor, 50, idle)
    counts = simulate(governor, 8, crowded)
    assert counts[-1] == 1


def test_it_steps_down_at_once_where_the_load_of_others_is_known() -> None:
    governor = ThreadGovernor(4, 4)
    assert governor.stepped(0.25, others=2.1) == 2


def test_it_recovers_when_the_other_process_is_gone() -> None:
    governor = ThreadGovernor(2, 2)
    simulate(governor, 50, idle)
    simulate(governor, 200, crowded)
    assert simulate(governor, 400, idle)[-1] == 2


def test_while_it_does_not_pay_it_tries_ever_more_rarely() -> None:
    governor = ThreadGovernor(2, 1)
    counts = simulate(governor, 4000, crowded)
    tried = sum(count == 2 for count in counts)
    assert 0 < tried < 60  # of 4000 steps
    late = sum(count == 2 for count in counts[2000:])
    assert late <= 12


def test_known_load_forbids_the_trial() -> None:
    governor = ThreadGovernor(2, 1)
    assert set(simulate(governor, 2000, crowded, others=1.0)) == {1}


def test_the_last_known_load_holds_until_there_is_news() -> None:
    governor = ThreadGovernor(2, 2)
    governor.stepped(1.0, others=1.0)
    assert set(simulate(governor, 2000, crowded)) == {1}
    governor.stepped(1.0, others=0.0)
    assert simulate(governor, 400, idle)[-1] == 2


def test_a_trial_that_collapses_ends_at_its_first_step() -> None:
    counts = simulate(ThreadGovernor(2, 1), 100, crowded)
    assert sum(count == 2 for count in counts) == 2  # two trials of one step each


def test_a_small_model_that_is_slower_on_two_threads_stays_on_one() -> None:
    counts = simulate(ThreadGovernor(2, 1), 2000, lambda threads: 1.0 if threads == 1 else 1.1)
    assert counts[-1] == 1
    assert sum(count == 2 for count in counts) < 60


def test_slowly_growing_steps_are_no_collapse() -> None:
    governor = ThreadGovernor(2, 2)
    step = iter(range(10_000))
    assert set(simulate(governor, 2000, lambda threads: (1 + next(step) / 500) / threads)) == {2}


def test_a_single_slow_step_is_noise() -> None:
    governor = ThreadGovernor(2, 2)
    simulate(governor, 20, idle)
    assert governor.stepped(50.0) == 2
    assert set(simulate(governor, 20, idle)) == {2}


def test_the_fastest_count_wins_and_more_threads_must_earn_it() -> None:
    assert fastest({1: [1.0, 1.1], 2: [0.6, 0.5], 4: [0.7, 0.6]}) == 2
    assert fastest({1: [1.0], 2: [0.99]}) == 1
