"""The ``stopping`` section of a search-space file. No torch, no Ray."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import BaseModel, Field

from lwq_tune.config.trial import STRICT

# Axes of a front that dominance in val_accuracy and emissions speaks of: validation stands for test accuracy, and
# emissions are energy times a carbon intensity.
DOMINANCE_COLUMNS = ("val_accuracy", "test_accuracy", "emissions_kg_co2eq", "energy_kwh")


class Asha(BaseModel):
    """Asynchronous successive halving on validation accuracy, see `lwq_tune.sweep.stopping.asha`.

    It judges by accuracy alone, so it stops the cheap end of a front over emissions too.

    Attributes:
        grace_epochs: Epochs of the first rung.
        reduction_factor: One in so many configurations continues at a rung; each rung is as many times longer.
    """

    model_config = STRICT

    grace_epochs: int = Field(default=1, ge=1)
    reduction_factor: int = Field(default=3, ge=2)


class Dominance(BaseModel):
    """Stops trials whose configuration cannot reach the front, see `lwq_tune.sweep.stopping.dominance`.

    Attributes:
        optimism: Accuracy that a trial may still gain when it begins; what is left of it falls as half a cosine.
        margin: Accuracy that it may gain at any time, for chance in the validation accuracy.
        grace_epochs: No trial is stopped before this epoch.
    """

    model_config = STRICT

    optimism: float = Field(default=1.0, ge=0, le=1)
    margin: float = Field(default=0.01, ge=0, le=1)
    grace_epochs: int = Field(default=1, ge=1)


class Plateau(BaseModel):
    """Ends a trial that no longer learns; it counts as done.

    Attributes:
        epochs: So many epochs in a row without a gain end the trial.
        min_gain: Least rise of validation accuracy over the last gain that is a gain.
    """

    model_config = STRICT

    epochs: int = Field(default=10, ge=1)
    min_gain: float = Field(default=0.001, gt=0, le=1)


class Target(BaseModel):
    """Ends a trial that has reached an accuracy; it counts as done.

    Attributes:
        val_accuracy: That validation accuracy; 0.95 is where Ikram et al. 2025 stop.
    """

    model_config = STRICT

    val_accuracy: float = Field(default=0.95, gt=0, le=1)


class Marginal(BaseModel):
    """Ends the sweep when new configurations add little, see `lwq_tune.sweep.stopping.marginal`.

    Attributes:
        last: Finished configurations that are looked back on.
        min_hypervolume_per_kg: Least hypervolume that they must have added, in accuracy x kg CO2eq, for each kg CO2eq
            that was spent since.
    """

    model_config = STRICT

    last: int = Field(default=5, ge=1)
    min_hypervolume_per_kg: float = Field(gt=0)


class Stopping(BaseModel):
    """Which rules stop trials or the sweep early; none by default. An empty mapping takes a rule's defaults.

    Attributes:
        asha: Successive halving by validation accuracy.
        dominance: Stops trials whose configuration cannot reach the front.
        plateau: Ends a trial that no longer learns.
        target: Ends a trial that has reached an accuracy.
        marginal: Ends the sweep when new configurations add little.
    """

    model_config = STRICT

    asha: Asha | None = None
    dominance: Dominance | None = None
    plateau: Plateau | None = None
    target: Target | None = None
    marginal: Marginal | None = None


def check_stopping(stopping: Stopping, n_epochs: int, objective_columns: Iterable[str]) -> list[str]:
    """Return every problem of a ``stopping`` section with the rest of its space.

    Args:
        stopping: The section.
        n_epochs: Epochs of a trial.
        objective_columns: Axes of the front of the space.

    >>> check_stopping(Stopping(plateau=Plateau()), 8, ["val_accuracy", "energy_kwh"])
    ['stopping.plateau.epochs: must be below the epochs of a trial, 8, got 10; a rule that never acts is left out']
    """
    problems = []
    for rule, key in (("asha", "grace_epochs"), ("dominance", "grace_epochs"), ("plateau", "epochs")):
        value = getattr(getattr(stopping, rule), key, 0)
        if value >= n_epochs:
            problems.append(
                f"stopping.{rule}.{key}: must be below the epochs of a trial, {n_epochs}, got {value}; "
                "a rule that never acts is left out"
            )
    others = [column for column in objective_columns if column not in DOMINANCE_COLUMNS]
    for rule in ("dominance", "marginal"):
        if others and getattr(stopping, rule) is not None:
            problems.append(
                f"stopping.{rule}: it judges by val_accuracy and emissions_kg_co2eq alone, the objectives have "
                f"{', '.join(others)} too; leave out the rule, or these objectives"
            )
    return problems
