from __future__ import annotations

import math
import re
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.__main__ import main
from analysis.controls.controls import Controls, run_controls
from analysis.controls.findings import AdviceKind, OrderKind, PairKind, PairsKind
from analysis.controls.regression import OVER_DEPTH, SIZE_AND_ORDER
from analysis.findings import Estimate, Finding
from analysis.runs.load import AnalysisError, load_runs
from tests.support.synthetic_networks import SeedPoints, searched_points, write_network_run
from tests.support.synthetic_runs import write_run

Accuracies = dict[str, Sequence[float]]
NAMED: Accuracies = {
    "full_precision": (0.90, 0.92, 0.91),
    "fixed_3": (0.800, 0.823, 0.811),
    "ascending_234": (0.850, 0.872, 0.864),
    "descending_432": (0.800, 0.821, 0.815),
    "mixed_243": (0.820, 0.844, 0.836),
    "fixed_2": (0.70, 0.72, 0.71),
}


def write(folder: Path, accuracies: Accuracies, width: float = 1.0, changes: dict[str, object] | None = None) -> Path:
    points = {name: (values, 1e-6 * (1 + index)) for index, (name, values) in enumerate(accuracies.items())}
    return write_run(folder, points, config_changes={"width": width}, changes=changes)


def controls_of(*folders: Path) -> Controls:
    return run_controls(load_runs(folders).trials)


def accuracy_pairs(found: Controls) -> pd.DataFrame:
    return found.pairs[found.pairs["column"] == "test_accuracy"]


def find(found: Controls, kind: Enum) -> Finding[Any]:
    (finding,) = (finding for finding in found.findings if finding.kind is kind)
    return finding


