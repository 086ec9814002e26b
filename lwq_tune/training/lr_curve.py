"""Learning-rate curves."""

from __future__ import annotations

import math
from collections.abc import Sequence


def lr_at(
    progress_epochs: float, *, curve: str, lr: float, epochs: int, milestones: Sequence[int], gamma: float
) -> float:
    """Return the learning rate after ``progress_epochs`` of ``epochs`` epochs.

    Args:
        progress_epochs: Epochs done, fractions included, in [0, epochs].
        curve: ``cosine`` from ``lr`` to 0 (Loshchilov and Hutter 2017, no restarts), ``step`` or ``constant``.
        lr: Initial learning rate.
        epochs: Length of the curve.
        milestones: Epochs after which ``step`` multiplies by ``gamma``.
        gamma: That factor.

    >>> [lr_at(e, curve="cosine", lr=0.1, epochs=4, milestones=(), gamma=0.1) for e in (0, 2, 4)]
    [0.1, 0.05, 0.0]
    >>> [lr_at(e, curve="step", lr=1.0, epochs=4, milestones=(1, 3), gamma=0.5) for e in (0.9, 1, 3)]
    [1.0, 0.5, 0.25]
    """
    if curve == "cosine":
        return 0.5 * lr * (1 + math.cos(math.pi * progress_epochs / epochs))
    if curve == "step":
        return float(lr * gamma ** sum(progress_epochs >= milestone for milestone in milestones))
    return lr
