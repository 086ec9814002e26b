from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lwq_tune.sweep.stopping.front import Front, Point

POINTS = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=40)
Pairs = list[tuple[int, int]]


def front_of(pairs: Pairs) -> Front:
    front = Front()
    for number, (accuracy, kg) in enumerate(pairs):
        front.add(Point(number, accuracy / 8, float(kg)))
    return front


def is_dominated(pair: tuple[int, int], pairs: Pairs) -> bool:
    return any(a >= pair[0] and kg <= pair[1] and (a, kg) != pair for a, kg in pairs)


def as_pairs(front: Front) -> Pairs:
    return [(round(point.val_accuracy * 8), round(point.emissions_kg)) for point in front.points]


@given(POINTS)
def test_the_front_is_what_nothing_dominates_in_order_of_emissions(pairs: Pairs) -> None:
    kept = as_pairs(front_of(pairs))
    assert set(kept) == {pair for pair in pairs if not is_dominated(pair, pairs)}
    assert kept == sorted(set(kept))
    assert [kg for _, kg in kept] == sorted({kg for _, kg in kept})


@given(POINTS, st.randoms(use_true_random=False))
def test_the_front_does_not_depend_on_the_order_of_finishing(pairs: Pairs, random: object) -> None:
    shuffled = list(pairs)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert as_pairs(front_of(pairs)) == as_pairs(front_of(shuffled))


@given(POINTS, st.integers(0, 9))
def test_the_best_below_is_the_most_accurate_of_all_that_cost_less(pairs: Pairs, kg: int) -> None:
    best = front_of(pairs).best_below(float(kg))
    cheaper = [accuracy for accuracy, pair_kg in pairs if pair_kg < kg]
    assert (None if best is None else round(best.val_accuracy * 8)) == max(cheaper, default=None)
