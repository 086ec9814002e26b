"""A run folder with trained networks that no sweep made: no Ray, seconds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lwq_tune.carbon.intensity import IntensitySeries
from lwq_tune.config.sweep import SweepConfig
from lwq_tune.config.trial import TrialConfig
from lwq_tune.data.loading import load_digits
from lwq_tune.energy.meter import NullMeter
from lwq_tune.results.run_folder import RunFolder
from lwq_tune.training.checkpoint import save_checkpoint
from lwq_tune.training.trial import Trial
from tests.conftest import small_config
from tests.support.manifests import manifest_of
from tests.support.small_run import recorder_of, train

SCHEDULES = ((32, 32, 32), (2, 2, 2), (4, 4, 4))
OBJECTIVES = [
    {"column": "val_accuracy", "direction": "maximize"},
    {"column": "emissions_kg_co2eq", "direction": "minimize"},
]


def digits_config(bits: Sequence[int], seed: int = 0) -> TrialConfig:
    """Return a trial of an epoch on digits."""
    return small_config(bit_widths=tuple(bits), dataset="digits", epochs=1, batch_size=64, seed=seed)


def write_run(path: Path, trials: Sequence[TrialConfig], results: Sequence[tuple[float, float]] = ()) -> RunFolder:
    """Write manifest and tables of a finished run, without checkpoints.

    Args:
        path: Its folder.
        trials: Its trials.
        results: Validation accuracy and emissions in kg of each, all the same by default.
    """
    folder = RunFolder(path)
    folder.epochs.mkdir(parents=True)
    manifest_of(
        run=path.name,
        objectives=OBJECTIVES,
        sweep=SweepConfig(run=path.name, results_dir=path.parent, data_dir=path.parent).model_dump(mode="json"),
        dataset={"dataset": "digits", "num_classes": 10, "digest": None, "classes": list(range(10)), "class_names": []},
        carbon_intensity={"": IntensitySeries.constant(56.0, "user").to_dict()},
        trials=[trial.model_dump(mode="json") for trial in trials],
    ).write(folder)
    recorder = recorder_of(folder, {trial.trial_key: trial for trial in trials})
    for trial, (accuracy, emissions_kg) in zip(trials, results or [(0.5, 1e-6)] * len(trials), strict=True):
        train(recorder, trial.trial_key, 1, accuracy, emissions_kg)
        recorder.end_trial(trial.trial_key, "done")
    recorder.finish()
    return folder


def write_trained_run(path: Path, bits: Sequence[Sequence[int]] = SCHEDULES) -> RunFolder:
    """Write a finished run of some schedules with the checkpoints of its trials."""
    trials = [digits_config(one) for one in bits]
    folder = write_run(path, trials)
    dataset = load_digits()
    for config in trials:
        trial = Trial(config, dataset, NullMeter())
        trial.run_epoch()
        checkpoint = folder.ray / "session_001" / config.trial_key / "checkpoint_000000"
        save_checkpoint(trial.state_dict(), checkpoint)
    return folder
