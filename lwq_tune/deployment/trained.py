"""The networks of finished trials, from the checkpoints of a run folder."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lwq_tune.config.trial import TrialConfig
from lwq_tune.errors import ResultsError
from lwq_tune.models.image_format import ImageFormat
from lwq_tune.results.earlier_runs import finished_epochs, read_trials
from lwq_tune.results.manifest import Manifest, read_manifest
from lwq_tune.results.networks import with_kept_code
from lwq_tune.results.run_folder import RunFolder

if TYPE_CHECKING:
    from torch import Tensor, nn

    from lwq_tune.data.images import Dataset


@dataclass(frozen=True)
class TrainedTrial:
    """A finished trial and its state.

    Attributes:
        config: The trial.
        state: State of its network.
        data: ``mean`` and ``std`` of the training images (None where the checkpoint does not hold them), ``classes``,
            the label of each output, and ``class_names``.
        images: Shape of its images, and its classes.
    """

    config: TrialConfig
    state: Mapping[str, Tensor]
    data: Mapping[str, Any]
    images: ImageFormat

    def model(self) -> nn.Module:
        """Return its network in evaluation."""
        from lwq_tune.deployment.network import load_model

        return load_model(self.config, self.state, self.images)


class TrainedTrials:
    """The finished trials of a run.

    Attributes:
        folder: The run folder.
        manifest: Its manifest.
        configs: All trials of the run by key.

    Args:
        run_dir: The run folder.

    Raises:
        ResultsError: The folder holds no run.
    """

    def __init__(self, run_dir: Path) -> None:
        from lwq_tune.training.run_checkpoints import checkpoints_of_run

        self.folder = RunFolder(run_dir.expanduser().resolve())
        self.manifest: Manifest = read_manifest(self.folder.path)
        self.configs: dict[str, TrialConfig] = with_kept_code(self.folder, read_trials(self.manifest, self.folder).all)
        self._epochs = finished_epochs(self.folder.path)
        self._checkpoints = checkpoints_of_run(self.folder.path)

    def choose(self, key: str) -> TrialConfig:
        """Return the trial whose key starts with ``key``.

        Raises:
            ResultsError: None or several do.
        """
        found = [trial for trial in self.configs.values() if trial.trial_key.startswith(key)]
        if len(found) != 1:
            listed = "".join(
                f"\n  {trial.trial_key}  {trial.schedule} seed {trial.seed}" for trial in found or self.configs.values()
            )
            raise ResultsError(
                f"--trial must be the key of one trial, or its beginning, got {key!r}; there are{listed}"
            )
        return found[0]

    def load(self, config: TrialConfig) -> TrainedTrial:
        """Return a trial with the state of its last epoch.

        Raises:
            ResultsError: It has not finished, or its checkpoint was removed or is damaged.
        """
        from lwq_tune.training.checkpoint import CheckpointError, load_checkpoint
        from lwq_tune.training.run_checkpoints import local_copy

        last_epoch = self._epochs.get(config.trial_key, config.n_rows)
        found = self._checkpoints.final(config.trial_key, last_epoch)
        if not found:
            raise ResultsError(
                f"a network is exported once its trial has finished, {config.schedule} seed {config.seed} "
                f"({config.trial_key}) left no checkpoint of epoch {last_epoch} in {self.folder.path}"
            )
        try:
            with tempfile.TemporaryDirectory() as spare:
                checkpoint = load_checkpoint(local_copy(found[0], Path(spare)))
        except (CheckpointError, FileNotFoundError) as error:
            raise ResultsError(str(error)) from error
        dataset = self.manifest.dataset
        return TrainedTrial(
            config, checkpoint["model"], describe_data(dataset, checkpoint), ImageFormat.of_record(dataset)
        )

    def dataset(self) -> Dataset:
        """Return the data set of the run.

        Raises:
            DatasetError: It is no longer there, or cannot be read.
            ResultsError: Its images have another shape than those the networks were trained on.
        """
        from lwq_tune.data.loading import load_dataset

        recorded = self.manifest.dataset
        dataset = load_dataset(recorded["dataset"], Path(self.manifest.sweep["data_dir"]))
        trained_on = ImageFormat.of_record(recorded)
        if dataset.image_format.shape != trained_on.shape:
            raise ResultsError(
                f"networks are checked on images of the shape they were trained on, {trained_on}, those of "
                f"{recorded['dataset']} are read as {dataset.image_format} now (earlier versions read gray in three "
                "channels); export with --format npz, which looks at no image, or train them anew"
            )
        return dataset


def describe_data(dataset: Mapping[str, Any], checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an exported network records of its data set: normalisation of pixels, labels of outputs.

    Args:
        dataset: Record of the data set in the manifest; earlier versions treated labels as numbers from 0.
        checkpoint: Checkpoint of the trial; those of earlier versions have no mean and std.

    >>> describe_data({"classes": ["cat", "dog"], "class_names": []}, {"data": {"mean": [0.5] * 3, "std": [0.2] * 3}})
    {'mean': [0.5, 0.5, 0.5], 'std': [0.2, 0.2, 0.2], 'classes': ['cat', 'dog'], 'class_names': []}
    >>> describe_data({"num_classes": 3}, {})
    {'mean': None, 'std': None, 'classes': [0, 1, 2], 'class_names': []}
    """
    pixels = checkpoint.get("data") or {"mean": None, "std": None}
    classes = dataset.get("classes")
    labels = list(range(dataset["num_classes"])) if classes is None else classes
    return {**pixels, "classes": labels, "class_names": dataset.get("class_names", [])}
