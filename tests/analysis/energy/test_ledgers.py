from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis.__main__ import main
from analysis.energy.findings import LedgerKind, find_in_ledgers
from analysis.energy.inference_model import inference_energy
from analysis.energy.ledgers import ledger_frame
from analysis.energy.sentences import ledger_sentence
from analysis.runs.load import load_run, load_runs
from tests.support.synthetic_runs import POINTS, write_run


def frame_of(folder: Path, *args: Any, **values: Any) -> pd.DataFrame:
    return ledger_frame(load_run(write_run(folder, *args, **values)).trials)


def test_training_is_compared_with_full_precision_seed_by_seed(tmp_path: Path) -> None:
    frame = frame_of(tmp_path / "run").set_index("schedule")
    # Emissions of 3, 2, 1 and 4 mg at 0.5 kg/kWh.
    assert frame["training_energy_kwh"].to_dict() == pytest.approx(
        {"full_precision": 6e-6, "fixed_2": 4e-6, "ascending_234": 2e-6, "descending_432": 8e-6}
    )
    assert frame["ratio"].drop("full_precision").to_dict() == pytest.approx(
        {"fixed_2": 2 / 3, "ascending_234": 1 / 3, "descending_432": 4 / 3}
    )
    assert frame["n_ratio_seeds"].to_dict() == {
        "full_precision": 0,
        "fixed_2": 2,
        "ascending_234": 2,
        "descending_432": 2,
    }


def test_inference_is_the_model_per_thousand_images(tmp_path: Path) -> None:
    trials = load_run(write_run(tmp_path / "run")).trials
    frame = ledger_frame(trials).set_index("schedule")
    uj_per_image = inference_energy(trials).set_axis(trials["schedule"]).groupby(level=0).first()
    for name in POINTS:  # uJ per image x 1,000 images = mJ
        assert frame.loc[name, "compute_mj"] == pytest.approx(uj_per_image.loc[name, "compute_energy_uj"])
        assert frame.loc[name, "dram_mj"] == pytest.approx(uj_per_image.loc[name, "dram_energy_uj"])


def test_findings_say_where_quantized_training_used_more_and_less(tmp_path: Path) -> None:
    found = {finding.kind: finding for finding in find_in_ledgers(frame_of(tmp_path / "run"))}
    more, less = found[LedgerKind.USED_MORE], found[LedgerKind.USED_LESS]
    assert more.subjects == ("descending_432",)
    assert set(less.subjects) == {"fixed_2", "ascending_234"}
    assert more.estimates["least_ratio"].value == more.estimates["greatest_ratio"].value == pytest.approx(4 / 3)
    assert less.estimates["least_ratio"].value == pytest.approx(1 / 3)
    assert less.estimates["greatest_ratio"].value == pytest.approx(2 / 3)
    assert more.counts == {
        "configurations": 1,
        "quantized": 3,
        "not_in_every_seed": 0,
        "one_seed": 0,
        "least_seeds": 2,
        "most_seeds": 2,
    }
    assert not more.is_open
    assert LedgerKind.MODELLED_SHARE in found


def test_ratios_that_may_be_chance_are_open(tmp_path: Path) -> None:
    points = {"fixed_2": ([0.5], 2e-6), "full_precision": ([0.6], 1e-6)}
    found = {finding.kind: finding for finding in find_in_ledgers(frame_of(tmp_path / "run", points))}
    assert found[LedgerKind.USED_MORE].is_open
    assert found[LedgerKind.USED_MORE].counts["one_seed"] == 1


@pytest.mark.parametrize(
    ("schedule", "kind"),
    [("fixed_2", LedgerKind.NO_FULL_PRECISION), ("full_precision", LedgerKind.FULL_PRECISION_ALONE)],
)
def test_without_both_there_is_no_ratio(tmp_path: Path, schedule: str, kind: LedgerKind) -> None:
    found = find_in_ledgers(frame_of(tmp_path / "run", {schedule: ([0.5], 1e-6)}))
    assert [finding.kind for finding in found] == [LedgerKind.RECORDED, kind]


def test_a_ratio_is_of_the_same_settings(tmp_path: Path) -> None:
    points = {"fixed_2": ([0.5], 2e-6), "full_precision": ([0.6], 1e-6)}
    one = write_run(tmp_path / "one", points)
    two = write_run(tmp_path / "two", {"fixed_2": ([0.5], 9e-6)}, config_changes={"width": 0.5})
    frame = ledger_frame(load_runs([one, two]).trials).set_index("label")
    assert frame["ratio"].dropna().to_dict() == pytest.approx({"fixed_2": 2.0})


def test_the_command_writes_both_ledgers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run")
    assert main(["ledgers", str(run)]) == 0
    out = capsys.readouterr().out
    assert "modelled:horowitz45nm-qkeras" in out
    assert pd.read_csv(run / "analysis" / "ledgers.csv")["schedule"].tolist() == list(POINTS)
    assert {file.suffix for file in (run / "analysis").iterdir()} == {".csv", ".svg", ".pdf", ".png"}


def test_without_energy_the_model_is_still_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    unmeasured = dict.fromkeys(["energy_kwh", "emissions_kg_co2eq", "cpu_source", "ram_source", "coverage"])
    run = write_run(tmp_path / "run", changes=unmeasured)
    assert main(["ledgers", str(run)]) == 0
    (found, *_) = find_in_ledgers(ledger_frame(load_run(run).trials))
    assert found.kind is LedgerKind.NOT_MEASURED
    assert ledger_sentence(found) in capsys.readouterr().out
    assert pd.read_csv(run / "analysis" / "ledgers.csv")["compute_mj"].gt(0).all()


def test_energies_found_in_different_ways_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [write_run(tmp_path / "a"), write_run(tmp_path / "b", changes={"cpu_source": "estimated:tdp*load^3"})]
    arguments = ["ledgers", *map(str, runs), "--out", str(tmp_path / "out")]
    assert main(arguments) == 2
    assert "cpu_source" in capsys.readouterr().err
    assert main([*arguments, "--mixed-sources"]) == 0
