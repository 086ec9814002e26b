"""What lowering the bits of one unit alone does to accuracy, from all pairs that differ in nothing else.

Where a search of many units has no such pairs, the effect of each unit is that of a bit less in a regression on the
bits of all units, which takes their effects as adding up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

import numpy as np
import pandas as pd

from analysis.block_regression import PanelData, estimate
from analysis.findings import Estimate, Finding
from analysis.runs.keys import CONFIGURATION, SETTINGS
from analysis.runs.load import AnalysisError
from analysis.runs.networks import FEW_UNITS, unit_names
from analysis.runs.seeds import check_one_dataset, evaluated_images, seed_means
from analysis.statistics import student_quantile

CONFIDENCE = 0.95
ALL_STEPS, A_BIT_LESS = "all", "a bit less"
LEAST_SHARE_OF_PAIRS = 0.5
FULL_PRECISION_BITS = 32


class StagesKind(Enum):
    """How the last unit compares with the first."""

    NO_COMMON_STEP = "no step of bits in common"
    ONE_SEED = "one seed, no interval"
    NOT_SEPARATED = "the interval holds 0"
    LAST_IS_MORE_SENSITIVE = "the last unit is more sensitive"
    LAST_IS_LESS_SENSITIVE = "the last unit is less sensitive"


@dataclass(frozen=True)
class Sensitivity:
    """One-unit-at-a-time effects of a run.

    Attributes:
        pairs: One row per pair of configurations and seed: ``stage`` (number of the unit, from 1), ``from_bits``,
            ``to_bits``, ``schedule`` (the lower), ``seed``, ``effect`` (accuracy of the lower less that of the higher,
            a fraction). Empty where the effects are of a regression.
        effects: `sensitivity_frame`.
        contrast: How the last unit compares with the first over all steps that both have; ``loss`` is the
            accuracy that the last unit loses more than the first, a fraction.
        images: ``test`` or ``val``: what the accuracies are of.
        lowers_activations: Whether the unit's activations lose their bits with the weights, or keep them.
        n_left_out: Pairs that lack one of the seeds.
        units: Names of the units.
        n_configurations: Quantized configurations of the regression; 0 where the effects are of pairs.
    """

    pairs: pd.DataFrame
    effects: pd.DataFrame
    contrast: Finding[StagesKind]
    images: str
    lowers_activations: bool
    n_left_out: int
    units: tuple[str, ...]
    n_configurations: int = 0

    @property
    def by_unit(self) -> pd.DataFrame:
        """One row of ``effects`` for each unit that has any: over all steps, or else over its own steps.

        Where units have no step in common, means over different steps stand side by side; ``is_comparable`` says
        whether they are over the same.
        """
        whole = self.effects[self.effects["step"].isin([ALL_STEPS, A_BIT_LESS])]
        if len(whole):
            return whole.assign(is_comparable=True).reset_index(drop=True)
        rows = []
        for stage, own in self.pairs.groupby("stage"):
            by_step = own.groupby(["from_bits", "to_bits", "seed"])["effect"].mean()
            rows.append({"stage": stage, "n_pairs": own["pair"].nunique(), **_interval(by_step.groupby("seed").mean())})
        names = pd.Series(self.units, index=range(1, len(self.units) + 1))
        frame = pd.DataFrame(rows)
        return frame.assign(unit=frame["stage"].map(names), step="own", is_comparable=False)


def sensitivity_frame(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the effect on accuracy of lowering one unit's bits with all else held, paired over seeds.

    Args:
        trials: Finished trials.

    Returns:
        One row per ``stage`` (number of the unit, from 1) and ``step`` such as ``4 to 2``, and where all units have
        steps in common one with step ``all``, the mean over those: ``unit`` (its name), ``mean`` (a fraction, negative
        where accuracy is lost), ``low`` and ``high`` (95 % interval by Student's t over the seeds, the other units'
        bits held at those of the run; NaN for one seed), ``n_pairs``, ``n_seeds``, ``from_bits``, ``to_bits`` (0 in
        rows of all steps). Of a regression, one row per unit with the step ``a bit less``, 0 pairs, and an interval
        over configurations.

    Raises:
        AnalysisError: No two configurations differ in one unit only and there are too few for a regression, networks
            have different numbers of units, several data sets, or no accuracies.
    """
    return measure_sensitivity(trials).effects


