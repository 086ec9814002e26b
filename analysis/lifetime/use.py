"""The measured use of deployed networks: measurements that stand on one axis, their classes, and what the axis is."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from analysis.energy.sources import EnergyKind, Sources, distinct_sources, energy_kind, labels_of, trial_sources
from analysis.lifetime.classes import PrecisionClass, find_classes
from analysis.lifetime.load import choose_measurements
from analysis.runs.configurations import stated_intensities
from analysis.runs.keys import CONFIGURATION
from analysis.runs.load import AnalysisError


@dataclass(frozen=True)
class Axis:
    """What the emissions of use are of.

    Attributes:
        runtime: Library and version.
        hosts: Hosts that measured.
        processors: Their processors.
        batch_size: Images per call.
        n_threads: Threads of the runtime.
        g_per_kwh: Carbon intensity of use.
        intensity_source: Where it comes from.
        kind: How the energy of use was found.
        sources: Its sources.
        is_power_estimated: Whether the power of the CPU was estimated, so that only time was measured.
        training_kind: How the energy of training was found.
        training_intensities: Carbon intensities of training in g/kWh.
    """

    runtime: str
    hosts: tuple[str, ...]
    processors: tuple[str, ...]
    batch_size: int
    n_threads: int
    g_per_kwh: float
    intensity_source: str
    kind: EnergyKind
    sources: tuple[str, ...]
    is_power_estimated: bool
    training_kind: EnergyKind
    training_intensities: tuple[float, ...]


@dataclass(frozen=True)
class Use:
    """Measured inferences of some runs.

    Attributes:
        axis: What they are of.
        rows: From `analysis.lifetime.load.choose_measurements`.
        deployed: Finished trials of the deployed configurations, all their seeds.
        classes: Precision classes.
        notes: What a reader must know of measurements that are left out or mixed.
    """

    axis: Axis
    rows: pd.DataFrame
    deployed: pd.DataFrame
    classes: tuple[PrecisionClass, ...]
    notes: tuple[str, ...]


def measure_use(
    done: pd.DataFrame,
    inference: pd.DataFrame,
    *,
    batch_size: int | None = None,
    runtime: str | None = None,
    mixed_hosts: bool = False,
    use_intensity_g_per_kwh: float | None = None,
) -> Use:
    """Return what was measured of the deployed networks of some runs.

    Args:
        done: Finished trials of the runs.
        inference: From `analysis.lifetime.load.load_inference`.
        batch_size: Images per call; the smallest measured one without it.
        runtime: Library that executed the networks; needed where several did.
        mixed_hosts: Whether measurements of several hosts may stand on one axis.
        use_intensity_g_per_kwh: Carbon intensity of use; that of the measurements without it.

    Raises:
        AnalysisError: Something was not measured, or cannot stand on one axis.
    """
    measured = choose_measurements(
        inference, done, batch_size=batch_size, runtime=runtime, mixed_hosts=mixed_hosts
    )  # fmt: skip
    rows = measured.rows
    deployed = done[done[CONFIGURATION].isin(rows[CONFIGURATION])]
    return Use(
        _axis(rows, deployed, use_intensity_g_per_kwh), rows, deployed, tuple(find_classes(rows)), measured.notes
    )


def _axis(rows: pd.DataFrame, deployed: pd.DataFrame, use_intensity: float | None) -> Axis:
    first = rows.iloc[0]
    measured = rows["carbon_intensity_g_per_kwh"].astype(float)
    if use_intensity is None and not measured.notna().any():
        raise AnalysisError(
            "emissions of use need a carbon intensity, the measurements carry none; give --use-intensity G_PER_KWH"
        )
    sources = tuple(sorted({str(value) for column in ("cpu_source", "ram_source") for value in rows[column].dropna()}))
    training: Sources = distinct_sources(trial_sources(deployed))
    return Axis(
        runtime=f"{first['runtime']} {first['runtime_version'] or ''}".strip(),
        hosts=tuple(sorted(rows["hostname"].dropna().unique())),
        processors=tuple(sorted(rows["cpu_model"].dropna().unique())),
        batch_size=int(first["batch_size"]),
        n_threads=int(first["n_threads"]),
        g_per_kwh=float(measured.mean()) if use_intensity is None else use_intensity,
        intensity_source=_joined(rows["carbon_intensity_source"]) if use_intensity is None else "chosen",
        kind=energy_kind(sources),
        sources=sources,
        is_power_estimated=bool(rows["cpu_source"].fillna("estimated").str.contains("estimated").any()),
        training_kind=energy_kind(labels_of([training])),
        training_intensities=tuple(sorted(stated_intensities(deployed).dropna().unique())),
    )


def _joined(values: pd.Series) -> str:
    return ", ".join(sorted({str(value) for value in values.dropna()})) or "unknown source"
