from __future__ import annotations

import json
from pathlib import Path

import pytest

from lwq_tune.config.carbon_budget import Budget
from lwq_tune.config.trial import TrialConfig
from lwq_tune.energy.ledger.totals import trial_part
from lwq_tune.results.recorder import RunRecorder
from lwq_tune.results.row_log import read_log
from lwq_tune.results.run_folder import RunFolder
from lwq_tune.sweep.stopping.controller import StopController
from lwq_tune.sweep.stopping.rules import StopRules
from lwq_tune.sweep.stopping.settings import Stopping, Target
from tests.conftest import small_config
from tests.support.small_run import epoch_row, recorder_of

JOULES_PER_KWH = 3.6e6
RULES = Stopping(target=Target(val_accuracy=0.9))


@pytest.fixture
def trials() -> dict[str, TrialConfig]:
    found = [small_config(seed=seed, epochs=4) for seed in (0, 1)]
    return {trial.trial_key: trial for trial in found}


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "run")
    folder.create()
    return folder


@pytest.fixture
def recorder(folder: RunFolder, trials: dict[str, TrialConfig]) -> RunRecorder:
    return recorder_of(folder, trials)


def charge(folder: RunFolder, **joules: float) -> None:
    """Write an interval as a ledger does, with so many joules for each part."""
    folder.energy.mkdir(exist_ok=True)
    opened = {"event": "opened", "session": "s", "at_s": 0.0}
    interval = {
        "begin_s": 0.0,
        "time_s": 1.0,
        "unmeasured_s": 0.0,
        "g_per_kwh": 500.0,
        "flags": [],
        "node": {"cpu": sum(joules.values())},
        "parts": {"cpu": {name: [energy, 0.0] for name, energy in joules.items()}},
    }
    with (folder.energy / "host.jsonl").open("a") as stream:
        stream.writelines(json.dumps(record) + "\n" for record in (opened, interval))


def test_what_a_sweep_uses_itself_counts_and_what_others_use_does_not(
    folder: RunFolder, recorder: RunRecorder, trials: dict[str, TrialConfig]
) -> None:
    controller = StopController(recorder, None, Budget(1.0, "kWh"))
    key = next(iter(trials))
    charge(
        folder,
        **{trial_part(key, "s"): 0.3 * JOULES_PER_KWH, "driver": 0.3 * JOULES_PER_KWH, "other": 9 * JOULES_PER_KWH},
    )
    assert not controller.is_over()
    assert not controller.ends_trial(key, epoch_row(1), is_last=False)
    charge(folder, ray=0.3 * JOULES_PER_KWH, ledger=0.2 * JOULES_PER_KWH)
    assert controller.ends_trial(key, epoch_row(2), is_last=False)
    assert controller.is_cut(key)
    assert controller.is_over()
    assert controller.ended_by == (
        "the carbon budget of 1 kWh is used (1.1 kWh); resume with a larger --carbon-budget to go on"
    )
    assert controller.decision(key) is None, "a trial that is cut can go on"


def test_a_budget_that_is_used_to_the_last_ends_the_sweep_and_one_that_is_not_does_not(
    folder: RunFolder, recorder: RunRecorder
) -> None:
    charge(folder, driver=0.5 * JOULES_PER_KWH)  # at 500 g/kWh 0.25 kg
    assert StopController(recorder, None, Budget(0.5, "kWh")).is_over()
    assert StopController(recorder, None, Budget(0.25, "kg")).is_over()
    assert not StopController(recorder, None, Budget(0.51, "kWh")).is_over()
    assert not StopController(recorder, None, Budget(0.26, "kg")).is_over()
    without_limits = StopController(recorder, None, None)
    assert not without_limits.is_over()
    assert without_limits.ended_by is None


def test_a_trial_that_a_rule_ends_is_not_cut_by_the_budget_as_well(
    folder: RunFolder, recorder: RunRecorder, trials: dict[str, TrialConfig]
) -> None:
    controller = StopController(recorder, StopRules(RULES, 2), Budget(0.1, "kg"))
    charge(folder, driver=JOULES_PER_KWH)
    first, second = trials
    assert controller.ends_trial(first, epoch_row(1, val_accuracy=0.95), is_last=False)
    assert not controller.is_cut(first)
    assert controller.ends_trial(second, epoch_row(1, val_accuracy=0.5), is_last=False)
    assert controller.is_cut(second)


