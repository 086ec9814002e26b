"""The real CodeCarbon on this host, in processes of their own: it keeps one tracker per process."""

from __future__ import annotations

import ast
import inspect
import json
from pathlib import Path

import pytest

from lwq_tune.energy import codecarbon_meter
from lwq_tune.energy.codecarbon_meter import CodecarbonMeter, find_carbon_intensity
from lwq_tune.energy.gpus import visible_gpu_indices
from lwq_tune.energy.meter import WORLD_AVERAGE, CarbonIntensity, NullMeter
from lwq_tune.errors import ConfigError, EnergyMeterError
from tests.conftest import run_python

WINDOWS = """
import json, sys, time
from dataclasses import asdict
from lwq_tune.energy.codecarbon_meter import CodecarbonMeter
from lwq_tune.energy.meter import CarbonIntensity
meter = CodecarbonMeter(CarbonIntensity(56.0, "user"))
readings = []
for length_s in (0.0, 0.3, 0.3):
    meter.begin_window()
    end = time.perf_counter() + length_s
    while time.perf_counter() < end: pass
    readings.append(asdict(meter.end_window()))
sources = asdict(meter.sources)
meter.close()
print(json.dumps({"readings": readings, "sources": sources}))
"""


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    folder = tmp_path_factory.mktemp("plain")
    result = run_python("-c", WINDOWS, cwd=folder, HOME=str(folder))
    assert result.returncode == 0, result.stderr
    assert result.stderr == "", "CodeCarbon wrote to the terminal"
    assert list(folder.iterdir()) == [], "CodeCarbon left files"
    return json.loads(result.stdout)  # type: ignore[no-any-return]


def test_a_reading_adds_up_and_emissions_are_energy_times_intensity(plain: dict[str, list[dict[str, float]]]) -> None:
    for reading in plain["readings"]:
        parts = [reading["cpu_energy_kwh"], reading["ram_energy_kwh"], reading["gpu_energy_kwh"] or 0.0]
        assert reading["energy_kwh"] > 0
        assert reading["energy_kwh"] == pytest.approx(sum(parts), rel=1e-9)
        assert reading["emissions_kg_co2eq"] == pytest.approx(reading["energy_kwh"] * 0.056, rel=1e-9)
        assert 0 < reading["coverage"] <= 1
    assert plain["readings"][-1]["coverage"] > 0.8


def test_a_window_shorter_than_codecarbon_can_see_is_stretched_and_not_zero(
    plain: dict[str, list[dict[str, float]]],
) -> None:
    shortest = plain["readings"][0]
    assert shortest["time_s"] >= 0.05
    assert shortest["energy_kwh"] > 0


def test_every_source_has_a_label_that_says_measured_or_estimated(plain: dict[str, dict[str, str]]) -> None:
    sources = plain["sources"]
    assert sources["cpu_source"].startswith(("measured:", "estimated:"))
    assert sources["ram_source"] == "estimated:dimm-heuristic"
    assert sources["share_method"] == "whole-host"


