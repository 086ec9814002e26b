from __future__ import annotations

import math
import random
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwq_tune.sweep.stopping.dominance import accuracy_bound
from lwq_tune.sweep.stopping.rules import Decision, StopRules
from lwq_tune.sweep.stopping.settings import Asha, Dominance, Marginal, Plateau, Stopping, Target
from tests.support.stop_rules import CRASHES, EVERY_RULE, Curve, Grid, grids, run_sweep, steady, train

# --- target and plateau


def test_a_trial_that_reaches_the_target_is_done_and_says_so() -> None:
    rules = StopRules(Stopping(target=Target(val_accuracy=0.95)), n_seeds=1)
    decision = train(rules, steady([0.5, 0.9499, 0.95, 0.97, 0.99]))
    assert decision == Decision("target", "val_accuracy 0.9500 at epoch 3 reaches 0.95", is_end=True)


@pytest.mark.parametrize(
    ("accuracies", "ends_at"),
    [
        ([0.5, 0.505, 0.509, 0.4, 0.9], 4),  # no gain of 0.01 on 0.5 in 3 epochs
        ([0.5, 0.505, 0.509, 0.52, 0.9], None),  # the fourth gains
        ([0.5, 0.506, 0.513, 0.519, 0.526, 0.53], None),  # slow gains add up
        ([0.5, 0.6, 0.55, 0.55, 0.59, 0.9], 5),  # the best counts, not the last
    ],
)
def test_a_plateau_is_so_many_epochs_without_a_gain_and_ends_the_trial_as_done(
    accuracies: list[float], ends_at: int | None
) -> None:
    rules = StopRules(Stopping(plateau=Plateau(epochs=3, min_gain=0.01)), n_seeds=1)
    decision = train(rules, steady(accuracies))
    assert (decision is None) == (ends_at is None)
    if decision is not None:
        assert (decision.rule, decision.is_end) == ("plateau", True)
        assert f"of epoch {ends_at - 3} in the 3 epochs since" in decision.reason  # type: ignore[operator]


def test_a_gain_of_exactly_the_least_one_is_a_gain() -> None:
    rules = StopRules(Stopping(plateau=Plateau(epochs=2, min_gain=0.25)), n_seeds=1)
    assert train(rules, steady([0.25, 0.5, 0.5, 0.75, 0.75, 0.75, 0.75])) == Decision(
        "plateau", "val_accuracy has not gained 0.25 on its 0.7500 of epoch 4 in the 2 epochs since", is_end=True
    )


def test_an_accuracy_of_0_is_where_a_plateau_may_begin() -> None:
    rules = StopRules(Stopping(plateau=Plateau(epochs=2, min_gain=0.1)), n_seeds=1)
    decision = train(rules, steady([0.0, 0.0, 0.0, 0.0]))
    assert decision is not None
    assert "of epoch 1 in the 2 epochs since" in decision.reason


# --- ASHA


def test_asha_stops_whoever_is_not_among_the_best_at_a_rung_and_names_the_figures() -> None:
    rules = StopRules(Stopping(asha=Asha(grace_epochs=1, reduction_factor=2)), n_seeds=1)
    assert train(rules, steady([0.5, 0.6, 0.7]), "a", "a") is None
    decision = train(rules, steady([0.4, 0.9, 0.9]), "b", "b")
    assert decision == Decision(
        "asha",
        "val_accuracy 0.4000 at epoch 1 is below 0.5000, the least of the best 1 among the 2 configurations "
        "that have reached it",
        is_end=False,
    )
    assert rules.is_stopped("b")
    assert not rules.is_stopped("a")


def test_a_rung_counts_a_trial_that_another_rule_ends_there() -> None:
    both = StopRules(Stopping(asha=Asha(reduction_factor=2), target=Target(val_accuracy=0.9)), n_seeds=1)
    assert train(both, steady([0.95, 0.95]), "a", "a") is not None
    decision = train(both, steady([0.5, 0.5]), "b", "b")
    assert decision is not None
    assert decision.rule == "asha"


def test_a_configuration_enters_a_rung_once_with_its_first_seed_and_the_others_follow() -> None:
    rules = StopRules(Stopping(asha=Asha(reduction_factor=2)), n_seeds=2)
    assert train(rules, steady([0.6] * 3), "a0", "a") is None
    assert train(rules, steady([0.7] * 3), "b0", "b") is None
    assert train(rules, steady([0.1] * 3), "a1", "a") is None  # a has passed both rungs
    decision = train(rules, steady([0.65] * 3), "c0", "c")
    assert decision is not None
    assert "is below 0.7000, the least of the best 1 among the 3 configurations" in decision.reason