def test_before_it_starts_a_trial_is_told_what_ended_it_or_another_seed_of_its_configuration(
    recorder: RunRecorder, trials: dict[str, TrialConfig]
) -> None:
    first, second = trials
    controller = StopController(recorder, StopRules(RULES, 2), None)
    assert controller.before_start(first) is None
    controller.ends_trial(first, epoch_row(1, val_accuracy=0.95), is_last=False)
    found = controller.before_start(first)
    assert found is not None
    assert found.rule == "target"
    assert controller.before_start(second) is None
    controller.end_trial(first, "stopped")
    found = controller.before_start(second)
    schedule = trials[first].schedule
    assert found is not None
    assert (found.rule, found.reason, found.is_end) == ("replicate", f"another seed of {schedule} was stopped", False)
    exempt = StopController(recorder, StopRules(RULES, 2), None, exempt=[second])
    exempt.end_trial(first, "stopped")
    assert exempt.before_start(second) is None
    assert StopController(recorder, None, None).before_start(first) is None


def test_what_is_exempt_counts_neither_with_its_epochs_nor_with_its_end(
    recorder: RunRecorder, trials: dict[str, TrialConfig]
) -> None:
    first, second = trials
    controller = StopController(recorder, StopRules(RULES, 2), None, exempt=[first])
    controller.ends_trial(first, epoch_row(1, val_accuracy=0.95), is_last=False)
    controller.end_trial(first, "stopped")
    assert controller.decision(first) is None
    assert controller.before_start(second) is None


def test_a_trial_that_is_over_anyway_is_not_cut(
    folder: RunFolder, recorder: RunRecorder, trials: dict[str, TrialConfig]
) -> None:
    controller = StopController(recorder, StopRules(RULES, 2), Budget(0.1, "kg"))
    charge(folder, driver=JOULES_PER_KWH)
    key = next(iter(trials))
    assert not controller.ends_trial(key, epoch_row(4, val_accuracy=0.95), is_last=True)
    assert not controller.is_cut(key)
    assert controller.is_over()


def test_a_rule_ends_a_trial_and_spares_those_that_others_start_from(
    recorder: RunRecorder, trials: dict[str, TrialConfig]
) -> None:
    first, second = trials
    controller = StopController(recorder, StopRules(RULES, 2), None, exempt=[second])
    assert not controller.ends_trial(first, epoch_row(1, val_accuracy=0.5), is_last=False)
    for key in trials:
        assert controller.ends_trial(key, epoch_row(2, val_accuracy=0.95), is_last=False) == (key == first)
    decision = controller.decision(first)
    assert decision is not None
    assert (decision.rule, decision.is_end) == ("target", True)
    assert not controller.is_over()


def test_a_resumed_sweep_decides_as_the_one_before(folder: RunFolder) -> None:
    rules = Stopping.model_validate({"marginal": {"last": 1, "min_hypervolume_per_kg": 1e9}})
    found = [small_config(bit_widths=bits, epochs=4) for bits in ((4, 4, 4), (3, 3, 3), (2, 2, 2))]
    trials = {trial.trial_key: trial for trial in found}
    recorder = recorder_of(folder, trials)
    live = StopController(recorder, StopRules(rules, 1), None)
    for key, accuracy in zip(trials, (0.8, 0.7, 0.6), strict=True):
        assert live.ended_by is None or key == found[2].trial_key
        recorder.start_attempt(key)
        for epoch in range(1, 5):
            live.ends_trial(key, epoch_row(epoch, accuracy), is_last=epoch == 4)
            recorder.add_row(key, "ray", epoch_row(epoch, accuracy))
        recorder.end_trial(key, "done")
        live.end_trial(key, "done")
        live.check()
    resumed = StopController(recorder_of(folder, trials), StopRules(rules, 1), None)
    resumed.replay(read_log(folder.log))
    resumed.check()
    assert live.ended_by is not None
    assert resumed.ended_by == live.ended_by
