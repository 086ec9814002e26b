"""Asynchronous successive halving: at a rung, a configuration continues if it is among the best so far."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Standing:
    """The rank of a configuration at a rung.

    Attributes:
        n_arrived: Configurations that have reached the rung, this one included.
        n_kept: How many of them, the best, continue.
        cutoff: Accuracy of the worst of these; minus infinity while no configuration is judged.
        goes_on: Whether this one continues.
    """

    n_arrived: int
    n_kept: int
    cutoff: float
    goes_on: bool


class Rungs:
    """The rungs of a sweep, at ``grace_epochs`` times 1, eta, eta², … epochs.

    The stopping form of Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning": of the n accuracies
    seen at a rung so far the best floor(n / eta) continue, and those that equal the worst of these. None is judged
    before eta have arrived, and one that continued is not stopped when better ones arrive later. An arrival costs
    O(log n).

    A configuration enters a rung once, with the first of its seeds to get there, and its other seeds follow it. Were
    each seed judged alone, a configuration would have to be among the best as many times as it has seeds.

    Args:
        grace_epochs: Epochs of the first rung.
        reduction_factor: eta, an integer from 2.

    >>> rungs = Rungs(grace_epochs=1, reduction_factor=3)
    >>> [epoch for epoch in range(1, 40) if rungs.is_rung(epoch)]
    [1, 3, 9, 27]
    >>> [rungs.enter(1, accuracy).goes_on for accuracy in (0.5, 0.4, 0.6, 0.5, 0.7)]
    [True, True, True, False, True]
    """

    def __init__(self, grace_epochs: int, reduction_factor: int) -> None:
        self._grace_epochs = grace_epochs
        self._reduction_factor = reduction_factor
        self._rungs: dict[int, _Rung] = {}

    def is_rung(self, epoch: int) -> bool:
        """Return whether there is a rung at the end of ``epoch``, 1-based."""
        length = self._grace_epochs
        while length < epoch:
            length *= self._reduction_factor
        return length == epoch

    def enter(self, epoch: int, val_accuracy: float) -> Standing:
        """Add an accuracy to the rung at ``epoch`` and return how it stands there."""
        rung = self._rungs.setdefault(epoch, _Rung(self._reduction_factor))
        rung.add(val_accuracy)
        return Standing(rung.n_arrived, rung.n_kept, rung.cutoff, goes_on=val_accuracy >= rung.cutoff)


class _Rung:
    """Accuracies in two heaps: the best floor(n / eta), worst of them first, and the others, best first."""

    def __init__(self, reduction_factor: int) -> None:
        self._reduction_factor = reduction_factor
        self._best: list[float] = []
        self._negated_others: list[float] = []

    @property
    def n_arrived(self) -> int:
        return len(self._best) + len(self._negated_others)

    @property
    def n_kept(self) -> int:
        return len(self._best)

    @property
    def cutoff(self) -> float:
        return self._best[0] if self._best else -math.inf

    def add(self, accuracy: float) -> None:
        heapq.heappush(self._negated_others, -heapq.heappushpop(self._best, accuracy))
        if len(self._best) < self.n_arrived // self._reduction_factor:
            heapq.heappush(self._best, -heapq.heappop(self._negated_others))
