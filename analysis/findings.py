"""What an analysis finds, as values; each topic makes sentences of its findings last, in its own `sentences`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Generic, TypeVar

Kind_co = TypeVar("Kind_co", bound=Enum, covariant=True)


@dataclass(frozen=True)
class Estimate:
    """A figure and how sure it is.

    Attributes:
        value: In the unit of its column.
        low: Lower end of the 95 % interval, NaN where there is none.
        high: Upper end.
        detectable: Smallest value that would have been detected in 80 % of cases, NaN where unknown.
    """

    value: float
    low: float = math.nan
    high: float = math.nan
    detectable: float = math.nan


@dataclass(frozen=True)
class Finding(Generic[Kind_co]):
    """One thing that the data say, or leave open.

    Attributes:
        kind: What kind of thing it is; an enumeration of its topic.
        is_open: Whether it leaves a question open.
        column: Figure of the tables that it is about, empty where it is about none.
        subjects: Labels of the configurations, schedules or stages that it is about.
        estimates: By name.
        counts: By name.
        parts: Findings that it sums up, or that follow from it.
    """

    kind: Kind_co
    is_open: bool = False
    column: str = ""
    subjects: tuple[str, ...] = ()
    estimates: Mapping[str, Estimate] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    parts: tuple[Finding[Any], ...] = ()
