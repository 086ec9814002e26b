"""When the last of several trials ends, if they share a few slots."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from lwq_tune.estimation.range import Range


def makespan(times: Sequence[float], n_slots: int) -> float:
    """Return when the last of some trials ends, each started in order as soon as one of the slots is free.

    Args:
        times: Length of each trial.
        n_slots: Trials at a time, at least 1.

    Raises:
        ValueError: There is no slot.

    >>> makespan([3.0, 1.0, 1.0, 2.0], 2)
    4.0
    """
    if n_slots < 1:
        raise ValueError(f"trials need at least one slot, got {n_slots}")
    ends = [0.0] * min(n_slots, max(1, len(times)))
    for time in times:
        heapq.heapreplace(ends, ends[0] + time)
    return max(ends)


def makespan_range(times: Sequence[Range], n_slots: int) -> Range:
    """Return the makespan of the lower ends, of the figures and of the upper ends.

    These three are in order: if trials start in a fixed order and wait only for a slot, none ends earlier because
    another takes longer.
    """
    return Range(
        makespan([time.low for time in times], n_slots),
        makespan([time.point for time in times], n_slots),
        makespan([time.high for time in times], n_slots),
    )
