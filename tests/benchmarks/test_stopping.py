from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analysis.runs.load import AnalysisError
from benchmarks.stopping import count_beyond, emitted_kg, front, judge, main, points, true_points
from benchmarks.support.stopping_replay import Ended, Recorded, read_grid, replay
from lwq_tune.config.trial import TrialConfig
from lwq_tune.models.image_format import ImageFormat
from lwq_tune.quantization.schedules import parse_schedule
from lwq_tune.results.networks import trial_costs
from lwq_tune.results.schema import EPOCH_COLUMNS, TRIAL_COLUMNS
from lwq_tune.results.tables import write_table
from lwq_tune.results.trial_rows import identity_values
from lwq_tune.sweep.stopping.rules import StopRules
from lwq_tune.sweep.stopping.settings import Asha, Dominance, Marginal, Plateau, Stopping, Target
from tests.support.synthetic_runs import OBJECTIVES, figures

N_EPOCHS = 4
# Accuracy after each epoch, and kg of each epoch. The front is cheap, late and best. Both seeds are the same.
CURVES: dict[str, tuple[Sequence[float], float]] = {
    "fixed_2": ((0.30, 0.50, 0.60, 0.60), 1.0),  # cheap
    "fixed_3": ((0.10, 0.20, 0.30, 0.80), 2.0),  # late: all comes with the last epoch
    "fixed_4": ((0.50, 0.70, 0.85, 0.90), 3.0),  # best
    "ascending_234": ((0.30, 0.50, 0.50, 0.52), 3.5),  # dominated, and dear
    "descending_432": ((0.20, 0.40, 0.50, 0.59), 1.5),  # dominated
}
FRONT = ["fixed_2", "fixed_3", "fixed_4"]


def write_grid(folder: Path, n_seeds: int = 1, trial_changes: dict[str, Any] | None = None) -> Path:
    metadata = {"run": folder.name, "objectives": OBJECTIVES}
    trials = []
    for seed in range(n_seeds):
        for schedule, (accuracies, kg) in CURVES.items():
            config = TrialConfig(bit_widths=parse_schedule(schedule, 3), seed=seed, epochs=N_EPOCHS)
            identity = identity_values(folder.name, config)
            row = {**identity, **figures(accuracies[-1], kg * N_EPOCHS), "status": "done", "epochs_done": N_EPOCHS}
            trials.append({**row, **vars(trial_costs(config, ImageFormat())), **(trial_changes or {})})
            rows = [
                {
                    **identity,
                    **figures(accuracy, kg),
                    "attempt": attempt,
                    "epoch": epoch,
                    "epoch_time_s": 10.0,
                    "cumulative_emissions_kg_co2eq": kg * epoch,
                }
                for epoch, accuracy in enumerate(accuracies, start=1)
                for attempt in (1, 2)
            ]
            rows[0]["val_accuracy"] = 0.99  # of a first attempt, which does not count
            write_table(folder / "epochs" / f"{config.trial_key}.parquet", EPOCH_COLUMNS, rows, metadata)
    write_table(folder / "trials.parquet", TRIAL_COLUMNS, trials, metadata)
    return folder


@pytest.fixture
def grid(tmp_path: Path) -> list[Recorded]:
    return read_grid(write_grid(tmp_path / "run"))


def by_name(trials: list[Recorded]) -> dict[str, Recorded]:
    return {trial.configuration: trial for trial in trials}


def replayed(trials: Sequence[Recorded], stopping: Stopping, n_at_once: int = 1, seed: int = 0) -> dict[str, Ended]:
    ends = replay(trials, stopping, n_at_once, random.Random(seed))
    return {trial.configuration: ends[trial.key] for trial in trials}


def test_a_run_is_read_as_it_was_trained(grid: list[Recorded]) -> None:
    trial = by_name(grid)["fixed_4"]
    assert trial.val_accuracy == (0.5, 0.7, 0.85, 0.9)
    assert trial.emissions_kg == (3.0, 6.0, 9.0, 12.0)
    assert trial.time_s == (10.0,) * N_EPOCHS
    assert front(true_points(grid)) == FRONT


def test_without_rules_everything_is_trained_and_nothing_is_lost(grid: list[Recorded]) -> None:
    result = judge(grid, Stopping(), n_at_once=2, n_orders=3, seed=0)
    assert {result[name] for name in ("emissions_saved", "stopped", "false_stops", "hypervolume_lost")} == {0.0}


