"""A search over recorded trials: what it hands out, and that a resumed one comes to the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from lwq_tune.config.trial import TrialConfig
from lwq_tune.models.image_format import ImageFormat
from lwq_tune.quantization.schedules import BitWidths, enumerate_bit_widths
from lwq_tune.results.earlier_runs import read_trials
from lwq_tune.results.manifest import SpaceRecord
from lwq_tune.results.networks import trial_costs
from lwq_tune.results.recorder import RunRecorder
from lwq_tune.results.run_folder import RunFolder
from lwq_tune.sweep.search.proposer import Proposer
from lwq_tune.sweep.search.trial_queue import ListQueue, SearchQueue, outcome_of
from lwq_tune.sweep.space.candidates import ListedCandidates
from tests.conftest import small_config
from tests.support.manifests import manifest_of
from tests.support.small_run import epoch_row, recorder_of, train

SEEDS = (0, 1)
EPOCHS = 2
N_PROPOSALS = 6


@pytest.fixture
def candidates() -> dict[BitWidths, tuple[TrialConfig, ...]]:
    schedules = enumerate_bit_widths([2, 3, 4], 3, "free")
    return {
        bits: tuple(small_config(bit_widths=bits, act_bit_widths=bits, seed=seed, epochs=EPOCHS) for seed in SEEDS)
        for bits in schedules
    }


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "run")
    folder.create()
    return folder


def queue_of(
    recorder: RunRecorder, candidates: dict[BitWidths, tuple[TrialConfig, ...]], *, frozen: tuple[str, ...] = ()
) -> SearchQueue:
    proposer = Proposer("tpe", ListedCandidates(candidates), n_trials=N_PROPOSALS, seed=1)
    return SearchQueue(
        proposer, candidates.__getitem__, lambda trial: trial_costs(trial, ImageFormat()), recorder, frozen
    )


def accuracy_of(trial: TrialConfig) -> float:
    return 0.5 + sum(trial.bit_widths) / 50 + trial.seed / 100


def run_trial(recorder: RunRecorder, key: str) -> None:
    trial = recorder.config(key)
    train(recorder, key, EPOCHS, accuracy_of(trial), emissions_kg=sum(trial.bit_widths) * 1e-6)
    recorder.end_trial(key, "done")


def go_through(recorder: RunRecorder, queue: SearchQueue, n_trials: int | None = None) -> list[str]:
    """Run what the queue hands out, one trial at a time."""
    keys = []
    while n_trials is None or len(keys) < n_trials:
        key = queue.next()
        if key is None:
            assert queue.is_exhausted
            break
        keys.append(key)
        run_trial(recorder, key)
    return keys


def test_a_list_is_handed_out_in_order() -> None:
    queue = ListQueue(["a", "b"])
    assert [queue.next(), queue.is_exhausted, queue.next(), queue.is_exhausted, queue.next()] == [
        "a",
        False,
        "b",
        True,
        None,
    ]


def test_a_schedule_is_trained_with_every_seed_and_none_twice(
    folder: RunFolder, candidates: dict[BitWidths, tuple[TrialConfig, ...]]
) -> None:
    recorder = recorder_of(folder, {})
    keys = go_through(recorder, queue_of(recorder, candidates))
    assert len(set(keys)) == len(keys) == N_PROPOSALS * len(SEEDS)
    trials = [recorder.config(key) for key in keys]
    for first, second in zip(trials[::2], trials[1::2], strict=True):
        assert (first.bit_widths, first.seed, second.seed) == (second.bit_widths, *SEEDS)


def test_the_search_waits_until_all_seeds_of_a_schedule_have_ended(
    folder: RunFolder, candidates: dict[BitWidths, tuple[TrialConfig, ...]]
) -> None:
    recorder = recorder_of(folder, {})
    queue = queue_of(recorder, candidates)
    first, second = queue.next(), queue.next()
    assert first is not None
    assert second is not None
    assert queue.next() is None
    run_trial(recorder, first)
    assert queue.next() is None
    assert not queue.is_exhausted
    run_trial(recorder, second)
    assert queue.next() is not None


@pytest.mark.parametrize("n_before", [0, 1, 2, 5, 11])
def test_a_resumed_search_hands_out_what_the_first_one_would_have(
    tmp_path: Path, candidates: dict[BitWidths, tuple[TrialConfig, ...]], n_before: int
) -> None:
    whole, broken = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "broken")
    whole.create()
    broken.create()
    recorder = recorder_of(whole, {})
    all_keys = go_through(recorder, queue_of(recorder, candidates))
    before = recorder_of(broken, {})
    started = go_through(before, queue_of(before, candidates), n_before)
    asked = read_trials(manifest_of(space=SpaceRecord("space", "", "", (), "", is_adaptive=True)), broken)
    after = recorder_of(broken, asked.all)
    assert started + go_through(after, queue_of(after, candidates)) == all_keys
    assert asked.lag == (1 if n_before else None)


def test_a_failed_trial_that_is_trained_again_does_not_change_what_follows(
    tmp_path: Path, candidates: dict[BitWidths, tuple[TrialConfig, ...]]
) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.create()
    recorder = recorder_of(folder, {})
    queue = queue_of(recorder, candidates)
    failed = []
    for key in iter(queue.next, None):
        if len(failed) < len(SEEDS):
            recorder.start_attempt(key)
            recorder.end_trial(key, "failed", "out of luck")
            failed.append(key)
        else:
            run_trial(recorder, key)
    proposed = list(recorder.statuses())
    for key in failed:
        run_trial(recorder, key)
    resumed = recorder_of(folder, {key: recorder.config(key) for key in proposed})
    assert go_through(resumed, queue_of(resumed, candidates, frozen=tuple(failed))) == []
    assert list(resumed.statuses()) == proposed


def test_an_outcome_is_the_mean_over_seeds_and_what_was_cut_short_is_not_cheap(folder: RunFolder) -> None:
    trials = [small_config(seed=seed, epochs=4) for seed in (0, 1, 2)]
    recorder = recorder_of(folder, {trial.trial_key: trial for trial in trials})
    done, stopped, failed = (trial.trial_key for trial in trials)
    train(recorder, done, 4, 0.8, emissions_kg=1e-3)
    recorder.end_trial(done, "done")
    train(recorder, stopped, 1, 0.6, emissions_kg=1e-3)
    recorder.end_trial(stopped, "stopped", stop_reason="asha: slow")
    recorder.start_attempt(failed)
    recorder.end_trial(failed, "failed", "out of luck")
    outcome = outcome_of(recorder, trials)
    assert outcome is not None
    assert outcome.val_accuracy == pytest.approx(0.7)
    assert outcome.emissions_kg_co2eq == pytest.approx(4e-3)
    assert outcome_of(recorder, trials[2:]) is None
    assert outcome_of(recorder, trials[:1], frozenset([done])) is None


def test_without_emissions_there_is_no_outcome(folder: RunFolder) -> None:
    trial = small_config(epochs=1)
    recorder = recorder_of(folder, {trial.trial_key: trial})
    recorder.start_attempt(trial.trial_key)
    recorder.add_row(trial.trial_key, "ray", epoch_row(1, 0.9, None))
    recorder.end_trial(trial.trial_key, "done")
    assert outcome_of(recorder, [trial]) is None
