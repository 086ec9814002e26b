from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis.__main__ import main
from analysis.lifetime.load import choose_measurements, load_inference
from analysis.runs.configurations import done_trials
from analysis.runs.load import AnalysisError, load_run
from tests.analysis.lifetime.conftest import tables_of
from tests.support.synthetic_inference import inference_rows, write_inference
from tests.support.synthetic_runs import write_run

TWO = {"full_precision": ((0.93, 0.94), 2e-3), "fixed_2": ((0.87, 0.88), 3e-3)}


def changed_run(folder: Path, change: dict[str, Any], *, where: Any = lambda row: True) -> Path:
    """Write a run of two schedules whose measurements are changed where a condition holds."""
    run = write_run(folder, TWO)
    rows = inference_rows(pq.read_table(run / "trials.parquet").to_pylist(), n_repetitions=2, spread=0.01)
    return write_inference(run, [{**row, **change} if where(row) else row for row in rows])


def is_quantized(row: dict[str, Any]) -> bool:
    return bool(row["schedule"] == "fixed_2")


def test_a_run_that_was_not_deployed_names_the_command_that_does_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write_run(tmp_path / "run", TWO)
    assert main(["lifetime", str(run)]) == 2
    err = capsys.readouterr().err
    assert err == (
        f"error: a lifetime needs measured inference, {run} has no inference.parquet; run `python -m lwq_tune deploy "
        f"{run}` first\n"
    )


def test_full_precision_is_called_by_its_precision_and_the_smallest_batch_is_chosen(deployed_run: Path) -> None:
    rows = tables_of(deployed_run).rows
    assert set(rows["label"]) == {
        "full_precision (f32)", "full_precision (bf16)", "fixed_2", "fixed_4", "ascending_234",
    }  # fmt: skip
    assert set(rows["batch_size"]) == {1}
    assert set(tables_of(deployed_run, batch_size=64).rows["batch_size"]) == {64}


def test_a_batch_that_was_not_measured_is_refused_with_those_that_were(deployed_run: Path) -> None:
    with pytest.raises(AnalysisError, match=r"--batch takes a measured batch_size: 1, 64, got 8"):
        tables_of(deployed_run, batch_size=8)


def test_several_runtimes_need_a_choice(tmp_path: Path) -> None:
    run = changed_run(tmp_path / "run", {"runtime": "onnxruntime"}, where=lambda row: row["repetition"] == 2)
    with pytest.raises(AnalysisError, match=r"onnxruntime, openvino; choose one by --runtime"):
        tables_of(run)
    assert set(tables_of(run, runtime="openvino").rows["repetition"]) == {1}


def test_hosts_are_mixed_on_request_alone_and_it_is_said(tmp_path: Path) -> None:
    run = changed_run(tmp_path / "run", {"hostname": "other", "cpu_model": "Other CPU"}, where=is_quantized)
    with pytest.raises(AnalysisError, match=r"of one host, these are of h and other; .* --mixed-hosts"):
        tables_of(run)
    done = done_trials(load_run(run).trials)
    measured = choose_measurements(load_inference([run]), done, mixed_hosts=True)
    assert measured.notes == ("inferences of several hosts are mixed (h, other): differences may be of the hosts",)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"n_threads": 2}, "numbers of threads (1, 2)"),
        ({"runtime_version": "2027.1"}, "versions of the runtime (2026.4.1, 2027.1)"),
        ({"cpu_source": "estimated:tdp*load^3"}, "sources of CPU energy (estimated:tdp*load^3, measured:rapl-package)"),
    ],
)
def test_measurements_that_differ_in_more_than_the_network_are_refused(
    tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    with pytest.raises(AnalysisError) as refused:
        tables_of(changed_run(tmp_path / "run", change, where=is_quantized))
    assert words in str(refused.value)


def test_a_failed_network_is_left_out_and_told_in_its_words(tmp_path: Path) -> None:
    failed = {"status": "failed", "error": "Illegal instruction", "energy_per_image_uj": None}
    run = changed_run(tmp_path / "run", failed, where=is_quantized)
    done = done_trials(load_run(run).trials)
    measured = choose_measurements(load_inference([run]), done)
    assert set(measured.rows["schedule"]) == {"full_precision"}
    assert measured.notes[0].startswith("4 measurements failed (fixed_2 seed 0: run/")
    assert measured.notes[0].endswith("Illegal instruction)")


def test_windows_that_were_not_steady_or_seen_in_part_are_told(tmp_path: Path) -> None:
    run = changed_run(tmp_path / "run", {"is_steady": 0, "coverage": 0.9}, where=is_quantized)
    measured = choose_measurements(load_inference([run]), done_trials(load_run(run).trials))
    assert measured.notes == (
        "4 of 12 measurements began before the speed was steady (is_steady)",
        "of 4 of 12 measurements the meter saw less than 99% of the window, down to 90.0% (coverage)",
    )


def test_measurements_without_energy_are_refused_where_none_has_one(tmp_path: Path) -> None:
    with pytest.raises(AnalysisError, match="no measurement has both"):
        tables_of(changed_run(tmp_path / "run", {"energy_per_image_uj": None}))
    partly = tables_of(changed_run(tmp_path / "partly", {"energy_per_image_uj": None}, where=is_quantized))
    assert set(partly.rows["schedule"]) == {"full_precision"}


def test_a_damaged_table_names_deploy_as_the_way_out(tmp_path: Path) -> None:
    run = changed_run(tmp_path / "run", {})
    (run / "inference.parquet").write_bytes(b"PAR1")
    with pytest.raises(AnalysisError, match=r"readable as Parquet.*put the deploy's own file back.*lwq_tune deploy"):
        load_inference([run])


def test_a_table_that_lacks_a_column_is_refused_by_its_name(tmp_path: Path) -> None:
    run = changed_run(tmp_path / "run", {})
    table: pa.Table = pq.read_table(run / "inference.parquet")
    pq.write_table(table.drop_columns(["n_threads"]), run / "inference.parquet")
    with pytest.raises(AnalysisError, match="lacks n_threads"):
        load_inference([run])
