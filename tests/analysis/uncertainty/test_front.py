from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.fronts.pareto import is_nondominated, pareto_front
from analysis.fronts.replicates import Replicates, replicate_costs
from analysis.runs.configurations import summarise_trials
from analysis.runs.load import AnalysisError, Objective, load_run
from analysis.statistics import student_quantile, student_tail
from analysis.uncertainty.bootstrap import is_on_front, on_front_probability
from analysis.uncertainty.front import configuration_names, front_uncertainty
from analysis.uncertainty.hypervolume import front_hypervolume, hypervolume_interval
from analysis.uncertainty.verdicts import find_claims
from tests.support.synthetic_runs import write_run

ACCURACY = Objective("test_accuracy", "maximize")
VALIDATION = Objective("val_accuracy", "maximize")
EMISSIONS = Objective("emissions_kg_co2eq", "minimize")
BITS = Objective("weight_bits", "minimize")
NOISE = np.array([-1.0, 0.3, 0.7, -0.4, 0.4])


def replicates(costs: object, *, exact: tuple[bool, ...] = (False, False)) -> Replicates:
    return Replicates(np.array(costs, dtype=float), np.array(exact), np.arange(len(costs)))


def cloud(*means: tuple[float, float], noise: float = 0.1, n: int = 5) -> Replicates:
    generator = np.random.default_rng(7)
    centres = np.array(means)[:, None]
    return replicates(centres + noise * generator.standard_normal((len(means), n, 2)))


def trials_of(folder: Path, **accuracies: tuple[list[float], float]) -> pd.DataFrame:
    return load_run(write_run(folder / "run", dict(accuracies))).trials


@given(st.floats(-30, 200), st.integers(1, 60))
def test_student_tails_are_those_of_scipy(t: float, df: int) -> None:
    assert float(student_tail(np.array(t), df)) == pytest.approx(float(stats.t.sf(t, df)), rel=1e-6, abs=1e-14)


@pytest.mark.parametrize("df", [1, 2, 3, 10, 400, 401, 5000])
def test_student_quantiles_are_those_of_scipy(df: int) -> None:
    for tail in (0.5, 0.025, 1e-3, 1e-5):
        assert student_quantile(tail, df) == pytest.approx(float(stats.t.isf(tail, df)), rel=3e-6, abs=1e-9)
    with pytest.raises(ValueError, match="degrees of freedom must be at least 1, got 0"):
        student_tail(np.array(0.0), 0)


def test_two_configurations_are_told_apart_where_a_paired_t_test_does() -> None:
    # Configuration 1 costs 1 more in both, give or take; claims share the error: 0.05 / 4 each, and the front of
    # configuration 0 may be shown by either objective, so at 0.05 / 8.
    first = np.column_stack([NOISE, NOISE[::-1]])
    for gap in np.linspace(0.02, 0.6, 30):
        second = first + gap + 0.2 * np.column_stack([NOISE[[1, 2, 0, 4, 3]], NOISE])
        claims = find_claims(replicates([first, second]))
        p = [float(stats.ttest_rel(second[:, axis], first[:, axis], alternative="greater").pvalue) for axis in (0, 1)]
        is_front = 2 * min(p) <= 0.05 / 4
        # What was shown of the front leaves its share of the error, 1/4 of all, to the other claims.
        is_dominated = max(p) <= (0.05 / 3 if is_front else 0.05 / 4)
        assert claims.on_front.tolist() == [is_front or (is_dominated and 2 * min(p) <= 0.05 / 3), False]
        assert claims.dominators == ((), (0,) if is_dominated else ())


def test_verdicts_name_who_dominates_and_leave_ties_open() -> None:
    claims = find_claims(cloud((0, 10), (10, 0), (12, 12), (0, 10)), spread="pooled")
    assert claims.on_front.tolist() == [False, True, False, False]
    assert set(claims.dominators[2]) == {0, 1, 3}
    assert claims.dominators[0] == claims.dominators[3] == ()


def test_verdicts_of_some_are_those_that_all_together_get() -> None:
    some = cloud((1.0, 1.0), (1.5, 1.5), (1.0, 1.02), (3.0, 3.0), (0.5, 4.0))
    whole = find_claims(some)
    assert whole.on_front.tolist().count(True) >= 1
    wanted = np.array([0, 3])
    part = find_claims(some, wanted=wanted)
    assert part.on_front[wanted].tolist() == whole.on_front[wanted].tolist()
    assert [part.dominators[row] for row in wanted] == [whole.dominators[row] for row in wanted]
    assert not part.on_front[[1, 2, 4]].any()
    assert [part.dominators[row] for row in (1, 2, 4)] == [()] * 3
    assert not find_claims(some, wanted=wanted[:0]).on_front.any()


