"""``python -m lwq_tune export``: the network of a finished trial, its weights packed."""

from __future__ import annotations

import tempfile
from argparse import Namespace
from pathlib import Path

from lwq_tune import exit_codes
from lwq_tune.commands.common import say
from lwq_tune.config import TrialConfig
from lwq_tune.errors import ResultsError


def run(arguments: Namespace) -> int:
    """Find the trial, write its network, say what it weighs; the file is the last line on stdout."""
    from lwq_tune.results.asked import read_trials
    from lwq_tune.results.manifest import read_manifest
    from lwq_tune.results.reuse import finished_epochs
    from lwq_tune.results.store import RunFolder
    from lwq_tune.sweep.checkpoints import local_copy, shelf_of_run
    from lwq_tune.training.checkpoint import CheckpointError, load_checkpoint

    folder = RunFolder(Path(arguments.run_dir).expanduser().resolve())
    config = _choose(list(read_trials(read_manifest(folder.path), folder).all.values()), arguments.trial)
    last_epoch = finished_epochs(folder.path).get(config.trial_key, config.n_rows)
    found = shelf_of_run(folder.path).final(config.trial_key, last_epoch)
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
    sizes = export_network(config, checkpoint["model"], file, data=checkpoint.get("data"))
    if "data" not in checkpoint:
        say(
            "a checkpoint of this version holds mean and std of the training images, that of an earlier version does "
            "not: the file is for normalised images"
        )
    say(
        f"{config.schedule} seed {config.seed}: quantized weights take {sizes['packed_bytes']} bytes packed, "
        f"{sizes['float_bytes']} in float32"
    )
    print(file, flush=True)
    return exit_codes.DONE


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
