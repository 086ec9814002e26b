from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import yaml

from analysis.__main__ import main
from analysis.energy.hardware.reader import default_hardware, find_hardware, read_table
from analysis.energy.hardware.table import HardwareTable, NotCoveredError
from analysis.energy.inference_axis import ENERGY, TIME, add_inference_axis
from analysis.energy.inference_model import find_uncovered, layer_costs
from analysis.energy.ledgers import ledger_frame
from analysis.figures.ledgers import draw_ledgers
from analysis.runs.load import AnalysisError, Objective, load_run
from analysis.runs.networks import RecordedLayer, RecordedNetwork
from tests.analysis.energy.hardware.test_reader import CONTENT
from tests.support.synthetic_runs import POINTS, write_run

ACCURACY, EMISSIONS = Objective("test_accuracy", "maximize"), Objective("emissions_kg_co2eq", "minimize")
QUANTIZED = {"first_last_bit_width": 8}
# Weights, multiply-accumulates, values read and written.
TWO_LAYERS = (
    RecordedLayer("stem", "conv", None, True, 10, 100, 20, 5),
    RecordedLayer("block", "conv", 1, False, 4, 50, 5, 2),
)


def own_table(folder: Path, **changes: object) -> HardwareTable:
    file = folder / "own.yaml"
    grid = {2: {2: 1.0, 8: 3.0}, 8: {2: 4.0, 8: 6.0}}
    file.write_text(yaml.safe_dump(CONTENT | {"energy": {"unit": "pJ/MAC", "by_weight_bits": grid}} | changes))
    return read_table(file)


def test_costs_of_two_layers_by_hand(tmp_path: Path) -> None:
    times = {2: {2: 0.5, 8: 1.0}, 8: {2: 1.5, 8: 2.0}}
    memory = {"unit": "pJ/byte", "weights_on_chip": 3.0, "weights_off_chip": 100.0, "activations": 2.0}
    table = own_table(tmp_path, latency={"unit": "ns/MAC", "by_weight_bits": times}, memory=memory)
    layers = zip(TWO_LAYERS, (8, 2), (8, 8), strict=True)
    compute, sram, dram, activations, on_chip, off_chip, latency_ms = layer_costs(table, layers)
    assert compute == pytest.approx((100 * 6 + 50 * 3) * 1e-6)
    # 10 weights of 1 byte, 4 of a quarter; 25 and 7 values of 1 byte.
    assert sram == pytest.approx(11 * 3 * 1e-6)
    assert dram == pytest.approx(11 * 100 * 1e-6)
    assert activations == pytest.approx(32 * 2 * 1e-6)
    assert on_chip == pytest.approx((750 + 33 + 64) * 1e-6)
    assert off_chip == pytest.approx((750 + 1100 + 64) * 1e-6)
    assert latency_ms == pytest.approx((100 * 2 + 50 * 1) * 1e-6)


def test_what_a_table_does_not_give_is_no_number(tmp_path: Path) -> None:
    costs = pd.Series(layer_costs(own_table(tmp_path), zip(TWO_LAYERS, (8, 2), (8, 8), strict=True)))
    assert costs.notna().tolist() == [True] + [False] * 6
    with pytest.raises(NotCoveredError, match="weights of 4"):
        list(layer_costs(own_table(tmp_path), zip(TWO_LAYERS, (8, 4), (8, 8), strict=True)))


def test_bits_that_a_table_lacks_are_named() -> None:
    layers = (*TWO_LAYERS, replace(TWO_LAYERS[1], unit=2))
    trials = pd.DataFrame({
        "network": [RecordedNetwork("two", layers, ("first", "second"))] * 3,
        "bit_widths": [(2, 3), (32, 32), (4, 4)],
        "act_bit_widths": [(2, 3), (32, 32), (4, 32)],
        "config_first_last_bit_width": [8, 8, 32],
    })  # fmt: skip
    assert find_uncovered(trials, find_hardware("mpic")).tolist() == ["", "32 x 32", "32 x 32, 4 x 32"]
    assert find_uncovered(trials, default_hardware()).tolist() == ["", "", ""]
    assert find_uncovered(trials, replace(find_hardware("mpic"), first_last_bits=8)).tolist() == [
        "",
        "32 x 32",
        "4 x 32",
    ]


