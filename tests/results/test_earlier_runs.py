from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lwq_tune.errors import ResultsError
from lwq_tune.results.earlier_runs import finished_epochs, trained_energies
from lwq_tune.results.run_folder import RunFolder
from lwq_tune.results.schema import TRIAL_COLUMNS
from lwq_tune.results.tables import write_table
from tests.support.manifests import manifest_of

ROWS = [
    {"trial_key": "a", "status": "done", "energy_kwh": 2e-6, "epochs_done": 3},
    {"trial_key": "b", "status": "done", "energy_kwh": None, "epochs_done": 2},
    {"trial_key": "c", "status": "pending", "energy_kwh": None, "epochs_done": None},
]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    write_table(tmp_path / "trials.parquet", TRIAL_COLUMNS, ROWS, {"run": "run", "objectives": []})
    manifest_of().write(RunFolder(tmp_path))
    return tmp_path


def test_finished_trials_are_known_alike_when_pandas_saved_their_table(run: Path) -> None:
    for _ in range(2):
        assert trained_energies(run) == {"a": 2e-6, "b": None}
        assert finished_epochs(run) == {"a": 3, "b": 2}
        assert all(isinstance(n, int) for n in finished_epochs(run).values())
        frame = pd.read_parquet(run / "trials.parquet")
        frame.to_parquet(run / "trials.parquet")
    assert frame["epochs_done"].dtype == float, "pandas has no empty integer"


@pytest.mark.parametrize("more", [[], ["energy_kwh"], ["energy_kwh", "energy_kwh"]])
def test_a_table_that_no_sweep_writes_is_one_message_with_the_way_out(run: Path, more: list[str]) -> None:
    file = run / "trials.parquet"
    names = ["trial_key", "status", *more]
    pq.write_table(pa.table([pa.array(["done"])] * len(names), names=names), file)
    with pytest.raises(ResultsError, match=r"readable table of trials, .* is not \(.*delete it and let .* resume"):
        trained_energies(run)
