from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis.__main__ import main
from analysis.energy.inference_model import inference_energy
from analysis.energy.ledgers import ledger_frame, ledger_words
from analysis.figures.ledgers import draw_ledgers
from analysis.runs.load import load_run
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
        "full_precision": 0, "fixed_2": 2, "ascending_234": 2, "descending_432": 2,
    }  # fmt: skip


def test_inference_is_the_model_per_thousand_images(tmp_path: Path) -> None:
    trials = load_run(write_run(tmp_path / "run")).trials
    frame = ledger_frame(trials).set_index("schedule")
    uj_per_image = inference_energy(trials).set_axis(trials["schedule"]).groupby(level=0).first()
    for name in POINTS:  # uJ per image x 1,000 images = mJ
        assert frame.loc[name, "compute_mj"] == pytest.approx(uj_per_image.loc[name, "compute_energy_uj"])
        assert frame.loc[name, "dram_mj"] == pytest.approx(uj_per_image.loc[name, "dram_energy_uj"])


def test_words_say_where_quantized_training_used_more(tmp_path: Path) -> None:
    words = " ".join(ledger_words(frame_of(tmp_path / "run")))
    assert "1 of 3 quantized configurations used more training energy than full precision: 1.33 times" in words
    assert "2 of 3 quantized configurations used less training energy than full precision: 0.33 to 0.67 times" in words
    assert "mean over 2 seeds" in words
    assert "estimated in part: cpu measured:rapl-package, ram estimated:dimm-heuristic" in words
    assert "are not added" in words


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ({"fixed_2": ([0.5], 1e-6)}, "no ratio of training energies"),
        ({"fixed_2": ([0.5], 2e-6), "full_precision": ([0.6], 1e-6)}, "1 with one seed, which may be chance"),
        ({"fixed_2": ([0.5], 2e-6), "full_precision": ([0.6], 1e-6)}, "mean over 1 seed;"),
    ],
)
def test_words_say_what_is_missing(tmp_path: Path, points: dict[str, Any], message: str) -> None:
    assert message in " ".join(ledger_words(frame_of(tmp_path / "run", points)))


def test_a_ratio_is_of_the_same_settings(tmp_path: Path) -> None:
    points = {"fixed_2": ([0.5], 2e-6), "full_precision": ([0.6], 1e-6)}
    one = load_run(write_run(tmp_path / "one", points)).trials
    two = load_run(write_run(tmp_path / "two", {"fixed_2": ([0.5], 9e-6)}, config_changes={"width": 0.5})).trials
    frame = ledger_frame(pd.concat([one, two], ignore_index=True)).set_index("label")
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
    assert "training energy was not measured" in capsys.readouterr().out
    assert pd.read_csv(run / "analysis" / "ledgers.csv")["compute_mj"].gt(0).all()


def test_energies_found_in_different_ways_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [write_run(tmp_path / "a"), write_run(tmp_path / "b", changes={"cpu_source": "estimated:tdp*load^3"})]
    arguments = ["ledgers", *map(str, runs), "--out", str(tmp_path / "out")]
    assert main(arguments) == 2
    assert "cpu_source" in capsys.readouterr().err
    assert main([*arguments, "--mixed-sources"]) == 0


def test_the_two_ledgers_have_axes_of_their_own(tmp_path: Path) -> None:
    training, inference = draw_ledgers(frame_of(tmp_path / "run")).axes
    assert "recorded" in training.get_xlabel()
    assert "modelled" in inference.get_xlabel()
    assert training.get_xlim()[0] == 0