def test_the_command_prints_pairs_terms_and_sentences_and_writes_both_tables(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write(tmp_path / "run", NAMED)
    assert main(["controls", str(run)]) == 0
    out = capsys.readouterr().out
    assert "ascending_234" in out
    assert "per mean weight bit" not in out
    assert out.splitlines()[-2:] == [str(run / "analysis" / name) for name in ("controls.csv", "regression.csv")]
    pairs = pd.read_csv(run / "analysis" / "controls.csv")
    assert set(pairs["column"]) == {"test_accuracy", "energy_kwh", "emissions_kg_co2eq"}
    terms = pd.read_csv(run / "analysis" / "regression.csv")
    assert list(terms["term"]) == ["order", "mean_weight_bits", "log2_bitops", "order"]


def test_a_pair_is_compared_over_its_seeds_as_by_hand(tmp_path: Path) -> None:
    row = controls_of(write(tmp_path / "run", NAMED)).pairs.query(
        "column == 'test_accuracy' and first_schedule == 'ascending_234' and second_schedule == 'fixed_3'"
    )
    (row,) = row.to_dict("records")
    # Differences 0.050, 0.049, 0.053: mean 0.0506667, standard deviation 0.0020817; t(0.975, 2) = 4.302653.
    assert row["equal_in"] == "BitOps + sum of bits"
    assert row["difference"] == pytest.approx(0.0506667, abs=1e-7)
    assert row["std"] == pytest.approx(0.0020817, abs=1e-7)
    assert row["t_low"] == pytest.approx(0.0506667 - 4.302653 * 0.0020817 / 3**0.5, abs=1e-6)
    assert row["cohens_dz"] == pytest.approx(0.0506667 / 0.0020817, rel=1e-4)
    assert row["hedges_gz"] == pytest.approx(0.5641896 * row["cohens_dz"])  # gamma(1) / gamma(1/2)
    assert (row["bootstrap_low"], row["bootstrap_high"]) == pytest.approx((0.049, 0.053))
    assert row["weight_bits_excess"] == pytest.approx(675328 / 553472 - 1)
    assert row["finding"].subjects == ("ascending_234", "fixed_3")
    assert row["finding"].estimates["difference"].value == row["difference"]


def test_a_difference_at_more_weight_bits_says_so(tmp_path: Path) -> None:
    accuracies = {"ascending_234": [0.850, 0.860, 0.840, 0.855], "descending_432": [0.800, 0.8101, 0.790, 0.8049]}
    found = controls_of(write(tmp_path / "run", accuracies))
    (pair,) = accuracy_pairs(found)["finding"]
    assert pair.kind is PairKind.FIRST_IS_HIGHER
    assert pair.subjects == ("ascending_234", "descending_432")
    assert pair.estimates["difference"].value == pytest.approx(0.05)
    assert set(pair.estimates) == {"difference", "weight_bits"}, "BitOps are equal"
    assert pair.estimates["weight_bits"].value == pytest.approx(0.56, abs=0.005)
    of_all = find(found, PairsKind.SOME_DIFFER)
    assert not of_all.is_open
    assert of_all.parts == (pair,)
    assert of_all.counts == {
        "pairs": 1,
        "tested": 1,
        "different": 1,
        "higher_with_more_weight_bits": 1,
        "equal_in_both": 0,
    }


def test_the_excess_of_the_higher_one_is_negative_where_it_costs_less(tmp_path: Path) -> None:
    accuracies = {"ascending_234": [0.800, 0.8101, 0.790, 0.8049], "descending_432": [0.850, 0.860, 0.840, 0.855]}
    found = controls_of(write(tmp_path / "run", accuracies))
    (pair,) = accuracy_pairs(found)["finding"]
    assert pair.kind is PairKind.SECOND_IS_HIGHER
    assert pair.estimates["weight_bits"].value == pytest.approx(1 / 1.56 - 1, abs=0.005)
    assert find(found, PairsKind.SOME_DIFFER).counts["higher_with_more_weight_bits"] == 0


def test_two_schedules_that_differ_in_order_and_size_alike_cannot_tell_them_apart(tmp_path: Path) -> None:
    accuracies = {"ascending_234": [0.85, 0.86, 0.84], "descending_432": [0.80, 0.81, 0.795]}
    found = controls_of(write(tmp_path / "run", accuracies))
    finding = find(found, OrderKind.TOO_FEW_SCHEDULES)
    assert finding.is_open
    assert finding.counts == {"configurations": 2, "terms": 3}
    assert finding.estimates["correlation_mean_weight_bits"].value == pytest.approx(1.0)
    (advice,) = finding.parts
    assert advice.kind is AdviceKind.ADD_SCHEDULES
    assert advice.subjects[:2] == ("2-4-3", "4-2-3")
    of_size = found.regression[found.regression["model"] == SIZE_AND_ORDER]
    assert of_size["coefficient"].isna().all()


def test_too_few_schedules_and_seeds_are_named_as_such(tmp_path: Path) -> None:
    accuracies = {"ascending_234": [0.8, 0.9], "descending_432": [0.9, 0.7], "fixed_3": [0.8, 0.6]}
    found = controls_of(write(tmp_path / "run", accuracies))
    assert find(found, OrderKind.TOO_FEW_SCHEDULES).counts == {"configurations": 3, "terms": 3}
    pairs = accuracy_pairs(found)["finding"]
    assert {pair.kind for pair in pairs} == {PairKind.NO_DIFFERENCE}
    assert max(pair.estimates["difference"].detectable for pair in pairs) > 1, "more than accuracy can differ by"


def test_partners_may_differ_in_width_and_are_named_by_it(tmp_path: Path) -> None:
    wide = write(tmp_path / "wide", {"fixed_2": [0.70, 0.72, 0.71], "fixed_3": [0.8, 0.81, 0.83]})
    narrow = write(tmp_path / "narrow", {"descending_433": [0.74, 0.75, 0.76]}, width=0.8125)
    full = write(tmp_path / "full", {"full_precision": [0.70, 0.71, 0.72]}, width=0.3125)
    pairs = accuracy_pairs(controls_of(wide, narrow, full)).set_index(["first_label", "second_label"])
    assert pairs["equal_in"].to_dict() == {
        ("fixed_2", "descending_433 (width 0.8125)"): "weight bits + BitOps",
        ("fixed_3", "full_precision (width 0.3125)"): "weight bits",
        ("full_precision (width 0.3125)", "fixed_2"): "full precision above in weight bits",
        ("full_precision (width 0.3125)", "descending_433 (width 0.8125)"): "full precision above in weight bits",
    }
    assert set(pairs["first_width"]) | set(pairs["second_width"]) == {1.0, 0.8125, 0.3125}


def test_configurations_that_differ_in_another_setting_are_no_pair_but_share_the_regression(tmp_path: Path) -> None:
    lsq = write(tmp_path / "lsq", NAMED)
    pact = write_run(
        tmp_path / "pact",
        {name: (values, 1e-6) for name, values in NAMED.items()},
        config_changes={"quantizer": "pact"},
    )
    both = controls_of(lsq, pact)
    assert len(both.pairs) == 2 * len(controls_of(lsq).pairs)
    assert all(("pact" in row["first_label"]) == ("pact" in row["second_label"]) for _, row in both.pairs.iterrows())
    assert set(both.regression["n_configurations"]) == {10}


def test_one_seed_gives_no_interval_and_says_so(tmp_path: Path) -> None:
    run = write(tmp_path / "run", {name: values[:1] for name, values in NAMED.items()})
    assert main(["controls", str(run)]) == 0
    found = controls_of(run)
    assert find(found, PairsKind.NONE_TESTED).counts["tested"] == 0
    assert {pair.kind for pair in found.pairs["finding"]} == {PairKind.ONE_SHARED_SEED}
    pairs = pd.read_csv(run / "analysis" / "controls.csv")
    assert pairs[["t_low", "t_high", "bootstrap_low", "p", "p_holm", "cohens_dz", "detectable"]].isna().all().all()
    assert pairs["difference"].notna().all()


def test_replicates_that_are_equal_to_the_last_image_have_a_spread_below_a_step_not_none(tmp_path: Path) -> None:
    accuracies = {"ascending_234": [0.85, 0.86, 0.87], "descending_432": [0.84, 0.85, 0.86]}
    (row,) = accuracy_pairs(controls_of(write(tmp_path / "run", accuracies))).to_dict("records")
    assert row["std"] == pytest.approx(0.01 / 6**0.5)
    assert row["p"] > 0.001


def test_energies_that_were_found_in_different_ways_are_left_out_with_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = write(tmp_path / "a", {"ascending_234": [0.8, 0.81]})
    second = write(tmp_path / "b", {"descending_432": [0.8, 0.82]}, changes={"cpu_source": "estimated:tdp*load^3"})
    assert main(["controls", str(first), str(second), "--out", str(tmp_path / "out")]) == 0
    assert "energy_kwh is left out" in capsys.readouterr().err
    assert set(pd.read_csv(tmp_path / "out" / "controls.csv")["column"]) == {"test_accuracy"}


@pytest.mark.parametrize(
    ("accuracies", "changes", "arguments", "message"),
    [
        ({}, {}, [], "got none at all"),
        (NAMED, {"status": "failed"}, [], "got 18 failed"),
        (
            {"fixed_2": [0.7, 0.8], "fixed_4": [0.8, 0.9]},
            {},
            [],
            "of 2 there are none, the nearest are fixed_2 and fixed_4, 56.3% apart in BitOps.*controls_iso_size",
        ),
        (
            # Weights of 8 over 7 bits, 34,304 bits of stem and classifier included: 1,418,752 / 1,245,696.
            {"fixed_8": [0.7, 0.8], "fixed_2": [0.8, 0.9], "fixed_7": [0.8, 0.9]},
            {},
            [],
            "of 3 there are none, the nearest are fixed_7 and fixed_8, 13.9% apart in weight bits; .* --tolerance",
        ),
        ({"fixed_2": [0.7]}, {}, [], "of 1 there are none; `python -m lwq_tune sweep .*` trains such pairs$"),
        (NAMED, {}, ["--metric", "speed"], "--metric must be one of .*test_accuracy, got speed"),
        (NAMED, {"test_accuracy": None}, [], "test_accuracy was not in any trial"),
        (NAMED, {}, ["--tolerance", "-0.01"], r"--tolerance must be in \[0, 1\), a share of the cost, got -0.01"),
        (NAMED, {}, ["--tolerance", "1"], r"--tolerance must be in \[0, 1\)"),
    ],
)
def test_what_cannot_be_compared_is_one_clear_error(
    accuracies: Accuracies,
    changes: dict[str, object],
    arguments: list[str],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = write(tmp_path / "run", accuracies, changes=changes)
    assert main(["controls", str(run), *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert re.search(message, captured.err)
    assert not (run / "analysis").exists()


def test_the_api_refuses_what_the_command_refuses(tmp_path: Path) -> None:
    trials = load_runs([write(tmp_path / "run", NAMED)]).trials
    with pytest.raises(AnalysisError, match="got energy_kwh"):
        run_controls(trials, "energy_kwh")
    assert np.isfinite(run_controls(trials, "val_accuracy").regression["coefficient"]).all()


def test_with_a_tolerance_of_0_costs_are_equal_where_they_are_the_same(tmp_path: Path) -> None:
    trials = load_runs([write(tmp_path / "run", NAMED)]).trials
    exact = accuracy_pairs(run_controls(trials, tolerance=0.0)).query("second_schedule == 'descending_432'")
    assert exact.set_index("first_schedule")["equal_in"].to_dict()["ascending_234"] == "sum of bits"
    assert len(accuracy_pairs(run_controls(trials, tolerance=0.99))) == 10, "all of five but full precision"


def test_a_metric_that_no_trial_has_leaves_out_nothing_else(tmp_path: Path) -> None:
    run = write(tmp_path / "run", NAMED, changes={"energy_kwh": None, "cpu_energy_kwh": None})
    found = controls_of(run)
    assert set(found.pairs["column"]) == {"test_accuracy", "emissions_kg_co2eq"}
    assert found.sentences
    assert all(sentence.endswith((".", ";")) for sentence in found.sentences)


def test_an_interval_wider_than_accuracy_itself_is_no_finding(tmp_path: Path) -> None:
    shaken = {**NAMED, "mixed_243": (0.95, 0.98, 0.96), "fixed_3": (0.10, 0.12, 0.11)}
    found = controls_of(write(tmp_path / "run", shaken))
    finding = find(found, OrderKind.INTERVAL_TOO_WIDE)
    assert finding.estimates["order"].detectable > 1
    assert finding.counts["configurations"] == 5
    assert {type(each.kind) for each in found.findings} == {PairsKind, OrderKind}, "nothing is said on size either"


def test_pairs_that_share_one_seed_are_not_counted_among_those_without_a_difference(tmp_path: Path) -> None:
    accuracies = {"fixed_3": [0.80, 0.83, 0.81], "ascending_234": [0.81, 0.80, 0.82], "descending_432": [0.81]}
    found = controls_of(write(tmp_path / "run", accuracies))
    assert sorted(accuracy_pairs(found)["n_seeds"]) == [1, 1, 3]
    finding = find(found, PairsKind.NONE_DIFFERS)
    assert finding.is_open
    assert finding.counts == {"pairs": 3, "tested": 1, "different": 0}
    assert finding.estimates["tolerance"] == Estimate(0.02)


@pytest.mark.parametrize("n_units", [14, 20])
def test_a_search_over_many_units_is_regressed_on_the_slope_over_the_depth(tmp_path: Path, n_units: int) -> None:
    found = run_controls(load_runs([write_network_run(tmp_path / "run", searched_points(n_units))]).trials)
    order = found.regression.iloc[0]
    assert (order["term"], order["unit"]) == ("order", OVER_DEPTH)
    assert order["n_configurations"] == 40
    assert math.isfinite(order["std_error"])
    sentences = " ".join(found.sentences)
    assert f"for each bit that the last of {n_units} units has more than the first (slope over the depth)" in sentences


def test_advice_for_many_units_is_short_and_names_no_space_of_three_stages(tmp_path: Path) -> None:
    points: SeedPoints = {(2,) * 7 + (4,) * 7: ([0.8, 0.81], 1e-6), (4,) * 7 + (2,) * 7: ([0.7, 0.72], 1e-6)}
    found = run_controls(load_runs([write_network_run(tmp_path / "run", points)]).trials)
    (advice,) = find(found, OrderKind.TOO_FEW_SCHEDULES).parts
    assert len(advice.subjects) >= 3
    for subject in advice.subjects:
        groups = [group.split("x") for group in subject.split()]
        assert len(groups) <= 6
        assert sum(int(count) for _, count in groups) == 14
    (sentence,) = (sentence for sentence in found.sentences if "cannot tell order" in sentence)
    assert sentence.endswith("(bits x units, shallow to deep).")
