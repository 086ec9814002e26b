from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from benchmarks.synthetic_run import N_SEEDS, trial_configs, write_run
from lwq_tune.results.manifest import read_manifest
from lwq_tune.results.run_folder import RunFolder
from lwq_tune.results.schema import EPOCH_COLUMNS, TRIAL_COLUMNS, read_metadata
from lwq_tune.results.tables import write_table
from lwq_tune.results.trial_rows import SUMMED, sum_up
from tests.conftest import run_python

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


@pytest.mark.slow
def test_the_benchmark_reads_all_epochs_for_table_3_and_none_for_the_front(tmp_path: Path) -> None:
    flags = ["--trials", "20", "--epochs", "4", "--json", "tables.json"]
    result = run_python("-m", "benchmarks.tables", *flags, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    figures = json.loads((tmp_path / "tables.json").read_text())
    assert figures["epoch_rows"] == 80
    assert figures["configurations"] == 10
    assert 1 <= figures["on_front"] <= 10
    assert figures["size_mib"] > 0.5
    assert set(figures["commands"]) == {"pareto", "table", "report"}
    assert 4 < figures["report_size_mb"] < 15
    for cost in figures["commands"].values():
        assert cost["cpu_time_s"] > 0
        assert 50 < cost["peak_memory_mib"] < 1000
    assert set(figures["steps_s"]) >= {"read_trials", "front", "read_epochs", "table_over_epochs"}
    assert figures["read_epochs_over_one_file"] > 0
    assert "python -m analysis pareto" in result.stdout
    assert "report.html has" in result.stdout
