from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from lwq_tune.config.trial import TrialConfig
from lwq_tune.deployment.selection import choose_networks
from lwq_tune.errors import ResultsError
from lwq_tune.results.manifest import read_manifest
from lwq_tune.results.run_folder import RunFolder
from tests.support.trained_runs import digits_config, write_run

FULL, TWO, FOUR, EIGHT = (digits_config((bits,) * 3) for bits in (32, 2, 4, 8))
TWO_OF_SEED_1, FULL_OF_SEED_1 = (digits_config((bits,) * 3, seed=1) for bits in (2, 32))


def chosen(
    run: RunFolder, trials: Sequence[TrialConfig], which: str = "one_seed", keys: Sequence[str] = ()
) -> set[str]:
    configs = {trial.trial_key: trial for trial in trials}
    return set(choose_networks(run, read_manifest(run.path), configs, which, keys))


def keys_of(*trials: TrialConfig) -> set[str]:
    return {trial.trial_key for trial in trials}


def test_one_seed_of_each_configuration_is_chosen_the_first_that_is_done(tmp_path: Path) -> None:
    trials = [TWO_OF_SEED_1, TWO, FOUR, FULL_OF_SEED_1]
    run = write_run(tmp_path / "run", trials)
    assert chosen(run, trials) == keys_of(TWO, FOUR, FULL_OF_SEED_1)
    assert chosen(run, trials, "all") == keys_of(*trials)


def test_the_front_is_what_no_other_beats_in_all_objectives_and_full_precision_stands_beside(tmp_path: Path) -> None:
    trials = [FULL, TWO, FOUR, EIGHT]
    results = [(0.90, 5e-6), (0.80, 1e-6), (0.95, 2e-6), (0.94, 3e-6)]  # four bits beat eight and full precision
    run = write_run(tmp_path / "run", trials, results)
    assert chosen(run, trials, "front") == keys_of(TWO, FOUR, FULL)


def test_equals_stand_on_the_front_together(tmp_path: Path) -> None:
    trials = [TWO, FOUR, EIGHT]
    run = write_run(tmp_path / "run", trials, [(0.9, 1e-6), (0.9, 1e-6), (0.9, 2e-6)])
    assert chosen(run, trials, "front") == keys_of(TWO, FOUR)


def test_beginnings_of_keys_choose_and_full_precision_stands_beside(tmp_path: Path) -> None:
    trials = [FULL, TWO, FOUR]
    run = write_run(tmp_path / "run", trials)
    assert chosen(run, trials, keys=[TWO.trial_key[:6]]) == keys_of(TWO, FULL)
    assert chosen(run, trials, keys=[FULL.trial_key]) == keys_of(FULL)


def test_a_run_without_full_precision_is_measured_without(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [TWO, FOUR])
    assert chosen(run, [TWO, FOUR]) == keys_of(TWO, FOUR)


@pytest.mark.parametrize("key", ["nothing", ""])
def test_a_key_of_no_trial_or_of_several_is_refused_with_those_there_are(key: str, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [TWO, FOUR])
    with pytest.raises(ResultsError) as refused:
        chosen(run, [TWO, FOUR], keys=[key])
    assert f"got '{key}'; there are" in str(refused.value)
    assert all(f"{trial.trial_key}  {trial.schedule} seed 0" in str(refused.value) for trial in (TWO, FOUR))


def test_a_run_of_which_nothing_is_done_yet_is_refused(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [TWO])
    run.trials.unlink()
    with pytest.raises(ResultsError, match="once they are trained, no trial of .* is done"):
        chosen(run, [TWO])
