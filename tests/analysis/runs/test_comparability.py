from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis.__main__ import main
from analysis.runs.comparability import COLUMNS, refuse_incomparable, relevant_columns, share_classes
from analysis.runs.load import AnalysisError, Objective
from tests.support.synthetic_runs import write_run

ACCURACY = Objective("test_accuracy", "maximize")
ENERGY = [ACCURACY, Objective("energy_kwh", "minimize")]
EMISSIONS = [ACCURACY, Objective("emissions_kg_co2eq", "minimize")]
SIZE = [ACCURACY, Objective("weight_mib", "minimize")]
COMMON = {
    "cpu_source": "measured:rapl-package",
    "gpu_source": "none",
    "ram_source": "estimated:dimm-heuristic",
    "idle_source": "calibrated",
    "share_method": "cpu-seconds",
    "pue": 1.0,
    "carbon_intensity_source": "user",
    "carbon_intensity_g_per_kwh": 500.0,
    "concurrency": 2.0,
    "test_accuracy": 0.9,
    "weight_mib": 1.0,
    "modelled_inference_energy_uj": 1.0,
    "train_time_s": 1.0,
    "energy_kwh": 1.0,
    "emissions_kg_co2eq": 1.0,
    "cpu_energy_kwh": 1.0,
    "active_energy_kwh": 1.0,
}
OTHERS = {
    "cpu_source": "estimated:constant",
    "gpu_source": "measured:nvml-energy-counter",
    "ram_source": "none",
    "idle_source": "unknown",
    "share_method": "whole-host",
    "pue": 1.2,
    "carbon_intensity_source": "world-average",
    "carbon_intensity_g_per_kwh": 475.0,
}


def trials(*changes: dict[str, Any]) -> pd.DataFrame:
    """Return one trial per argument, all alike but for it."""
    return pd.DataFrame([{**COMMON, **change} for change in changes])


def test_alike_trials_share_every_front_without_a_word() -> None:
    for objectives in (ENERGY, EMISSIONS, SIZE, None):
        assert refuse_incomparable(trials({}, {}, {}), allow=False, objectives=objectives) == []


@pytest.mark.parametrize("column", COLUMNS)
def test_every_column_that_differs_is_refused_where_all_count(column: str) -> None:
    with pytest.raises(AnalysisError, match=f"{column}: "):
        refuse_incomparable(trials({}, {column: OTHERS[column]}), allow=False)


@pytest.mark.parametrize(
    ("objectives", "relevant"),
    [
        (SIZE, []),
        ([ACCURACY, Objective("modelled_inference_energy_uj", "minimize")], []),
        ([ACCURACY, Objective("train_time_s", "minimize")], []),
        (ENERGY, ["cpu_source", "gpu_source", "ram_source", "share_method", "pue"]),
        (EMISSIONS, [column for column in COLUMNS if column != "idle_source"]),
        ([ACCURACY, Objective("cpu_energy_kwh", "minimize")], ["cpu_source", "share_method", "pue"]),
        (
            [ACCURACY, Objective("active_energy_kwh", "minimize")],
            ["cpu_source", "gpu_source", "ram_source", "idle_source", "share_method", "pue"],
        ),
    ],
    ids=lambda value: "-".join(axis.column for axis in value if isinstance(axis, Objective)) or None,
)
def test_only_what_the_axes_rest_on_must_agree(objectives: list[Objective], relevant: list[str]) -> None:
    assert relevant_columns(objectives) == relevant
    frame = trials({}, {column: value for column, value in OTHERS.items() if column not in relevant})
    refuse_incomparable(frame, allow=False, objectives=objectives)
    for column in relevant:
        with pytest.raises(AnalysisError, match=f"differ in {column}: "):
            refuse_incomparable(trials({}, {column: OTHERS[column]}), allow=False, objectives=objectives)


def test_a_refusal_names_columns_values_numbers_of_trials_and_the_way_out() -> None:
    mixed = trials({}, {}, {"pue": 1.2, "cpu_source": "estimated:constant"}, {"cpu_source": None})
    with pytest.raises(AnalysisError) as caught:
        refuse_incomparable(mixed, allow=False, objectives=ENERGY)
    assert str(caught.value) == (
        "records on one front must be comparable, these differ in cpu_source: sources of CPU energy "
        "(estimated:constant, measured:rapl-package, none) in 1, 2 and 1 trials; pue: power usage effectiveness "
        "(1.0, 1.2) in 3 and 1 trials; compare them apart, or give --mixed-sources to have them on one front"
    )


def test_what_is_allowed_is_a_warning_of_the_same_words() -> None:
    (warning,) = refuse_incomparable(trials({}, {"pue": 1.2}), allow=True, objectives=ENERGY)
    assert warning == (
        "the front mixes records that differ in pue: power usage effectiveness (1.0, 1.2) in 1 and 1 trials"
    )


