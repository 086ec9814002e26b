from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwq_tune.estimation.representatives import Models, choose_measured, cost_key, kind, nearest, spread
from tests.conftest import small_config

models = st.lists(st.tuples(st.sampled_from("abcd"), st.floats(1, 1e12)), min_size=1, max_size=60)


@given(models, st.integers(1, 20))
def test_measured_models_are_distinct_few_enough_and_of_every_kind(listed: list[tuple[str, float]], limit: int) -> None:
    kinds, sizes = [kind for kind, _ in listed], [size for _, size in listed]
    chosen = choose_measured(kinds, sizes, limit)
    assert len(chosen) == len(set(chosen)) <= limit
    n_kinds = len(set(kinds))
    assert len({kinds[index] for index in chosen[:n_kinds]}) == min(n_kinds, limit)
    if len(listed) <= limit:
        assert sorted(chosen) == list(range(len(listed)))


def test_of_many_the_smallest_and_the_largest_are_measured() -> None:
    chosen = choose_measured(["few"] * 81, list(range(1, 82)), 12)
    assert {0, 80} <= set(chosen)
    assert chosen[0] in (36, 37, 43, 44)  # about the middle comes first


@given(models, st.data())
def test_what_stands_for_a_model_is_itself_else_of_its_kind(
    listed: list[tuple[str, float]], data: st.DataObject
) -> None:
    kinds, sizes = [kind for kind, _ in listed], [size for _, size in listed]
    indices = st.integers(0, len(listed) - 1)
    measured = data.draw(st.lists(indices, min_size=1, unique=True))
    index = data.draw(indices)
    found = nearest(index, measured, kinds, sizes)
    assert found in measured
    if index in measured:
        assert found == index
    elif any(kinds[other] == kinds[index] for other in measured):
        assert kinds[found] == kinds[index]


def test_the_nearest_is_that_of_the_ratio_next_to_one() -> None:
    assert nearest(0, [1, 2], ["few"] * 3, [10.0, 1.0, 40.0]) == 2  # 4 times against 10 times


@given(st.lists(st.integers(), min_size=1, max_size=40, unique=True), st.data())
def test_a_spread_takes_distinct_members(members: list[int], data: st.DataObject) -> None:
    n_picks = data.draw(st.integers(1, len(members)))
    picks = spread(members, n_picks)
    assert len(picks) == len(set(picks)) == n_picks
    assert set(picks) <= set(members)


def test_trials_that_differ_in_what_costs_nothing_are_one_model() -> None:
    trial = small_config()
    for same in ({"seed": 7}, {"lr": 0.01}, {"weight_decay": 0.0}, {"split_seed": 3}):
        assert cost_key(small_config(**same)) == cost_key(trial)
    for other in (
        {"bit_widths": (4, 4, 4)},
        {"batch_size": 32},
        {"width": 0.5},
        {"quantizer": "pact"},
        {"epochs": 4},
        {"mode": "ptq"},
        {"precision": "bf16"},
        {"augmentation": "none"},
        {"act_bit_widths": (8, 8, 8)},
        {"evaluation": "validation"},
    ):
        assert cost_key(small_config(**other)) != cost_key(trial)


def test_bits_below_full_precision_make_no_kind_of_their_own() -> None:
    assert kind(small_config(bit_widths=(2, 3, 4))) == kind(small_config(bit_widths=(8, 8, 8)))
    assert kind(small_config(bit_widths=(2, 3, 32))) != kind(small_config(bit_widths=(2, 3, 4)))
    assert kind(small_config(act_bit_widths=(32, 32, 32))) != kind(small_config())
    assert kind(small_config(batch_size=32)) != kind(small_config())


def test_replicates_are_counted_with_their_model() -> None:
    trials = [small_config(bit_widths=bits, seed=seed) for seed in (0, 1) for bits in ((2, 2, 2), (4, 4, 4))]
    found = Models([*trials, small_config(bit_widths=(32, 32, 32))], [4.0, 16.0, 4.0, 16.0, 1024.0])
    assert [trial.bit_widths for trial in found.trials] == [(2, 2, 2), (4, 4, 4), (32, 32, 32)]
    assert found.n_trials == (2, 2, 1)
    assert found.position(trials[3]) == 1
    assert sorted(found.choose(2)) == [0, 2]
    assert (found.nearest(1, [0, 2]), found.nearest(2, [0, 2])) == (0, 2)


def test_an_unknown_trial_has_no_position() -> None:
    with pytest.raises(KeyError):
        Models([small_config()], [1.0]).position(small_config(batch_size=8))