def test_dominance_within_its_bound_saves_and_loses_nothing(grid: list[Recorded]) -> None:
    trials = [trial for trial in grid if trial.configuration != "fixed_3"]
    dominance = Dominance(optimism=0.5, margin=0.02)
    assert count_beyond(trials, dominance) == 0
    result = judge(trials, Stopping(dominance=dominance), n_at_once=1, n_orders=20, seed=0)
    # After epoch 3 of 4, ascending_234 and descending_432 can reach 0.5 + 0.02 + 0.5 x 0.146 = 0.593, with 10.5 and
    # 4.5 kg. Where fixed_2 with 0.6 for 4 kg came before, their last epochs are saved, 3.5 and 1.5 of 36 kg in all.
    assert 0 < result["stopped"] < 2
    assert 1.5 * result["stopped"] < 36 * result["emissions_saved"] < 3.5 * result["stopped"]
    assert result["false_stops"] == 0
    assert result["hypervolume_lost"] == 0


def test_dominance_stops_falsely_where_a_bound_is_broken_and_the_benchmark_says_so(grid: list[Recorded]) -> None:
    tight = Dominance(optimism=0.0, margin=0.0)
    assert count_beyond(grid, tight) == 5
    assert count_beyond(grid, Dominance(optimism=0.0, margin=0.0, grace_epochs=3)) == 4  # fixed_2 has its 0.6 by then
    # Where fixed_2 comes first: fixed_3 has 0.3 after epoch 3 and has emitted 6 kg, more than the 4 kg of fixed_2.
    orders = [replayed(grid[:2], Stopping(dominance=tight), seed=seed) for seed in range(10)]
    assert {"fixed_2": Ended(4), "fixed_3": Ended(3, "stopped")} in orders
    assert {"fixed_2": Ended(4), "fixed_3": Ended(4)} in orders
    result = judge(grid, Stopping(dominance=tight), n_at_once=1, n_orders=20, seed=0)
    assert result["false_stops_of"].keys() == {"fixed_3"}
    assert result["most_false_stops"] == 1
    assert 0 < result["false_stops"] < 1
    assert result["hypervolume_lost"] > 0


def test_figures_are_those_of_hand_computation(grid: list[Recorded]) -> None:
    # At the target of 0.85 fixed_4 ends after 3 epochs with 9 of 12 kg; nothing else reaches it. 44 kg in all.
    stopping = Stopping(target=Target(val_accuracy=0.85))
    result = judge(grid, stopping, n_at_once=2, n_orders=2, seed=0)
    assert result["emissions_saved"] == pytest.approx(3 / 44)
    assert result["ended_early"] == 1
    assert result["stopped"] == 0
    # Reference 1.1 x 14 kg = 15.4 kg. True front: 0.6 x (8 - 4) + 0.8 x (12 - 8) + 0.9 x (15.4 - 12) = 8.66;
    # ended: 0.6 x (8 - 4) + 0.8 x (9 - 8) + 0.85 x (15.4 - 9) = 8.64.
    assert result["hypervolume_lost"] == pytest.approx(1 - 8.64 / 8.66)


def test_asha_stops_the_late_one_and_a_longer_grace_costs_more(grid: list[Recorded]) -> None:
    early, late = (
        judge(grid, Stopping(asha=Asha(grace_epochs=grace, reduction_factor=2)), n_at_once=5, n_orders=5, seed=0)
        for grace in (1, 3)
    )
    assert early["false_stops_of"]["fixed_3"] > 0
    assert early["emissions_saved"] > late["emissions_saved"] > 0


def test_what_the_marginal_stop_leaves_out_counts_as_lost_and_not_as_stopped(grid: list[Recorded]) -> None:
    stopping = Stopping(marginal=Marginal(last=1, min_hypervolume_per_kg=100.0))
    ends = replayed(grid, stopping)
    assert sorted((end.n_epochs, end.status) for end in ends.values()) == 3 * [(0, "left_out")] + 2 * [(4, "done")]
    result = judge(grid, stopping, n_at_once=1, n_orders=10, seed=0)
    assert (result["left_out"], result["stopped"]) == (3, 0)
    assert result["false_stops"] >= 1  # of three left out of five at least one is on the front


