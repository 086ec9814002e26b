"""What a sweep relies on of every stop rule, whether it ends trials or the sweep."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.stopping import CASES
from lwq_tune.sweep.space.file_models import NESTED
from lwq_tune.sweep.stopping.rules import Decision, StopRules
from lwq_tune.sweep.stopping.settings import Asha, Dominance, Marginal, Plateau, Stopping, Target
from tests.support.stop_rules import CRASHES, EVERY_RULE, Curve, Grid, Told, grids, run_sweep, steady, tell

# A new rule is registered here, with settings under which it acts on SWEEP.
RULES = {
    "asha": Stopping(asha=Asha(reduction_factor=2)),
    "dominance": Stopping(dominance=Dominance(optimism=0.0, margin=0.0)),
    "plateau": Stopping(plateau=Plateau(epochs=2, min_gain=0.01)),
    "target": Stopping(target=Target(val_accuracy=0.8)),
    "marginal": Stopping(marginal=Marginal(last=1, min_hypervolume_per_kg=1.0)),
}
each_rule = pytest.mark.parametrize("rule", RULES)
each_and_all = pytest.mark.parametrize("stopping", [*RULES.values(), EVERY_RULE], ids=[*RULES, "all"])
# One after the other: a good configuration, one that learns nothing at twice the emissions, and a worse one.
SWEEP: dict[str, Curve] = {
    "good": steady([0.5, 0.7, 0.9, 0.9]),
    "flat": steady([0.4, 0.4, 0.4, 0.4], kg=2.0),
    "worse": steady([0.3, 0.2, 0.3, 0.2], kg=3.0),
}


def grid_of(curves: dict[str, Curve]) -> Grid:
    return {name: {name: curve} for name, curve in curves.items()}


def tell_all(stopping: Stopping, curves: dict[str, Curve], n_times: int = 1) -> Told:
    """Tell of the trials in order, of each epoch so many times."""
    rules, told = StopRules(stopping, n_seeds=1), Told(grid_of(curves))
    for name, curve in curves.items():
        status = "done"
        for epoch, point in enumerate(curve, start=1):
            events = [("epoch", name, name, epoch, len(curve), *point)] * n_times
            decision = [tell(rules, told, event) for event in events][-1]
            if decision is not None:
                told.ended[name] = decision
                status = "done" if decision.is_end else "stopped"
                break
        tell(rules, told, ("end", name, name, status))
    return told


def test_every_rule_is_registered_here_for_hints_and_for_replays() -> None:
    assert RULES.keys() == Stopping.model_fields.keys()
    assert EVERY_RULE.model_fields_set == RULES.keys()
    for rule, stopping in RULES.items():
        assert NESTED[f"stopping.{rule}"] is type(getattr(stopping, rule)), "for hints on misspelled keys"
        assert any(rule in case for case in CASES), "for `python -m benchmarks.stopping`"


@each_rule
def test_a_rule_acts_under_its_name_and_gives_its_figures(rule: str) -> None:
    told = tell_all(RULES[rule], SWEEP)
    verdicts = [verdict for verdict in told.verdicts if verdict is not None]
    assert told.ended or verdicts
    assert {decision.rule for decision in told.ended.values()} <= {rule}
    for reason in [*(decision.reason for decision in told.ended.values()), *verdicts]:
        assert len(re.findall(r"\d+", reason)) >= 2
        assert not reason.endswith(".")
        assert "\n" not in reason


@each_rule
def test_a_rule_that_is_not_asked_for_never_acts(rule: str) -> None:
    others = EVERY_RULE.model_copy(update={rule: None})
    told = tell_all(others, SWEEP)
    assert rule not in {decision.rule for decision in told.ended.values()}
    told = tell_all(Stopping(), SWEEP)
    assert not told.ended
    assert told.verdicts[-1] is None


@each_and_all
def test_no_rule_ends_a_trial_after_its_last_epoch(stopping: Stopping) -> None:
    curves = {f"c{number}": [(0.95 - number / 10, 1.0 + number)] for number in range(9)}
    assert not tell_all(stopping, curves).ended


@each_and_all
def test_a_decision_stays_whatever_follows(stopping: Stopping) -> None:
    rules = StopRules(stopping, n_seeds=1)
    decisions: dict[str, Decision | None] = {}
    for name, curve in SWEEP.items():
        for epoch, point in enumerate(curve, start=1):
            decision = rules.add_epoch(name, name, epoch, len(curve), *point)
            assert rules.decision(name) == decision
            if decisions.get(name) is not None:
                assert decision == decisions[name]
            decisions[name] = decision
        rules.end_trial(name, name, "done")
    verdict = rules.should_end_sweep()
    for name, decision in decisions.items():
        assert rules.add_epoch(name, name, 1, 4, 0.99, 0.01) == decision
    assert rules.should_end_sweep() == verdict
    assert rules.decision("unknown") is None


@each_and_all
def test_an_epoch_that_was_trained_again_counts_once(stopping: Stopping) -> None:
    once, twice = tell_all(stopping, SWEEP), tell_all(stopping, SWEEP, n_times=2)
    assert once.ended == twice.ended
    assert once.verdicts[-1] == twice.verdicts[-1]


@each_and_all
@settings(max_examples=30)
@given(grids(), st.integers(1, 4), st.integers(0, 99), CRASHES, st.data())
def test_rules_that_are_told_again_decide_as_the_first_ones_did(
    stopping: Stopping,
    drawn: tuple[Grid, int],
    n_slots: int,
    seed: int,
    crash_rate: float,
    data: st.DataObject,
) -> None:
    grid, n_seeds = drawn
    told = run_sweep(StopRules(stopping, n_seeds), grid, n_slots, random.Random(seed), crash_rate)
    again = Told(grid)
    resumed = StopRules(stopping, n_seeds)
    cut = data.draw(st.integers(0, len(told.events)))
    for event in told.events[:cut]:
        tell(resumed, again, event)
    assert (again.decisions, again.verdicts) == (told.decisions[:cut], told.verdicts[:cut])
    for event in told.events[cut:]:
        tell(resumed, again, event)
    assert (again.decisions, again.verdicts) == (told.decisions, told.verdicts)


@each_and_all
def test_without_measured_emissions_no_rule_speaks_of_them(stopping: Stopping) -> None:
    unmeasured: dict[str, Curve] = {name: [(accuracy, None) for accuracy, _ in curve] for name, curve in SWEEP.items()}
    told = tell_all(stopping, unmeasured)
    assert not [decision for decision in told.ended.values() if "CO2eq" in decision.reason]
    assert told.verdicts[-1] is None


@each_rule
def test_settings_refuse_keys_that_they_do_not_have(rule: str) -> None:
    section = getattr(RULES[rule], rule).model_dump()
    assert Stopping.model_validate({rule: section}) == RULES[rule]
    with pytest.raises(ValueError, match="no_such_key"):
        Stopping.model_validate({rule: {**section, "no_such_key": 1}})
