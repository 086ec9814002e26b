from __future__ import annotations

import functools
from typing import Any

import pycountry
import pytest
from codecarbon.input import DataSource

from lwq_tune.carbon.countries import find_carbon_intensity, find_country
from lwq_tune.carbon.intensity import IntensitySeries
from lwq_tune.errors import ConfigError

COUNTRIES = list(pycountry.countries)


@functools.cache
def energy_mixes() -> dict[str, Any]:
    return DataSource().get_global_energy_mix_data()


def words_for(entry: Any) -> set[str]:
    """Return all that the standard and CodeCarbon call a country, codes and English names."""
    named = [getattr(entry, kind, None) for kind in ("name", "official_name", "common_name")]
    mix = energy_mixes().get(entry.alpha_3, {})
    return {entry.alpha_2, entry.alpha_3, entry.numeric, *filter(None, [*named, mix.get("country_name")])}


def test_every_code_and_name_means_its_own_country_whatever_the_case() -> None:
    assert len(COUNTRIES) > 240
    names = {code: mix["country_name"] for code, mix in energy_mixes().items()}
    assert len(names) > 200
    for entry in COUNTRIES:
        for word in words_for(entry):
            for spelling in (word, word.lower(), f" {word.upper()} "):
                found = find_country(spelling, names)
                assert found is not None, spelling
                assert found.code == entry.alpha_3, spelling


def test_every_country_gets_its_own_figure_or_a_refusal_that_names_no_other() -> None:
    sure = [entry for entry in COUNTRIES if energy_mixes().get(entry.alpha_3, {}).get("carbon_intensity", 0) >= 1]
    assert len(sure) > 200
    for entry in COUNTRIES:
        if entry in sure:
            mix = energy_mixes()[entry.alpha_3]
            expected = IntensitySeries.constant(mix["carbon_intensity"], f"country-year:{entry.alpha_3}:{mix['year']}")
            assert find_carbon_intensity(entry.alpha_2) == expected
            continue
        with pytest.raises(ConfigError, match="give --carbon-intensity in g/kWh") as error:
            find_carbon_intensity(entry.alpha_2)
        shown = str(error.value)
        assert f"({entry.alpha_3})" in shown
        assert not any(f"({other.alpha_3})" in shown for other in COUNTRIES if other != entry)


@pytest.mark.parametrize(
    ("word", "code"),
    [
        ("UK", "GBR"),
        ("CH", "CHE"),
        ("056", "BEL"),
        ("the Netherlands", "NLD"),
        ("Türkiye", "TUR"),
        ("Turkey", "TUR"),
        ("Republic of Korea", "KOR"),
        ("cote d'ivoire", "CIV"),
        ("Russia", "RUS"),
        ("St. Lucia", "LCA"),
        ("Trinidad & Tobago", "TTO"),
        ("São Tomé and Príncipe", "STP"),
        ("Democratic Republic of the Congo", "COD"),
    ],
)
def test_a_country_is_known_by_what_people_write(word: str, code: str) -> None:
    assert find_carbon_intensity(word).source.split(":")[:2] == ["country-year", code]


@pytest.mark.parametrize(
    "word",
    [
        "GER",
        "EU",
        "XK",
        "SU",
        "Deutschland",
        "Frankreich",
        "Franc",
        "England",
        "America",
        "Korea",
        "Guyane",
        "56",
        "4",
        "0250",
        "250.0",
        "-250",
        "250.",
        "the",
        "&",
        "F R",
        "FR,DE",
        "FRA:2023",
    ],
)
def test_what_is_no_code_or_name_gets_no_hint(word: str) -> None:
    with pytest.raises(ConfigError) as error:
        find_carbon_intensity(word)
    assert str(error.value) == (
        "--country takes an ISO 3166-1 code or English name of a country, such as FR, FRA, 250 or France, "
        f"got {word!r}; or give --carbon-intensity in g/kWh"
    )
