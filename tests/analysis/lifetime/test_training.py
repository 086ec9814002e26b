from __future__ import annotations

from pathlib import Path

import pytest

from analysis.lifetime.training import search_kg, search_shares, training_kg
from analysis.runs.configurations import done_trials
from analysis.runs.keys import CONFIGURATION
from analysis.runs.load import AnalysisError, Runs, load_run
from tests.support.synthetic_runs import change_trials, write_run

POINTS = {"full_precision": ((0.9, 0.9), 3e-3), "fixed_2": ((0.8, 0.8), 2e-3), "fixed_3": ((0.85,), 1e-3)}


def key_of(runs: Runs, schedule: str, seed: int) -> str:
    trials = runs.trials
    return str(
        trials.loc[(trials["schedule"] == schedule) & (trials["config_seed"] == seed), "trial_key"].iloc[0]
    )  # fmt: skip


def by_schedule(runs: Runs) -> dict[tuple[str, int], float]:
    done = done_trials(runs.trials)
    names = zip(done["schedule"], done["config_seed"], strict=True)
    return dict(zip(names, training_kg(done, runs), strict=True))


def test_all_that_a_trial_was_charged_with_counts_and_what_was_not_recorded_is_left_out(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", POINTS)
    change_trials(
        run, "fixed_2", 1, setup_emissions_kg_co2eq=1e-4, eval_emissions_kg_co2eq=2e-4,
        overhead_emissions_kg_co2eq=3e-4, discarded_emissions_kg_co2eq=4e-4,
    )  # fmt: skip
    found = by_schedule(load_run(run))
    assert found["fixed_2", 0] == pytest.approx(2e-3)
    assert found["fixed_2", 1] == pytest.approx(3e-3)


def test_the_chain_of_trials_that_a_trial_starts_from_counts_whole(tmp_path: Path) -> None:
    """4-bit starts from 2-bit, which starts from full precision that lost 1 g in a crash."""
    run = write_run(tmp_path / "run", POINTS)
    runs = load_run(run)
    change_trials(run, "full_precision", 0, discarded_emissions_kg_co2eq=1e-3)
    change_trials(run, "fixed_2", 0, init_trial_key=key_of(runs, "full_precision", 0), init_energy_kwh=6e-3)
    change_trials(run, "fixed_3", 0, init_trial_key=key_of(runs, "fixed_2", 0), init_energy_kwh=1e-2)
    found = by_schedule(load_run(run))
    assert found["fixed_2", 0] == pytest.approx(2e-3 + 3e-3 + 1e-3)
    assert found["fixed_3", 0] == pytest.approx(1e-3 + 2e-3 + 3e-3 + 1e-3)


def test_a_start_from_another_run_counts_by_its_recorded_energy(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", POINTS)
    change_trials(run, "fixed_2", 0, init_trial_key="f" * 12, init_energy_kwh=0.01)
    assert by_schedule(load_run(run))["fixed_2", 0] == pytest.approx(2e-3 + 0.01 * 0.5)  # 500 g/kWh


def test_training_that_was_not_measured_is_refused_by_name(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", POINTS)
    change_trials(run, "fixed_2", 0, emissions_kg_co2eq=None)
    with pytest.raises(AnalysisError, match=r"not measured of fixed_2 seed 0: run/"):
        by_schedule(load_run(run))


def test_the_search_is_all_but_one_training_of_each_compared_configuration_and_its_start(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", POINTS)
    runs = load_run(run)
    change_trials(run, "fixed_3", 0, status="failed", discarded_emissions_kg_co2eq=5e-4)
    change_trials(run, "fixed_2", 0, init_trial_key=key_of(runs, "full_precision", 0))
    runs = load_run(run)
    done = done_trials(runs.trials)
    quantized = set(done.loc[done["schedule"] == "fixed_2", CONFIGURATION])
    # All: 3 + 3 + 2 + 2 + 1.5. Compared with its start: 2, and 3 of full precision's first seed.
    assert search_kg(done, runs, quantized) == pytest.approx(6.5e-3)
    # With full precision compared, its start is no part of the search either; its second seed is.
    assert search_kg(done, runs, set(done[CONFIGURATION])) == pytest.approx(11.5e-3 - 2e-3 - 3e-3)


def test_full_precision_carries_no_search(tmp_path: Path) -> None:
    schedules = load_run(write_run(tmp_path / "run", POINTS)).trials.drop_duplicates("schedule")["schedule"]
    assert search_shares(6.0, schedules).tolist() == [0.0, 3.0, 3.0]
