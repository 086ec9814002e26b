from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from benchmarks.large_reports import measure_steps
from benchmarks.support.synthetic_run import N_SEEDS, trial_configs, write_run
from lwq_tune.results.manifest import read_manifest
from lwq_tune.results.run_folder import RunFolder
from lwq_tune.results.schema import EPOCH_COLUMNS, TRIAL_COLUMNS, read_metadata
from lwq_tune.results.tables import write_table
from lwq_tune.results.trial_rows import SUMMED, sum_up

N_TRIALS, N_EPOCHS = 6, 5


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("synthetic") / "run"
    write_run(folder, N_TRIALS, N_EPOCHS)
    return RunFolder(folder)


def test_a_table_built_from_columns_is_what_the_store_writes_from_rows(run: RunFolder, tmp_path: Path) -> None:
    files = sorted(run.epochs.glob("*.parquet"))
    assert len(files) == N_TRIALS
    for file in files:
        table = pq.read_table(file)
        metadata = read_metadata(table.schema)
        del metadata["schema_version"]
        write_table(tmp_path / file.name, EPOCH_COLUMNS, table.to_pylist(), metadata)
        assert (tmp_path / file.name).read_bytes() == file.read_bytes()


def test_a_trial_is_the_sum_of_its_epochs(run: RunFolder) -> None:
    trials = pq.read_table(run.trials).to_pylist()
    assert list(trials[0]) == [column.name for column in TRIAL_COLUMNS]
    for trial in trials:
        sums = sum_up(pq.read_table(run.epochs / f"{trial['trial_key']}.parquet").to_pylist())
        assert sums.epochs_done == trial["epochs_done"] == N_EPOCHS
        for name in (*SUMMED, "test_accuracy", "cpu_source"):
            if trial[name] is not None:
                assert sums.columns[name] == pytest.approx(trial[name]), name


def test_every_configuration_has_its_seeds_and_no_trial_comes_twice(run: RunFolder) -> None:
    trials = pd.read_parquet(run.trials)
    assert trials["trial_key"].is_unique
    assert trials.groupby("schedule")["config_seed"].apply(list).tolist() == [list(range(N_SEEDS))] * 3
    many = [config.bit_widths for config in trial_configs(1)]
    assert len(many) >= 10_000
    assert len(set(many)) * N_SEEDS == len(many)


def test_the_synthetic_run_looks_like_a_sweep(run: RunFolder) -> None:
    assert read_manifest(run.path).run == "run"
    epochs = pq.read_table(run.epochs).to_pandas()
    for column in ("train_accuracy", "val_accuracy", "test_accuracy"):
        assert epochs[column].between(0, 1).all()
    parts = epochs["active_energy_kwh"] + epochs["idle_energy_kwh"]
    assert np.allclose(parts, epochs["energy_kwh"], rtol=1e-12)
    assert np.allclose(epochs["emissions_kg_co2eq"], epochs["energy_kwh"] * epochs["carbon_intensity_g_per_kwh"] / 1e3)


def test_the_steps_read_all_epochs_for_table_3_and_none_for_the_front(run: RunFolder) -> None:
    figures = measure_steps(run.path)
    assert figures["epoch_rows"] == N_TRIALS * N_EPOCHS
    assert figures["configurations"] == N_TRIALS / N_SEEDS
    assert 1 <= figures["on_front"] <= figures["configurations"]
    times_s = figures["steps_s"]
    assert set(times_s) >= {"read_trials", "front", "read_epochs", "table_over_epochs"}
    assert figures["read_epochs_over_one_file"] == times_s["read_epochs"] / times_s["one_file"]
