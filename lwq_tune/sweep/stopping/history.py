"""What the stopping rules know of a trial and of a configuration."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Literal


@dataclass
class Trial:
    """What was told of a trial.

    Attributes:
        status: ``running`` from its first epoch on.
        epoch: Its furthest epoch.
        n_epochs: Epochs of the whole trial.
        val_accuracy: Of the epoch that was told last.
        best: Best of all that was told.
        emissions_kg: Training emissions up to the epoch that was told last, kg CO2eq.
        charged_kg: What of these is in the sweep's account.
        gained: Accuracy at its last gain that the plateau counts.
        gain_epoch: Epoch of that gain.
    """

    status: Literal["running", "done", "failed", "stopped"] = "running"
    epoch: int = 0
    n_epochs: int = 1
    val_accuracy: float = 0.0
    best: float = 0.0
    emissions_kg: float | None = None
    charged_kg: float = 0.0
    gained: float = -math.inf
    gain_epoch: int = 0


@dataclass
class Configuration:
    """The trials of a configuration that were told of, by key.

    Attributes:
        name: Of the configuration.
        is_stopped: Whether a rule stopped one of them.
        rung: Epoch of the furthest rung of successive halving that one of them has reached.
    """

    name: Hashable
    trials: dict[str, Trial] = field(default_factory=dict)
    is_stopped: bool = False
    rung: int = 0
