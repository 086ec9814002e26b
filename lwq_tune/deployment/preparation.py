"""A process that exports networks and writes the test images they are measured on: torch is loaded in it alone."""

from __future__ import annotations

from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from lwq_tune.deployment.records import PreparedNetwork
from lwq_tune.deployment.runtimes.choice import make_runtime
from lwq_tune.deployment.worker import belong_to_parent
from lwq_tune.errors import UserInputError
from lwq_tune.files.atomic import whole_file


def prepare_networks(connection: Connection, run_dir: Path, trial_keys: Sequence[str], runtime: str, log: Path) -> None:
    """Export networks and send a `PreparedNetwork` for each: the body of a process.

    Args:
        connection: To the parent.
        run_dir: Run folder; the files go to its ``deployed`` folder.
        trial_keys: Keys of the trials, whole.
        runtime: Name of the runtime that files are checked with.
        log: File that takes what the process prints.
    """
    belong_to_parent(log)
    try:
        _prepare(connection, run_dir, trial_keys, runtime)
    except UserInputError as error:
        connection.send(error)
    connection.close()


def _prepare(connection: Connection, run_dir: Path, trial_keys: Sequence[str], runtime: str) -> None:
    import torch

    from lwq_tune.data.batches import Normalizer
    from lwq_tune.deployment.equality import simulated_logits
    from lwq_tune.deployment.export import write_onnx
    from lwq_tune.deployment.trained import TrainedTrials

    trials = TrainedTrials(run_dir)
    dataset = trials.dataset()
    test, _ = dataset.test.known()
    pixels, labels = next(test.batches(len(test)))
    with whole_file(images_file(run_dir)) as part, part.open("wb") as stream:
        np.savez(
            stream, pixels=pixels.numpy(), labels=labels.numpy(), mean=dataset.mean.numpy(), std=dataset.std.numpy()
        )
    images = Normalizer(dataset.mean, dataset.std, torch.device("cpu"))(pixels)
    checker = make_runtime(runtime)
    for key in trial_keys:
        try:
            trained = trials.load(trials.configs[key])
            exported = write_onnx(trained, dataset, network_file(run_dir, key), checker, is_packed_too=False)
            classes = simulated_logits(trained.model(), images).argmax(1)
        except UserInputError as error:
            connection.send(PreparedNetwork(key, error=str(error)))
            continue
        accuracy = float(np.mean(classes == labels.numpy()))
        connection.send(PreparedNetwork(key, tuple(exported.layers), exported.packed_bytes, accuracy, classes.tolist()))


def images_file(run_dir: Path) -> Path:
    """Return the file of test images of a run while its networks are measured."""
    return run_dir / "deployed" / "test_images.npz"


def network_file(run_dir: Path, trial_key: str) -> Path:
    """Return the file of an exported network."""
    return run_dir / "deployed" / f"{trial_key}.onnx"