def shown_effects(found: Sensitivity) -> pd.DataFrame:
    """Return the effects as people see them, by the names of the units."""
    hidden = ["stage", "from_bits", "to_bits", *(["n_pairs"] if found.n_configurations else [])]
    return found.effects.drop(columns=hidden)


def measure_sensitivity(trials: pd.DataFrame) -> Sensitivity:
    """Return the effects with the pairs behind them, and how the last unit compares with the first.

    Raises:
        AnalysisError: As `sensitivity_frame`.
    """
    check_one_dataset(trials)
    images = evaluated_images(trials)
    by_seed = seed_means(trials, [f"{images}_accuracy"]).rename(columns={f"{images}_accuracy": "accuracy"})
    by_seed["accuracy"] = by_seed["accuracy"].replace([np.inf, -np.inf], np.nan)
    counts = sorted(set(by_seed["bit_widths"].map(len)))
    if len(counts) > 1:
        raise AnalysisError(
            "sensitivity compares units of one network, these networks have "
            f"{' and '.join(map(str, counts))} units; analyse them apart"
        )
    units = unit_names(trials)
    candidates, lowers_activations = _find_pairs(by_seed, len(units))
    n_with_pairs = candidates["stage"].nunique()
    if not n_with_pairs or (len(units) > FEW_UNITS and n_with_pairs < len(units)):
        regressed = _regress(by_seed, units, images)
        if regressed is not None:
            return regressed
    if not n_with_pairs:
        raise AnalysisError(_no_pairs(len(units)))
    return _measure_pairs(candidates, units, images, lowers_activations=lowers_activations)


def _no_pairs(n_units: int) -> str:
    if n_units > FEW_UNITS:
        return (
            "sensitivity needs configurations that differ in the bits of one unit only, with an accuracy in the same "
            f"seed, or more than {n_units + 1} quantized schedules in which the bits of the {n_units} units vary "
            "independently of one another; this run has neither: train more schedules"
        )
    return (
        "sensitivity needs configurations that differ in the bits of one unit only, with an accuracy in the same "
        "seed; this run has none: sweep all schedules of some bits, as `--space free_mixed` does"
    )


def _measure_pairs(
    candidates: pd.DataFrame, units: tuple[str, ...], images: str, *, lowers_activations: bool
) -> Sensitivity:
    pairs = _complete_pairs(candidates)
    n_units = len(units)
    n_pairs = pairs.groupby(["stage", "from_bits", "to_bits"])["pair"].nunique()
    by_step = pairs.groupby(["stage", "from_bits", "to_bits", "seed"])["effect"].mean()
    rows = [
        {
            "stage": stage,
            "unit": units[stage - 1],
            "step": f"{start} to {end}",
            "from_bits": start,
            "to_bits": end,
            "n_pairs": count,
            **_interval(by_step.loc[stage, start, end]),
        }
        for stage, start, end, count in n_pairs.reset_index().itertuples(index=False, name=None)
    ]
    common = _common_steps(pairs, n_units)
    # Each step counts alike, however many pairs it has.
    shared = by_step.reset_index().merge(pd.DataFrame(common, columns=["from_bits", "to_bits"], dtype=int))
    over_steps = shared.groupby(["stage", "seed"])["effect"].mean()
    for stage in sorted(set(shared["stage"])):
        count = sum(int(n_pairs.loc[stage, start, end]) for start, end in common)
        whole = {"stage": stage, "unit": units[stage - 1], "step": ALL_STEPS, "from_bits": 0, "to_bits": 0}
        rows.append(whole | {"n_pairs": count} | _interval(over_steps.loc[stage]))
    effects = pd.DataFrame(rows).sort_values(["stage", "from_bits", "to_bits"], ascending=[True, False, False])
    differences = over_steps.loc[n_units] - over_steps.loc[1] if common else pd.Series([math.nan])
    contrast = _find_contrast(_interval(differences), units, f"{images}_accuracy")
    n_left_out = candidates["pair"].nunique() - pairs["pair"].nunique()
    effects = effects.reset_index(drop=True)
    return Sensitivity(pairs, effects, contrast, images, lowers_activations, n_left_out, units)


