from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.__main__ import main
from analysis.effects.sensitivity import A_BIT_LESS, StagesKind, measure_sensitivity, sensitivity_frame
from analysis.effects.sentences import sensitivity_sentences
from analysis.runs.load import AnalysisError, load_run, load_runs
from lwq_tune.quantization.schedules import schedule_name
from tests.support.synthetic_networks import (
    FULL,
    losses_of,
    lowered_one_by_one,
    searched_points,
    write_network_run,
)
from tests.support.synthetic_runs import write_run

Points = dict[str, tuple[list[float], float]]
# Points of accuracy that a bit less costs in each stage, by seed; a seed's level cancels in a pair.
LOSSES = {0: (0.00, 0.01, 0.03), 1: (0.01, 0.01, 0.05), 2: (0.02, 0.01, 0.04)}
TRIPLES = list(itertools.product((2, 3, 4), repeat=3))


def accuracy(triple: tuple[int, ...], seed: int) -> float:
    return 0.9 + 0.003 * seed - sum(loss * (4 - bits) for loss, bits in zip(LOSSES[seed], triple, strict=True))


def grid(seeds: int = 3, triples: list[tuple[int, ...]] = TRIPLES) -> Points:  # type: ignore[assignment]
    return {schedule_name(t): ([accuracy(t, seed) for seed in range(seeds)], 1e-6) for t in triples}


def trials_of(folder: Path, points: Points, **values: object) -> pd.DataFrame:
    return load_run(write_run(folder, points, **values)).trials  # type: ignore[arg-type]


def test_an_effect_is_what_the_bits_of_one_stage_cost_with_the_others_held(tmp_path: Path) -> None:
    effects = sensitivity_frame(trials_of(tmp_path / "run", grid())).set_index(["stage", "step"])
    # Stage 3 loses 3, 5 and 4 points a bit: mean 4, standard deviation 1, t(0.975, 2) = 4.302653.
    half = 4.302653 * 0.01 / math.sqrt(3)
    row = effects.loc[(3, "3 to 2")]
    assert row["mean"] == pytest.approx(-0.04)
    assert row["low"] == pytest.approx(-0.04 - half, abs=1e-6)
    assert row["high"] == pytest.approx(-0.04 + half, abs=1e-6)
    assert effects.loc[(3, "4 to 2"), "mean"] == pytest.approx(-0.08)
    assert effects.loc[(2, "4 to 3"), ["mean", "low", "high"]].tolist() == pytest.approx([-0.01] * 3)
    # Over all steps: a bit, a bit and two bits.
    assert effects.loc[(1, "all"), "mean"] == pytest.approx(-0.01 * 4 / 3)
    assert effects.loc[(1, "3 to 2"), "n_pairs"] == 9
    assert effects.loc[(1, "all"), "n_pairs"] == 27
    assert set(effects["n_seeds"]) == {3}


def test_the_last_stage_is_compared_with_the_first_seed_by_seed(tmp_path: Path) -> None:
    found = measure_sensitivity(trials_of(tmp_path / "run", grid()))
    # Differences a bit: 3, 4 and 2 points; times 4/3.
    assert found.contrast.kind is StagesKind.LAST_IS_MORE_SENSITIVE
    assert not found.contrast.is_open
    assert found.contrast.subjects == ("stage 1", "stage 3")
    assert found.contrast.counts == {"seeds": 3, "stages": 3}
    loss = found.contrast.estimates["loss"]
    half = 4.302653 * 0.01 * 4 / 3 / math.sqrt(3)
    assert (loss.value, loss.low, loss.high) == pytest.approx((0.04, 0.04 - half, 0.04 + half), abs=1e-6)


def test_stages_that_lose_the_other_way_round_are_less_sensitive(tmp_path: Path) -> None:
    points = {schedule_name(t[::-1]): ([accuracy(t, seed) for seed in range(3)], 1e-6) for t in TRIPLES}
    contrast = measure_sensitivity(trials_of(tmp_path / "run", points)).contrast
    assert contrast.kind is StagesKind.LAST_IS_LESS_SENSITIVE
    assert contrast.estimates["loss"].value == pytest.approx(-0.04)


