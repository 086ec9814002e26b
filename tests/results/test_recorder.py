from __future__ import annotations

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lwq_tune.config.trial import TrialConfig
from lwq_tune.data.images import Dataset
from lwq_tune.energy.ledger.totals import trial_part
from lwq_tune.models.image_format import ImageFormat
from lwq_tune.results.networks import trial_costs
from lwq_tune.results.recorder import RunRecorder
from lwq_tune.results.run_folder import RunFolder
from lwq_tune.results.schema import EPOCH_COLUMNS, TRIAL_COLUMNS
from lwq_tune.results.trial_rows import ROW_EMISSIONS, ROW_ENERGIES, last_attempts
from lwq_tune.training.epoch_row import EpochRow
from lwq_tune.training.trial import Trial
from tests.conftest import small_config
from tests.support.fake_meter import CountingMeter

HOST = {"hostname": "h", "cpu_model": "c", "gpu_model": None}


@pytest.fixture
def configs() -> dict[str, TrialConfig]:
    trials = [small_config(seed=seed, epochs=3) for seed in (0, 1, 2)]
    return {trial.trial_key: trial for trial in trials}


def recorder_of(folder: RunFolder, configs: dict[str, TrialConfig]) -> RunRecorder:
    costs = {key: trial_costs(config, ImageFormat(num_classes=4)) for key, config in configs.items()}
    return RunRecorder(folder, configs, costs, {"run": folder.path.name, "objectives": []})


def epoch_rows(config: TrialConfig, dataset: Dataset) -> list[dict[str, Any]]:
    return [{**asdict(row), **HOST} for row in Trial(config, dataset, CountingMeter()).epochs()]


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "run")
    folder.create()
    return folder


def test_a_trial_yields_exactly_the_columns_that_the_tables_hold() -> None:
    added_by_the_recorder = {
        "run",
        "trial_key",
        "ray_trial_id",
        "attempt",
        "recorded_at_utc",
        "role",
        "init_trial_key",
        "schedule",
        "family",
        "bit_widths",
        "act_bit_widths",
        "hostname",
        "cpu_model",
        "gpu_model",
    }
    columns = {column.name for column in EPOCH_COLUMNS if not column.name.startswith("config_")}
    assert {field.name for field in fields(EpochRow)} == columns - added_by_the_recorder


def test_epochs_add_up_to_their_trial(
    folder: RunFolder, configs: dict[str, TrialConfig], tiny_dataset: Dataset
) -> None:
    recorder = recorder_of(folder, configs)
    key, config = next(iter(configs.items()))
    recorder.start_attempt(key)
    for row in epoch_rows(config, tiny_dataset):
        recorder.add_row(key, "ray1", row)
    recorder.end_trial(key, "done")
    recorder.finish()

    epochs = pd.read_parquet(folder.epochs / f"{key}.parquet")
    trials = pd.read_parquet(folder.trials).set_index("trial_key")
    assert list(epochs.columns) == [column.name for column in EPOCH_COLUMNS]
    assert set(trials.reset_index().columns) == {column.name for column in TRIAL_COLUMNS}
    trial = trials.loc[key]
    for column in ("energy_kwh", "cpu_energy_kwh", "ram_energy_kwh", "emissions_kg_co2eq", "train_time_s"):
        assert trial[column] == pytest.approx(epochs[column].sum(), rel=1e-12)
    assert trial["energy_kwh"] == pytest.approx(epochs["cumulative_energy_kwh"].iloc[-1])
    assert (epochs["emissions_kg_co2eq"] * 1000).tolist() == pytest.approx(
        (epochs["energy_kwh"] * epochs["carbon_intensity_g_per_kwh"]).tolist()
    )
    assert trial["test_accuracy"] == epochs["test_accuracy"].iloc[-1]
    assert (trial["status"], trial["epochs_done"], trial["attempts"]) == ("done", 3, 1)
    assert pd.isna(trial["gpu_energy_kwh"])
    assert trials["status"].tolist() == ["done", "pending", "pending"]


