"""Countries as users write them, ISO 3166-1 codes and English names, and what their electricity emits.

No name is completed or corrected: a similar name is that of another country, whose figure would be wrong.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pycountry

from lwq_tune.carbon.intensity import INTENSITY_RANGE, MAX_G_PER_KWH, MIN_G_PER_KWH, IntensitySeries
from lwq_tune.errors import ConfigError

# ISO 3166-1 assigns GB to the United Kingdom and reserves UK for it, so it will never be the code of another country.
RESERVED_CODES = {"UK": "GB"}
EQUAL_WORDS = {"&": "and", "st": "saint", "the": ""}


@dataclass(frozen=True)
class Country:
    """A country of ISO 3166-1.

    Attributes:
        code: Its alpha-3 code.
        name: A short English name.
    """

    code: str
    name: str

    def __str__(self) -> str:
        return f"{self.name} ({self.code})"


def find_country(text: str, other_names: Mapping[str, str] | None = None) -> Country | None:
    """Return the country that a code or name stands for, None where it stands for none or for several.

    Args:
        text: Alpha-2, alpha-3 or numeric code of ISO 3166-1 with all its digits, or an English name. Case, accents,
            punctuation and the word "the" do not matter.
        other_names: English names that are not in the standard, by alpha-3 code.

    >>> [str(find_country(text)) for text in ("CH", "deu", "250", "The Gambia", "Deutschland")]
    ['Switzerland (CHE)', 'Germany (DEU)', 'France (FRA)', 'Gambia (GMB)', 'None']
    """
    code, name = text.strip().upper(), _plain(text)
    countries = _countries(tuple((other_names or {}).items()))
    found = countries.get(RESERVED_CODES.get(code, code)) or []
    if not found and not name.isdecimal():  # -250 and 250 % are no codes
        found = countries.get(name, [])
    return found[0] if len(found) == 1 else None


def find_carbon_intensity(country: str) -> IntensitySeries:
    """Return the yearly mean carbon intensity of a country.

    Args:
        country: A code or English name, see `find_country`; those that CodeCarbon has of its own are known too.

    Raises:
        ConfigError: It is no country, or one without a usable figure.
    """
    from codecarbon.input import DataSource

    mixes = DataSource().get_global_energy_mix_data()  # type: ignore[no-untyped-call]
    found = find_country(country, {code: mix["country_name"] for code, mix in mixes.items()})
    if found is None:
        raise ConfigError(
            "--country takes an ISO 3166-1 code or English name of a country, such as FR, FRA, 250 or France, "
            f"got {country!r}; or give --carbon-intensity in g/kWh"
        )
    mix = mixes.get(found.code)
    if mix is None or mix.get("carbon_intensity") is None:
        raise ConfigError(
            f"--country takes a country whose carbon intensity CodeCarbon knows, got {country!r}: it has none for "
            f"{found}; give --carbon-intensity in g/kWh"
        )
    g_per_kwh = float(mix["carbon_intensity"])
    if not MIN_G_PER_KWH <= g_per_kwh <= MAX_G_PER_KWH:
        raise ConfigError(
            f"--country takes a country whose carbon intensity is in {INTENSITY_RANGE}, got {country!r}: CodeCarbon "
            f"has {g_per_kwh:g} for {found} in {mix['year']}; give --carbon-intensity in g/kWh"
        )
    return IntensitySeries.constant(g_per_kwh, f"country-year:{found.code}:{mix['year']}")


@functools.lru_cache(maxsize=2)
def _countries(other_names: tuple[tuple[str, str], ...]) -> dict[str, list[Country]]:
    """Return the countries that a code in capitals or a plain name stands for."""
    others = dict(other_names)
    found: dict[str, list[Country]] = {}
    for entry in pycountry.countries:
        country = Country(entry.alpha_3, getattr(entry, "common_name", entry.name))
        names = {_plain(name) for name in _names(entry, others.get(entry.alpha_3))}
        for word in (entry.alpha_2, entry.alpha_3, entry.numeric, *names):
            found.setdefault(word, []).append(country)
    return found


def _names(entry: Any, other: str | None) -> Iterator[str]:
    """Return the English names of a country; ``Korea, Republic of`` is also ``Republic of Korea``."""
    yield from filter(None, (getattr(entry, "official_name", None), getattr(entry, "common_name", None), other))
    yield entry.name
    if ", " in entry.name:
        yield " ".join(reversed(entry.name.split(", ", maxsplit=1)))


def _plain(name: str) -> str:
    """Return a name without case, accents, punctuation and words that do not distinguish countries.

    >>> _plain("Côte d'Ivoire"), _plain("St. Kitts & Nevis")
    ('cote d ivoire', 'saint kitts and nevis')
    """
    letters = "".join(c for c in unicodedata.normalize("NFKD", name.casefold()) if not unicodedata.combining(c))
    words = (EQUAL_WORDS.get(word, word) for word in re.findall(r"\w+|&", letters))
    return " ".join(filter(None, words))
