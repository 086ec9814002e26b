from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lwq_tune.config.trial import TrialConfig
from lwq_tune.errors import ConfigError
from lwq_tune.models.image_format import ImageFormat
from lwq_tune.models.inference_costs import ModelCosts
from lwq_tune.results.networks import trial_costs
from lwq_tune.sweep.space.search_space import SearchSpace, parse_space
from lwq_tune.sweep.space.selection import select_trials

GRID = "version: 1\nschedules: [full_precision]\nbit_widths: {choices: [2, 3, 4]}\nseeds: [0, 1]\n"


def costs_of(trial: TrialConfig) -> ModelCosts:
    return trial_costs(trial, ImageFormat())


def space(more: str = "") -> SearchSpace:
    return parse_space("test", GRID + more)


def schedules(selected: SearchSpace) -> set[tuple[int, ...]]:
    return {trial.bit_widths for trial in selected.trials}


FULL = (32, 32, 32)


def test_a_grid_without_limits_is_the_whole_space() -> None:
    assert select_trials(space(), costs_of).trials == space().trials


def test_limits_leave_out_what_costs_more_and_keep_what_was_listed() -> None:
    selected = select_trials(space("limits: {max_mean_weight_bits: 2.5}\n"), costs_of)
    found = schedules(selected) - {FULL}
    assert FULL in schedules(selected)
    # Stage 3 holds 76 % of the weights, stage 2 19 %: with 3 bits there the mean is at least 2.76.
    assert found == {(a, b, 2) for a in (2, 3, 4) for b in (2, 3, 4)}
    assert all(costs_of(trial).mean_weight_bits <= 2.5 for trial in selected.trials if trial.bit_widths != FULL)
    assert len(selected.trials) == 2 * len(schedules(selected)), "every schedule keeps both seeds"


def test_several_limits_hold_together() -> None:
    everything = [costs_of(trial) for trial in space().trials if trial.bit_widths != FULL]
    bitops = sorted(cost.bitops for cost in everything)[len(everything) // 2]
    selected = select_trials(space(f"limits: {{max_bitops: {bitops}, max_weight_mib: 0.07}}\n"), costs_of)
    expected = [cost for cost in everything if cost.bitops <= bitops and cost.weight_mib <= 0.07]
    assert 0 < len(expected) < len(everything)
    assert len(selected.trials) == len(expected) + 2


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 27), st.integers(0, 2**32 - 1))
def test_a_random_search_draws_as_many_schedules_as_it_says_each_once_and_the_same_again(n: int, seed: int) -> None:
    text = f"search: {{method: random, trials: {n}, seed: {seed}}}\n"
    drawn = select_trials(space(text), costs_of)
    assert len(schedules(drawn) - {FULL}) == n
    assert len(drawn.trials) == 2 * (n + 1)
    assert select_trials(space(text), costs_of).trials == drawn.trials


def test_other_seeds_draw_other_schedules() -> None:
    draws = {
        frozenset(schedules(select_trials(space(f"search: {{method: random, trials: 5, seed: {seed}}}\n"), costs_of)))
        for seed in range(6)
    }
    assert len(draws) > 3


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("limits: {max_mean_weight_bits: 1.5}\n", r"none is within max_mean_weight_bits: 1.5 \(the least is 2\)"),
        ("search: {method: random, trials: 28}\n", "search.trials must be at most 27"),
        ("search: {method: random, trials: 10}\nlimits: {max_mean_weight_bits: 2.5}\n", "at most 9"),
    ],
)
def test_what_leaves_nothing_to_train_is_refused(more: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        select_trials(space(more), costs_of)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("search: {method: random}\n", "say how many schedules they take"),
        ("search: {method: grid, trials: 3}\n", "grid takes all"),
        ("search: {method: random, trials: 0}\n", "search.trials"),
        ("search: {method: tpe}\n", "say how many schedules they take"),
        ("search: {method: tpe, trials: 3, population: 4}\n", "population belongs to method: nsga2"),
        ("search: {method: nsga3, trials: 3}\n", "'grid', 'random', 'tpe' or 'nsga2'"),
        ("limits: {max_mean_weight_bits: 0}\n", "limits.max_mean_weight_bits"),
        ("limits: {max_weight_bits: 3}\n", "did you mean"),
        ("limits: {max_bitops: many}\n", "limits.max_bitops"),
    ],
)
def test_a_search_that_makes_no_sense_is_one_clear_message(more: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        space(more)


def test_an_adaptive_search_proposes_from_what_the_limits_leave_and_keeps_what_is_listed() -> None:
    more = "search: {method: tpe, trials: 3}\nlimits: {max_mean_weight_bits: 3}\n"
    selected = select_trials(space(more), costs_of)
    assert {trial.bit_widths for trial in selected.trials} == selected.listed
    assert selected.candidates is not None
    proposable = selected.candidates.spread(27)
    assert 3 < len(proposable) < 27
    every = {trial.trial_key: trial for trial in space().trials}
    for bit_widths in proposable:
        assert bit_widths not in selected.listed
        trials = selected.trials_of(bit_widths)
        assert [trial.bit_widths for trial in trials] == [bit_widths] * len(selected.seeds)
        assert costs_of(trials[0]).mean_weight_bits <= 3
        assert [every[trial.trial_key] for trial in trials] == list(trials), "they are those of the grid"


def test_an_adaptive_search_over_progressive_starts_is_refused() -> None:
    more = "search: {method: nsga2, trials: 3}\n"
    with pytest.raises(ConfigError, match="got init_from: progressive"):
        select_trials(space(more + "fixed: {init_from: progressive}\n"), costs_of)


@pytest.mark.parametrize(
    ("more", "schedules", "last_key"),
    [
        ("", "222 244 324 343 423 424 433 434", "1d87cf8788e2"),
        ("limits: {max_mean_weight_bits: 3}\n", "222 242 322 323 332 333 342 423", "30538ab73fcf"),
    ],
)
def test_a_list_is_drawn_from_as_earlier_versions_did(more: str, schedules: str, last_key: str) -> None:
    selected = select_trials(space("search: {method: random, trials: 8, seed: 5}\n" + more), costs_of)
    drawn = ["".join(map(str, trial.bit_widths)) for trial in selected.trials]
    assert drawn == ["323232", *schedules.split()] * 2
    assert selected.trials[-1].trial_key == last_key