def test_an_interval_across_zero_is_no_verdict(tmp_path: Path) -> None:
    contrast = measure_sensitivity(trials_of(tmp_path / "run", grid(2))).contrast
    # Differences of 3 and 4 points, t(0.975, 1) = 12.7.
    assert contrast.kind is StagesKind.NOT_SEPARATED
    assert contrast.is_open


def test_one_seed_has_points_and_no_interval(tmp_path: Path) -> None:
    found = measure_sensitivity(trials_of(tmp_path / "run", grid(1)))
    assert found.effects[["low", "high"]].isna().all(axis=None)
    assert found.contrast.kind is StagesKind.ONE_SEED


def test_pairs_that_lack_a_seed_are_left_out_and_counted(tmp_path: Path) -> None:
    trials = trials_of(tmp_path / "run", grid())
    found = measure_sensitivity(
        trials.drop(trials.index[(trials["schedule"] == "fixed_2") & (trials["config_seed"] == 1)])
    )
    assert found.n_left_out == 6, "two steps in each of three stages"
    row = found.effects.set_index(["stage", "step"]).loc[(3, "3 to 2")]
    assert row["mean"] == pytest.approx(-0.04)
    assert (row["n_pairs"], row["n_seeds"]) == (8, 3)


def test_seeds_that_few_pairs_have_are_not_used(tmp_path: Path) -> None:
    points = grid(1) | grid(3, [(2, 2, 2), (4, 2, 2)])
    found = measure_sensitivity(trials_of(tmp_path / "run", points))
    assert set(found.effects["n_seeds"]) == {1}
    assert found.n_left_out == 0


def test_a_metric_that_is_no_number_is_in_no_pair(tmp_path: Path) -> None:
    points = grid() | {"fixed_2": ([math.nan] * 3, 1e-6)}
    effects = sensitivity_frame(trials_of(tmp_path / "run", points)).set_index(["stage", "step"])
    assert effects.loc[(1, "3 to 2"), "n_pairs"] == 8
    assert effects.loc[(1, "3 to 2"), "mean"] == pytest.approx(-0.01)


def test_activations_of_their_own_are_held(tmp_path: Path) -> None:
    trials = trials_of(tmp_path / "run", grid(), config_changes={"act_bit_widths": (8, 8, 8)})
    found = measure_sensitivity(trials)
    assert not found.lowers_activations
    assert len(found.pairs) == 81 * 3


def test_only_configurations_of_one_setting_are_pairs(tmp_path: Path) -> None:
    one = write_run(tmp_path / "one", grid(2, [(2, 2, 2)]))
    two = write_run(tmp_path / "two", grid(2, [(4, 2, 2)]), config_changes={"lr": 0.5})
    with pytest.raises(AnalysisError, match="differ in the bits of one unit only"):
        sensitivity_frame(load_runs([one, two]).trials)


def test_stages_without_a_common_step_are_not_compared(tmp_path: Path) -> None:
    found = measure_sensitivity(trials_of(tmp_path / "run", grid(2, [(2, 2, 2), (4, 2, 2), (2, 2, 3)])))
    assert set(found.effects["step"]) == {"4 to 2", "3 to 2"}
    assert found.contrast.kind is StagesKind.NO_COMMON_STEP


def test_the_command_writes_effects_and_pairs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run", grid())
    assert main(["sensitivity", str(run)]) == 0
    out = capsys.readouterr().out
    assert all(sentence in out for sentence in sensitivity_sentences(measure_sensitivity(load_run(run).trials)))
    assert len(pd.read_csv(run / "analysis" / "sensitivity_pairs.csv")) == 81 * 3
    assert (run / "analysis" / "sensitivity.pdf").is_file()


