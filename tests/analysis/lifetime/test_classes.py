from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.lifetime.classes import MARGIN, Pooling, PrecisionClass, find_classes, group_costs
from analysis.lifetime.load import ENERGY
from tests.analysis.lifetime.conftest import Tables, tables_of
from tests.support.synthetic_inference import write_deployed_run

QUANTIZED = ("fixed_2", "fixed_4", "ascending_234")


def class_of(rows: pd.DataFrame, precision: str = "u8") -> PrecisionClass:
    (found,) = [each for each in find_classes(rows) if each.precision == precision]
    return found


def planted(tables: Tables, means: dict[str, float], spread: float, seed: int = 0) -> pd.DataFrame:
    rows = tables.rows[tables.rows["schedule"] != "full_precision"]
    noise = 1 + spread * np.random.default_rng(seed).standard_normal(len(rows))
    return rows.assign(**{ENERGY: rows["label"].map(means) * noise})


def test_full_precision_in_f32_and_bf16_are_classes_of_their_own(tables: Tables) -> None:
    found = {each.precision: each.labels for each in find_classes(tables.rows)}
    assert found["f32"] == ("full_precision (f32)",)
    assert found["bf16"] == ("full_precision (bf16)",)
    assert sorted(found["u8"]) == sorted(QUANTIZED)


def test_equal_costs_are_pooled_and_every_member_has_the_same(tables: Tables) -> None:
    rows = planted(tables, dict.fromkeys(QUANTIZED, 5000.0), spread=0.02)
    found = class_of(rows)
    assert found.pooling is Pooling.POOLED
    assert len(set(found.costs)) == 1
    assert found.costs[0].value == pytest.approx(rows[ENERGY].mean())  # balanced: the mean of all 45
    assert found.bits == (2, 4)
    assert found.n_measurements == 45


def test_the_difference_of_a_member_has_the_interval_of_a_t_test_against_the_others(tables: Tables) -> None:
    """Of two members the test is Student's two-sample t test with 90 %, over the mean of both."""
    rows = planted(tables, dict.fromkeys(QUANTIZED, 5000.0), spread=0.02)
    rows = rows[rows["schedule"] != "ascending_234"]
    found = class_of(rows)
    one, other = (rows.loc[rows["label"] == label, ENERGY] for label in found.labels)
    interval = stats.ttest_ind(one, other).confidence_interval(0.9)
    mean = (one.mean() + other.mean()) / 2
    assert found.differences[0].low == pytest.approx(interval.low / mean)
    assert found.differences[0].high == pytest.approx(interval.high / mean)


def test_too_few_measurements_are_not_pooled_although_no_difference_is_shown(tables: Tables) -> None:
    """Pooling needs an interval within the margin; the absence of a difference is none."""
    rows = planted(tables, dict.fromkeys(QUANTIZED, 5000.0), spread=0.15)
    found = class_of(rows)
    assert found.pooling is Pooling.NOT_SHOWN
    assert len(found.groups) == 1
    single = class_of(rows[(rows["repetition"] == 1) & (rows["config_seed"] == 0)])
    assert single.pooling is Pooling.NOT_SHOWN
    assert all(math.isnan(each.low) for each in single.differences)


def test_a_member_that_costs_more_is_told_apart_and_not_pooled(tables: Tables) -> None:
    found = class_of(planted(tables, {"fixed_2": 5000.0, "fixed_4": 6000.0, "ascending_234": 5000.0}, spread=0.02))
    assert found.pooling is Pooling.DIFFERENT
    labels = dict(zip(found.members, found.labels, strict=True))
    assert sorted(sorted(labels[member] for member in group) for group in found.groups) == [
        ["ascending_234", "fixed_2"], ["fixed_4"],
    ]  # fmt: skip


@pytest.mark.slow
def test_a_class_is_pooled_wrongly_in_at_most_five_of_a_hundred_tables(tables: Tables) -> None:
    """A member at the margin from the others: the chance to pool is the level of the test, 5 %."""
    far = 5000.0 * (1 + 2 * MARGIN / 3) / (1 - MARGIN / 3)  # 5 % of the mean of all from the mean of the others
    means = {"fixed_2": 5000.0, "fixed_4": far, "ascending_234": 5000.0}
    assert (far - 5000) / ((far + 10000) / 3) == pytest.approx(MARGIN)
    pooled = [class_of(planted(tables, means, 0.02, seed)).pooling is Pooling.POOLED for seed in range(100)]
    assert sum(pooled) <= 10  # 99 % of a binomial of 100 and 0.05


@pytest.mark.parametrize("spread", [0.02, 0.2])
def test_noise_gives_no_two_members_of_a_group_another_cost(tables: Tables, spread: float) -> None:
    """Pooled or not: what is not told apart is ranked by one cost, whose interval is no narrower than a member's."""
    for seed in range(20):
        found = class_of(planted(tables, dict.fromkeys(QUANTIZED, 5000.0), spread, seed))
        if len(found.groups) > 1:
            continue  # told apart falsely, in at most 5 % of tables
        costs = [cost for _, cost in group_costs([found]).values()]
        assert len(set(costs)) == 1
        assert costs[0].variance >= max(cost.variance for cost in found.costs)


@pytest.mark.slow
def test_the_chance_that_equal_members_are_told_apart_is_at_most_five_per_cent(tables: Tables) -> None:
    means = dict.fromkeys(QUANTIZED, 5000.0)
    apart = [len(class_of(planted(tables, means, 0.1, seed)).groups) > 1 for seed in range(100)]
    assert sum(apart) <= 10


@pytest.mark.parametrize(
    "change",
    [{"n_integer_layers": 13}, {"float_fallbacks": "stages.0.conv1"}, {"precision_class": "i8"}, {"macs": 1.0}],
)
def test_what_ran_otherwise_is_of_another_class(tables: Tables, change: dict[str, Any]) -> None:
    rows = tables.rows.copy()
    for column, value in change.items():
        rows.loc[rows["schedule"] == "fixed_2", column] = value
    together = [each for each in find_classes(rows) if "fixed_2" in each.labels]
    assert [each.labels for each in together] == [("fixed_2",)]


def test_one_schedule_alone_is_not_pooled_with_anything(tmp_path: Path) -> None:
    run = write_deployed_run(tmp_path / "run", {"fixed_2": ((0.87, 0.88), 3e-3)}, spread=0.01)
    (found,) = find_classes(tables_of(run).rows)
    assert found.pooling is Pooling.ALONE
    assert found.differences == ()
