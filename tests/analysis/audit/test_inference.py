"""Audits of what measuring deployed networks recorded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from analysis.__main__ import main
from analysis.audit.findings import audit_run
from analysis.audit.tables import load_tables
from lwq_tune.results.schema import INFERENCE_COLUMNS, INTERVAL_COLUMNS
from lwq_tune.results.tables import write_table
from tests.support.synthetic_runs import G_PER_KWH, MILLIWATT_HOUR, OBJECTIVES, A, ledger_row, ledger_run

WITHIN = "windows of inference are within the intervals of their process"
PARTS = "deployment: parts add up to the node: h cpu"
Rows = list[dict[str, Any]]
Plant = Callable[[Rows, Rows], None]


def inference_row(batch_size: int, process: str | None = "h-7", **changes: Any) -> dict[str, Any]:
    """Return a window of 1,000 images that took 1 mWh: 3.6 mJ each, half of it active; compiling took 0.5 mWh."""
    energy_uj = MILLIWATT_HOUR * 3.6e12 / 1000
    return {
        "trial_key": A, "float_precision": "f32", "batch_size": batch_size, "repetition": 1, "energy_segment": process,
        "status": "done", "n_images": 1000, "window_s": 2.0, "time_per_image_us": 2000.0,
        "energy_per_image_uj": energy_uj, "active_energy_per_image_uj": energy_uj / 2,
        "emissions_per_image_ug_co2eq": MILLIWATT_HOUR * G_PER_KWH / 1000 * 1e6,
        "carbon_intensity_g_per_kwh": G_PER_KWH, "compile_energy_kwh": 0.5 * MILLIWATT_HOUR, **changes,
    }  # fmt: skip


def deployment() -> tuple[Rows, Rows]:
    """Return two windows of one process, 2.5 mWh with compiling, and intervals that charged it with 2.75."""
    named = {"trial_key": A, "segment": "h-7"}
    intervals = []
    for interval, (active, idle) in enumerate([(1.0, 0.5), (1.0, 0.25)]):
        intervals += [
            ledger_row(interval, "trial", "cpu", active, idle, **named),
            ledger_row(interval, "other", "cpu", 0.25, 0.0),
            ledger_row(interval, "node", "cpu", None, None, energy=active + idle + 0.25, unmeasured_s=0.0),
        ]
    return [inference_row(1), inference_row(64)], intervals


def write(folder: Path, plant: Plant | None = None) -> Path:
    run = ledger_run().write(folder)
    inference, intervals = deployment()
    if plant is not None:
        plant(inference, intervals)
    metadata = {"run": run.name, "objectives": OBJECTIVES}
    write_table(run / "inference.parquet", INFERENCE_COLUMNS, inference, metadata)
    write_table(run / "deployed" / "energy" / "h.parquet", INTERVAL_COLUMNS, intervals, metadata)
    return run


def failed(run: Path) -> dict[str, list[dict[str, Any]]]:
    return {check["name"]: check["failures"] for check in audit_run(load_tables(run))["checks"] if check["failures"]}


def test_a_consistent_deployment_adds_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", str(write(tmp_path / "run"))]) == 0
    out = capsys.readouterr().out
    assert "2 measurements of inference" in out.splitlines()[0]
    assert f"ok         1  {WITHIN}" in out
    assert f"ok         2  {PARTS}" in out
    assert "rows of inference" not in out, "everything was measured"


def more_energy(inference: Rows, intervals: Rows) -> None:
    for figure in ("energy_per_image_uj", "emissions_per_image_ug_co2eq"):
        inference[1][figure] *= 1.5  # 3 mWh with compiling, of 2.75 that were charged


def other_trial(inference: Rows, intervals: Rows) -> None:
    for row in intervals:
        if row["part"] == "trial":
            row["trial_key"] = "b" * 12


def other_process(inference: Rows, intervals: Rows) -> None:
    inference[0]["energy_segment"] = "h-8"


def lost_part(inference: Rows, intervals: Rows) -> None:
    intervals.pop(1)


def more_active(inference: Rows, intervals: Rows) -> None:
    inference[0]["active_energy_per_image_uj"] *= 3


def other_emissions(inference: Rows, intervals: Rows) -> None:
    inference[0]["emissions_per_image_ug_co2eq"] *= 1.001


def other_images(inference: Rows, intervals: Rows) -> None:
    inference[0]["n_images"] = 999


@pytest.mark.parametrize(
    ("plant", "names"),
    [
        (more_energy, {WITHIN}),
        (other_trial, {WITHIN}),
        (other_process, {WITHIN}),
        (lost_part, {PARTS, "deployment: emissions of the parts add up to the node's"}),
        (more_active, {"active <= energy, inference"}),
        (other_emissions, {"emissions == energy x intensity, inference"}),
        (other_images, {"images x time per image == window, inference"}),
    ],
)
def test_what_is_planted_wrong_is_found_where_it_is(tmp_path: Path, plant: Plant, names: set[str]) -> None:
    run = write(tmp_path / "run", plant)
    assert set(failed(run)) == names
    assert main(["audit", str(run)]) == 1


def test_a_failure_names_its_process_with_both_energies(tmp_path: Path) -> None:
    (failure,) = failed(write(tmp_path / "run", more_energy))[WITHIN]
    assert failure["where"] == f"inference of {A} (f32), repetition 1, process h-7"
    assert failure["expected"] == pytest.approx(3.0 * MILLIWATT_HOUR)
    assert failure["got"] == pytest.approx(2.75 * MILLIWATT_HOUR)


def without_energy(inference: Rows, intervals: Rows) -> None:
    for row in inference:
        row.update(energy_per_image_uj=None, active_energy_per_image_uj=None, emissions_per_image_ug_co2eq=None)
    intervals.clear()


def test_what_was_not_measured_is_told_and_fails_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", str(write(tmp_path / "run", without_energy))]) == 0
    assert "not measured: energy_per_image_uj in 2 of 2 rows of inference" in capsys.readouterr().out


def failed_network(inference: Rows, intervals: Rows) -> None:
    inference.append({"trial_key": A, "float_precision": "f32", "repetition": 2, "status": "failed", "error": "crash"})


def test_a_measurement_that_failed_has_nothing_to_add_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", str(write(tmp_path / "run", failed_network))]) == 0
    assert "rows of inference" not in capsys.readouterr().out


def test_a_table_of_an_earlier_version_is_audited_as_far_as_it_goes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write(tmp_path / "run")
    table = pq.read_table(run / "inference.parquet")
    pq.write_table(table.drop_columns(["energy_segment"]), run / "inference.parquet")
    assert main(["audit", str(run)]) == 0
    out = capsys.readouterr().out
    assert f"-          0  {WITHIN}" in out
    assert "not measured: energy_segment in 2 of 2 rows of inference" in out


def test_a_damaged_table_of_inference_is_one_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write(tmp_path / "run")
    (run / "inference.parquet").write_bytes(b"x")
    assert main(["audit", str(run)]) == 2
    err = capsys.readouterr().err
    assert "must be readable as Parquet" in err
    assert len(err.splitlines()) == 1
