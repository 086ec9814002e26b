from __future__ import annotations

import numpy as np
import pytest

from analysis.statistics import (
    detectable,
    hedges_correction,
    holm,
    percentile_bootstrap,
    student_quantile,
    two_sided_p,
)


# Student's t, two-sided 5 %: Fisher and Yates, table III.
@pytest.mark.parametrize(("df", "value"), [(1, 12.706), (2, 4.303), (4, 2.776), (9, 2.262), (23, 2.069), (120, 1.980)])
def test_critical_values_are_those_of_the_table(df: int, value: float) -> None:
    assert student_quantile(0.025, df) == pytest.approx(value, abs=5e-4)
    assert two_sided_p(np.array([value]), df)[0] == pytest.approx(0.05, abs=1e-4)


def test_holm_is_never_below_the_p_values_nor_above_bonferroni() -> None:
    p = np.random.default_rng(0).random(50) ** 3
    adjusted = holm(p)
    assert (adjusted >= p).all()
    assert (adjusted <= np.minimum(50 * p, 1)).all()
    assert (np.diff(adjusted[np.argsort(p)]) >= 0).all()


def test_hedges_correction_takes_the_bias_from_the_effect_size() -> None:
    drawn = np.random.default_rng(0).normal(0.5, 1, (200_000, 5))
    effects = drawn.mean(axis=1) / drawn.std(axis=1, ddof=1)
    assert effects.mean() > 0.55
    assert hedges_correction(4) * effects.mean() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("n_seeds", [3, 5, 10])
def test_the_detectable_difference_is_detected_about_four_times_in_five(n_seeds: int) -> None:
    true = detectable(np.array([1 / n_seeds**0.5]), n_seeds - 1)[0]
    drawn = np.random.default_rng(0).normal(true, 1, (100_000, n_seeds))
    t = drawn.mean(axis=1) / (drawn.std(axis=1, ddof=1) / n_seeds**0.5)
    assert (t > student_quantile(0.025, n_seeds - 1)).mean() == pytest.approx(0.8, abs=0.07)


def test_the_bootstrap_lies_within_what_was_seen_and_is_the_same_each_time() -> None:
    differences = np.random.default_rng(0).normal(size=(40, 8))
    low, high = percentile_bootstrap(differences)
    assert (differences.min(axis=1) <= low).all()
    assert (low <= differences.mean(axis=1)).all()
    assert (high <= differences.max(axis=1)).all()
    assert np.array_equal(low, percentile_bootstrap(differences)[0])
