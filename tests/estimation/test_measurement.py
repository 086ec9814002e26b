from __future__ import annotations

from pathlib import Path

import pytest

from lwq_tune.config.sweep import SweepConfig
from lwq_tune.config.trial import TrialConfig
from lwq_tune.errors import ConfigError
from lwq_tune.estimation import measurement
from lwq_tune.estimation.measurement import find_groups, gpus_of_slots
from lwq_tune.host import hardware
from lwq_tune.models.image_format import ImageFormat
from lwq_tune.results.networks import trial_costs
from lwq_tune.sweep.plan import AdaptiveSearch
from lwq_tune.sweep.slots import Slots
from lwq_tune.sweep.space.candidates import ListedCandidates
from lwq_tune.sweep.space.file_models import Search
from lwq_tune.sweep.space.prerequisites import with_initial_trials
from tests.conftest import small_config


@pytest.fixture(autouse=True)
def four_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host with four CPUs, much memory and no GPU."""
    monkeypatch.setattr(hardware, "available_cpus", lambda: 4)
    monkeypatch.setattr(measurement, "usable_memory_mib", lambda: 64_000.0)
    monkeypatch.setattr(measurement, "visible_gpus", list)


def sweep_config(tmp_path: Path, **changes: object) -> SweepConfig:
    return SweepConfig(results_dir=tmp_path, run="run", data_dir=tmp_path, **changes)  # type: ignore[arg-type]


def by_key(*trials: TrialConfig) -> dict[str, TrialConfig]:
    return {trial.trial_key: trial for trial in trials}


def bitops_of(*trials: TrialConfig) -> dict[str, float]:
    return {trial.trial_key: float(trial_costs(trial, ImageFormat()).bitops) for trial in trials}


def test_trials_that_start_from_others_wait_and_share_the_host_anew(tmp_path: Path) -> None:
    listed = [small_config(init_from="full_precision", bit_widths=(bits,) * 3) for bits in (2, 3, 4)]
    trials = by_key(*with_initial_trials(listed))
    first, second = find_groups(sweep_config(tmp_path), trials, None, bitops_of(*trials.values()))
    assert [trial.bit_widths for trial in first.trials] == [(32, 32, 32)]
    assert list(second.trials) == listed
    assert (first.slots, second.slots) == (Slots(1, 4.0, 0.0), Slots(3, 1.0, 0.0))


def test_what_the_user_asked_for_holds(tmp_path: Path) -> None:
    trials = by_key(*(small_config(seed=seed) for seed in range(9)))
    config = sweep_config(tmp_path, max_concurrent=2, cpus_per_trial=1.0)
    (group,) = find_groups(config, trials, None, bitops_of(*trials.values()))
    assert group.slots == Slots(2, 1.0, 0.0)
    (alone,) = find_groups(sweep_config(tmp_path, exclusive=True), trials, None, bitops_of(*trials.values()))
    assert alone.slots == Slots(1, 4.0, 0.0)


def test_a_search_is_stood_for_by_a_spread_of_its_candidates(tmp_path: Path) -> None:
    candidates = {
        (bits,) * 3: tuple(small_config(bit_widths=(bits,) * 3, seed=seed) for seed in (0, 1)) for bits in range(2, 9)
    }
    listed = small_config(bit_widths=(32, 32, 32))
    flat = [trial for trials in candidates.values() for trial in trials]
    search = AdaptiveSearch(
        Search(method="tpe", trials=3),
        ListedCandidates(candidates),
        candidates.__getitem__,
        lambda trial: trial_costs(trial, ImageFormat()),
    )
    before, proposed = find_groups(sweep_config(tmp_path), by_key(listed), search, bitops_of(listed, *flat))
    assert before.trials == (listed,)
    assert proposed.slots == Slots(4, 1.0, 0.0)
    assert len(set(proposed.trials)) == 6
    assert {2, 8} <= {trial.bit_widths[0] for trial in proposed.trials}
    (alone,) = find_groups(sweep_config(tmp_path), {}, search, bitops_of(*flat))
    assert alone.slots == Slots(4, 1.0, 0.0)


def test_nothing_to_train_is_nothing_to_estimate(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at least one trial"):
        find_groups(sweep_config(tmp_path), {}, None, {})


def test_more_cpus_than_there_are_are_refused(tmp_path: Path) -> None:
    trial = small_config()
    with pytest.raises(ConfigError, match="--cpus-per-trial must be at most 4"):
        find_groups(sweep_config(tmp_path, cpus_per_trial=5.0), by_key(trial), None, bitops_of(trial))


@pytest.mark.parametrize(
    ("slots", "expected"),
    [
        (Slots(2, 1.0, 0.0), ()),
        (Slots(2, 1.0, 1.0), ("3", "5")),
        (Slots(5, 1.0, 1 / 3), ("3", "3", "3", "5", "5")),
        (Slots(1, 1.0, 2.0), ("3,5",)),
        (Slots(1, 1.0, 1.5), ("3,5",)),
    ],
)
def test_each_slot_has_gpus_of_its_own(slots: Slots, expected: tuple[str, ...]) -> None:
    assert gpus_of_slots(slots, ["3", "5"]) == expected
