from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwq_tune.config.carbon_budget import Budget, parse_budget
from lwq_tune.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("0.5kg", Budget(0.5, "kg")),
        ("300 g", Budget(0.3, "kg")),
        ("1.2kWh", Budget(1.2, "kWh")),
        (" 50 wh ", Budget(0.05, "kWh")),
        ("1e-3KWH", Budget(0.001, "kWh")),
    ],
)
def test_a_budget_is_in_kg_or_kwh(text: str, budget: Budget) -> None:
    parsed = parse_budget(text)
    assert (parsed.unit, parsed.limit) == (budget.unit, pytest.approx(budget.limit))


@pytest.mark.parametrize(
    "text", ["", "5", "kg", "0kg", "-1kg", "1t", "1 kg CO2", "nan kg", "inf kWh", "1e999kg", "1,5kg"]
)
def test_what_is_no_budget_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ConfigError, match=r"such as 0.5kg, got"):
        parse_budget(text)


@given(st.floats(1e-6, 1e6), st.sampled_from(["kg", "kWh"]))
def test_what_counts_is_in_the_unit_of_the_limit(limit: float, unit: str) -> None:
    budget = parse_budget(f"{limit!r}{unit}")
    assert budget.used(kwh=2.0, kg_co2eq=3.0) == (3.0 if unit == "kg" else 2.0)
    assert budget.text(budget.limit).endswith("kg CO2eq" if unit == "kg" else "kWh")
