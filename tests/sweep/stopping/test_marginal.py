from __future__ import annotations

import moocore
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwq_tune.sweep.stopping.front import Front, Point
from lwq_tune.sweep.stopping.marginal import MarginalGain, hypervolume
from lwq_tune.sweep.stopping.settings import Marginal

POINTS = st.lists(st.tuples(st.floats(0.01, 1), st.floats(0.1, 10)), min_size=1, max_size=20)
Pairs = list[tuple[float, float]]


def front_of(pairs: Pairs) -> Front:
    front = Front()
    for number, (accuracy, kg) in enumerate(pairs):
        front.add(Point(number, accuracy, kg))
    return front


def finish_all(gain: MarginalGain, pairs: list[tuple[float, float | None]]) -> list[bool]:
    """Finish configurations one after another, one seed each, and return whether the sweep should end after each."""
    front, verdicts = Front(), []
    for number, (accuracy, kg) in enumerate(pairs):
        gain.spend(kg)
        if kg is not None:
            front.add(Point(number, accuracy, kg))
        gain.finish(front, kg)
        verdicts.append(gain.verdict is not None)
    return verdicts


@given(POINTS)
def test_the_area_is_the_hypervolume_that_moocore_finds(pairs: Pairs) -> None:
    reference_kg = 11.0
    costs = np.array([[-accuracy, kg] for accuracy, kg in pairs])
    expected = moocore.hypervolume(costs, ref=[0.0, reference_kg])
    assert hypervolume(front_of(pairs).points, reference_kg) == pytest.approx(expected)


def test_the_gain_is_measured_from_one_reference_and_paid_with_all_that_was_spent() -> None:
    # Reference 1.1 x 4 kg = 4.4 kg. Before: 0.5 x (4.4 - 2) = 1.2. After: 0.5 x (4 - 2) + 0.75 x 0.4 = 1.3.
    gain = MarginalGain(Marginal(last=1, min_hypervolume_per_kg=0.0201))
    assert finish_all(gain, [(0.5, 2.0)]) == [False]
    gain.spend(1.0)  # a trial that was stopped meanwhile
    front = front_of([(0.5, 2.0), (0.75, 4.0)])
    gain.spend(4.0)
    gain.finish(front, 4.0)
    assert gain.verdict is not None
    assert "added 0.1 accuracy x kg CO2eq" in gain.verdict
    assert "for 5 kg CO2eq, 0.02 per kg" in gain.verdict
    at_the_limit = MarginalGain(Marginal(last=1, min_hypervolume_per_kg=0.0199))
    assert finish_all(at_the_limit, [(0.5, 2.0), (0.75, 4.0)]) == [False, False]


def test_the_dearest_configuration_adds_something_when_it_is_the_most_accurate() -> None:
    gain = MarginalGain(Marginal(last=1, min_hypervolume_per_kg=1e-9))
    assert finish_all(gain, [(0.5, 1.0), (0.6, 2.0), (0.7, 3.0)]) == [False, False, False]


def test_the_reference_is_the_dearest_configuration_although_it_is_dominated() -> None:
    # Reference 4.4 kg: from 0.5 to 0.6 over 1 to 4.4 kg is 0.34, for 5 kg.
    finished = [(0.5, 1.0), (0.4, 4.0), (0.6, 1.0)]
    gain = MarginalGain(Marginal(last=2, min_hypervolume_per_kg=0.0681))
    assert finish_all(gain, [*finished]) == [False, False, True]
    assert "added 0.34 accuracy" in str(gain.verdict)
    enough = MarginalGain(Marginal(last=2, min_hypervolume_per_kg=0.0679))
    assert finish_all(enough, [*finished]) == [False, False, False]


def test_a_verdict_stays_as_it_was_first_said() -> None:
    gain = MarginalGain(Marginal(last=1, min_hypervolume_per_kg=0.5))
    assert finish_all(gain, [(0.5, 1.0), (0.4, 1.0), (0.4, 3.0), (0.9, 0.5)]) == [False, True, True, True]
    assert "for 1 kg CO2eq" in str(gain.verdict)


def test_the_sweep_goes_on_until_as_many_as_are_looked_back_on_have_come_after_the_first() -> None:
    gain = MarginalGain(Marginal(last=3, min_hypervolume_per_kg=0.5))
    assert finish_all(gain, [(0.5, 1.0)] + 4 * [(0.4, 1.0)]) == [False, False, False, True, True]


def test_what_was_not_measured_ends_no_sweep() -> None:
    useless = [(0.5, 1.0), (0.4, 1.0), (0.4, None), (0.4, 1.0)]
    assert finish_all(MarginalGain(Marginal(last=2, min_hypervolume_per_kg=0.5)), useless) == 4 * [False]
    measured_again = [*useless, (0.4, 1.0), (0.4, 1.0)]
    verdicts = finish_all(MarginalGain(Marginal(last=2, min_hypervolume_per_kg=0.5)), measured_again)
    assert verdicts == [False, False, False, False, True, True]


@given(st.lists(st.tuples(st.floats(0.01, 1), st.floats(0.1, 10)), min_size=3, max_size=12), st.integers(-30, 30))
def test_the_verdict_does_not_depend_on_the_unit_of_emissions(pairs: Pairs, exponent: int) -> None:
    settings = Marginal(last=2, min_hypervolume_per_kg=0.05)
    scaled = [(accuracy, kg * 2.0**exponent) for accuracy, kg in pairs]  # a power of two, so that nothing is rounded
    assert finish_all(MarginalGain(settings), [*pairs]) == finish_all(MarginalGain(settings), [*scaled])
