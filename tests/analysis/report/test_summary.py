"""What the beginning of a report supports and leaves open, as findings."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.controls.findings import PairsKind
from analysis.effects.sensitivity import StagesKind
from analysis.energy.findings import LedgerKind
from analysis.report.summary import SummaryKind, left_open, supported
from tests.analysis.report.conftest import evidence_of, kinds_of
from tests.support.synthetic_runs import OBJECTIVES, POINTS, change_trials, write_run

SIZE = [OBJECTIVES[0], {"column": "weight_mib", "direction": "minimize"}]


def test_two_seeds_support_the_best_and_ratios_and_leave_the_front_open(tmp_path: Path) -> None:
    evidence = evidence_of(write_run(tmp_path / "run"))
    best, *ratios = supported(evidence)
    assert (best.kind, best.subjects) == (SummaryKind.HIGHEST_ACCURACY, ("full_precision",))
    assert best.estimates["test_accuracy"].value == pytest.approx(0.91)
    assert kinds_of(ratios) == [LedgerKind.USED_MORE, LedgerKind.USED_LESS]
    undecided, *others = left_open(evidence)
    assert undecided.kind is SummaryKind.UNDECIDED
    assert set(undecided.subjects) == set(POINTS)
    assert kinds_of(others)[0] is PairsKind.NONE_DIFFERS
    assert all(finding.is_open for finding in others)


def test_one_seed_leaves_ratios_stages_and_verdicts_open(tmp_path: Path) -> None:
    accuracies = {
        "full_precision": 0.9,
        "fixed_2": 0.7,
        "descending_322": 0.72,
        "mixed_232": 0.73,
        "ascending_223": 0.71,
    }
    points = {name: ([accuracy], 1e-6) for name, accuracy in accuracies.items()}
    evidence = evidence_of(write_run(tmp_path / "run", points))
    assert kinds_of(supported(evidence)) == [SummaryKind.HIGHEST_ACCURACY]
    found = kinds_of(left_open(evidence))
    assert found[0] is SummaryKind.ONE_SEED
    assert StagesKind.ONE_SEED in found
    assert LedgerKind.USED_LESS in found
    assert PairsKind.NONE_TESTED in found


def test_verdicts_by_size_alone_are_told_from_those_of_tests(tmp_path: Path) -> None:
    points = {name: (values[:1], kg) for name, (values, kg) in POINTS.items()}
    evidence = evidence_of(write_run(tmp_path / "run", points, objectives=SIZE))
    shown = next(finding for finding in supported(evidence) if finding.kind is SummaryKind.ON_FRONT)
    assert shown.subjects == ("fixed_2",), "nothing is smaller"
    assert SummaryKind.ONE_SEED_DECIDED in kinds_of(left_open(evidence))


@pytest.mark.parametrize("seeds", [(0.5,), (0.5, 0.6)], ids=len)
def test_one_configuration_was_compared_with_none(tmp_path: Path, seeds: tuple[float, ...]) -> None:
    evidence = evidence_of(write_run(tmp_path / "run", {"fixed_2": (seeds, 1e-6)}))
    assert kinds_of(supported(evidence)) == [SummaryKind.ONLY_ACCURACY]
    found = kinds_of(left_open(evidence))
    one_seed = [SummaryKind.ONE_SEED] if len(seeds) == 1 else []
    assert found == [SummaryKind.ONE_CONFIGURATION, *one_seed, LedgerKind.NO_FULL_PRECISION]


def test_configurations_without_a_figure_of_the_front_are_counted(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    change_trials(run, "fixed_2", 0, emissions_kg_co2eq=None)
    (found,) = (f for f in left_open(evidence_of(run)) if f.kind is SummaryKind.UNMEASURED)
    assert found.counts == {"unmeasured": 1, "configurations": 4}


def test_all_used_more_energy_than_full_precision_of_the_same_seeds(grid: Path) -> None:
    (more,) = (finding for finding in supported(evidence_of(grid)) if finding.kind is LedgerKind.USED_MORE)
    # Energies follow emissions: 16 to 22 mg against 8 of full precision.
    assert more.estimates["least_ratio"].value == pytest.approx(2.0)
    assert more.estimates["greatest_ratio"].value == pytest.approx(2.75)
    assert (more.counts["configurations"], more.counts["quantized"]) == (27, 27)


def test_without_emissions_there_is_no_front_and_without_pairs_no_controls(tmp_path: Path) -> None:
    points = {"fixed_2": ((0.5, 0.6), 1e-6), "fixed_4": ((0.6, 0.7), 1e-6)}
    evidence = evidence_of(write_run(tmp_path / "run", points, changes={"emissions_kg_co2eq": None}))
    found = kinds_of(left_open(evidence))
    assert found[0] is SummaryKind.NO_FRONT
    assert SummaryKind.NO_CONTROLS in found
