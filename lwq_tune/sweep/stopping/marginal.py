"""The marginal stop: a sweep ends when its last configurations have added little to the front for what they emitted."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from lwq_tune.sweep.stopping.front import Front, Point
from lwq_tune.sweep.stopping.settings import Marginal

REFERENCE_FACTOR = 1.1


def hypervolume(front: Sequence[Point], reference_kg: float) -> float:
    """Return the area that a front dominates, down to accuracy 0 and up to ``reference_kg``, in accuracy x kg CO2eq.

    Args:
        front: From the cheapest to the dearest, see `Front.points`.
        reference_kg: At least the emissions of the dearest.

    >>> hypervolume([Point("b", 0.5, 1.0), Point("a", 0.75, 2.0)], reference_kg=4.0)
    2.0
    """
    ends_kg = [*(point.emissions_kg for point in front[1:]), reference_kg]
    return sum(point.val_accuracy * (end_kg - point.emissions_kg) for point, end_kg in zip(front, ends_kg, strict=True))


@dataclass(frozen=True)
class _FrontRecord:
    """The state when a configuration had finished."""

    front: tuple[Point, ...]
    spent_kg: float
    n_unmeasured: int


class MarginalGain:
    """Hypervolume that the last finished configurations added, per kg CO2eq spent meanwhile.

    Both fronts, the present one and that of ``last`` configurations ago, are measured from accuracy 0 and 1.1 times the
    emissions of the dearest finished configuration: with a factor of 1 the dearest could add nothing. All trials that
    ended in between are paid for, stopped and failed ones included. The quotient (accuracy x kg over kg) is an
    accuracy: how much higher the front is, on average over as many kg as were spent.

    Args:
        settings: The window and the least gain.
    """

    def __init__(self, settings: Marginal) -> None:
        self._settings = settings
        self._moments: deque[_FrontRecord] = deque(maxlen=settings.last + 1)
        self._spent_kg = 0.0
        self._n_unmeasured = 0
        self._dearest_kg = 0.0
        self.verdict: str | None = None

    def spend(self, emissions_kg: float | None) -> None:
        """Add what a trial has emitted, None where it was not measured."""
        if emissions_kg is None:
            self._n_unmeasured += 1
        else:
            self._spent_kg += emissions_kg

    def finish(self, front: Front, emissions_kg: float | None) -> None:
        """Compare the fronts after a configuration has finished; ``verdict`` then says why the sweep should end.

        Args:
            front: With that configuration.
            emissions_kg: Its emissions, mean over seeds, None where they were not measured.
        """
        self._dearest_kg = max(self._dearest_kg, emissions_kg or 0.0)
        self._moments.append(_FrontRecord(front.points, self._spent_kg, self._n_unmeasured))
        before, now = self._moments[0], self._moments[-1]
        spent_kg = now.spent_kg - before.spent_kg
        is_known = before.n_unmeasured == now.n_unmeasured and before.front and spent_kg > 0
        if self.verdict is not None or len(self._moments) <= self._settings.last or not is_known:
            return
        reference_kg = REFERENCE_FACTOR * self._dearest_kg
        added = hypervolume(now.front, reference_kg) - hypervolume(before.front, reference_kg)
        if added / spent_kg < self._settings.min_hypervolume_per_kg:
            self.verdict = (
                f"the last {self._settings.last} finished configurations added {added:.3g} accuracy x kg CO2eq of "
                f"hypervolume for {spent_kg:.3g} kg CO2eq, {added / spent_kg:.3g} per kg, less than "
                f"min_hypervolume_per_kg {self._settings.min_hypervolume_per_kg:g}"
            )
