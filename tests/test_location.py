from __future__ import annotations

from pathlib import Path

import pytest

from lwq_tune.commands.location import check_pue, find_intensities, tell_intensities
from lwq_tune.errors import ConfigError


def test_without_a_word_the_world_average_is_used_and_said(capsys: pytest.CaptureFixture[str]) -> None:
    found = find_intensities((), (), ())
    assert {host: series.at(0.0) for host, series in found.items()} == {"": 475.0}
    tell_intensities(found)
    assert "475 g/kWh, the world average" in capsys.readouterr().err


def test_hosts_in_several_regions_have_intensities_of_their_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "grid.csv"
    file.write_text("time,g_per_kwh\n2026-01-01T00:00Z,40\n2099-01-01T01:00Z,80\n")
    found = find_intensities(["FRA", "b=ita"], ["c=12.5"], [f"d={file}"])
    assert [found[host].at(0.0) for host in ("", "b", "c", "d")] == [56.039, 330.718, 12.5, 40.0]
    tell_intensities(found)
    said = capsys.readouterr().err
    assert "330.718 g/kWh (country-year:ITA:2023)" in said
    assert "on d: 40 to 80 g/kWh over time (file:grid.csv:" in said


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ((["FRA"], ["56"], []), "a host has one carbon intensity, got --carbon-intensity 56 for all hosts"),
        ((["a=FRA"], ["a=56"], []), "for host a besides another"),
        ((["XXX"], [], []), "ISO 3166-1 alpha-3"),
        (([], ["little"], []), "must be a number of g/kWh, 0 or more, got 'little'"),
        (([], ["-1"], []), "0 or more, got -1"),
        (([], [], ["gone.csv"]), "gone.csv"),
        (([], ["=5"], []), "--carbon-intensity"),
    ],
)
def test_a_location_that_cannot_be_is_one_clear_message(flags: tuple[list[str], ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        find_intensities(*flags)


def test_a_file_of_another_time_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "grid.csv"
    file.write_text("time,g_per_kwh\n2020-01-01T00:00Z,40\n2020-01-01T01:00Z,80\n")
    with pytest.raises(ConfigError, match=r"from 2020-01-01 00:00 UTC to 2020-01-01 01:00 UTC, it is 20.* now"):
        find_intensities((), (), [str(file)])


@pytest.mark.parametrize("pue", [0.99, 10.5, float("nan")])
def test_an_impossible_pue_is_refused(pue: float) -> None:
    assert check_pue(1.2) == 1.2
    with pytest.raises(ConfigError, match="--pue must be in"):
        check_pue(pue)
