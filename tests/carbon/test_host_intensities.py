from __future__ import annotations

from pathlib import Path

import pytest

from lwq_tune.carbon.host_intensities import find_intensities, intensity_here, report_intensities
from lwq_tune.carbon.intensity import WORLD_AVERAGE
from lwq_tune.config.sweep import check_pue
from lwq_tune.errors import ConfigError
from lwq_tune.output_streams import say

INTENSITY_RULE = r"--carbon-intensity must be a number in \[1, 10000\] g/kWh"


def test_without_a_word_the_world_average_is_used_and_said(capsys: pytest.CaptureFixture[str]) -> None:
    found = find_intensities((), (), ())
    assert {host: series.at(0.0) for host, series in found.items()} == {"": 475.0}
    report_intensities(found, say)
    assert "475 g/kWh, the world average" in capsys.readouterr().err


def test_hosts_in_several_regions_have_intensities_of_their_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "grid.csv"
    file.write_text("time,g_per_kwh\n2026-01-01T00:00Z,40\n2099-01-01T01:00Z,80\n")
    found = find_intensities(["FRA", "b=ita"], ["c=12.5"], [f"d={file}"])
    assert [found[host].at(0.0) for host in ("", "b", "c", "d")] == [56.039, 330.718, 12.5, 40.0]
    report_intensities(found, say)
    said = capsys.readouterr().err
    assert "330.718 g/kWh (Italy, country-year:ITA:2023)" in said
    assert "on d: 40 to 80 g/kWh over time (file:grid.csv:" in said


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ((["FRA"], ["56"], []), "a host has one carbon intensity, got --carbon-intensity 56 for all hosts"),
        ((["a=FRA"], ["a=56"], []), "for host a besides another"),
        ((["XXX"], [], []), "ISO 3166-1 code or English name of a country"),
        ((["a=FRA", "b=Narnia"], [], []), "got 'Narnia'"),
        (([], ["little"], []), rf"{INTENSITY_RULE}, got 'little'; write the number alone"),
        (([], ["56 g/kWh"], []), rf"{INTENSITY_RULE}, got '56 g/kWh'; write the number alone"),
        (([], ["-1"], []), rf"{INTENSITY_RULE}, got '-1'; give what the grid emits in grams"),
        (([], ["nan"], []), rf"{INTENSITY_RULE}, got 'nan'"),
        (([], ["inf"], []), rf"{INTENSITY_RULE}, got 'inf'"),
        (([], ["0"], []), rf"{INTENSITY_RULE}, got '0'"),
        (([], ["10001"], []), rf"{INTENSITY_RULE}, got '10001'; give what the grid emits in grams"),
        (([], ["56", "b=0.0563"], []), rf"{INTENSITY_RULE}, got '0.0563'; if it is in kg/kWh, .* as much, 56.3$"),
        (([], [], ["gone.csv"]), "gone.csv"),
        (([], ["=5"], []), "--carbon-intensity"),
    ],
)
def test_a_location_that_cannot_be_is_one_clear_message(flags: tuple[list[str], ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        find_intensities(*flags)


def test_a_figure_that_may_be_in_kg_is_doubted_for_its_host_and_one_of_a_real_grid_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kg, hydro = tmp_path / "kg.csv", tmp_path / "hydro.csv"
    kg.write_text("time,g_per_kwh\n2026-01-01T00:00Z,0.4\n2099-01-01T01:00Z,1.25\n")
    hydro.write_text("time,g_per_kwh\n2026-01-01T00:00Z,0\n2099-01-01T01:00Z,5\n")
    found = find_intensities(["ISL"], ["a=4.9", "b=5", "c=1", "d=10000"], [f"e={kg}", f"f={hydro}"])
    report_intensities(found, say)
    warnings = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning")]
    rule = "is lower than the yearly mean of any country; if it is in kg/kWh, give 1000 times as much"
    assert warnings == [
        f"warning: a carbon intensity of 4.9 g/kWh on a {rule}, 4900 g/kWh",
        f"warning: a carbon intensity of 1 g/kWh on c {rule}, 1000 g/kWh",
        f"warning: a carbon intensity of at most 1.25 g/kWh on e {rule}, 1250 g/kWh",
    ]


def test_a_host_needs_an_intensity_of_its_own_where_only_others_have_one() -> None:
    assert intensity_here(find_intensities(["FRA"], ["elsewhere=9"], ())).at(0.0) == 56.039
    with pytest.raises(ConfigError, match=r"this host, got one for others only; add --country \S+=COUNTRY$"):
        intensity_here({"elsewhere": WORLD_AVERAGE})


def test_a_file_of_another_time_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "grid.csv"
    file.write_text("time,g_per_kwh\n2020-01-01T00:00Z,40\n2020-01-01T01:00Z,80\n")
    with pytest.raises(ConfigError, match=r"from 2020-01-01 00:00 UTC to 2020-01-01 01:00 UTC, it is 20.* now"):
        find_intensities((), (), [str(file)])


@pytest.mark.parametrize("pue", [0.99, 10.5, -1.0, float("nan"), float("inf"), float("-inf")])
def test_an_impossible_pue_is_refused(pue: float) -> None:
    assert check_pue(1.2) == 1.2
    with pytest.raises(ConfigError, match="--pue must be in"):
        check_pue(pue)
