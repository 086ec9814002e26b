from __future__ import annotations

import json
import os
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from lwq_tune.errors import ResultsError
from lwq_tune.results.run_folder import RowLog, RunFolder, read_log, write_json, write_table
from lwq_tune.results.schema import COLUMNS, EPOCH_COLUMNS, SCHEMA_VERSION, TRIAL_COLUMNS, read_metadata
from tests.conftest import run_python


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


def test_a_record_is_in_the_file_before_append_returns(tmp_path: Path) -> None:
    log = RowLog(tmp_path / "rows.jsonl")
    for number in range(3):
        log.append({"n": number})
        assert list(read_log(tmp_path / "rows.jsonl"))[-1] == {"n": number}


@pytest.mark.parametrize("tail", ['{"n": 2', '{"n": 2}', "\x00\x00", '{"n'])
def test_a_last_line_cut_short_is_left_out_and_written_over(tmp_path: Path, tail: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"n": 0}\n{"n": 1}\n' + tail)
    assert list(read_log(path)) == [{"n": 0}, {"n": 1}]
    log = RowLog(path)
    log.append({"n": 3})
    log.close()
    assert list(read_log(path)) == [{"n": 0}, {"n": 1}, {"n": 3}]


def test_damage_in_the_middle_of_a_log_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"n": 0}\nnonsense\n{"n": 2}\n')
    with pytest.raises(ResultsError, match="line 2"):
        list(read_log(path))


def test_a_number_that_json_does_not_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        RowLog(tmp_path / "rows.jsonl").append({"loss": float("nan")})


def test_an_existing_run_is_not_touched(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.create()
    (tmp_path / "run" / "keep").write_text("me")
    with pytest.raises(ResultsError, match="choose another --run, or resume it"):
        RunFolder(tmp_path / "run").create()
    assert (tmp_path / "run" / "keep").read_text() == "me"


def test_results_below_a_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ResultsError, match="must be writable"):
        RunFolder(tmp_path / "file" / "run").create()


FULL = """
import resource, signal
from pathlib import Path
from lwq_tune.errors import ResultsError
from lwq_tune.results.run_folder import RowLog, read_log
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50, 50))
log = RowLog(Path("rows.jsonl"))
log.append({"n": 1})
try:
    log.append({"n": "x" * 100})
except ResultsError as error:
    print(error)
print(list(read_log(Path("rows.jsonl"))))
"""


def test_a_row_that_the_disk_does_not_take_is_a_clear_error_and_the_others_stay(tmp_path: Path) -> None:
    result = run_python("-c", FULL, cwd=tmp_path)
    assert "every row must reach the disk" in result.stdout, result.stderr
    assert "python -m lwq_tune resume" in result.stdout
    assert result.stdout.splitlines()[-1] == "[{'n': 1}]"


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


@pytest.mark.parametrize("existed", [True, False])
def test_an_unused_run_takes_away_only_what_it_made(tmp_path: Path, existed: bool) -> None:
    results = tmp_path / "results"
    if existed:
        results.mkdir()
    folder = RunFolder(results / "run")
    folder.create()
    folder.discard_if_unused()
    assert results.exists() == existed
    assert not folder.path.exists()


def test_a_run_that_has_a_row_is_never_taken_away(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.create()
    RowLog(folder.log).append({"n": 1})
    folder.discard_if_unused()
    assert list(read_log(folder.log)) == [{"n": 1}]
