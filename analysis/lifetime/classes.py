"""Precision classes: networks that a runtime executes alike, whatever their bits, and whether they may share a cost.

Networks of one shape whose quantized layers ran with the same precision are a class. Their measurements are pooled
where that is shown to be right, by an interval and not by the absence of a difference: the 90 % interval of each
member's cost less the mean of the others lies within a margin of 5 % (two one-sided tests, Schuirmann 1987, J.
Pharmacokinet. Biopharm. 15, 657; all members must pass, so that no correction is needed, Berger 1982). Where it is not
shown, each member keeps its own cost, and those whose costs are not shown to differ (t tests, Bonferroni over pairs)
are of one group, within which nothing is ranked by its cost per image.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.findings import Estimate
from analysis.lifetime.load import ENERGY, VARIANT
from analysis.lifetime.means import Mean, pooled_quantile
from analysis.statistics import LEVEL, student_quantile

Array = NDArray[np.float64]
MARGIN = 0.05
# What a class has in common beside the precision of its quantized layers; units may differ, layers may not.
SHAPE = ["float_precision", "shape", "macs", "n_layers", "n_integer_layers", "float_fallbacks"]


class Pooling(Enum):
    """Whether the members of a class share one cost."""

    ALONE = "the class has one member"
    POOLED = "all members are shown to cost the same within the margin"
    DIFFERENT = "members are shown to differ in their cost"
    NOT_SHOWN = "neither is shown"


@dataclass(frozen=True)
class PrecisionClass:
    """Variants that a runtime executes alike.

    Attributes:
        precision: What the quantized layers ran with, or the float precision where none is quantized.
        members: Variants.
        labels: What to call them.
        pooling: Whether they share one cost.
        differences: Of each member, its cost less the mean of the others as a share of that of all, with its 90 %
            interval; empty for a class of one.
        costs: Energy per image of each member in uJ: of a pooled class the same mean for all.
        own: Mean of each member's own measurements in uJ.
        groups: Members by group: within one, costs per image are not told apart.
        n_measurements: Measurements of all members.
        bits: Least and greatest bits of weights and activations of the members' units.
        is_integer: Whether quantized layers ran with integers.
        float_fallbacks: Quantized layers that ran in float.
    """

    precision: str
    members: tuple[int, ...]
    labels: tuple[str, ...]
    pooling: Pooling
    differences: tuple[Estimate, ...]
    costs: tuple[Mean, ...]
    own: tuple[float, ...]
    groups: tuple[tuple[int, ...], ...]
    n_measurements: int
    bits: tuple[int, int]
    is_integer: bool
    float_fallbacks: str


def find_classes(rows: pd.DataFrame, margin: float = MARGIN) -> list[PrecisionClass]:
    """Return the precision classes of some measurements.

    Args:
        rows: From `analysis.lifetime.load.choose_measurements`.
        margin: Largest difference between members of a pooled class, a share of their cost.
    """
    needed = rows[[VARIANT, ENERGY, "label", "bit_widths", "act_bit_widths", "precision_class", *SHAPE]]
    text = needed["precision_class"].fillna("")
    keyed = needed.assign(
        precision=text.where(text != "", needed["float_precision"]),
        float_fallbacks=needed["float_fallbacks"].fillna(""),
    )
    groups = keyed.groupby(["precision", *SHAPE], sort=False, dropna=False)
    return [_make_class(own, margin) for _, own in groups]


def _make_class(rows: pd.DataFrame, margin: float) -> PrecisionClass:
    by_member = {int(str(member)): values.to_numpy(dtype=float) for member, values in rows.groupby(VARIANT)[ENERGY]}
    first = rows.drop_duplicates(VARIANT).set_index(VARIANT).loc[list(by_member)]
    variance, df = _measurement_variance(list(by_member.values()))
    differences = _differences(list(by_member.values()), variance, df)
    pooling, groups = _decide(by_member, differences, variance, df, margin)
    bits = [bit for column in ("bit_widths", "act_bit_widths") for widths in first[column] for bit in widths]
    return PrecisionClass(
        precision=str(first["precision"].iloc[0]),
        members=tuple(by_member),
        labels=tuple(first["label"]),
        pooling=pooling,
        differences=differences,
        costs=_costs(by_member, pooling, variance, df),
        own=tuple(float(values.mean()) for values in by_member.values()),
        groups=groups,
        n_measurements=len(rows),
        bits=(min(bits), max(bits)),
        is_integer=bool((first["n_integer_layers"].fillna(0) > 0).all()),
        float_fallbacks=str(first["float_fallbacks"].iloc[0]),
    )


def _measurement_variance(members: list[Array]) -> tuple[float, int]:
    """Return the variance of one measurement about the mean of its member, and its degrees of freedom."""
    df = sum(len(values) for values in members) - len(members)
    if df < 1:
        return math.nan, 0
    return math.fsum(float(((values - values.mean()) ** 2).sum()) for values in members) / df, df


def _differences(members: list[Array], variance: float, df: int) -> tuple[Estimate, ...]:
    """Return each member's mean less the mean of the others' means, over the mean of all, with 90 % intervals."""
    if len(members) < 2:
        return ()
    means, shares = np.array([values.mean() for values in members]), np.array([1 / len(values) for values in members])
    quantile = student_quantile(LEVEL, df) if df else math.nan
    found = []
    for place in range(len(members)):
        others = np.delete(means, place).mean()
        error = variance * (shares[place] + np.delete(shares, place).sum() / (len(members) - 1) ** 2)
        value, half = (means[place] - others) / means.mean(), quantile * math.sqrt(error) / means.mean()
        found.append(Estimate(float(value), float(value - half), float(value + half)))
    return tuple(found)


def _decide(
    by_member: dict[int, Array], differences: tuple[Estimate, ...], variance: float, df: int, margin: float
) -> tuple[Pooling, tuple[tuple[int, ...], ...]]:
    members = tuple(by_member)
    if len(members) == 1:
        return Pooling.ALONE, (members,)
    if all(max(abs(each.low), abs(each.high)) <= margin for each in differences):  # False where an end is NaN
        return Pooling.POOLED, (members,)
    groups = _groups(by_member, variance, df)
    return (Pooling.DIFFERENT if len(groups) > 1 else Pooling.NOT_SHOWN), groups


def _groups(by_member: dict[int, Array], variance: float, df: int) -> tuple[tuple[int, ...], ...]:
    """Return members that are not shown to differ, from one to the next, as groups."""
    if not df:
        return (tuple(by_member),)
    pairs = list(itertools.combinations(by_member, 2))
    quantile = pooled_quantile(len(pairs), df)
    groups = [{member} for member in by_member]
    for first, second in pairs:
        one, other = by_member[first], by_member[second]
        error = math.sqrt(variance * (1 / len(one) + 1 / len(other)))
        if abs(one.mean() - other.mean()) <= quantile * error:
            joined = [group for group in groups if group & {first, second}]
            groups = [*(group for group in groups if group not in joined), set().union(*joined)]
    return tuple(tuple(sorted(group)) for group in sorted(groups, key=min))


def _costs(by_member: dict[int, Array], pooling: Pooling, variance: float, df: int) -> tuple[Mean, ...]:
    if pooling is Pooling.POOLED:
        means = np.array([values.mean() for values in by_member.values()])
        shares = sum(1 / len(values) for values in by_member.values()) / len(by_member) ** 2
        return (Mean(float(means.mean()), variance * shares, df),) * len(by_member)
    return tuple(Mean(float(values.mean()), variance / len(values), df or math.nan) for values in by_member.values())


def group_costs(classes: Sequence[PrecisionClass]) -> dict[int, tuple[int, Mean]]:
    """Return the number of each variant's group, and the energy per image in uJ by which it is ranked.

    Members of a group have one: where they are not pooled, the mean of their means, with the variance of a member's
    own mean and that of the means about theirs, so that its interval is no narrower than one of a member.
    """
    found: dict[int, tuple[int, Mean]] = {}
    numbers = itertools.count()
    for each in classes:
        costs = dict(zip(each.members, each.costs, strict=True))
        for group in each.groups:
            own, number = [costs[member] for member in group], next(numbers)
            values = np.array([cost.value for cost in own])
            least_sure = max(own, key=lambda cost: cost.variance)
            variance = least_sure.variance + float(values.var())
            cost = own[0] if len(set(own)) == 1 else Mean(float(values.mean()), variance, least_sure.df)
            found |= dict.fromkeys(group, (number, cost))
    return found