# --- dominance


def test_dominance_says_what_is_out_of_reach_and_why() -> None:
    rules = StopRules(Stopping(dominance=Dominance(optimism=0.4, margin=0.01)), n_seeds=1)
    assert train(rules, steady([0.5, 0.8, 0.9]), "a", "rival") is None
    # Emissions pass the rival's 3 kg with epoch 4 of 6; cos(2 pi / 3) is -1/2: 0.6 + 0.01 + 0.4 x (1 - 1/2) / 2 = 0.71.
    decision = train(rules, [(0.5, 1.5), (0.6, 2.0), (0.55, 3.0), (0.5, 3.1), (0.9, 4.0), (0.9, 5.0)], "b", "slow")
    assert decision is not None
    assert (decision.rule, decision.is_end) == ("dominance", False)
    assert "at epoch 4 of 6 it has emitted 3.1 kg CO2eq and can reach val_accuracy 0.7100; " in decision.reason
    assert "rival finished with 0.9000 for 3 kg" in decision.reason
    assert "best 0.6000 + margin 0.01 + optimism 0.4 * (1 + cos(pi * 4/6)) / 2" in decision.reason


@pytest.mark.parametrize(
    ("changes", "curve"),
    [
        ({}, [(0.5, 1.0), (0.6, 2.0), (0.6, 3.0), (0.6, 4.0)]),  # emissions are not above 3 kg before the last epoch
        ({}, [(0.6, 3.5), (0.89, 3.6), (0.89, 3.7), (0.89, 3.8)]),  # 0.9 is within reach
        ({}, [(0.5, None), (0.6, None), (0.6, None), (0.6, None)]),  # not measured
        ({"grace_epochs": 4}, [(0.1, 5.0), (0.1, 6.0), (0.1, 7.0), (0.1, 8.0)]),
        ({"optimism": 1.0, "margin": 0.7}, [(0.2, 5.0), (0.2, 6.0), (0.2, 7.0), (0.2, 8.0)]),
    ],
)
def test_a_trial_that_may_still_reach_the_front_goes_on(changes: dict[str, Any], curve: Curve) -> None:
    dominance = Dominance(**{"optimism": 0.4, **changes})
    rules = StopRules(Stopping(dominance=dominance), n_seeds=1)
    train(rules, steady([0.5, 0.8, 0.9]), "a", "rival")
    assert train(rules, curve, "b", "b") is None


def test_what_was_stopped_failed_or_is_half_done_is_no_rival() -> None:
    for status in ("stopped", "failed"):
        rules = StopRules(Stopping(dominance=Dominance(optimism=0.0)), n_seeds=1)
        rules.add_epoch("a", "a", 1, 2, 0.9, 1.0)
        rules.end_trial("a", "a", status)
        assert train(rules, steady([0.1, 0.1, 0.1], kg=5.0), "b", "b") is None
    rules = StopRules(Stopping(dominance=Dominance(optimism=0.0)), n_seeds=2)
    train(rules, steady([0.9, 0.9]), "a0", "a")
    for seed in "01":
        assert train(rules, steady([0.1, 0.1, 0.1], kg=5.0), f"b{seed}", "b") is None


def test_the_bound_of_a_configuration_is_the_mean_over_its_seeds() -> None:
    rules = StopRules(Stopping(dominance=Dominance(optimism=0.0, margin=0.0)), n_seeds=2)
    for seed in "01":
        train(rules, steady([0.7, 0.7]), f"rival{seed}", "rival")
    assert train(rules, steady([0.9, 0.9], kg=0.5), "b0", "b") is None
    # With 0.49 the mean is 0.695 and below the rival's 0.7, but 1.5 kg in all are a mean of 0.75 of its 2 kg.
    assert rules.add_epoch("b1", "b", 1, 4, 0.49, 0.5) is None
    assert rules.add_epoch("b1", "b", 2, 4, 0.49, 3.0) is None  # (1 + 3) / 2 is not more than 2 kg
    decision = rules.add_epoch("b1", "b", 3, 4, 0.49, 3.1)
    assert decision is not None
    assert "can reach val_accuracy 0.6950, means over 2 seeds" in decision.reason