def test_neither_files_nor_environment_nor_network_change_the_result(
    tmp_path: Path, plain: dict[str, list[dict[str, float]]]
) -> None:
    hostile = "[codecarbon]\npue=9\nforce_ram_power=9999\ntracking_mode=process\nforce_carbon_intensity_g_co2e_kwh=1\n"
    for folder in (tmp_path / "home", tmp_path / "cwd"):
        folder.mkdir()
        (folder / ".codecarbon.config").write_text(hostile)
    result = run_python(
        "-c", WINDOWS, cwd=tmp_path / "cwd", HOME=str(tmp_path / "home"), CODECARBON_PUE="7",
        CODECARBON_FORCE_RAM_POWER="5000", CODECARBON_OUTPUT_METHODS="csv", CODECARBON_SAVE_TO_FILE="true",
        HTTPS_PROXY="http://127.0.0.1:9", HTTP_PROXY="http://127.0.0.1:9",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    assert [path.name for path in (tmp_path / "cwd").iterdir()] == [".codecarbon.config"]
    got = json.loads(result.stdout)["readings"]

    def ram_w(readings: list[dict[str, float]]) -> float:
        return sum(r["ram_energy_kwh"] for r in readings) * 3.6e6 / sum(r["time_s"] for r in readings)

    assert ram_w(got) == pytest.approx(ram_w(plain["readings"]), rel=0.1)
    for reading in got:
        assert reading["emissions_kg_co2eq"] == pytest.approx(reading["energy_kwh"] * 0.056, rel=1e-9)


def test_an_error_that_codecarbon_swallows_is_raised(tmp_path: Path) -> None:
    script = """
import lwq_tune.energy.codecarbon_meter as m
from lwq_tune.errors import EnergyMeterError
from codecarbon import OfflineEmissionsTracker
meter = m.CodecarbonMeter(m.WORLD_AVERAGE)
OfflineEmissionsTracker._prepare_emissions_data = lambda self: 1 / 0
try:
    meter.begin_window()
except EnergyMeterError as error:
    print("raised:", error)
"""
    result = run_python("-c", script, cwd=tmp_path)
    assert "raised: CodeCarbon must deliver one reading per flush" in result.stdout, result.stderr


CONTRADICTIONS = {
    "a GPU that is not there": ("m.CodecarbonMeter(m.WORLD_AVERAGE, ['0'])", "must track GPU 0, it tracks none"),
    "another intensity than asked for": (
        "meter = m.CodecarbonMeter(m.WORLD_AVERAGE); meter.begin_window(); "
        "meter._tracker._total_emissions += 1; meter.end_window()",
        "emissions must be energy times the stated intensity",
    ),
    "a sampler that failed": (
        "meter = m.CodecarbonMeter(m.WORLD_AVERAGE); meter._error = EnergyMeterError('sampler failed'); "
        "meter.begin_window()",
        "sampler failed",
    ),
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_figures_that_cannot_be_right_are_refused(name: str, tmp_path: Path) -> None:
    statement, message = CONTRADICTIONS[name]
    script = f"""
import lwq_tune.energy.codecarbon_meter as m
from lwq_tune.errors import EnergyMeterError
try:
    {statement}
except EnergyMeterError as error:
    print("refused:", error)
"""
    result = run_python("-c", script, cwd=tmp_path)
    assert "refused: " in result.stdout, result.stderr
    assert message in result.stdout


def test_a_window_that_was_never_opened_cannot_be_closed(tmp_path: Path) -> None:
    meter = CodecarbonMeter.__new__(CodecarbonMeter)
    meter._begin = None
    with pytest.raises(EnergyMeterError, match="needs a begin_window"):
        meter.end_window()


def test_every_argument_of_codecarbon_is_known_to_us() -> None:
    """A new argument could be set by a foreign config file; this contract fails when one appears."""
    from codecarbon import OfflineEmissionsTracker
    from codecarbon.emissions_tracker import BaseEmissionsTracker

    parameters = set(inspect.signature(BaseEmissionsTracker.__init__).parameters)
    parameters |= set(inspect.signature(OfflineEmissionsTracker.__init__).parameters)
    tree = ast.parse(inspect.getsource(codecarbon_meter._make_tracker))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    (call,) = [c for c in calls if isinstance(c.func, ast.Name) and c.func.id == "OfflineEmissionsTracker"]
    ours = {keyword.arg for keyword in call.keywords if keyword.arg} | set(codecarbon_meter.FIXED_ARGUMENTS)
    assert ours <= parameters
    superseded_by_output_methods = {
        "save_to_file", "save_to_api", "save_to_logger", "save_to_prometheus", "save_to_logfire", "prometheus_url",
        "co2_signal_api_token",
    }  # fmt: skip
    assert parameters - ours - superseded_by_output_methods == {"self", "args", "kwargs"}


@pytest.mark.parametrize(
    ("country", "forced", "expected"),
    [
        (None, None, WORLD_AVERAGE),
        (None, 12.5, CarbonIntensity(12.5, "user")),
        ("FRA", None, CarbonIntensity(56.039, "country-year:FRA:2023")),
        ("ita", None, CarbonIntensity(330.718, "country-year:ITA:2023")),
    ],
)
def test_the_carbon_intensity_says_where_it_comes_from(
    country: str | None, forced: float | None, expected: CarbonIntensity
) -> None:
    assert find_carbon_intensity(country, forced) == expected


@pytest.mark.parametrize("figure", [-5.0, float("inf"), float("nan")])
def test_an_impossible_intensity_is_refused(figure: float) -> None:
    with pytest.raises(ConfigError, match="finite number of g/kWh"):
        find_carbon_intensity(None, figure)


@pytest.mark.parametrize("country", ["XXX", "France", "FR", ""])
def test_an_unknown_country_is_refused(country: str) -> None:
    with pytest.raises(ConfigError, match="ISO 3166-1 alpha-3"):
        find_carbon_intensity(country, None)


@pytest.mark.parametrize(("value", "indices"), [("0", ["0"]), ("3,1", ["3"]), ("-1", []), ("", []), (None, ["0"])])
def test_the_metered_gpu_is_the_first_visible_one(value: str | None, indices: list[str]) -> None:
    assert visible_gpu_indices(value) == indices


def test_a_gpu_named_by_uuid_is_refused_because_the_meter_would_miss_it() -> None:
    with pytest.raises(ConfigError, match="by index"):
        visible_gpu_indices("GPU-8d2f")


def test_a_host_without_a_meter_reads_nothing_at_all() -> None:
    meter = NullMeter()
    meter.begin_window()
    reading = meter.end_window()
    assert (reading.energy_kwh, reading.emissions_kg_co2eq, reading.coverage) == (None, None, None)
