"""Spaces with more schedules than are listed: six units with seven choices are 117,649."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from lwq_tune.cli.main import main
from lwq_tune.config.trial import TrialConfig
from lwq_tune.errors import ConfigError
from lwq_tune.models.image_format import ImageFormat
from lwq_tune.models.inference_costs import ModelCosts
from lwq_tune.results.networks import trial_costs
from lwq_tune.sweep.plan import make_search
from lwq_tune.sweep.space.search_space import SearchSpace, parse_space
from lwq_tune.sweep.space.selection import select_trials
from lwq_tune.sweep.tune.job import make_jobs

LARGE = (
    "version: 1\nfixed: {model: resnet, blocks: [1, 1, 1, 1, 1, 1], width: 0.25}\nschedules: [fixed_4]\n"
    "bit_widths: {choices: [2, 3, 4, 5, 6, 7, 8]}\nseeds: [0, 1]\n"
)
RANDOM = "search: {method: random, trials: 40, seed: 3}\n"
TPE = "search: {method: tpe, trials: 40}\n"


def costs_of(trial: TrialConfig) -> ModelCosts:
    return trial_costs(trial, ImageFormat())


def selected(more: str, *overrides: str) -> SearchSpace:
    return select_trials(parse_space("large", LARGE + more, overrides), costs_of)


def test_a_grid_says_how_many_it_would_be_and_is_refused() -> None:
    with pytest.raises(ConfigError, match="may hold 100000 trials, these would be 235298; let search take some"):
        parse_space("large", LARGE)


def test_a_sample_that_is_no_smaller_is_refused_too() -> None:
    with pytest.raises(ConfigError, match="a sweep may hold 100000 trials, got 100004"):
        parse_space("large", LARGE + "search: {method: random, trials: 50001}\n")


@pytest.mark.parametrize("method", ["random", "tpe", "nsga2"])
def test_a_dry_run_is_fast_and_says_of_how_many_schedules_it_takes_some(
    method: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "large.yaml"
    file.write_text(f"{LARGE}search: {{method: {method}, trials: 40}}\n")
    begin_s = time.process_time()
    assert main(["sweep", "--space", str(file), "--dry-run"]) == 0
    assert time.process_time() - begin_s < 2
    out = capsys.readouterr().out
    if method == "random":
        assert "\n82 trials (40 of 117649 schedules, drawn at random)" in out
    else:
        assert f"\n2 trials, then 40 of 117648 schedules proposed by {method}, each with 2 seeds" in out


def test_a_random_search_draws_each_schedule_once_with_all_seeds_and_the_same_again() -> None:
    space = selected(RANDOM)
    assert len({trial.trial_key for trial in space.trials}) == len(space.trials) == 2 * 41
    assert [trial.seed for trial in space.trials] == [0] * 41 + [1] * 41
    assert [trial.bit_widths for trial in space.trials[:41]] == [trial.bit_widths for trial in space.trials[41:]]
    assert space.trials[0].bit_widths == (4,) * 6
    assert selected(RANDOM).trials == space.trials
    assert selected(RANDOM.replace("seed: 3", "seed: 4")).trials != space.trials
    for trial in space.trials:
        assert TrialConfig(**trial.model_dump()) == trial, "it is what the check of a trial makes"


def test_full_precision_has_no_bits_of_activations_in_a_sample_either() -> None:
    text = LARGE.replace("8]", "32]") + "act_bit_widths: [8, 8, 8, 8, 8, 8]\n" + TPE
    space = select_trials(parse_space("large", text), costs_of)
    assert space.candidates is not None
    assert {trial.act_bit_widths for trial in space.trials_of((32,) * 6)} == {(32,) * 6}
    assert {trial.act_bit_widths for trial in space.trials_of((2,) * 6)} == {(8,) * 6}


def test_limits_hold_in_a_sample() -> None:
    space = selected(RANDOM + "limits: {max_mean_weight_bits: 2.6}\n")
    drawn = [trial for trial in space.trials if trial.bit_widths not in space.listed]
    assert len({trial.bit_widths for trial in drawn}) == 40
    assert all(costs_of(trial).mean_weight_bits <= 2.6 for trial in drawn)


@pytest.mark.parametrize("more", [RANDOM, TPE])
def test_limits_that_leave_nothing_or_too_little_are_refused_with_what_there_is(more: str) -> None:
    with pytest.raises(ConfigError, match=r"none is within max_mean_weight_bits: 1\.9 \(the least is 2\)"):
        selected(more + "limits: {max_mean_weight_bits: 1.9}\n")
    # The last stage has three quarters of the weights, the first three a hundredth of them.
    with pytest.raises(ConfigError, match=r"search\.trials must be at most \d+, the schedules of bit_widths within"):
        selected(more + "limits: {max_mean_weight_bits: 2.005}\n")


def test_bits_that_no_trial_can_have_are_named_without_trying_all_schedules() -> None:
    with pytest.raises(ConfigError, match="bit_widths: weights of 1 bit need quantizer: dorefa"):
        parse_space("large", LARGE.replace("[2, 3", "[1, 2, 3") + TPE)


def test_a_space_of_many_schedules_in_order_is_listed_where_these_are_few() -> None:
    space = parse_space("large", LARGE.replace("8]}", "8], constraint: ascending}") + TPE)
    assert space.unlisted is None
    assert len(space.trials) == 2 * 924  # 12 over 6


def test_a_search_over_a_sample_needs_no_list_of_its_trials() -> None:
    space = selected(TPE + "limits: {max_mean_weight_bits: 3}\n")
    search = make_search(space, costs_of)
    assert search is not None
    assert search.size() == (80, 80 * space.base.n_rows)
    assert {trial.seed for trial in search.examples} == {0, 1}
    assert 40 * 2 <= len(search.stand_ins) <= 42 * 2
    assert all(costs_of(trial).mean_weight_bits <= 3 for trial in search.stand_ins.values())


def test_a_tuner_of_ones_own_takes_listed_trials_only(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="bit_widths has 117649 schedules; list those that are wanted"):
        make_jobs(parse_space("large", LARGE + RANDOM), tmp_path)
