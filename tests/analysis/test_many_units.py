"""Every command on runs of 14 and 20 units, whose layers are in `network.parquet`."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import plotly.graph_objects as go
import pyarrow.parquet as pq
import pytest

from analysis.__main__ import main
from lwq_tune.results.schema import NETWORK_COLUMNS
from lwq_tune.results.tables import write_table
from tests.analysis.report.conftest import data_of, section_of
from tests.support.synthetic_inference import inference_rows, write_inference
from tests.support.synthetic_networks import FULL, layer_rows, lowered_one_by_one, searched_points, write_network_run
from tests.support.synthetic_runs import OBJECTIVES, ledger_run

QUANTIZED_ENDS = {"config_first_last_bit_width": 8}
Searched = tuple[Path, int]


@pytest.fixture(scope="module", params=[14, 20], ids="{} units".format)
def searched(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Searched:
    """A search of 40 schedules, a seed each, and its number of units."""
    folder = tmp_path_factory.mktemp("searched") / "run"
    return write_network_run(folder, searched_points(request.param), identity=QUANTIZED_ENDS), request.param


@pytest.fixture(scope="module")
def report(searched: Searched) -> str:
    run, _ = searched
    assert main(["report", str(run)]) == 0
    return (run / "analysis" / "report.html").read_text(encoding="utf-8")


def test_the_front_is_drawn_with_all_schedules(searched: Searched) -> None:
    run, n_units = searched
    assert main(["pareto", str(run), "--resamples", "20"]) == 0
    front = pd.read_csv(run / "analysis" / "pareto.csv")
    assert len(front) == 41
    assert {bits.count(",") for bits in front["bit_widths"]} == {n_units - 1}


def test_modelled_inference_is_of_the_recorded_layers(
    searched: Searched, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, n_units = searched
    recorded = pd.read_parquet(run / "trials.parquet")["modelled_inference_energy_uj"]
    assert main(["ledgers", str(run)]) == 0
    assert pd.read_csv(run / "analysis" / "ledgers.csv")["compute_mj"].tolist() == pytest.approx(recorded.tolist())
    # The gate is in no unit and so in full precision, which hardware for integers does not have.
    assert main(["pareto", str(run), "--hardware", "mpic"]) == 2
    assert "does not cover 41 of 41 configurations" in (error := capsys.readouterr().err)
    assert "(32 x 32)" in error
    without = write_network_run(tmp_path / "run", searched_points(n_units), identity=QUANTIZED_ENDS, with_gate=False)
    assert main(["pareto", str(without), "--hardware", "mpic", "--resamples", "20"]) == 0
    front = pd.read_csv(without / "analysis" / "pareto_mpic.csv")
    assert front.loc[front["modelled_energy_uj"].isna(), "schedule"].tolist() == ["full_precision"]


def test_a_report_has_an_axis_for_each_unit_and_every_section(searched: Searched, report: str) -> None:
    _, n_units = searched
    figures = {figure["key"]: figure for figure in data_of(report)["figures"]}
    assert {"front", "parallel", "heatmap-accuracy", "heatmap-emissions", "curves", "ledgers"} <= set(figures)
    axis = figures["parallel"]["layout"]["xaxis"]
    assert axis["ticktext"][:n_units] == [f"features.{unit}" for unit in range(1, n_units + 1)]
    assert axis["tickangle"] == -90
    assert len(axis["ticktext"]) == n_units + 2
    assert {len(trace["y"]) for trace in figures["parallel"]["data"]} == {n_units + 2}
    for key in ("parallel", "heatmap-accuracy"):
        go.Figure(data=figures[key]["data"], layout=figures[key]["layout"])
    assert "features.3" in section_of(report, "heatmaps")
    assert f"whatever the other {n_units - 2} units of {n_units} have" in figures["heatmap-accuracy"]["note"]
    sensitivity = section_of(report, "sensitivity")
    assert f"features.{n_units} a bit less" in sensitivity
    assert f"by a regression on the bits of all {n_units} units" in sensitivity
    assert "slope over the depth" in section_of(report, "controls")


def test_the_two_units_that_matter_most_are_in_the_heat_map(searched: Searched, report: str) -> None:
    _, n_units = searched
    figures = {figure["key"]: figure for figure in data_of(report)["figures"]}
    layout = figures["heatmap-accuracy"]["layout"]
    titles = [layout[axis]["title"]["text"] for axis in ("yaxis", "xaxis")]
    assert titles == ["bits of features.3", f"bits of features.{n_units}"]


@pytest.mark.parametrize("command", ["heatmap", "sensitivity", "controls"])
def test_each_of_the_other_commands_takes_many_units(searched: Searched, command: str) -> None:
    assert main([command, str(searched[0])]) == 0


def test_a_run_of_units_lowered_one_by_one_has_bars_over_seeds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write_network_run(tmp_path / "run", lowered_one_by_one(14))
    assert main(["sensitivity", str(run)]) == 0
    assert "mean and 95 % interval over seeds" in capsys.readouterr().out
    effects = pd.read_csv(run / "analysis" / "sensitivity.csv")
    assert effects.loc[effects["step"] == "all", "unit"].tolist() == [f"features.{unit}" for unit in range(1, 15)]


def test_deployed_networks_of_many_units_are_of_one_class_and_have_a_lifetime(
    searched: Searched, capsys: pytest.CaptureFixture[str]
) -> None:
    run, _ = searched
    trials = pq.read_table(run / "trials.parquet").to_pylist()
    deployed = [trial for trial in trials if trial["schedule"] == "full_precision"] + trials[:3]
    write_inference(run, inference_rows(deployed, spread=0.001))
    assert main(["lifetime", str(run), "--inferences", "1e6"]) == 0
    assert "executes 2 to 4 bits alike" in capsys.readouterr().out
    assert main(["pareto", str(run), "--resamples", "20"]) == 0


@pytest.mark.parametrize("n_units", [14, 20])
def test_an_audit_takes_many_units(tmp_path: Path, n_units: int, capsys: pytest.CaptureFixture[str]) -> None:
    run = ledger_run()
    rows = layer_rows(n_units)
    for row in (*run.trials, *run.epochs):
        row |= {"bit_widths": [4] * n_units, "act_bit_widths": [FULL] * n_units, "network": rows[0]["network"]}
    folder = run.write(tmp_path / "run")
    write_table(folder / "network.parquet", NETWORK_COLUMNS, rows, {"run": "run", "objectives": OBJECTIVES})
    assert main(["audit", str(folder)]) == 0
    assert "everything adds up" in capsys.readouterr().out