def test_modelled_energy_takes_the_place_of_what_was_minimised(tmp_path: Path) -> None:
    trials = load_run(write_run(tmp_path / "run", config_changes=QUANTIZED)).trials
    axis = add_inference_axis(trials, [ACCURACY, EMISSIONS], find_hardware("mpic"))
    assert [objective.column for objective in axis.objectives] == ["test_accuracy", ENERGY]
    assert axis.objectives[1].meaning == "modelled for MPIC (Ottavi et al. 2020, in PLiNIO)"
    assert axis.objectives[1].unit == "uJ per image"
    first = axis.trials.groupby("schedule").first()
    assert first[ENERGY].isna().to_dict() == {name: name == "full_precision" for name in POINTS}
    # One power at all bits: energy is that power over the time.
    assert (first[ENERGY] / first[TIME]).dropna().to_numpy() == pytest.approx(5.3825)
    assert len(axis.warnings) == 1
    assert "1 of 4 configurations" in axis.warnings[0]
    assert "full_precision (32 x 32)" in axis.warnings[0]


def test_where_memory_is_known_it_is_on_the_axis(tmp_path: Path) -> None:
    trials = load_run(write_run(tmp_path / "run", config_changes=QUANTIZED)).trials
    axis = add_inference_axis(trials, [ACCURACY, EMISSIONS], default_hardware())
    on_chip = ledger_frame(trials).set_index("schedule")["on_chip_mj"]
    assert axis.trials.groupby("schedule")[ENERGY].first().to_dict() == pytest.approx(on_chip.to_dict())
    assert axis.columns == (ENERGY,)
    assert not axis.warnings


def test_hardware_that_covers_nothing_is_refused(tmp_path: Path) -> None:
    trials = load_run(write_run(tmp_path / "run", {"full_precision": ([0.5], 1e-6)})).trials
    with pytest.raises(AnalysisError, match="does not cover 1 of 1 configurations"):
        add_inference_axis(trials, [ACCURACY, EMISSIONS], find_hardware("mpic"))
    with pytest.raises(AnalysisError, match="these minimise all: emissions_kg_co2eq"):
        add_inference_axis(trials, [EMISSIONS], find_hardware("mpic"))


