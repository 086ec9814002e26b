from __future__ import annotations

from typing import Any

import pytest

from lwq_tune.estimation.messages import compare, describe
from lwq_tune.estimation.range import Range

SLOTS = "2 side by side with 1 thread each"
SOURCES = {"cpu_source": "measured:rapl-package", "ram_source": "estimated:dimm-heuristic", "gpu_source": "none"}


def entry(low: float, point: float, high: float) -> dict[str, float]:
    return Range(low, point, high).to_dict()


def model(**changes: object) -> dict[str, Any]:
    return {
        "schedule": "fixed_2",
        "mode": "qat",
        "epochs": 8,
        "batch_size": 64,
        "engine": "eager",
        "device": "cpu",
        "n_threads": 1,
        "n_models": 1,
        "n_trials": 2,
        "n_steps": 12,
        "step_s": entry(0.02, 0.025, 0.03),
        "epoch_s": entry(0.5, 0.6, 0.7),
        "time_s": entry(50, 61, 75),
        "energy_kwh": entry(0.001, 0.002, 0.123),
        **changes,
    }


@pytest.fixture
def record() -> dict[str, Any]:
    return {
        "time_s": entry(320, 370, 460),
        "energy_kwh": entry(0.0100, 0.0123, 0.0160),
        "emissions_kg_co2eq": entry(0.0033, 0.0041, 0.0054),
        "carbon_intensity_g_per_kwh": 333.0,
        "carbon_intensity_source": "country-year:ITA:2023",
        "is_intensity_known": True,
        "assumed_s": {"Ray": entry(6, 13, 30), "compiling": entry(0, 0, 0)},
        "unseen_share": 0.1,
        "probe_time_s": 14.2,
        "hardware": {"cpu_model": "AMD EPYC", "available_cpus": 2, "n_gpus": 0},
        "energy_sources": {**SOURCES, "idle_source": "model"},
        "no_energy_reason": None,
        "n_trials": 12,
        "n_models": 2,
        "waves": [{"n_trials": 12, "n_slots": 2, "cpus": 1.0, "gpus": 0.0, "text": SLOTS}],
        "models": [model(), model(schedule="full_precision", n_steps=40)],
    }


def test_a_sweep_is_told_in_a_line_with_ranges(record: dict[str, Any]) -> None:
    assert describe(record).splitlines()[3] == (
        "estimate: 6:10 (5:20 to 7:40), 12.3 Wh (10.0 to 16.0), 4.10 g CO2eq (3.30 to 5.40), for 12 trials, "
        "each to its last epoch"
    )


def test_what_was_measured_where_and_how_is_told(record: dict[str, Any]) -> None:
    text = describe(record)
    assert text.splitlines()[4] == (
        "measured in 14 s on random images: 12-40 steps of each of 2 models, 2 side by side with 1 thread each; "
        "AMD EPYC, 2 CPU"
    )
    assert "CPU measured:rapl-package, RAM estimated:dimm-heuristic, GPU none, idle model" in text
    assert "333 g/kWh (country-year:ITA:2023)" in text
    assert "assumed, not measured: Ray 6 to 30 s; " in text
    assert "compiling" not in text


def test_each_measured_model_is_a_row(record: dict[str, Any]) -> None:
    table = describe(record).splitlines()[:3]
    assert " ".join(table[0].split()) == (
        "schedule mode engine epochs batch trials steps step ms epoch s trial trial Wh"
    )
    assert table[1].split("  ")[0] == "fixed_2"
    for figure in ("25.0 (20.0 to 30.0)", "0.600 (0.500 to 0.700)", "1:01 (0:50 to 1:15)", "2.00 (1.00 to 123)"):
        assert figure in table[1]


def test_models_that_were_not_measured_are_told(record: dict[str, Any]) -> None:
    text = describe(record | {"n_models": 81})
    assert "12-40 steps of each of 2 of 81 models (others are taken as the nearest in BitOps), 2 side by side" in text


def test_without_energy_time_is_told_and_why(record: dict[str, Any]) -> None:
    none = {"energy_kwh": None, "emissions_kg_co2eq": None, "energy_sources": None, "no_energy_reason": "no /proc here"}
    lines = describe(record | none | {"models": [model(energy_kwh=None)], "n_trials": 1}).splitlines()
    assert "estimate: 6:10 (5:20 to 7:40), energy not measured, for 1 trial, each to its last epoch" in lines
    assert "no energy: no /proc here" in lines
    assert lines[1].endswith(" -")


def test_calibration_alone_shows_no_step(record: dict[str, Any]) -> None:
    text = describe(record | {"models": [model(mode="ptq", step_s=None, n_steps=0)], "n_models": 1})
    assert "no steps of the model, 2 side" in text
    assert " -  0.600" in text


def test_long_sweeps_are_told_without_seconds(record: dict[str, Any]) -> None:
    assert "estimate: 2.00 days (25.0 h to 5.00 days), " in describe(record | {"time_s": entry(90e3, 172_800, 432e3)})


def test_an_intensity_that_ends_too_early_is_told(record: dict[str, Any]) -> None:
    assert "which does not reach as far as the sweep" in describe(record | {"is_intensity_known": False})


def test_the_end_is_held_against_the_estimate(record: dict[str, Any]) -> None:
    assert compare(record, 391.0, 0.0118, 0.0056) == (
        "actual against estimate: 6:31 against 6:10 (5:20 to 7:40), 1.06 times, within; "
        "11.8 Wh against 12.3 Wh (10.0 to 16.0), 0.96 times, within; "
        "5.60 g CO2eq against 4.10 g CO2eq (3.30 to 5.40), 1.37 times, outside"
    )


def test_what_was_not_measured_is_not_compared(record: dict[str, Any]) -> None:
    assert compare(record, 200.0, None, None) == (
        "actual against estimate: 3:20 against 6:10 (5:20 to 7:40), 0.54 times, outside; energy was not measured"
    )


def test_no_emissions_are_no_ratio(record: dict[str, Any]) -> None:
    text = compare(record | {"emissions_kg_co2eq": entry(0, 0, 0)}, 370.0, 0.0123, 0.0)
    assert text.endswith("0.00 g CO2eq against 0.00 g CO2eq (0.00 to 0.00), within")
