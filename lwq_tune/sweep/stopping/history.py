"""What the stopping rules know of a trial and of a configuration."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Literal


@dataclass
class TrialHistory:
    """What the rules have received about a trial.

    Attributes:
        status: ``running`` from its first epoch on.
        epoch: Its highest epoch.
        n_epochs: Epochs of the whole trial.
        val_accuracy: Validation accuracy of the last epoch received.
        best: Best validation accuracy so far.
        emissions_kg: Training emissions up to the last epoch received, kg CO2eq.
        charged_kg: The part of them that is already in the sum of the sweep.
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
class ConfigurationHistory:
    """What the rules have received about a configuration.

    Attributes:
        name: Name of the configuration.
        trials: Its trials, by key.
        is_stopped: Whether a rule stopped one of them.
        rung: Epoch of the highest rung of successive halving that one of them has reached.
    """

    name: Hashable
    trials: dict[str, TrialHistory] = field(default_factory=dict)
    is_stopped: bool = False
    rung: int = 0
