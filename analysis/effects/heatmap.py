"""Figures over the bits of three units, the untrained triples included, or over the bits of two of many units."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.runs.configurations import is_constant
from analysis.runs.keys import CONFIGURATION, SETTINGS, first_trials
from analysis.runs.load import AnalysisError
from analysis.runs.networks import unit_names
from analysis.runs.seeds import check_one_dataset, configuration_labels, seed_means
from analysis.wording import join_words

MOST_UNITS_DRAWN = 3
FULL_PRECISION_BITS = 32


@dataclass(frozen=True)
class HeatmapUnits:
    """The units that a heat map is about.

    Attributes:
        rows: Number of the unit along the rows, from 1.
        columns: Of the unit along the columns.
        panels: Of the unit that has a panel for each of its bits; None where there is one panel.
        names: Names of all units of the network.
        explained: Figure whose variance decided which two units are drawn; empty where all are, or they were asked for.
        effects: Share of that variance that the bits of each unit explain alone; likewise.
    """

    rows: int
    columns: int
    panels: int | None
    names: tuple[str, ...]
    explained: str = ""
    effects: tuple[float, ...] = ()

    @property
    def drawn(self) -> tuple[int, ...]:
        """Numbers of the units that are drawn, shallow to deep."""
        return tuple(sorted(unit for unit in (self.rows, self.columns, self.panels) if unit is not None))

    @property
    def is_averaged(self) -> bool:
        """Whether a cell is a mean over what the other units have."""
        return len(self.drawn) < len(self.names)

    def name(self, unit: int) -> str:
        """Return the name of a unit."""
        return self.names[unit - 1]


def choose_units(
    trials: pd.DataFrame, columns: Sequence[str], asked: Sequence[str] = (), panels_by: int | None = None
) -> HeatmapUnits:
    """Return which units a heat map draws.

    All of two or three units; of more, the two that are asked for, or else those with the largest effect.

    Args:
        trials: Finished trials.
        columns: Figures; the first one decides on the effect.
        asked: Two units by name or by number; empty for the default.
        panels_by: Unit of the panels where all three units are drawn; the last by default.

    Raises:
        AnalysisError: Networks have different numbers of units, or one alone, or there is no such unit.
    """
    names = unit_names(trials)
    counts = sorted(set(trials["bit_widths"].map(len)))
    if len(counts) > 1 or counts[0] < 2:
        raise AnalysisError(
            f"a heat map is over the bits of two units of a network or more, these networks have "
            f"{' and '.join(map(str, counts))}; `curves` and `sensitivity` draw any number, `pareto` draws all "
            "schedules as points"
        )
    if panels_by is not None and (asked or len(names) != MOST_UNITS_DRAWN):
        raise AnalysisError(
            f"--panels-by chooses among three units that are all drawn, got {panels_by} with "
            f"{'--units' if asked else f'{len(names)} units'}; leave it out"
        )
    if asked:
        rows, cells = _find_units(asked, names)
        return HeatmapUnits(rows, cells, None, names)
    if len(names) == MOST_UNITS_DRAWN:
        panels = panels_by or MOST_UNITS_DRAWN
        rows, cells = (unit for unit in range(1, len(names) + 1) if unit != panels)
        return HeatmapUnits(rows, cells, panels, names)
    if len(names) == 2:
        return HeatmapUnits(1, 2, None, names)
    effects = unit_effects(trials, columns[0])
    first, second = sorted(np.argsort(-np.array(effects), kind="stable")[:2] + 1)
    return HeatmapUnits(int(first), int(second), None, names, columns[0], effects)


def _find_units(asked: Sequence[str], names: Sequence[str]) -> list[int]:
    """Return the numbers of units that are given by name or by number; a name comes first."""
    found = []
    for word in asked:
        if word in names:
            found.append(names.index(word) + 1)
        elif word.isdecimal() and 1 <= int(word) <= len(names):
            found.append(int(word))
        else:
            raise AnalysisError(
                f"--units takes names or numbers of units, got {word}; these are 1 to {len(names)}: "
                f"{join_words(list(names), most=40)}"
            )
    if len(set(found)) != len(found):
        raise AnalysisError(f"--units takes two different units, got {' and '.join(asked)}")
    return found


def unit_effects(trials: pd.DataFrame, column: str) -> tuple[float, ...]:
    """Return the share of the variance of a figure over the schedules that the bits of each unit explain alone.

    Schedules with equal bits in the unit, squares of their means about the mean of all over the squares of all (eta
    squared); full precision, which is no schedule, is left out. 0 where nothing varies.
    """
    means = _configuration_means(trials, [column])
    means = means[means[column].notna() & ~means["bit_widths"].map(_is_full)]
    values = means[column] - means[column].mean()
    squares = float((values**2).sum())
    if not squares > 0:
        return (0.0,) * max(map(len, trials["bit_widths"]))
    shares = []
    for bits in np.array(means["bit_widths"].tolist()).T:
        groups = values.groupby(bits)
        shares.append(float((groups.size() * groups.mean() ** 2).sum()) / squares)
    return tuple(shares)


def heatmap_frame(trials: pd.DataFrame, columns: Sequence[str], units: HeatmapUnits | None = None) -> pd.DataFrame:
    """Return one row for every combination of the bits that the drawn units have in the run, the untrained included.

    Args:
        trials: Finished trials.
        columns: Figures, in the units of the table of trials.
        units: From `choose_units`; its default without them.

    Returns:
        ``bits_N`` for the number N of each drawn unit, ``n_seeds`` (0 where no trial ended) and for each figure its
        mean over seeds and ``_std`` (ddof 1, NaN for one seed); NaN where it was not measured or is not finite. Full
        precision in all units, which has no place in the panels, is the last row where it was trained.

        Where units are not drawn, a mean is over the configurations with these bits, whatever the others have: each
        counts by its mean over seeds, and those without the figure are left out. ``_std`` is then over configurations,
        ``n_seeds`` are the fewest of one; ``n_configurations`` and ``is_full_precision`` are added.

    Raises:
        AnalysisError: Units that cannot be drawn, full precision only, several data sets, or several settings.
    """
    check_one_dataset(trials)
    units = units or choose_units(trials, columns)
    _check_one_per_schedule(trials)
    if trials["bit_widths"].map(_is_full).all():
        raise AnalysisError("a heat map needs quantized schedules, these runs have full precision only")
    return _averaged_frame(trials, columns, units) if units.is_averaged else _whole_frame(trials, columns, units)


def _whole_frame(trials: pd.DataFrame, columns: Sequence[str], units: HeatmapUnits) -> pd.DataFrame:
    """Return the frame where all units are drawn."""
    by_seed = seed_means(trials, columns).replace([np.inf, -np.inf], np.nan)
    names = [f"bits_{unit}" for unit in units.drawn]
    by_seed = by_seed.join(pd.DataFrame(by_seed["bit_widths"].tolist(), index=by_seed.index, columns=names))
    groups = by_seed.groupby(names)[list(columns)]
    spreads = groups.std(ddof=1, skipna=False).add_suffix("_std")
    known = pd.concat([groups.size().rename("n_seeds"), groups.mean(skipna=False), spreads], axis=1)
    reference = (FULL_PRECISION_BITS,) * len(names)
    trained = set(by_seed["bit_widths"])
    levels = [sorted({bits[place] for bits in trained - {reference}}) for place in range(len(names))]
    cells = [*itertools.product(*levels), *([reference] if reference in trained else [])]
    frame = pd.DataFrame(cells, columns=names, dtype=int).join(known, on=names)
    return frame.assign(n_seeds=frame["n_seeds"].fillna(0).astype(int))


def _averaged_frame(trials: pd.DataFrame, columns: Sequence[str], units: HeatmapUnits) -> pd.DataFrame:
    """Return the frame where a cell is a mean over what the units have that are not drawn."""
    _check_one_setting(trials)
    means = _configuration_means(trials, columns)
    bits = np.array(means["bit_widths"].tolist())[:, [unit - 1 for unit in units.drawn]]
    names = [f"bits_{unit}" for unit in units.drawn]
    means = means.assign(
        **dict(zip(names, bits.T, strict=True)), is_full_precision=means["bit_widths"].map(_is_full).astype(bool)
    )
    parts = []
    for is_full, own in means.groupby("is_full_precision"):
        groups = own.groupby(names)
        spreads = groups[list(columns)].std(ddof=1).add_suffix("_std")
        counts = [groups.size().rename("n_configurations"), groups["n_seeds"].min()]
        known = pd.concat([*counts, groups[list(columns)].mean(), spreads], axis=1)
        cells = itertools.product(*(sorted(set(own[name])) for name in names))
        frame = pd.DataFrame(cells, columns=names, dtype=int).join(known, on=names)
        parts.append(frame.assign(is_full_precision=is_full))
    frame = pd.concat(parts, ignore_index=True)
    return frame.assign(**{name: frame[name].fillna(0).astype(int) for name in ("n_configurations", "n_seeds")})


def _configuration_means(trials: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Return ``bit_widths``, ``n_seeds`` and the means over seeds of each configuration, NaN where a seed has none."""
    by_seed = seed_means(trials, columns).replace([np.inf, -np.inf], np.nan)
    groups = by_seed.groupby(CONFIGURATION)
    means = groups[list(columns)].mean(skipna=False)
    return pd.concat([first_trials(trials)["bit_widths"], groups.size().rename("n_seeds"), means], axis=1)