def test_margins_make_ties_of_small_differences() -> None:
    clear = cloud((0, 10), (10, 0), (0.2, 10.2), noise=0.01)
    assert find_claims(clear).dominators[2] == (0,)
    within = find_claims(clear, epsilon=np.array([1.0, 1.0]))
    assert within.on_front.all()
    assert within.dominators == ((), (), ())


def test_few_seeds_show_little_unless_all_spread_alike() -> None:
    two = cloud((0, 10), (10, 0), (30, 30), noise=0.4, n=2)
    assert not find_claims(two).on_front.any()
    assert find_claims(two, spread="pooled").on_front.tolist() == [True, True, False]
    one = replicates(two.costs[:, :1])
    for spread in ("separate", "pooled"):
        assert not find_claims(one, spread=spread).on_front.any()
        assert find_claims(one, spread=spread).dominators == ((), (), ())


def test_replicates_equal_to_the_last_digit_are_no_proof() -> None:
    # Two seeds, accuracy one image apart in both: the paired spread is 0, but for rounding.
    costs = [[[-0.90, 1.0], [-0.91, 1.1]], [[-0.89, 2.0], [-0.90, 2.1]]]
    claims = find_claims(replicates(costs))
    assert not claims.on_front.any()
    assert claims.dominators == ((), ())


def test_what_no_seed_can_change_is_compared_as_it_is() -> None:
    costs = [[[0.1, 3.0], [0.3, 3.0]], [[0.2, 2.0], [0.2, 2.0]], [[0.5, 2.0], [0.3, 2.0]]]
    claims = find_claims(replicates(costs, exact=(False, True)))
    assert claims.on_front.tolist() == [False, False, False], "two share the fewest bits, and two seeds show nothing"
    costs[2] = [[0.5, 2.5], [0.3, 2.5]]
    assert find_claims(replicates(costs, exact=(False, True))).on_front.tolist() == [False, True, False]
    both = replicates([[[1, 1]], [[2, 1]], [[2, 1]]], exact=(True, True))
    assert find_claims(both).on_front.tolist() == [True, False, False]
    assert find_claims(both).dominators == ((), (0,), (0,))


def test_seeds_that_some_lack_are_left_out_of_their_pairs() -> None:
    costs = cloud((0, 10), (10, 0), (12, 12), noise=0.01, n=5).costs
    costs[2, :2] = np.nan
    assert find_claims(replicates(costs)).dominators[2] != ()
    costs[2, :4] = np.nan  # one seed: nothing is known of its spread, so no other is shown not to be dominated by it
    claims = find_claims(replicates(costs))
    assert not claims.on_front.any()
    assert claims.dominators[2] == ()
    apart = np.full((2, 6, 2), np.nan)
    apart[0, :3], apart[1, 3:] = costs[0, :3], costs[0, :3] + 1
    assert find_claims(replicates(apart)).dominators == ((), (0,)), "no seed in common: independent samples"


def test_the_bootstrap_keeps_seeds_together_across_configurations() -> None:
    # Seeds move all configurations alike, far more than they differ; paired, the order is never in doubt.
    seeds = np.array([0.0, 5.0, -5.0])[:, None]
    paired = replicates([np.repeat(seeds, 2, axis=1), np.repeat(seeds + 0.1, 2, axis=1)])
    assert on_front_probability(paired, np.random.default_rng(0)).tolist() == [1.0, 0.0]
    apart = np.full((2, 6, 2), np.nan)
    apart[:, :3], apart[1] = paired.costs, np.nan
    apart[1, 3:] = paired.costs[1]
    unpaired = on_front_probability(replicates(apart), np.random.default_rng(0))
    assert 0.2 < unpaired[1] < 0.8
    again = on_front_probability(replicates(apart), np.random.default_rng(0))
    assert unpaired.tolist() == again.tolist()


def test_resampled_means_spread_as_new_ones_would() -> None:
    # The chance that the mean of 0 and 2 falls below that of a fixed 0.5: draws (0, 0) of four, stretched to -0.41.
    costs = replicates([[[0.0, 0.0], [2.0, 2.0]], [[0.5, 0.5], [0.5, 0.5]]])
    assert on_front_probability(costs, np.random.default_rng(1), 8000) == pytest.approx([0.25, 0.75], abs=0.02)


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=12), st.integers(0, 2))
def test_the_front_with_margins_holds_what_nothing_beats_by_them(points: list[tuple[int, int]], margin: int) -> None:
    costs = np.array(points, dtype=float)
    expected = []
    for index, own in enumerate(costs):
        improved = own - margin
        others = np.delete(costs, index, axis=0)
        expected.append(not ((others <= improved).all(axis=1) & (others < improved).any(axis=1)).any())
    assert is_on_front(costs, np.array([margin, margin])).tolist() == expected
    assert is_on_front(costs).tolist() == is_nondominated(costs).tolist()