def _regress(by_seed: pd.DataFrame, units: tuple[str, ...], images: str) -> Sensitivity | None:
    """Return the effects of a bit less by a regression on the bits of all units; None where it has no interval.

    Schedules without full precision and with the same activation bits, or those of the weights, are its rows.
    """
    is_quantized = by_seed["bit_widths"].map(lambda bits: FULL_PRECISION_BITS not in bits)
    rows = by_seed[is_quantized & by_seed["accuracy"].notna()]
    lowers = bool((rows["act_bit_widths"] == rows["bit_widths"]).all())
    if rows.empty or len(units) < 2 or not (lowers or rows["act_bit_widths"].nunique() == 1):
        return None
    block = rows.groupby([*SETTINGS, "config_seed"], sort=False, dropna=False).ngroup()
    rows = rows[block.groupby(block).transform("size") > 1]  # alone in its block, a row says nothing
    configuration, keys = pd.factorize(rows[CONFIGURATION])
    if len(keys) < len(units) + 2:
        return None
    bits = rows.drop_duplicates(CONFIGURATION).set_index(CONFIGURATION).loc[keys, "bit_widths"].tolist()
    blocks = pd.factorize(block[rows.index])[0]
    terms = pd.DataFrame(bits, columns=range(1, len(units) + 1), dtype=float)
    accuracy = rows["accuracy"].to_numpy(dtype=float)
    found = estimate(PanelData(accuracy, terms, configuration, blocks))
    last_less_first = terms.drop(columns=1).assign(first=terms[1] + terms[len(units)])  # the coefficient of the last
    contrast = estimate(PanelData(accuracy, last_less_first, configuration, blocks))
    if found["std_error"].isna().any():
        return None
    n_seeds = int(rows.groupby(CONFIGURATION)["config_seed"].nunique().min())
    effects = pd.DataFrame(
        {
            "stage": range(1, len(units) + 1), "unit": units, "step": A_BIT_LESS, "from_bits": 0, "to_bits": 0,
            "n_pairs": 0, "mean": -found["coefficient"], "low": -found["high"], "high": -found["low"],
            "n_seeds": n_seeds,
        }
    )  # fmt: skip
    (own,) = contrast[contrast["term"] == str(len(units))].to_dict("records")
    interval = {"mean": -own["coefficient"], "low": -own["high"], "high": -own["low"], "n_seeds": n_seeds}
    compared = _find_contrast(interval, units, f"{images}_accuracy", n_configurations=len(keys))
    return Sensitivity(_NO_PAIRS, effects, compared, images, lowers, 0, units, len(keys))


_NO_PAIRS = pd.DataFrame(columns=["pair", "stage", "from_bits", "to_bits", "schedule", "seed", "effect"])


def _find_contrast(
    found: dict[str, float | int], units: tuple[str, ...], column: str, n_configurations: int = 0
) -> Finding[StagesKind]:
    """Return how the last unit compares with the first.

    Args:
        found: Mean and interval of the effect of the last less that of the first.
        units: Names of the units.
        column: The accuracy.
        n_configurations: Of the regression; 0 for pairs.
    """
    loss = Estimate(-found["mean"], -found["high"], -found["low"])
    if math.isnan(loss.value):
        kind = StagesKind.NO_COMMON_STEP
    elif math.isnan(loss.low):
        kind = StagesKind.ONE_SEED
    elif loss.low <= 0 <= loss.high:
        kind = StagesKind.NOT_SEPARATED
    else:
        kind = StagesKind.LAST_IS_MORE_SENSITIVE if loss.low > 0 else StagesKind.LAST_IS_LESS_SENSITIVE
    counts = {"seeds": int(found["n_seeds"]), "stages": len(units)}
    return Finding(
        kind,
        kind not in (StagesKind.LAST_IS_MORE_SENSITIVE, StagesKind.LAST_IS_LESS_SENSITIVE),
        column,
        subjects=(units[0], units[-1]),
        estimates={"loss": loss},
        counts=counts | ({"configurations": n_configurations} if n_configurations else {}),
    )