def test_a_seed_that_has_not_begun_may_still_reach_anything() -> None:
    rules = StopRules(Stopping(dominance=Dominance(optimism=0.0, margin=0.0)), n_seeds=2)
    for seed in "01":
        train(rules, steady([0.6, 0.6]), f"rival{seed}", "rival")
    assert rules.add_epoch("b0", "b", 1, 4, 0.3, 100.0) is None  # (0.3 + 1) / 2 is above 0.6


def test_of_a_seed_that_failed_nothing_is_known() -> None:
    rules = StopRules(Stopping(dominance=Dominance(optimism=0.0, margin=0.0)), n_seeds=2)
    for seed in "01":
        train(rules, steady([0.7, 0.7]), f"rival{seed}", "rival")
    rules.add_epoch("b0", "b", 1, 4, 0.1, 9.0)
    rules.end_trial("b0", "b", "failed")
    # Without b0, b would be on the front with what b1 reaches; with it, it may start again.
    assert rules.add_epoch("b1", "b", 1, 4, 0.9, 3.0) is None
    assert rules.add_epoch("b0", "b", 2, 4, 0.1, 9.5) is not None


def test_a_seed_that_failed_can_reach_1_at_most() -> None:
    rules = StopRules(Stopping(dominance=Dominance(optimism=0.0, margin=0.0)), n_seeds=2)
    for seed in "01":
        train(rules, steady([0.7, 0.7]), f"rival{seed}", "rival")  # 2 kg
    rules.end_trial("b0", "b", "failed")
    assert rules.add_epoch("b1", "b", 1, 4, 0.39, 4.0) is None  # (0 + 4) / 2 is not more than 2 kg
    assert rules.add_epoch("b1", "b", 2, 4, 0.39, 4.1) is not None  # (1 + 0.39) / 2 is below 0.7


@pytest.mark.parametrize(("accuracy", "stops"), [(0.7, True), (0.7001, False)])
def test_what_can_just_reach_the_accuracy_of_a_cheaper_one_stops(accuracy: float, stops: bool) -> None:
    rules = StopRules(Stopping(dominance=Dominance(optimism=0.0, margin=0.0)), n_seeds=1)
    train(rules, steady([0.7, 0.7]), "a", "a")
    assert rules.add_epoch("b", "b", 1, 4, accuracy, 2.0) is None, "it has emitted no more"
    assert (rules.add_epoch("b", "b", 2, 4, accuracy, 2.1) is not None) == stops


def test_a_trial_is_judged_from_the_grace_epoch_on() -> None:
    rules = StopRules(Stopping(dominance=Dominance(optimism=0.0, margin=0.0, grace_epochs=2)), n_seeds=1)
    train(rules, steady([0.7, 0.7]), "a", "a")
    assert rules.add_epoch("b", "b", 1, 4, 0.1, 9.0) is None
    decision = rules.add_epoch("b", "b", 2, 4, 0.1, 9.1)
    assert decision is not None
    assert "means over" not in decision.reason


def test_a_seed_whose_emissions_are_not_known_may_have_emitted_nothing() -> None:
    rules = StopRules(Stopping(dominance=Dominance(optimism=0.0, margin=0.0)), n_seeds=2)
    for seed in "01":
        train(rules, steady([0.7, 0.7]), f"rival{seed}", "rival")  # 2 kg
    train(rules, steady([0.1, 0.1], kg=None), "b0", "b")
    assert rules.add_epoch("b1", "b", 1, 4, 0.1, 4.0) is None
    assert rules.add_epoch("b1", "b", 2, 4, 0.1, 4.1) is not None


def test_a_configuration_without_the_emissions_of_all_its_seeds_is_on_no_front() -> None:
    rules = StopRules(Stopping(dominance=Dominance(optimism=0.0, margin=0.0)), n_seeds=2)
    train(rules, steady([0.9, 0.9]), "a0", "a")
    train(rules, steady([0.9, 0.9], kg=None), "a1", "a")
    for seed in "01":
        assert train(rules, steady([0.1] * 4, kg=9.0), f"b{seed}", "b") is None


def test_a_trial_that_ended_before_its_first_epoch_costs_nothing_and_one_that_was_not_measured_ends_no_sweep() -> None:
    for kg, ends in ((1.0, True), (None, False)):
        rules = StopRules(Stopping(marginal=Marginal(last=1, min_hypervolume_per_kg=1.0)), n_seeds=1)
        train(rules, steady([0.5, 0.5]), "a", "a")
        rules.end_trial("b", "b", "failed")
        rules.add_epoch("c", "c", 1, 9, 0.4, kg)
        rules.end_trial("c", "c", "failed")
        train(rules, steady([0.4, 0.4]), "d", "d")
        assert (rules.should_end_sweep() is not None) == ends
    assert StopRules(Stopping(), n_seeds=1).should_end_sweep() is None