def test_the_interval_of_one_points_hypervolume_is_that_of_a_product() -> None:
    # One configuration, second cost fixed at 1 below the reference: the volume is linear in the mean of the first.
    costs = replicates([[[value, 0.0] for value in (1.0, 2.0, 3.0)]])
    value, low, high = hypervolume_interval(costs, costs, np.array([10.0, 1.0]))
    half = float(stats.t.isf(0.025, 2)) * 1.0 / 3**0.5
    assert (value, low, high) == pytest.approx((8.0, 8.0 - half, 8.0 + half))
    one = replicates([[[1.0, 0.0]]])
    assert np.isnan(hypervolume_interval(one, one, np.array([10.0, 1.0]))[1:]).all()


def test_the_frame_has_a_row_for_each_configuration_as_the_table_of_means(tmp_path: Path) -> None:
    trials = trials_of(
        tmp_path, fixed_2=([0.70, 0.71, 0.705], 2e-6), full_precision=([0.9, 0.92, 0.91], 3e-6), fixed_3=([0.5], 5e-6)
    )
    trials.loc[trials["schedule"] == "fixed_2", "emissions_kg_co2eq"] = [2e-6, 2.1e-6, 2.2e-6]
    frame = front_uncertainty(trials, [ACCURACY, EMISSIONS], select=[VALIDATION, EMISSIONS])
    summary = summarise_trials(trials)
    assert (
        summary["schedule"].tolist() == configuration_names(trials).tolist() == ["fixed_2", "full_precision", "fixed_3"]
    )
    low, high = frame.loc[0, ["emissions_kg_co2eq_low", "emissions_kg_co2eq_high"]]
    assert (low, high) == pytest.approx(stats.t.interval(0.95, 2, 2.1e-6, 1e-7 / 3**0.5))
    middle = (frame["test_accuracy_low"] + frame["test_accuracy_high"]) / 2
    assert middle.iloc[:2].tolist() == pytest.approx(summary["test_accuracy"].iloc[:2].tolist())
    assert frame["verdict"].iloc[2] == "undecided (one seed)"
    assert frame.iloc[2][["on_front_probability", "test_accuracy_low", "val_accuracy_high"]].isna().all()
    joined = pareto_front(summary.join(frame), [ACCURACY, EMISSIONS])
    assert joined.set_index("schedule").loc["fixed_3", "verdict"] == "undecided (one seed)"


def test_what_was_not_measured_has_no_verdict(tmp_path: Path) -> None:
    trials = trials_of(tmp_path, fixed_2=([0.7, 0.8], 2e-6), fixed_3=([0.9, 0.9], 3e-6))
    trials.loc[3, "emissions_kg_co2eq"] = np.nan
    frame = front_uncertainty(trials, [ACCURACY, EMISSIONS])
    assert frame["verdict"].tolist() == ["on the front", "not measured"], "it is alone"
    assert np.isnan(frame["on_front_probability"].iloc[1])
    assert replicate_costs(trials, [ACCURACY, EMISSIONS]).n_seeds.tolist() == [2, 0]
    value, _, _ = front_hypervolume(trials, [ACCURACY, EMISSIONS], np.array([0.0, 3e-6]))
    assert value == pytest.approx(0.75 * 1e-6)


def test_a_seed_of_two_runs_counts_once(tmp_path: Path) -> None:
    trials = trials_of(tmp_path, fixed_2=([0.6, 0.8], 2e-6))
    doubled = pd.concat([trials, trials.iloc[[0]].assign(test_accuracy=0.7)], ignore_index=True)
    costs = replicate_costs(doubled, [ACCURACY]).costs
    assert costs.shape == (1, 2, 1)
    assert costs.ravel() == pytest.approx([-0.65, -0.8])


def test_ties_within_the_margins_are_named_and_a_strange_margin_refused(tmp_path: Path) -> None:
    trials = trials_of(
        tmp_path, fixed_2=([0.70, 0.72], 2e-6), fixed_3=([0.705, 0.725], 2e-6), fixed_4=([0.5, 0.52], 2e-6)
    )
    frame = front_uncertainty(trials, [ACCURACY, EMISSIONS], epsilon={"test_accuracy": 0.01})
    assert frame["tied_with"].tolist() == ["fixed_3", "fixed_2", ""]
    assert frame["on_epsilon_front"].tolist() == [True, True, False]
    for bad in ({"val_accuracy": 0.1}, {"test_accuracy": -0.1}, {"test_accuracy": float("nan")}):
        with pytest.raises(AnalysisError, match="a margin is a number from 0 for one of test_accuracy"):
            front_uncertainty(trials, [ACCURACY, EMISSIONS], epsilon=bad)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """Return trials of seven configurations; the last is dominated by five that lie close to one another."""
    points = {
        f"fixed_{bits}": ([0.80 + bits / 1000 + noise for noise in (0, 0.001, 0.002)], 1e-6) for bits in range(2, 7)
    }
    points |= {"full_precision": ([0.95, 0.951, 0.953], 9e-6), "fixed_8": ([0.3, 0.301, 0.299], 5e-6)}
    trials = load_run(write_run(tmp_path_factory.mktemp("many") / "run", points)).trials
    return trials.assign(emissions_kg_co2eq=trials["emissions_kg_co2eq"] * (1 + 0.001 * trials["config_seed"]))