def test_a_stopped_seed_takes_its_configuration_with_it(tmp_path: Path) -> None:
    grid = read_grid(write_grid(tmp_path / "run", n_seeds=2))
    assert len(true_points(grid)) == 5
    result = judge(grid, Stopping(asha=Asha(reduction_factor=2)), n_at_once=1, n_orders=5, seed=0)
    ends = replay(grid, Stopping(asha=Asha(reduction_factor=2)), 1, random.Random(0))
    stopped = {trial.configuration for trial in grid if trial.seed == 0 and ends[trial.key].status == "stopped"}
    assert stopped
    assert all(ends[t.key] == Ended(0, "stopped") for t in grid if t.seed == 1 and t.configuration in stopped)
    assert points(grid, ends).keys() == {trial.configuration for trial in grid} - stopped
    assert result["stopped"] > 0


def test_no_rule_is_told_of_a_trial_that_others_start_from(grid: list[Recorded]) -> None:
    exempt = [replace(trial, is_exempt=True) for trial in grid]
    ends = replay(exempt, Stopping(asha=Asha(), target=Target(val_accuracy=0.1)), 2, random.Random(0))
    assert set(ends.values()) == {Ended(N_EPOCHS)}


def test_a_replay_is_what_the_rules_say_to_the_same_events(grid: list[Recorded]) -> None:
    """One at a time the events are in the order of the trials, which the rules are told here by hand."""
    stopping = Stopping(
        asha=Asha(reduction_factor=2), dominance=Dominance(optimism=0.1), plateau=Plateau(epochs=1, min_gain=0.01)
    )
    chance = random.Random(3)
    order = sorted(grid, key=lambda trial: (trial.seed, chance.random()))
    rules = StopRules(stopping, n_seeds=1)
    expected = {}
    for trial in order:
        for epoch in range(1, N_EPOCHS + 1):
            told = (trial.val_accuracy[epoch - 1], trial.emissions_kg[epoch - 1])
            decision = rules.add_epoch(trial.key, trial.configuration, epoch, N_EPOCHS, *told)
            if decision is not None or epoch == N_EPOCHS:
                status = "done" if decision is None or decision.is_end else "stopped"
                rules.end_trial(trial.key, trial.configuration, status)  # type: ignore[arg-type]
                expected[trial.key] = Ended(epoch, status)
                break
    assert replay(grid, stopping, 1, random.Random(3)) == expected


def test_more_at_once_means_that_rivals_finish_later(grid: list[Recorded]) -> None:
    stopping = Stopping(dominance=Dominance(optimism=0.0, margin=0.0))
    saved = [judge(grid, stopping, n, 20, 0)["emissions_saved"] for n in (1, 5)]
    assert saved[0] > saved[1] == 0  # all begin together and end together


def test_emissions_are_those_of_the_epochs_that_were_trained(grid: list[Recorded]) -> None:
    ends = {trial.key: Ended(n_epochs, "stopped") for n_epochs, trial in enumerate(grid)}
    assert emitted_kg(grid, ends) == pytest.approx(0 + 2 + 2 * 3 + 3 * 3.5 + 4 * 1.5)


def test_a_grid_that_was_not_trained_to_its_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AnalysisError, match=r"trained to their end, .* \(stopped, 4 of 4 epochs\) was not"):
        read_grid(write_grid(tmp_path / "stopped", trial_changes={"status": "stopped"}))
    with pytest.raises(AnalysisError, match=r"\(done, 4 of 9 epochs\) was not"):
        read_grid(write_grid(tmp_path / "short", trial_changes={"config_epochs": 9}))


def test_the_command_prints_a_table_and_writes_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run, file = write_grid(tmp_path / "run", n_seeds=2), tmp_path / "s.json"
    monkeypatch.setattr("sys.argv", ["stopping", str(run), "--orders", "3", "--at-once", "2", "--json", str(file)])
    main()
    written = json.loads(file.read_text())
    assert written["front"] == FRONT
    assert (written["n_trials"], written["n_configurations"], written["n_epochs"]) == (10, 5, 4)
    rules = {rule for case in written["cases"] for rule in case["rules"]}
    assert rules == {"asha", "dominance", "plateau", "target", "marginal"}
    assert all(case["rules"].get("plateau", {"epochs": 1})["epochs"] < 4 for case in written["cases"])
    assert "run: 10 trials of 5 configurations, up to 4 epochs; 3 orders, 2 at a time" in capsys.readouterr().out


def test_a_folder_without_a_run_is_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["stopping", "nowhere"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "nowhere" in capsys.readouterr().err
