"""Where energies come from: labels such as ``measured:rapl-package``, and what may be called measured by them."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import pandas as pd

# Column of the table of trials -> part of the energy that it is about.
PARTS = {"cpu_source": "cpu", "ram_source": "ram", "gpu_source": "gpu"}
SHARE_METHOD, SHARE = "share_method", "share"
# Of each distinct trial of a configuration, parts and their labels.
Sources = tuple[tuple[tuple[str, str], ...], ...]


class EnergyKind(StrEnum):
    """How energies were found."""

    MEASURED = "measured"
    ESTIMATED = "estimated"
    ESTIMATED_IN_PART = "estimated in part"
    UNKNOWN = "of unknown source"
    NOT_MEASURED = "not measured"


def source_kinds(label: str) -> set[str]:
    """Return the kinds of a label of the tables, in which ``+`` joins what several devices have.

    >>> sorted(source_kinds("measured:nvml-energy-counter+estimated:nvml-power"))
    ['estimated', 'measured']
    """
    return {part.partition(":")[0] for part in label.split("+")}


def energy_kind(labels: Iterable[str]) -> EnergyKind:
    """Return what may be called measured, by the labels of all parts.

    >>> energy_kind(["estimated:tdp*load^3", "measured:nvml-energy-counter"]).value, energy_kind([]).value
    ('estimated in part', 'not measured')
    """
    kinds = {kind for label in labels for kind in source_kinds(label)}
    if "estimated" in kinds:
        return EnergyKind.ESTIMATED_IN_PART if "measured" in kinds else EnergyKind.ESTIMATED
    if "measured" in kinds:
        return EnergyKind.MEASURED
    return EnergyKind.UNKNOWN if kinds else EnergyKind.NOT_MEASURED


def trial_sources(trials: pd.DataFrame) -> pd.Series:
    """Return parts and labels of each trial's energy; empty where none was measured or estimated."""
    parts = {**PARTS, SHARE_METHOD: SHARE}
    found = [
        tuple(
            (part, label)
            for part, label in zip(parts.values(), labels, strict=True)
            if isinstance(label, str) and label != "none"
        )
        for labels in trials[list(parts)].itertuples(index=False, name=None)
    ]
    return pd.Series(found, index=trials.index, dtype=object)


def distinct_sources(found: Iterable[tuple[tuple[str, str], ...]]) -> Sources:
    """Return the distinct ones of the sources of some trials, without those that have none."""
    return tuple(dict.fromkeys(sources for sources in found if sources))


def labels_of(sources: Iterable[Sources]) -> list[str]:
    """Return the labels of energies in the sources of some configurations; the share is no source."""
    return [label for each in sources for trial in each for part, label in trial if part != SHARE]


def sources_text(sources: Sources) -> str:
    """Return sources as text.

    >>> sources_text(((("cpu", "estimated:constant"), ("share", "exclusive")), (("cpu", "measured:rapl-package"),)))
    'cpu estimated:constant, share exclusive; cpu measured:rapl-package'
    """
    return "; ".join(", ".join(f"{part} {label}" for part, label in trial) for trial in sources)
