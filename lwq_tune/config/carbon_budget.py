"""Carbon budgets: how much a sweep may emit or use."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from lwq_tune.errors import ConfigError

_UNITS = {"kg": ("kg", 1.0), "g": ("kg", 1e-3), "kWh": ("kWh", 1.0), "Wh": ("kWh", 1e-3)}


@dataclass(frozen=True)
class Budget:
    """A limit in kg CO2eq or in kWh."""

    limit: float
    unit: str

    def used(self, kwh: float, kg_co2eq: float) -> float:
        """Return the energy or the emissions, whichever the limit is on, in its unit."""
        return kg_co2eq if self.unit == "kg" else kwh

    def text(self, value: float) -> str:
        """Return a value in the unit of the limit.

        >>> Budget(0.5, "kg").text(0.1234567)
        '0.1235 kg CO2eq'
        """
        return f"{value:.4g} {'kg CO2eq' if self.unit == 'kg' else 'kWh'}"


def parse_budget(text: str) -> Budget:
    """Return the budget that a text such as ``0.5kg``, ``300g``, ``1.2kWh`` or ``50 Wh`` names.

    Raises:
        ConfigError: It is no positive number with one of these units.

    >>> parse_budget("300 g")
    Budget(limit=0.3, unit='kg')
    """
    match = re.fullmatch(r"\s*([0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)\s*([A-Za-z]+)\s*", text)
    units = {name.lower(): value for name, value in _UNITS.items()}
    known = units.get(match.group(2).lower()) if match else None
    if match is None or known is None or not 0 < float(match.group(1)) < math.inf:
        raise ConfigError(f"--carbon-budget is a positive number with kg, g, kWh or Wh, such as 0.5kg, got {text!r}")
    unit, factor = known
    return Budget(float(match.group(1)) * factor, unit)
