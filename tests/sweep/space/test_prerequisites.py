from __future__ import annotations

from typing import get_args

import pytest

from lwq_tune.config.trial import Quantizer, TrialConfig
from lwq_tune.sweep.space.prerequisites import initial_keys, waves, with_initial_trials
from tests.conftest import small_config


def bits_of(trials: object) -> list[tuple[int, ...]]:
    return [trial.bit_widths for trial in trials]  # type: ignore[attr-defined]


def test_trials_from_scratch_need_no_others() -> None:
    listed = [small_config(seed=seed) for seed in (0, 1)]
    assert with_initial_trials(listed) == tuple(listed)


def test_the_full_precision_trial_is_trained_once_per_seed() -> None:
    listed = [
        small_config(init_from="full_precision", bit_widths=bits, seed=seed, pretrain_epochs=7, pretrain_lr=0.3)
        for seed in (0, 1)
        for bits in ((2, 2, 2), (4, 4, 4), (32, 32, 32))
    ]
    trials = with_initial_trials(listed)
    added = [trial for trial in trials if trial not in listed]
    assert [(trial.bit_widths, trial.seed, trial.epochs, trial.lr) for trial in added] == [
        ((32, 32, 32), 0, 7, 0.3),
        ((32, 32, 32), 1, 7, 0.3),
    ]
    assert trials[:2] == tuple(added)
    assert initial_keys(listed, trials) == {trial.trial_key for trial in added}


def test_the_full_precision_trial_is_the_same_for_every_quantizer() -> None:
    keys = {
        small_config(init_from="full_precision", quantizer=quantizer, weight_scales=scales).initial.trial_key  # type: ignore[union-attr]
        for quantizer in get_args(Quantizer)
        for scales in ("per_tensor", "per_channel")
    }
    assert len(keys) == 1


def test_progressive_trials_climb_a_bit_at_a_time_and_share_their_steps() -> None:
    listed = [small_config(init_from="progressive", bit_widths=bits) for bits in ((2, 2, 2), (2, 3, 8))]
    trials = with_initial_trials(listed)
    steps = [bits_of(wave.values()) for wave in waves({trial.trial_key: trial for trial in trials})]
    assert steps == [
        [(32, 32, 32)],
        [(4, 4, 4), (4, 4, 8)],
        [(3, 3, 3), (3, 4, 8)],
        [(2, 2, 2), (2, 3, 8)],
    ]


def test_a_listed_trial_that_others_start_from_stays_a_trial() -> None:
    listed = [small_config(init_from="progressive", bit_widths=bits) for bits in ((3, 3, 3), (4, 4, 4))]
    trials = with_initial_trials(listed)
    assert bits_of(trials) == [(32, 32, 32), (4, 4, 4), (3, 3, 3)]
    assert initial_keys(listed, trials) == {trials[0].trial_key}


def test_what_another_run_has_trained_is_not_trained_again() -> None:
    listed = [small_config(init_from="progressive", bit_widths=(2, 2, 2))]

    def is_trained(trial: TrialConfig) -> bool:
        return trial.bit_widths == (3, 3, 3)

    assert with_initial_trials(listed, is_trained) == tuple(listed)


def test_every_trial_comes_after_the_one_it_starts_from() -> None:
    listed = [
        small_config(init_from="progressive", bit_widths=(a, b, c)) for a in (2, 3) for b in (2, 4) for c in (2, 32)
    ]
    seen: set[str] = set()
    for trial in with_initial_trials(listed):
        assert trial.initial is None or trial.initial.trial_key in seen
        seen.add(trial.trial_key)
    assert len(seen) > len(listed)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mode": "ptq", "init_from": "scratch"}, "mode: ptq needs init_from: full_precision, got scratch"),
        ({"mode": "ptq", "quantizer": "dorefa"}, "lsq or minmax, got dorefa"),
        ({"pretrain_epochs": 3}, "pretrain_epochs belong to init_from"),
        ({"bit_widths": (1, 2, 2)}, "need quantizer: dorefa"),
        ({"bit_widths": (1, 2, 2), "quantizer": "dorefa"}, "give act_bit_widths of their own"),
        ({"precision": "fp16"}, "'fp32' or 'bf16'"),
        ({"first_last_bit_width": 4}, "8 or 32"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small_config(**changes)


def test_one_bit_weights_are_dorefas() -> None:
    config = small_config(bit_widths=(1, 1, 2), act_bit_widths=(2, 2, 2), quantizer="dorefa")
    assert config.schedule == "ascending_112"