def test_a_restart_counts_each_epoch_once_and_books_what_it_repeats(
    folder: RunFolder, configs: dict[str, TrialConfig], tiny_dataset: Dataset
) -> None:
    key, config = next(iter(configs.items()))
    rows = epoch_rows(config, tiny_dataset)
    first = recorder_of(folder, configs)
    first.start_attempt(key)
    first.add_row(key, "ray1", rows[0])
    first.add_row(key, "ray1", rows[1])  # the process dies before epoch 2 is in a checkpoint

    second = recorder_of(folder, configs)
    assert second.statuses()[key] == "interrupted"
    second.start_attempt(key)
    second.add_row(key, "ray2", {**rows[1], "energy_kwh": 7e-6})
    second.add_row(key, "ray2", rows[2])
    second.end_trial(key, "done")
    second.finish()

    epochs = pd.read_parquet(folder.epochs / f"{key}.parquet")
    assert epochs[["epoch", "attempt"]].values.tolist() == [[1, 1], [2, 1], [2, 2], [3, 2]]
    trial = pd.read_parquet(folder.trials).set_index("trial_key").loc[key]
    assert trial["attempts"] == 2
    assert trial["epochs_done"] == 3
    assert trial["energy_kwh"] == pytest.approx(rows[0]["energy_kwh"] + 7e-6 + rows[2]["energy_kwh"])
    replaced = {**dict.fromkeys(ROW_ENERGIES + ROW_EMISSIONS, 0.0), **rows[1]}
    assert trial["discarded_energy_kwh"] == pytest.approx(sum(replaced[name] for name in ROW_ENERGIES))
    assert trial["discarded_emissions_kg_co2eq"] == pytest.approx(sum(replaced[name] for name in ROW_EMISSIONS))


def test_what_the_ledger_charged_a_killed_process_beyond_its_rows_is_discarded(
    folder: RunFolder, configs: dict[str, TrialConfig], tiny_dataset: Dataset
) -> None:
    key, config = next(iter(configs.items()))
    rows = epoch_rows(config, tiny_dataset)
    recorder = recorder_of(folder, configs)
    recorder.start_attempt(key)
    recorder.add_row(key, "ray1", {**rows[0], "energy_segment": "killed"})
    recorder.start_attempt(key)
    for row in rows[1:]:
        recorder.add_row(key, "ray1", {**row, "energy_segment": "last"})
    recorder.end_trial(key, "done")

    def kwh(*counted: dict[str, Any]) -> float:
        return float(sum(row[name] or 0.0 for row in counted for name in ROW_ENERGIES))

    lost_kwh, tail_kwh = 3e-6, 1e-8
    charged = {"killed": kwh(rows[0]) + lost_kwh, "last": kwh(*rows[1:]) + tail_kwh}
    parts = {trial_part(key, segment): [3.6e6 * energy_kwh, 0.0] for segment, energy_kwh in charged.items()}
    record = {
        "begin_s": 0.0,
        "time_s": 1.0,
        "unmeasured_s": 0.0,
        "g_per_kwh": 500.0,
        "concurrency": 1,
        "flags": [],
        "node": {"cpu": 3.6e6 * sum(charged.values())},
        "parts": {"cpu": parts},
    }
    folder.energy.mkdir()
    (folder.energy / "h.jsonl").write_text(json.dumps(record) + "\n")
    recorder.finish()
    trial = pd.read_parquet(folder.trials).set_index("trial_key").loc[key]
    assert trial["discarded_energy_kwh"] == pytest.approx(lost_kwh, rel=1e-6)
    assert trial["overhead_energy_kwh"] == pytest.approx(3e-7)


def test_a_failed_trial_is_a_row_with_its_error(folder: RunFolder, configs: dict[str, TrialConfig]) -> None:
    recorder = recorder_of(folder, configs)
    key = next(iter(configs))
    recorder.start_attempt(key)
    recorder.end_trial(key, "failed", "TrialDivergedError: loss must stay finite")
    recorder.finish()
    trial = pd.read_parquet(folder.trials).set_index("trial_key").loc[key]
    assert (trial["status"], trial["error"]) == ("failed", "TrialDivergedError: loss must stay finite")
    assert trial["epochs_done"] == 0
    assert pd.isna(trial["test_accuracy"])
    assert pd.isna(trial["energy_kwh"])


def test_of_each_epoch_the_last_attempt_counts() -> None:
    rows = [{"epoch": e, "attempt": a} for e, a in [(2, 2), (1, 1), (2, 1), (3, 2), (2, 3)]]
    counted, replaced = last_attempts(rows)
    assert counted == [{"epoch": e, "attempt": a} for e, a in [(1, 1), (2, 3), (3, 2)]]
    assert replaced == [{"epoch": 2, "attempt": 1}, {"epoch": 2, "attempt": 2}]


def test_a_table_that_was_never_written_comes_from_the_log(
    folder: RunFolder, configs: dict[str, TrialConfig], tiny_dataset: Dataset
) -> None:
    key, config = next(iter(configs.items()))
    first = recorder_of(folder, configs)
    first.start_attempt(key)
    for row in epoch_rows(config, tiny_dataset):
        first.add_row(key, "ray1", row)
    first.end_trial(key, "done")
    table = folder.epochs / f"{key}.parquet"
    before = pd.read_parquet(table)
    table.unlink()  # as after a full disk, or a kill between the log and the table
    recorder_of(folder, configs).finish()
    pd.testing.assert_frame_equal(pd.read_parquet(table), before)
    assert pd.read_parquet(folder.trials)["status"].tolist() == ["done", "pending", "pending"]