@pytest.mark.parametrize("missing", [["pue"], ["pue", "idle_source", "concurrency"], COLUMNS])
def test_a_missing_column_is_null_everywhere(missing: list[str]) -> None:
    frame = trials({}, {}).drop(columns=missing)
    assert refuse_incomparable(frame, allow=False) == []


def test_a_trial_that_lacks_an_objective_is_on_no_front_and_refuses_none() -> None:
    unmeasured = {"energy_kwh": None, "cpu_source": None, "share_method": None, "concurrency": None}
    assert refuse_incomparable(trials({}, unmeasured), allow=False, objectives=ENERGY) == []
    assert refuse_incomparable(trials(unmeasured, unmeasured), allow=False, objectives=ENERGY) == []


@pytest.mark.parametrize(
    ("one", "other", "is_one_class"),
    [
        ("exclusive", "cpu-seconds", True),
        ("cpu-seconds+exclusive", "cpu-seconds", True),
        ("whole-host", "cpu-seconds", False),
        ("whole-host", "exclusive", False),
        ("self-reported", "cpu-seconds", False),
        ("cpu-seconds", None, False),
    ],
)
def test_trials_without_a_gpu_are_of_one_class_alone_or_by_cpu_seconds(
    one: str, other: str | None, is_one_class: bool
) -> None:
    frame = trials({"share_method": one}, {"share_method": other})
    assert (share_classes(frame).nunique(dropna=False) == 1) == is_one_class
    if is_one_class:
        assert refuse_incomparable(frame, allow=False, objectives=ENERGY) == []


def test_a_gpu_to_oneself_and_a_share_of_one_are_of_two_classes() -> None:
    gpu = {"gpu_source": "measured:nvml-energy-counter"}
    frame = trials({**gpu, "share_method": "exclusive"}, {**gpu, "share_method": "sm-util"})
    with pytest.raises(AnalysisError, match=r"\(exclusive, sm-util\) in 1 and 1 trials"):
        refuse_incomparable(frame, allow=False, objectives=ENERGY)


@pytest.mark.parametrize(
    ("concurrencies", "n_warnings"), [((1.0, 2.0), 1), ((1.8, 2.0), 0), ((1.0, None), 0), ((None, None), 0)]
)
def test_another_number_of_trials_at_a_time_is_a_warning(
    concurrencies: tuple[float | None, float | None], n_warnings: int
) -> None:
    frame = trials({"share_method": "exclusive", "concurrency": concurrencies[0]}, {"concurrency": concurrencies[1]})
    warnings = refuse_incomparable(frame, allow=False, objectives=ENERGY)
    assert len(warnings) == n_warnings
    assert all("trials ran 1 to 2 at a time" in warning for warning in warnings)
    assert refuse_incomparable(frame, allow=False, objectives=SIZE) == []


def two_runs(folder: Path, **changes: Any) -> list[str]:
    points = {"fixed_2": ([0.5], 1e-6)}
    return [str(write_run(folder / "a", points)), str(write_run(folder / "b", points, changes=changes))]


def test_trials_that_were_measured_in_part_only_are_named() -> None:
    (warning,) = refuse_incomparable(
        trials({"coverage": 0.5}, {"coverage": 1.0}, {"coverage": None}), allow=False, objectives=ENERGY
    )
    assert warning.startswith("of 1 trials less than 99% of the training time was measured, down to 50.0%")
    assert refuse_incomparable(trials({"coverage": 0.5}), allow=False, objectives=SIZE) == []


def test_trials_with_the_same_file_of_intensities_are_comparable_and_their_means_may_differ() -> None:
    changes = [
        {"carbon_intensity_source": "file:grid.csv:0123456789ab", "carbon_intensity_g_per_kwh": g} for g in (40.0, 50.0)
    ]
    assert refuse_incomparable(trials(*changes), allow=False, objectives=EMISSIONS) == []


def test_pareto_refuses_mixed_sources_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = two_runs(tmp_path, ram_source="measured:rapl-dram")
    assert main(["pareto", *runs, "--out", str(tmp_path / "out")]) == 2
    message = capsys.readouterr().err
    assert "ram_source: sources of memory energy (estimated:dimm-heuristic, measured:rapl-dram) in 1 and 1" in message
    assert "--mixed-sources" in message
    assert len(message.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_pareto_draws_mixed_sources_where_asked_to_and_warns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = two_runs(tmp_path, ram_source="measured:rapl-dram")
    assert main(["pareto", *runs, "--out", str(tmp_path / "out"), "--mixed-sources"]) == 0
    captured = capsys.readouterr()
    assert "warning: the front mixes records that differ in ram_source" in captured.err
    assert (tmp_path / "out" / "pareto.csv").exists()


def test_mixed_sources_do_not_excuse_other_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    points = {"fixed_2": ([0.5], 1e-6)}
    one = write_run(tmp_path / "a", points)
    other = write_run(tmp_path / "b", points, config_changes={"dataset": "cifar10"})
    assert main(["pareto", str(one), str(other), "--out", str(tmp_path / "out"), "--mixed-sources"]) == 2
    assert "data sets (cifar10, digits)" in capsys.readouterr().err