def test_three_dominators_are_named_and_the_others_counted(many: pd.DataFrame) -> None:
    frame = front_uncertainty(many, [ACCURACY, EMISSIONS], spread="pooled")
    assert frame["verdict"].iloc[-1] == "dominated"
    named = frame["dominated_by"].iloc[-1]
    assert named.endswith(" and 2 more")
    assert len(named.removesuffix(" and 2 more").split("; ")) == 3
    three = many[~many["schedule"].isin(["fixed_2", "fixed_3"])]
    named = front_uncertainty(three, [ACCURACY, EMISSIONS], spread="pooled")["dominated_by"].iloc[-1]
    assert sorted(named.split("; ")) == ["fixed_4", "fixed_5", "fixed_6"]


def test_what_is_not_said_is_that_of_the_stated_defaults(tmp_path: Path) -> None:
    many = trials_of(tmp_path, fixed_2=([0.70, 0.74, 0.71], 2e-6), fixed_3=([0.72, 0.70, 0.73], 2e-6))
    stated = {"spread": "separate", "error": 0.05, "n_resamples": 2000, "seed": 0, "epsilon": {}, "select": None}
    short = front_uncertainty(many, [ACCURACY, EMISSIONS])
    pd.testing.assert_frame_equal(short, front_uncertainty(many, [ACCURACY, EMISSIONS], **stated))
    assert list(short) == [
        "on_front_probability",
        "verdict",
        "dominated_by",
        "test_accuracy_low",
        "test_accuracy_high",
        "emissions_kg_co2eq_low",
        "emissions_kg_co2eq_high",
    ]
    other = front_uncertainty(many, [ACCURACY, EMISSIONS], n_resamples=1999, seed=1)
    assert not short["on_front_probability"].equals(other["on_front_probability"])


def test_configurations_that_nobody_asks_for_are_not_tested(many: pd.DataFrame) -> None:
    wanted = [many["configuration"].iloc[-1]]
    frame = front_uncertainty(many, [ACCURACY, EMISSIONS], spread="pooled", wanted=wanted)
    assert frame["verdict"].tolist() == ["not tested"] * 6 + ["dominated"]


def test_an_unmeasured_configuration_has_empty_places_and_no_tie(tmp_path: Path) -> None:
    trials = trials_of(tmp_path, fixed_2=([0.7, 0.8], 2e-6), fixed_3=([0.9, 0.9], 3e-6))
    trials.loc[3, "emissions_kg_co2eq"] = np.nan
    frame = front_uncertainty(trials, [ACCURACY, EMISSIONS], epsilon={"test_accuracy": 0.5})
    unmeasured = frame.iloc[1]
    assert unmeasured[["verdict", "dominated_by", "tied_with"]].tolist() == ["not measured", "", ""]
    assert not unmeasured["on_epsilon_front"]
    assert (unmeasured["test_accuracy_low"], unmeasured["test_accuracy_high"]) == (0.9, 0.9), "that axis is measured"
    assert np.isnan(unmeasured["emissions_kg_co2eq_low"])


def test_a_difference_of_exactly_the_margin_is_a_tie_and_a_larger_one_is_none(tmp_path: Path) -> None:
    trials = trials_of(tmp_path, fixed_2=([0.5, 0.75], 2e-6), fixed_3=([0.75, 1.0], 2e-6))
    for margin, tied in ((0.25, ["fixed_3", "fixed_2"]), (0.24, ["", ""])):
        frame = front_uncertainty(trials, [ACCURACY, EMISSIONS], epsilon={"test_accuracy": margin})
        assert frame["tied_with"].tolist() == tied
    every_axis = {"test_accuracy": 0.25, "emissions_kg_co2eq": 1e-7}
    frame = front_uncertainty(trials, [ACCURACY, EMISSIONS], epsilon=every_axis)
    assert frame["tied_with"].tolist() == ["fixed_3", "fixed_2"]
    assert "tied_with" not in front_uncertainty(trials, [ACCURACY, EMISSIONS], epsilon={"test_accuracy": 0.0})
    with pytest.raises(AnalysisError, match="got test_accuracy=inf"):
        front_uncertainty(trials, [ACCURACY, EMISSIONS], epsilon={"test_accuracy": float("inf")})