def test_named_schedules_have_no_pair(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run")
    assert main(["sensitivity", str(run)]) == 2
    assert "--space free_mixed" in capsys.readouterr().err


@pytest.mark.parametrize("n_units", [14, 20])
def test_units_that_are_lowered_one_by_one_have_an_effect_each_by_name(tmp_path: Path, n_units: int) -> None:
    found = measure_sensitivity(load_run(write_network_run(tmp_path / "run", lowered_one_by_one(n_units))).trials)
    assert found.n_configurations == 0
    rows = found.by_unit
    assert rows["unit"].tolist() == [f"features.{unit}" for unit in range(1, n_units + 1)]
    assert rows["mean"].tolist() == pytest.approx([-2 * loss for loss in losses_of(n_units)])
    assert rows["is_comparable"].all()
    assert found.contrast.subjects == ("features.1", f"features.{n_units}")
    assert found.contrast.estimates["loss"].value == pytest.approx(2 * (0.02 - 0.001))


@pytest.mark.parametrize("n_units", [14, 20])
def test_a_search_without_pairs_has_the_effect_of_a_bit_less_in_each_unit_by_regression(
    tmp_path: Path, n_units: int
) -> None:
    points = searched_points(n_units)
    found = measure_sensitivity(load_run(write_network_run(tmp_path / "run", points)).trials)
    schedules = [bits for bits in points if FULL not in bits]
    design = np.column_stack([np.ones(len(schedules)), np.array(schedules, dtype=float)])
    expected = np.linalg.lstsq(design, np.array([points[bits][0][0] for bits in schedules]))[0][1:]
    assert found.n_configurations == len(schedules) == 40
    assert set(found.effects["step"]) == {A_BIT_LESS}
    assert found.effects["mean"].tolist() == pytest.approx((-expected).tolist())
    assert found.effects["mean"].tolist() == pytest.approx([-loss for loss in losses_of(n_units)], abs=0.001)
    assert (found.effects["low"] < found.effects["mean"]).all()
    assert found.contrast.kind is StagesKind.LAST_IS_MORE_SENSITIVE
    loss = found.contrast.estimates["loss"]
    assert loss.value == pytest.approx(expected[-1] - expected[0])
    assert loss.low < 0.02 - 0.001 < loss.high
    assert f"by a regression over 40 schedules, features.{n_units} loses" in sensitivity_sentences(found)[0]


def test_too_few_schedules_for_so_many_units_are_refused_with_what_is_needed(tmp_path: Path) -> None:
    trials = load_run(write_network_run(tmp_path / "run", searched_points(14, 15))).trials
    with pytest.raises(AnalysisError, match="more than 15 quantized schedules in which the bits of the 14 units vary"):
        measure_sensitivity(trials)


def test_networks_with_different_numbers_of_units_are_analysed_apart(tmp_path: Path) -> None:
    runs = [write_network_run(tmp_path / str(n), lowered_one_by_one(n, 1)) for n in (4, 5)]
    with pytest.raises(AnalysisError, match="these networks have 4 and 5 units"):
        measure_sensitivity(load_runs(runs).trials)


def test_units_without_a_step_in_common_have_means_over_their_own(tmp_path: Path) -> None:
    four = (4,) * 8
    points: Points = {four: ([0.9, 0.9], 1e-6)}  # type: ignore[dict-item]
    for unit in range(7):  # the last one has no pair
        lowered = 2 if unit else 3
        bits = (*four[:unit], lowered, *four[unit + 1 :])
        points[bits] = ([0.8, 0.8 - 0.01 * unit], 1e-6)  # type: ignore[index]
    found = measure_sensitivity(load_run(write_network_run(tmp_path / "run", points)).trials)  # type: ignore[arg-type]
    rows = found.by_unit
    assert rows["unit"].tolist() == [f"features.{unit}" for unit in range(1, 8)]
    assert rows["mean"].tolist() == pytest.approx([-0.1 - 0.005 * unit for unit in range(7)])
    assert not rows["is_comparable"].any()
    assert found.contrast.kind is StagesKind.NO_COMMON_STEP
