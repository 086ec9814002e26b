"""What a sweep relies on of whatever decides which trial starts next."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

from lwq_tune.models.image_format import ImageFormat
from lwq_tune.quantization.schedules import enumerate_bit_widths
from lwq_tune.results.networks import trial_costs
from lwq_tune.results.recorder import RunRecorder
from lwq_tune.results.run_folder import RunFolder
from lwq_tune.sweep import search
from lwq_tune.sweep.search.proposer import Method, Proposer
from lwq_tune.sweep.search.trial_queue import ListQueue, SearchQueue, TrialQueue
from lwq_tune.sweep.space.candidates import ListedCandidates
from tests.conftest import small_config
from tests.support.implementations import implementations
from tests.support.small_run import recorder_of, train

N_TRIALS = 8
CANDIDATES = {
    bits: tuple(small_config(bit_widths=bits, act_bit_widths=bits, seed=seed, epochs=1) for seed in (0, 1))
    for bits in enumerate_bit_widths([2, 3, 4], 3, "free")
}
TRIALS = {trial.trial_key: trial for trials in CANDIDATES.values() for trial in trials}


def make_list(folder: RunFolder) -> tuple[RunRecorder, TrialQueue]:
    trials = dict(list(TRIALS.items())[:N_TRIALS])
    return recorder_of(folder, trials), ListQueue(trials)


def make_search(method: Method) -> Callable[[RunFolder], tuple[RunRecorder, TrialQueue]]:
    def make(folder: RunFolder) -> tuple[RunRecorder, TrialQueue]:
        recorder = recorder_of(folder, {})
        proposer = Proposer(method, ListedCandidates(CANDIDATES), n_trials=N_TRIALS // 2, seed=0)
        return recorder, SearchQueue(
            proposer, CANDIDATES.__getitem__, lambda one: trial_costs(one, ImageFormat()), recorder
        )

    return make


# A new queue is registered here: from an empty run folder to its recorder and a queue of N_TRIALS trials.
MAKERS = {"list": make_list, **{f"search by {method}": make_search(method) for method in get_args(Method)}}


@pytest.fixture(params=MAKERS)
def made(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[RunRecorder, TrialQueue]:
    folder = RunFolder(tmp_path / "run")
    folder.create()
    return MAKERS[request.param](folder)


def end(recorder: RunRecorder, key: str, status: str = "done") -> None:
    train(recorder, key, 1, val_accuracy=0.5 + sum(recorder.config(key).bit_widths) / 50)
    recorder.end_trial(key, status, "out of luck" if status == "failed" else None)


def test_every_queue_is_registered_here(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.create()
    assert {type(make(folder)[1]) for make in MAKERS.values()} == implementations(TrialQueue, search)


def test_every_trial_comes_once_and_then_the_queue_is_exhausted(made: tuple[RunRecorder, TrialQueue]) -> None:
    recorder, queue = made
    keys = []
    while not queue.is_exhausted:
        key = queue.next()
        if key is None:
            break
        end(recorder, key)
        keys.append(key)
    assert queue.is_exhausted
    assert len(set(keys)) == len(keys) == N_TRIALS
    assert set(keys) <= set(TRIALS)
    assert [queue.next(), queue.next()] == [None, None]
    assert queue.is_exhausted, "an exhausted queue stays that"


def test_a_queue_that_has_nothing_now_goes_on_once_all_that_has_started_has_ended(
    made: tuple[RunRecorder, TrialQueue],
) -> None:
    recorder, queue = made
    n_started = 0
    while not queue.is_exhausted:
        running = []
        while (key := queue.next()) is not None:
            running.append(key)
        assert running or queue.is_exhausted, "nothing runs, nothing starts, and the sweep would wait for ever"
        n_started += len(running)
        for key in running:
            end(recorder, key)
    assert n_started == N_TRIALS


def test_failed_trials_do_not_hold_up_the_queue(made: tuple[RunRecorder, TrialQueue]) -> None:
    recorder, queue = made
    keys = []
    for key in iter(queue.next, None):
        end(recorder, key, "failed")
        keys.append(key)
    assert queue.is_exhausted
    assert len(set(keys)) == N_TRIALS


def test_asking_whether_a_queue_is_exhausted_changes_nothing(made: tuple[RunRecorder, TrialQueue]) -> None:
    recorder, queue = made
    assert not queue.is_exhausted
    keys = []
    for _ in range(N_TRIALS):
        assert not any(queue.is_exhausted for _ in range(3))
        key = queue.next()
        assert key is not None
        end(recorder, key)
        keys.append(key)
    assert len(set(keys)) == N_TRIALS
