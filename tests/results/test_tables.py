from __future__ import annotations

import json
import os
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from lwq_tune.errors import ResultsError
from lwq_tune.results.schema import COLUMNS, EPOCH_COLUMNS, SCHEMA_VERSION, TRIAL_COLUMNS, read_metadata
from lwq_tune.results.tables import write_json, write_table


def test_a_column_means_the_same_in_both_tables() -> None:
    for column in EPOCH_COLUMNS:
        same_name = [other for other in TRIAL_COLUMNS if other.name == column.name]
        assert same_name in ([], [column])


def test_every_unit_in_a_name_is_the_declared_unit() -> None:
    suffixes = {"_kwh": "kWh", "_s": "s", "_mib": "MiB", "_kg_co2eq": "kg CO2eq", "_uj": "uJ", "_g_per_kwh": "g/kWh"}
    checked = 0
    for name, column in COLUMNS.items():
        unit = next((unit for suffix, unit in suffixes.items() if name.endswith(suffix)), None)
        if name == "images_per_s":
            unit = "1/s"
        if name == "carbon_intensity_g_per_kwh":
            unit = "g/kWh"
        if unit is not None:
            assert column.unit == unit, name
            checked += 1
    assert checked > 15


def test_plain_pandas_reads_a_table_and_arrow_its_units(tmp_path: Path) -> None:
    file = tmp_path / "t.parquet"
    write_table(file, TRIAL_COLUMNS, [{"trial_key": "a", "bit_widths": [2, 3, 4], "energy_kwh": 0.5}], {"run": "r"})
    frame = pd.read_parquet(file)
    assert list(frame.columns) == [column.name for column in TRIAL_COLUMNS]
    assert frame.loc[0, "energy_kwh"] == 0.5
    assert list(frame.loc[0, "bit_widths"]) == [2, 3, 4]
    assert pd.isna(frame.loc[0, "gpu_energy_kwh"]), "not measured is null"
    schema = pq.read_schema(file)
    assert schema.field("energy_kwh").metadata == {b"unit": b"kWh", b"meaning": b"training energy"}
    assert read_metadata(schema) == {"schema_version": SCHEMA_VERSION, "run": "r"}


@pytest.mark.parametrize("name", ["trials.parquet", "epochs/key.parquet", "energy/host.parquet"])
def test_a_table_that_cannot_be_written_names_the_run_to_resume(tmp_path: Path, name: str) -> None:
    run = tmp_path / "results" / "a run"
    (run / name).mkdir(parents=True)
    with pytest.raises(ResultsError) as refused:
        write_table(run / name, TRIAL_COLUMNS, [], {})
    assert f"{run / name} is not (Is a directory)" in str(refused.value)
    assert str(refused.value).endswith(f"make room, then: python -m lwq_tune resume {run}")
    assert not list(run.rglob("*.tmp"))


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.json"
    write_json(path, {"n": 1})

    def broken(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(ResultsError, match="No space left"):
        write_json(path, {"n": 2})
    assert json.loads(path.read_text()) == {"n": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["m.json"]
