"""``python -m lwq_tune export``: the network of a finished trial, its weights packed."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

from lwq_tune import exit_codes
from lwq_tune.commands.common import say
from lwq_tune.config import TrialConfig
from lwq_tune.errors import ResultsError


def run(arguments: Namespace) -> int:
    """Find the trial, write its network, say what it weighs; the file is the last line on stdout."""
    from lwq_tune.results.manifest import read_manifest
    from lwq_tune.results.store import RunFolder
    from lwq_tune.training.checkpoint import CheckpointError, final_checkpoints, load_checkpoint

    folder = RunFolder(Path(arguments.run_dir).expanduser().resolve())
    trials = [TrialConfig.model_validate_json(json.dumps(values)) for values in read_manifest(folder.path)["trials"]]
    config = _choose(trials, arguments.trial)
    folders = final_checkpoints(folder.ray, config.trial_key, config.n_rows)
    if not folders:
        raise ResultsError(
            f"a network is exported once its trial has finished, {config.schedule} seed {config.seed} "
            f"({config.trial_key}) left no checkpoint of epoch {config.n_rows} in {folder.path}"
        )
    from lwq_tune.training.export import export_network

    try:
        state = load_checkpoint(folders[0])["model"]
    except CheckpointError as error:
        raise ResultsError(str(error)) from error
    file = Path(arguments.out).expanduser()
    sizes = export_network(config, state, file)
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
