from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.__main__ import main
from analysis.fronts.pareto import pareto_front, reference_point, to_costs
from analysis.runs.configurations import summarise_trials
from analysis.runs.load import Objective, load_run
from analysis.uncertainty.front import configuration_names
from analysis.uncertainty.hypervolume import family_fronts
from tests.support.synthetic_runs import OBJECTIVES, change_trials, write_run

AXES = [Objective("test_accuracy", "maximize"), Objective("emissions_kg_co2eq", "minimize")]
BY_VALIDATION = [Objective("val_accuracy", "maximize"), AXES[1]]
# Accuracy by seed, emissions in kg. Nothing of the fixed schedules is on the front of all.
POINTS: dict[str, tuple[Sequence[float], float]] = {
    "fixed_2": ((0.70, 0.74), 2e-6),
    "fixed_3": ((0.70, 0.70), 3.5e-6),
    "fixed_4": ((0.80, 0.80), 3e-6),
    "ascending_234": ((0.85, 0.85), 1e-6),
}


def families_of(run: Path, select: Sequence[Objective] | None = None) -> pd.DataFrame:
    trials = load_run(run).trials
    summary = summarise_trials(trials).assign(label=configuration_names(trials))
    front = pareto_front(summary, AXES, select)
    reference = reference_point(to_costs(front[front["rank"].notna()], AXES))
    found = family_fronts(trials, front, AXES, reference, select)
    if select is None:
        pd.testing.assert_frame_equal(found, family_fronts(trials, front, AXES, reference))
    return found.set_index("family")


def test_each_family_has_a_front_a_volume_and_an_interval_of_its_own(tmp_path: Path) -> None:
    families = families_of(write_run(tmp_path / "run", POINTS))
    assert families.index.tolist() == ["ascending", "fixed"], "the greatest volume first"
    assert families["n_configurations"].to_dict() == {"ascending": 1, "fixed": 3}
    assert families["members"].to_dict() == {"ascending": "ascending_234", "fixed": "fixed_4; fixed_2"}
    # From accuracy 0.70 - 0.1 * 0.15 = 0.685 and emissions 3.5 + 0.1 * 2.5 = 3.75 mg.
    # Ascending: 2.75 * 0.165. Fixed: 1.75 * 0.035 + 0.75 * 0.08; without seed 0 it is 0.14125, without seed 1 0.10125,
    # standard error 0.02, Student's t of one degree of freedom 12.706205.
    values = families[["hypervolume", "hypervolume_low", "hypervolume_high"]] * 1e6
    assert values.loc["ascending"].tolist() == pytest.approx([0.45375] * 3)
    assert values.loc["fixed"].tolist() == pytest.approx([0.12125, 0.0, 0.12125 + 12.706205 * 0.02])


def test_what_decides_on_the_front_decides_on_those_of_families(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", POINTS)
    for seed in (0, 1):
        change_trials(run, "fixed_4", seed, val_accuracy=0.1)
    assert families_of(run, BY_VALIDATION).loc["fixed", "members"] == "fixed_2"
    assert families_of(run).loc["fixed", "members"] == "fixed_4; fixed_2"


def test_one_seed_has_no_interval_and_an_unmeasured_family_no_row(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", {name: (values[:1], cost) for name, (values, cost) in POINTS.items()})
    change_trials(run, "ascending_234", 0, emissions_kg_co2eq=None)
    families = families_of(run)
    assert families.index.tolist() == ["fixed"]
    assert families.loc["fixed", "hypervolume"] > 0
    assert np.isnan(families.loc["fixed", ["hypervolume_low", "hypervolume_high"]].to_numpy(dtype=float)).all()


def test_the_command_lists_families_and_draws_their_fronts_where_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write_run(tmp_path / "run", POINTS)
    assert main(["pareto", str(run)]) == 0
    out = capsys.readouterr().out.splitlines()
    begin = out.index("each family alone, from the same reference point:")
    assert re.sub(" +", " ", out[begin + 2]).strip().startswith("ascending 1 4.53"), "0.45375 mg, as above"
    assert out[begin + 3].split()[3:] == ["0", "3.754e-07", "fixed_4;", "fixed_2"]
    assert "the front of each family" not in (run / "analysis" / "pareto.svg").read_text()
    assert main(["pareto", str(run), "--families"]) == 0
    assert "the front of each family alone" in (run / "analysis" / "pareto.svg").read_text()
    assert "warning" not in capsys.readouterr().err


def test_with_three_objectives_no_line_is_drawn_and_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    third = {"column": "train_time_s", "direction": "minimize"}
    run = write_run(tmp_path / "run", POINTS, objectives=[*OBJECTIVES, third])
    assert main(["pareto", str(run), "--families"]) == 0
    captured = capsys.readouterr()
    assert "fixed_4; fixed_2" in captured.out
    assert "none drawn: the fronts of families are lines where there are two objectives" in captured.err
    assert "the front of each family" not in (run / "analysis" / "pareto.svg").read_text()


def test_where_widths_vary_the_table_and_the_plot_name_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wide = write_run(tmp_path / "wide", {"full_precision": ((0.9, 0.9), 3e-6)})
    narrow = write_run(tmp_path / "narrow", {"full_precision": ((0.8, 0.8), 1e-6)}, config_changes={"width": 0.25})
    out = tmp_path / "out"
    assert main(["pareto", str(wide), str(narrow), "--out", str(out), "--families"]) == 0
    printed = capsys.readouterr().out
    names = ["full_precision", "full_precision (width 0.25)"]
    rows = [line.strip() for line in printed.splitlines()[1:3]]
    assert [row.startswith(f"{name} full_precision ") for row, name in zip(rows, names, strict=True)] == [True, True]
    assert "; ".join(names) in printed
    drawn = (out / "pareto.svg").read_text()
    assert "<!-- full_precision (width 0.25) -->" in drawn
    assert pd.read_csv(out / "pareto.csv")["label"].tolist() == names
    assert not math.isnan(pd.read_csv(out / "pareto.csv")["config_width"].sum())
