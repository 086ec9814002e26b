"""Training and use on one axis: `analyse_lifetime` puts the parts together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.lifetime.break_even import BreakEven, break_evens_of_neighbours, break_evens_with_full_precision
from analysis.lifetime.choices import Segment, default_floors, segments
from analysis.lifetime.classes import PrecisionClass
from analysis.lifetime.fronts import fronts_over_images, replicate_frame
from analysis.lifetime.load import VARIANT
from analysis.lifetime.training import TRAINING, search_kg, search_shares, training_kg
from analysis.lifetime.use import Axis, measure_use
from analysis.lifetime.variants import Variant, make_variants
from analysis.runs.comparability import refuse_incomparable
from analysis.runs.configurations import check_comparable
from analysis.runs.keys import CONFIGURATION, first_trials
from analysis.runs.load import AnalysisError, Objective, Runs

POINTS_PER_DECADE = 24


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
    use = measure_use(
        done, inference, batch_size=batch_size, runtime=runtime, mixed_hosts=mixed_hosts,
        use_intensity_g_per_kwh=use_intensity_g_per_kwh,
    )  # fmt: skip
    rows, axis = use.rows, use.axis
    check_comparable(use.deployed.assign(**dict.fromkeys(_OF_TRAINING)))
    warnings = refuse_incomparable(
        use.deployed, allow=mixed_sources, objectives=[Objective("emissions_kg_co2eq", "minimize")]
    )
    deployed = use.deployed.assign(**{TRAINING: training_kg(use.deployed, runs)})
    search, shares = 0.0, None
    if share_search:
        search = search_kg(done, runs, set(deployed[CONFIGURATION]))
        shares = search_shares(search, first_trials(deployed)["schedule"])
    variants = make_variants(rows, deployed, use.classes, g_per_kwh=axis.g_per_kwh, shares_kg=shares)
    fronts = fronts_over_images(replicate_frame(rows, deployed, variants), variants, numbers)
    on_fronts = set(fronts.loc[fronts["on_front"], VARIANT])
    grid = number_grid(min(numbers), max(numbers))
    wanted = default_floors(variants) if floors is None else list(floors)
    return Lifetime(
        axis=axis,
        classes=use.classes,
        variants=tuple(variants),
        fronts=fronts,
        numbers=grid,
        with_full_precision=tuple(break_evens_with_full_precision(variants)),
        with_neighbours=tuple(break_evens_of_neighbours([each for each in variants if each.key in on_fronts])),
        segments={floor: segments(variants, floor, grid) for floor in wanted},
        search_kg=search,
        notes=(*use.notes, *warnings),
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