def _is_full(bits: tuple[int, ...]) -> bool:
    return set(bits) == {FULL_PRECISION_BITS}


def _check_one_per_schedule(trials: pd.DataFrame) -> None:
    labels = configuration_labels(trials)
    counts = trials.groupby("bit_widths", sort=False)[CONFIGURATION].nunique()
    if (counts > 1).any():
        bits = counts.index[counts > 1][0]
        several = "; ".join(dict.fromkeys(labels[trials["bit_widths"] == bits]))
        raise AnalysisError(f"a heat map has one configuration per schedule, got {several}; draw runs of one setting")


def _check_one_setting(trials: pd.DataFrame) -> None:
    """Refuse means over schedules that differ in more than their bits."""
    schedules = trials[~trials["bit_widths"].map(_is_full).astype(bool)]
    differing = [name for name in SETTINGS if name in schedules and not is_constant(schedules[name])]
    if differing:
        listed = join_words([name.removeprefix("config_") for name in differing])
        raise AnalysisError(
            f"a heat map of two units is a mean over schedules of one setting, these differ in {listed}; draw runs of "
            "one setting"
        )


def is_full_precision(frame: pd.DataFrame) -> pd.Series:
    """Return which rows of a `heatmap_frame` are full precision in all units, which is no cell of a panel."""
    if "is_full_precision" in frame:
        return frame["is_full_precision"].astype(bool)
    return (frame[[name for name in frame if str(name).startswith("bits_")]] == FULL_PRECISION_BITS).all(axis=1)