def test_an_attempt_that_emitted_less_than_the_one_before_costs_nothing_more() -> None:
    rules = StopRules(Stopping(marginal=Marginal(last=1, min_hypervolume_per_kg=1.0)), n_seeds=1)
    train(rules, steady([0.5, 0.5]), "a", "a")
    for kg in (3.0, 1.0, 4.0):
        rules.add_epoch("b", "b", 1, 2, 0.4, kg)
        rules.end_trial("b", "b", "failed" if kg < 4.0 else "done")
    assert "for 4 kg CO2eq" in str(rules.should_end_sweep())


def keep_within_bound(curve: Curve, dominance: Dominance) -> Curve:
    """Lower the final accuracy to the least of the bounds before it."""
    best, least = 0.0, 1.0
    for epoch, (accuracy, _) in enumerate(curve[:-1], start=1):
        best = max(best, accuracy)
        bound = accuracy_bound(best, epoch, len(curve), optimism=dominance.optimism, margin=dominance.margin)
        least = min(least, bound)
    return [*curve[:-1], (min(least, curve[-1][0]), curve[-1][1])]


def true_point(trials: dict[str, Curve]) -> tuple[float, float]:
    finals = [curve[-1] for curve in trials.values()]
    accuracy = math.fsum(accuracy for accuracy, _ in finals) / len(finals)
    return accuracy, math.fsum(kg or 0.0 for _, kg in finals) / len(finals)


def is_on_front(configuration: str, grid: Grid) -> bool:
    accuracy, kg = true_point(grid[configuration])
    others = [true_point(trials) for trials in grid.values()]
    return not any(a >= accuracy and e <= kg and (a, e) != (accuracy, kg) for a, e in others)


@given(grids(), st.floats(0, 1), st.floats(0, 0.2), st.integers(1, 4), st.integers(0, 99), CRASHES)
def test_dominance_stops_nothing_that_is_on_the_front_as_long_as_accuracies_keep_within_the_bound(
    drawn: tuple[Grid, int], optimism: float, margin: float, n_slots: int, seed: int, crash_rate: float
) -> None:
    grid, n_seeds = drawn
    dominance = Dominance(optimism=optimism, margin=margin)
    grid = {
        name: {key: keep_within_bound(curve, dominance) for key, curve in trials.items()}
        for name, trials in grid.items()
    }
    rules = StopRules(Stopping(dominance=dominance), n_seeds)
    told = run_sweep(rules, grid, n_slots, random.Random(seed), crash_rate)
    for name, trials in grid.items():
        if not told.ended.keys().isdisjoint(trials):
            assert not is_on_front(name, grid)


def test_the_property_above_is_not_empty() -> None:
    """Of such grids many are stopped, and some falsely where the bound is broken."""
    n_stopped = n_false = 0
    for seed in range(60):
        chance = random.Random(seed)
        grid: Grid = {
            f"c{number}": {f"c{number}": steady([chance.random() for _ in range(6)], kg=1 + chance.random())}
            for number in range(10)
        }
        rules = StopRules(Stopping(dominance=Dominance(optimism=0.0, margin=0.0)), 1)
        ended = run_sweep(rules, grid, 2, chance).ended
        n_stopped += len(ended)
        n_false += sum(is_on_front(name, grid) for name in ended)
    assert n_stopped > 60
    assert 0 < n_false < n_stopped


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 5)), min_size=1, max_size=12), st.randoms())
def test_dominance_depends_on_who_has_finished_and_not_on_the_order(
    finished: list[tuple[float, float]], chance: random.Random
) -> None:
    decisions = []
    numbered = list(enumerate(finished))
    for _ in range(2):
        rules = StopRules(Stopping(dominance=Dominance(optimism=0.2)), n_seeds=1)
        for number, point in numbered:
            train(rules, [point], f"t{number}", f"c{number}")
        decisions.append(train(rules, steady([0.1, 0.3, 0.5, 0.6]), "judged", "judged") is None)
        chance.shuffle(numbered)
    assert decisions[0] == decisions[1]


# --- replicates, crashes, resume


