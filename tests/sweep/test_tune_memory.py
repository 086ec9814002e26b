from __future__ import annotations

from pathlib import Path

from ray.train._internal.session import _TrainingResult
from ray.tune import Checkpoint
from ray.tune.experiment.trial import Trial

from lwq_tune.sweep.tune_memory import ForgettingCallback


def trained(folder: Path) -> Trial:
    """Return a trial of Tune with two results and a checkpoint."""
    trial = Trial("stub", stub=True)
    for iteration in (1, 2):
        result = {"rows": [{"epoch": iteration}], "training_iteration": iteration, "loss": 1.0 / iteration}
        trial.update_last_result(dict(result))
        trial.run_metadata.checkpoint_manager.register_checkpoint(_TrainingResult(Checkpoint(str(folder)), result))
    return trial


def kept(trial: Trial) -> list[bool]:
    metadata = trial.run_metadata
    results = [result.metrics for result in metadata.checkpoint_manager._checkpoint_results]
    assert results
    return [bool(metadata.metric_analysis), *("rows" in result for result in (metadata.last_result, *results))]


def test_results_are_forgotten_once_the_next_trial_has_ended(tmp_path: Path) -> None:
    first, second = trained(tmp_path), trained(tmp_path)
    assert all(kept(first))
    callback = ForgettingCallback()
    callback.on_trial_complete(0, [], first)
    assert all(kept(first)), "Tune is not done with it"
    callback.on_trial_complete(1, [], second)
    assert not any(kept(first))
    assert all(kept(second))
    assert first.last_result["training_iteration"] == 2
