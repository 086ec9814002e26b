"""How a report writes a mean and its interval."""

from __future__ import annotations

import math

import pytest

from analysis.figures.style import Axis
from analysis.findings import Estimate
from analysis.report.formatting import estimate_text, interval_text

ACCURACY = Axis("test_accuracy", "test accuracy", "%")
EMISSIONS = Axis("emissions_kg_co2eq", "training emissions", "g CO2eq", "m", 1e6)
SIZE = Axis("weight_mib", "weight size", "MiB")


@pytest.mark.parametrize(
    ("axis", "estimate", "n_seeds", "text"),
    [
        (ACCURACY, Estimate(0.8, 0.5516, 1.0484), 3, "80.00 ± 24.84 %"),
        (EMISSIONS, Estimate(2e-6, 1.5e-6, 2.5e-6), 3, "2 ± 0.5 mg CO2eq"),
        (ACCURACY, Estimate(0.9), 1, "90.00 % (one seed, no interval)"),
        (ACCURACY, Estimate(0.7, 0.7, 0.7), 3, "70.00 % (seeds alike, no interval)"),
        (ACCURACY, Estimate(0.7), 2, "70.00 %"),
        (ACCURACY, Estimate(math.nan), 2, "not measured"),
        (SIZE, Estimate(0.25), 1, "0.25 MiB"),
        (SIZE, Estimate(0.25, 0.25, 0.25), 3, "0.25 MiB"),
    ],
)
def test_an_estimate_has_an_interval_or_the_reason_why_not(
    axis: Axis, estimate: Estimate, n_seeds: int, text: str
) -> None:
    assert estimate_text(estimate, n_seeds, axis) == text
    column = axis.column
    row = {column: estimate.value, f"{column}_low": estimate.low, f"{column}_high": estimate.high, "n_seeds": n_seeds}
    assert interval_text(row, axis) == text