def test_the_other_seeds_of_a_stopped_configuration_end_too() -> None:
    rules = StopRules(Stopping(asha=Asha(reduction_factor=2)), n_seeds=2)
    assert train(rules, steady([0.7] * 4), "a0", "a") is None
    assert train(rules, steady([0.5] * 4), "b0", "b") is not None
    decision = rules.add_epoch("b1", "b", 1, 4, 0.9, 1.0)
    assert decision is not None
    assert (decision.rule, decision.is_end) == ("replicate", False)


def test_a_trial_that_starts_again_from_its_first_epoch_enters_no_rung_twice() -> None:
    rules = StopRules(Stopping(asha=Asha(reduction_factor=2)), n_seeds=1)
    for epoch in (1, 2, 3, 1, 2, 3):
        rules.add_epoch("a", "a", epoch, 9, 0.5, float(epoch))
    decision = train(rules, steady([0.4, 0.4]), "b", "b")
    assert decision is not None
    assert "best 1 among the 2 configurations" in decision.reason


def test_what_a_trial_reaches_only_in_an_epoch_trained_again_waits_for_the_next() -> None:
    rules = StopRules(Stopping(target=Target(val_accuracy=0.95)), n_seeds=1)
    told = [(1, 0.5), (2, 0.5), (3, 0.5), (1, 0.5), (2, 0.96), (3, 0.96)]
    assert [rules.add_epoch("a", "a", epoch, 9, accuracy, 1.0) for epoch, accuracy in told] == 6 * [None]
    assert rules.add_epoch("a", "a", 4, 9, 0.96, 1.0) is not None


def test_a_finished_configuration_counts_with_the_accuracy_and_emissions_of_its_last_row() -> None:
    rules = StopRules(Stopping(dominance=Dominance(optimism=0.0, margin=0.0)), n_seeds=1)
    for epoch, accuracy, kg in [(1, 0.9, 1.0), (2, 0.95, 9.0), (2, 0.8, 2.0)]:  # epoch 2 twice
        rules.add_epoch("a", "rival", epoch, 2, accuracy, kg)
    rules.end_trial("a", "rival", "done")
    decision = train(rules, [(0.7, 2.5), (0.7, 3.0)], "b", "b")
    assert decision is not None
    assert "rival finished with 0.8000 for 2 kg" in decision.reason


def test_a_failed_trial_that_ran_again_is_paid_for_once() -> None:
    rules = StopRules(Stopping(marginal=Marginal(last=1, min_hypervolume_per_kg=1.0)), n_seeds=1)
    train(rules, steady([0.5, 0.5]), "a", "a")
    rules.add_epoch("b", "b", 1, 2, 0.4, 1.0)
    rules.end_trial("b", "b", "failed")
    assert rules.should_end_sweep() is None
    rules.add_epoch("b", "b", 2, 2, 0.4, 2.5)
    rules.end_trial("b", "b", "done")
    assert "for 2.5 kg CO2eq" in str(rules.should_end_sweep())


def test_the_marginal_stop_counts_configurations_and_not_their_seeds() -> None:
    rules = StopRules(Stopping(marginal=Marginal(last=1, min_hypervolume_per_kg=0.1)), n_seeds=2)
    for key in ("a0", "a1", "b0"):
        train(rules, steady([0.5, 0.5]), key, key[0])
        assert rules.should_end_sweep() is None
    train(rules, steady([0.5, 0.5]), "b1", "b")
    assert "for 4 kg CO2eq" in str(rules.should_end_sweep())


def test_a_configuration_has_one_trial_per_seed() -> None:
    rules = StopRules(Stopping(), n_seeds=1)
    rules.add_epoch("a", "c", 1, 2, 0.5, 1.0)
    with pytest.raises(ValueError, match=r"one trial per seed \(1\), got another for c: b"):
        rules.add_epoch("b", "c", 1, 2, 0.5, 1.0)


def test_a_call_costs_no_more_after_ten_thousand_trials() -> None:
    rules = StopRules(EVERY_RULE, n_seeds=1)
    chance = random.Random(0)
    times_s = []
    for block in range(10):
        begin_s = time.process_time()
        for number in range(1000):
            key = f"{block}-{number}"
            train(rules, steady([chance.uniform(0, 0.89) for _ in range(4)], kg=1 + chance.random()), key, key)
        times_s.append(time.process_time() - begin_s)
    assert min(times_s[5:]) < 3 * max(times_s[:2])