def _find_pairs(by_seed: pd.DataFrame, n_units: int) -> tuple[pd.DataFrame, bool]:
    """Return the effect of every pair in every seed that both have, and whether activations are lowered as well."""
    rows = by_seed.assign(setting=by_seed.groupby(SETTINGS, sort=False, dropna=False).ngroup())
    found = {
        lowers: pd.concat([_pairs_of_unit(rows, unit, lowers=lowers) for unit in range(n_units)])
        for lowers in (True, False)
    }
    if all(map(len, found.values())):
        raise AnalysisError("some pairs lower activations with the weights, others hold them; analyse them apart")
    pairs = found[bool(len(found[True]))]
    pairs["pair"] = pairs.groupby(["stage", "setting", "higher", "schedule"], sort=False).ngroup()
    return pairs[["pair", "stage", "from_bits", "to_bits", "schedule", "seed", "effect"]], bool(len(found[True]))


def _pairs_of_unit(rows: pd.DataFrame, unit: int, *, lowers: bool) -> pd.DataFrame:
    """Return the pairs that differ in the bits of one unit (from 0), of its weights alone or of activations too."""

    def without_unit(bits: tuple[int, ...]) -> str:
        return str(bits[:unit] + bits[unit + 1 :])

    # Where activations have the bits of the weights, they cannot be held while those fall.
    eligible = rows[rows["act_bit_widths"] == rows["bit_widths"]] if lowers else rows
    acts = eligible["act_bit_widths"].map(without_unit if lowers else str)
    table = pd.DataFrame(
        {
            "setting": eligible["setting"],
            "others": eligible["bit_widths"].map(without_unit),
            "acts": acts,
            "seed": eligible["config_seed"],
            "bits": eligible["bit_widths"].map(lambda bits: bits[unit]),
            "schedule": eligible["schedule"],
            "accuracy": eligible["accuracy"],
        }
    )
    both = table.merge(table, on=["setting", "others", "acts", "seed"], suffixes=("_low", "_high"))
    both = both[both["bits_low"] < both["bits_high"]]
    return pd.DataFrame(
        {
            "stage": unit + 1,
            "setting": both["setting"],
            "from_bits": both["bits_high"],
            "to_bits": both["bits_low"],
            "higher": both["schedule_high"],
            "schedule": both["schedule_low"],
            "seed": both["seed"],
            "effect": both["accuracy_low"] - both["accuracy_high"],
        }
    ).dropna(subset=["effect"])


def _complete_pairs(pairs: pd.DataFrame) -> pd.DataFrame:
    """Return the pairs that have all of the seeds that are used, so that means over seeds are paired.

    As many seeds are used as half of the pairs have all of. Pairs that lack one of them are left out.
    """
    has_seed = pairs.pivot_table(index="pair", columns="seed", values="effect", aggfunc="size").notna()
    by_use = has_seed.sum().sort_values(ascending=False, kind="stable").index
    for n_seeds in range(len(by_use), 0, -1):
        seeds = by_use[:n_seeds]
        complete = has_seed.index[has_seed[seeds].all(axis=1)]
        if n_seeds == 1 or len(complete) >= LEAST_SHARE_OF_PAIRS * len(has_seed):
            break
    return pairs[pairs["pair"].isin(complete) & pairs["seed"].isin(seeds)].reset_index(drop=True)


def _common_steps(pairs: pd.DataFrame, n_units: int) -> list[tuple[int, int]]:
    """Return the steps, as bits before and after, that every unit was lowered by."""
    steps = [set(zip(part["from_bits"], part["to_bits"], strict=True)) for _, part in pairs.groupby("stage")]
    return sorted(set.intersection(*steps)) if len(steps) == n_units else []


def _interval(effects: pd.Series) -> dict[str, float | int]:
    """Return mean and interval of one figure per seed; no interval for one seed."""
    values = effects.to_numpy(dtype=float)
    n_seeds, mean = len(values), float(values.mean())
    if n_seeds < 2:
        return {"mean": mean, "low": math.nan, "high": math.nan, "n_seeds": n_seeds}
    half = student_quantile((1 - CONFIDENCE) / 2, n_seeds - 1) * float(values.std(ddof=1)) / math.sqrt(n_seeds)
    return {"mean": mean, "low": mean - half, "high": mean + half, "n_seeds": n_seeds}
