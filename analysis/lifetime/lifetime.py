"""Training and use on one axis: `analyse_lifetime` puts the parts together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.energy.sources import EnergyKind, Sources, distinct_sources, energy_kind, labels_of, trial_sources
from analysis.lifetime.break_even import BreakEven, break_evens_of_neighbours, break_evens_with_full_precision
from analysis.lifetime.choices import Segment, default_floors, segments
from analysis.lifetime.classes import PrecisionClass, find_classes
from analysis.lifetime.fronts import fronts_over_images, replicate_frame
from analysis.lifetime.load import VARIANT, choose_measurements
from analysis.lifetime.training import TRAINING, search_kg, search_shares, training_kg
from analysis.lifetime.variants import Variant, make_variants
from analysis.runs.comparability import refuse_incomparable
from analysis.runs.configurations import check_comparable, stated_intensities
from analysis.runs.keys import CONFIGURATION, first_trials
from analysis.runs.load import AnalysisError, Objective, Runs

POINTS_PER_DECADE = 24


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
class Lifetime:
    """Emissions over the life of each variant.

    Attributes:
        axis: What they are of.
        classes: Precision classes.
        variants: What can be deployed.
        fronts: From `analysis.lifetime.fronts.fronts_over_images`.
        numbers: Numbers of images between the least and the greatest, for figures.
        with_full_precision: Break-even of each variant with full precision.
        with_neighbours: Break-even of each variant of a front with the next more accurate one.
        segments: By floor of accuracy, the best variant over the numbers of images.
        search_kg: What the search emitted; 0 where it is not shared.
        notes: What a reader must know.
    """

    axis: Axis
    classes: tuple[PrecisionClass, ...]
    variants: tuple[Variant, ...]
    fronts: pd.DataFrame
    numbers: NDArray[np.float64]
    with_full_precision: tuple[BreakEven, ...]
    with_neighbours: tuple[BreakEven, ...]
    segments: dict[float, list[Segment]]
    search_kg: float
    notes: tuple[str, ...]


def analyse_lifetime(
    runs: Runs,
    done: pd.DataFrame,
    numbers: Sequence[float],
    *,
    inference: pd.DataFrame,
    batch_size: int | None = None,
    runtime: str | None = None,
    mixed_hosts: bool = False,
    mixed_sources: bool = False,
    use_intensity_g_per_kwh: float | None = None,
    share_search: bool = False,
    floors: Sequence[float] | None = None,
) -> Lifetime:
    """Return what the deployed networks of some runs emit over their life.

    Args:
        runs: The runs.
        done: Their finished trials.
        numbers: Numbers of images that fronts are asked for, ascending.
        inference: From `analysis.lifetime.load.load_inference`.
        batch_size: Images per call; the smallest measured one without it.
        runtime: Library that executed the networks; needed where several did.
        mixed_hosts: Whether measurements of several hosts may stand on one axis.
        mixed_sources: Whether training emissions that were found in different ways may.
        use_intensity_g_per_kwh: Carbon intensity of use; that of the measurements without it.
        share_search: Whether quantized configurations carry equal shares of what the search emitted.
        floors: Least accuracies that a best variant is looked for above.

    Raises:
        AnalysisError: Something was not measured, or cannot stand on one axis.
    """
    measured = choose_measurements(
        inference, done, batch_size=batch_size, runtime=runtime, mixed_hosts=mixed_hosts
    )  # fmt: skip
    rows = measured.rows
    deployed = done[done[CONFIGURATION].isin(rows[CONFIGURATION])]
    check_comparable(deployed.assign(**dict.fromkeys(_OF_TRAINING)))
    warnings = refuse_incomparable(
        deployed, allow=mixed_sources, objectives=[Objective("emissions_kg_co2eq", "minimize")]
    )
    deployed = deployed.assign(**{TRAINING: training_kg(deployed, runs)})
    classes = find_classes(rows)
    axis = _axis(rows, deployed, use_intensity_g_per_kwh)
    search, shares = 0.0, None
    if share_search:
        search = search_kg(done, runs, set(deployed[CONFIGURATION]))
        shares = search_shares(search, first_trials(deployed)["schedule"])
    variants = make_variants(rows, deployed, classes, g_per_kwh=axis.g_per_kwh, shares_kg=shares)
    fronts = fronts_over_images(replicate_frame(rows, deployed, variants), variants, numbers)
    on_fronts = set(fronts.loc[fronts["on_front"], VARIANT])
    grid = number_grid(min(numbers), max(numbers))
    wanted = default_floors(variants) if floors is None else list(floors)
    return Lifetime(
        axis=axis,
        classes=tuple(classes),
        variants=tuple(variants),
        fronts=fronts,
        numbers=grid,
        with_full_precision=tuple(break_evens_with_full_precision(variants)),
        with_neighbours=tuple(break_evens_of_neighbours([each for each in variants if each.key in on_fronts])),
        segments={floor: segments(variants, floor, grid) for floor in wanted},
        search_kg=search,
        notes=(*measured.notes, *warnings),
    )


# `refuse_incomparable` looks at these; the trials may have run anywhere, as their emissions are what was emitted.
_OF_TRAINING = (
    "cpu_model", "gpu_model", "cpu_source", "gpu_source", "ram_source", "share_method", "carbon_intensity_g_per_kwh",
    "engine",
)  # fmt: skip


def number_grid(least: float, greatest: float) -> NDArray[np.float64]:
    """Return numbers of images between two, evenly on a logarithmic axis.

    >>> number_grid(1e3, 1e5)[[0, 24, 48]].round().tolist()
    [1000.0, 10000.0, 100000.0]
    """
    if not 0 < least <= greatest:
        raise AnalysisError(f"numbers of images are above 0 and ascending, got {least:g} to {greatest:g}")
    if least == greatest:
        least, greatest = least / 100, greatest * 100
    n_points = max(2, round(POINTS_PER_DECADE * float(np.log10(greatest / least))) + 1)
    return np.geomspace(least, greatest, n_points)


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
