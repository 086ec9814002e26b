from __future__ import annotations

from pathlib import Path

from analysis.runs.configurations import done_trials, summarise_trials
from analysis.runs.keys import CONFIGURATION, configuration_keys
from analysis.runs.load import load_runs
from analysis.uncertainty.front import configuration_names, front_uncertainty
from tests.support.synthetic_runs import change_trials, write_run


def test_a_key_is_that_of_all_seeds_and_runs_and_of_every_part_of_the_frame(tmp_path: Path) -> None:
    points = {"fixed_2": ([0.5, 0.6], 1e-6), "fixed_3": ([0.7], 2e-6)}
    folders = [write_run(tmp_path / name, points) for name in ("a", "b")]
    folders.append(write_run(tmp_path / "c", {"fixed_2": ([0.4], 1e-6)}, config_changes={"lr": 0.5}))
    trials = load_runs(folders).trials
    assert trials.groupby(configuration_keys(trials), dropna=False)[CONFIGURATION].nunique().eq(1).all()
    assert trials.groupby(CONFIGURATION)["schedule"].first().tolist() == ["fixed_2", "fixed_3", "fixed_2"]
    part = trials[trials["schedule"] == "fixed_3"]
    assert summarise_trials(part).index.tolist() == [1]


def test_frames_of_configurations_join_by_key_whatever_their_order(tmp_path: Path) -> None:
    run = write_run(
        tmp_path / "run",
        {"fixed_2": ([0.5, 0.6], 1e-6), "fixed_3": ([0.7, 0.71], 2e-6), "fixed_4": ([0.8, 0.82], 3e-6)},
    )
    change_trials(run, "fixed_2", 0, status="failed")
    runs = load_runs([run])
    shuffled = done_trials(runs.trials).iloc[::-1]
    summary = summarise_trials(shuffled)
    assert summary.index.tolist() == [2, 1, 0]
    found = front_uncertainty(shuffled, runs.objectives)
    joined = summary.assign(label=configuration_names(shuffled)).sort_index().join(found)
    assert joined["label"].tolist() == joined["schedule"].tolist() == ["fixed_2", "fixed_3", "fixed_4"]
    assert joined["verdict"].tolist() == ["undecided (one seed)", "undecided", "undecided"]
