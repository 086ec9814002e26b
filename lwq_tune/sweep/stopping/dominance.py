"""Dominance stopping: a trial ends when its configuration can no longer reach the front.

Training emissions only grow. So once a configuration has emitted more than a finished one that is at least as accurate
as it can still become, it stays dominated. What it can still become is an assumption, the bound below; the rest
is arithmetic. A stop can be false only where a trial would have broken its bound, which `benchmarks.stopping` counts.
"""

from __future__ import annotations

import math

from lwq_tune.sweep.stopping.front import Front
from lwq_tune.sweep.stopping.history import ConfigurationHistory, TrialHistory
from lwq_tune.sweep.stopping.settings import Dominance

NO_KG = 0.0  # the least that a trial can have emitted, where its emissions are not known


def accuracy_bound(best: float, epoch: int, n_epochs: int, *, optimism: float, margin: float) -> float:
    """Return the assumed upper bound on the validation accuracy with which a trial ends.

    ``min(1, best + margin + optimism * (1 + cos(pi * epoch / n_epochs)) / 2)``. The last factor is the learning rate
    of a cosine curve over its initial value. What the noise of SGD costs is about proportional to the learning rate,
    so what a trial gains when its rate falls to 0 is so too; step curves gain earlier, and constant ones less. With
    ``optimism`` 1 the bound starts at accuracy 1, whatever the network. ``margin`` covers what chance does to an
    accuracy measured on few images.

    Args:
        best: Best validation accuracy so far.
        epoch: Epochs done.
        n_epochs: Epochs of the whole trial.
        optimism: Gain that is possible when the trial begins.
        margin: Gain that is possible at any time.

    >>> [round(accuracy_bound(0.7, epoch, 8, optimism=0.4, margin=0.01), 3) for epoch in (2, 4, 6, 8)]
    [1.0, 0.91, 0.769, 0.71]
    """
    lr_share = (1 + math.cos(math.pi * min(1.0, epoch / n_epochs))) / 2
    return min(1.0, best + margin + optimism * lr_share)


def judge_dominance(
    configuration: ConfigurationHistory, trial: TrialHistory, front: Front, dominance: Dominance, n_seeds: int
) -> str | None:
    """Return why the configuration of a trial can no longer reach the front, None if it still can.

    A point of the front is a mean over seeds. So the bound is a mean too: of each trial that is done its accuracy, of
    a running one what it can reach, of one that has not begun 1; likewise what each has emitted up to now, at least 0.

    Args:
        configuration: That of the trial.
        trial: The trial, which has just ended an epoch.
        front: Front of the finished configurations.
        dominance: The bound.
        n_seeds: Trials of a configuration.
    """
    if trial.emissions_kg is None or trial.epoch < dominance.grace_epochs:
        return None
    reach = [_reach(each, dominance) for each in configuration.trials.values()]
    reach += [(1.0, NO_KG)] * (n_seeds - len(reach))
    accuracy = math.fsum(accuracy for accuracy, _ in reach) / n_seeds
    emissions_kg = math.fsum(kg for _, kg in reach) / n_seeds
    rival = front.best_below(emissions_kg)
    if rival is None or rival.val_accuracy < accuracy:
        return None
    means = "" if n_seeds == 1 else f", means over {n_seeds} seeds"
    return (
        f"at epoch {trial.epoch} of {trial.n_epochs} it has emitted {emissions_kg:.4g} kg CO2eq and can reach "
        f"val_accuracy {accuracy:.4f}{means}; {rival.configuration} finished with {rival.val_accuracy:.4f} for "
        f"{rival.emissions_kg:.4g} kg; the bound of this trial is its best {trial.best:.4f} + margin "
        f"{dominance.margin:g} + optimism {dominance.optimism:g} * (1 + cos(pi * {trial.epoch}/{trial.n_epochs})) / 2"
    )


def _reach(trial: TrialHistory, dominance: Dominance) -> tuple[float, float]:
    """Return an upper bound on the final accuracy of a trial, and a lower bound on its emissions.

    A failed trial may start again, or be left out of the mean, so nothing is known about it.
    """
    if trial.status == "failed":
        return 1.0, NO_KG
    emissions_kg = NO_KG if trial.emissions_kg is None else trial.emissions_kg
    if trial.status == "done":
        return trial.val_accuracy, emissions_kg
    bound = accuracy_bound(
        trial.best, trial.epoch, trial.n_epochs, optimism=dominance.optimism, margin=dominance.margin
    )
    return bound, emissions_kg