@pytest.mark.parametrize("name", ["mpic", "bit-fusion", "horowitz45nm-qkeras"])
def test_a_front_over_modelled_inference_is_named_so(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write_run(tmp_path / "run", config_changes=QUANTIZED)
    assert main(["pareto", str(run), "--hardware", name, "--resamples", "20"]) == 0
    captured = capsys.readouterr()
    table = find_hardware(name)
    assert f"{ENERGY}: inference energy per image, {table.modelled_for}, {table.figures} costs" in captured.out
    assert "not measured" in captured.out
    assert "emissions_kg_co2eq" not in captured.out
    front = pd.read_csv(run / "analysis" / f"pareto_{name}.csv").set_index("schedule")
    assert front[ENERGY].isna()["full_precision"] == (name != "horowitz45nm-qkeras")
    assert front.loc["fixed_2", ENERGY] < front.loc["ascending_234", ENERGY]
    svg = (run / "analysis" / f"pareto_{name}.svg").read_text()
    assert svg  # drawn
    assert not (run / "analysis" / "pareto.csv").exists()


def test_ledgers_are_written_for_the_hardware(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run", config_changes=QUANTIZED)
    assert main(["ledgers", str(run), "--hardware", "mpic"]) == 0
    captured = capsys.readouterr()
    assert "modelled:mpic, modelled for MPIC (Ottavi et al. 2020, in PLiNIO), simulated costs" in captured.out
    assert "multiply-accumulates alone, no memory" in captured.out
    assert "DRAM" not in captured.out
    assert "45 nm" not in captured.out
    assert "warning: no cost of 1 of 4 configurations" in captured.err
    written = pd.read_csv(run / "analysis" / "ledgers.csv")
    assert set(written["hardware"]) == {"modelled:mpic"}
    assert written["compute_mj"].notna().sum() == written["latency_ms"].notna().sum() == 3


def test_the_figure_of_ledgers_draws_what_the_table_gives(tmp_path: Path) -> None:
    trials = load_run(write_run(tmp_path / "run", config_changes=QUANTIZED)).trials
    _, inference = draw_ledgers(ledger_frame(trials, find_hardware("bit-fusion"))).axes
    assert inference.get_xlabel().startswith("modelled, Bit Fusion")
    assert inference.get_legend_handles_labels()[1] == ["compute"]
    _, inference = draw_ledgers(ledger_frame(trials)).axes
    assert inference.get_legend_handles_labels()[1] == ["compute", "all on chip", "DRAM weights"]


def test_a_report_models_inference_for_the_hardware(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", config_changes=QUANTIZED)
    assert main(["report", str(run), "--hardware", "bit-fusion"]) == 0
    page = (run / "analysis" / "report.html").read_text()
    assert "modelled inference (Bit Fusion)" in page
    assert "modelled for Bit Fusion (Sharma et al. 2018)" in page
    assert "45 nm" not in page
    assert "no cost of 1 of 4 configurations" in page


@pytest.mark.parametrize("command", ["pareto", "ledgers", "report"])
def test_bad_hardware_ends_a_command_in_one_line(
    tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write_run(tmp_path / "run", config_changes=QUANTIZED)
    file = tmp_path / "own.yaml"
    file.write_text(json.dumps({"version": 1}))
    for given, message in (("unpu", "or a file, got unpu"), (str(file), "source: Field required")):
        assert main([command, str(run), "--hardware", given]) == 2
        error = capsys.readouterr().err
        assert message in error
        assert len(error.splitlines()) == 1


def test_float_ends_of_a_network_are_costed_at_stated_bits_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    as_trained = write_run(tmp_path / "float")  # stem and classifier in full precision
    assert main(["ledgers", str(as_trained), "--hardware", "mpic"]) == 2
    assert "does not cover 4 of 4" in (error := capsys.readouterr().err)
    assert "--first-last-bits 8 takes stem and classifier" in error
    assert main(["ledgers", str(as_trained), "--hardware", "mpic", "--first-last-bits", "8"]) == 0
    captured = capsys.readouterr()
    assert "trained in full precision taken at 8 bits" in captured.out
    assert "no cost of 1 of 4 configurations" in captured.err
    quantized = ledger_frame(
        load_run(write_run(tmp_path / "run", config_changes=QUANTIZED)).trials, find_hardware("mpic")
    )
    written = pd.read_csv(as_trained / "analysis" / "ledgers.csv")
    assert set(written["hardware"]) == {"modelled:mpic:first-last-8"}
    assert written["compute_mj"].to_numpy() == pytest.approx(quantized["compute_mj"].to_numpy(), nan_ok=True)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--first-last-bits", "8"], "--first-last-bits goes with --hardware"),
        (["--hardware", "mpic", "--first-last-bits", "0"], "bits are 1 to 32, got 0"),
    ],
)
def test_bits_of_the_ends_that_make_no_sense_are_refused(
    tmp_path: Path, given: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["pareto", str(write_run(tmp_path / "run")), *given]
    try:
        code: object = main(arguments)
    except SystemExit as ended:
        code = ended.code
    assert code == 2
    assert message in capsys.readouterr().err
