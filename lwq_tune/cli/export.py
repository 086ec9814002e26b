"""``python -m lwq_tune export``: the network of a finished trial, its weights packed."""

from __future__ import annotations

import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lwq_tune.cli import exit_codes
from lwq_tune.config.trial import TrialConfig
from lwq_tune.errors import ResultsError
from lwq_tune.output_streams import say


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("run_dir", metavar="RUN_DIR", help="run folder, as a sweep prints it")
    parser.add_argument("--trial", required=True, metavar="KEY", help="trial_key of the results, or its beginning")
    parser.add_argument("--out", required=True, metavar="FILE", help="file to write, a NumPy archive (.npz)")


def run(arguments: Namespace) -> int:
    """Find the trial, write its network and print its size; the file is the last line on stdout."""
    from lwq_tune.results.earlier_runs import finished_epochs, read_trials
    from lwq_tune.results.manifest import read_manifest
    from lwq_tune.results.run_folder import RunFolder
    from lwq_tune.sweep.worker.checkpoints import checkpoints_of_run, local_copy
    from lwq_tune.training.checkpoint import CheckpointError, load_checkpoint

    folder = RunFolder(Path(arguments.run_dir).expanduser().resolve())
    manifest = read_manifest(folder.path)
    config = _choose(list(read_trials(manifest, folder).all.values()), arguments.trial)
    last_epoch = finished_epochs(folder.path).get(config.trial_key, config.n_rows)
    found = checkpoints_of_run(folder.path).final(config.trial_key, last_epoch)
    if not found:
        raise ResultsError(
            f"a network is exported once its trial has finished, {config.schedule} seed {config.seed} "
            f"({config.trial_key}) left no checkpoint of epoch {last_epoch} in {folder.path}"
        )
    from lwq_tune.training.export import export_network

    try:
        with tempfile.TemporaryDirectory() as spare:
            checkpoint = load_checkpoint(local_copy(found[0], Path(spare)))
    except (CheckpointError, FileNotFoundError) as error:
        raise ResultsError(str(error)) from error
    file = Path(arguments.out).expanduser()
    sizes = export_network(config, checkpoint["model"], file, data=describe_data(manifest.dataset, checkpoint))
    if "data" not in checkpoint:
        say(
            "the checkpoint is of an earlier version and does not hold mean and std of the training images, so the "
            "file takes images that are normalised already"
        )
    say(
        f"{config.schedule} seed {config.seed}: quantized weights take {sizes['packed_bytes']} bytes packed, "
        f"{sizes['float_bytes']} in float32"
    )
    print(file, flush=True)
    return exit_codes.DONE


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


def _choose(trials: list[TrialConfig], key: str) -> TrialConfig:
    """Return the trial whose key starts with ``key``.

    Raises:
        ResultsError: None or several do.
    """
    found = [trial for trial in trials if trial.trial_key.startswith(key)]
    if len(found) != 1:
        listed = "".join(f"\n  {trial.trial_key}  {trial.schedule} seed {trial.seed}" for trial in found or trials)
        raise ResultsError(f"--trial must be the key of one trial, or its beginning, got {key!r}; there are{listed}")
    return found[0]
