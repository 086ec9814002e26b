"""What lowering the bits of one stage alone does to accuracy, from all pairs that differ in nothing else."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

import numpy as np
import pandas as pd

from analysis.findings import Estimate, Finding
from analysis.runs.keys import SETTINGS
from analysis.runs.load import AnalysisError
from analysis.runs.seeds import check_one_dataset, evaluated_images, seed_means
from analysis.statistics import student_quantile

CONFIDENCE = 0.95
ALL_STEPS = "all"
LEAST_SHARE_OF_PAIRS = 0.5


class StagesKind(Enum):
    """How the last stage compares with the first."""

    NO_COMMON_STEP = "no step of bits in common"
    ONE_SEED = "one seed, no interval"
    NOT_SEPARATED = "the interval holds 0"
    LAST_IS_MORE_SENSITIVE = "the last stage is more sensitive"
    LAST_IS_LESS_SENSITIVE = "the last stage is less sensitive"


@dataclass(frozen=True)
class Sensitivity:
    """One-stage-at-a-time effects of a run.

    Attributes:
        pairs: One row per pair of configurations and seed: ``stage`` (from 1), ``from_bits``, ``to_bits``, ``schedule``
            (the lower), ``seed``, ``effect`` (accuracy of the lower less that of the higher, a fraction).
        effects: `sensitivity_frame`.
        contrast: How the last stage compares with the first over all steps that both have; ``loss`` is the
            accuracy that the last stage loses more than the first, a fraction.
        images: ``test`` or ``val``: what the accuracies are of.
        lowers_activations: Whether the stage's activations lose their bits with the weights, or keep them.
        n_left_out: Pairs that lack one of the seeds.
    """

    pairs: pd.DataFrame
    effects: pd.DataFrame
    contrast: Finding[StagesKind]
    images: str
    lowers_activations: bool
    n_left_out: int


def sensitivity_frame(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the effect on accuracy of lowering one stage's bits with all else held, paired over seeds.

    Args:
        trials: Finished trials.

    Returns:
        One row per ``stage`` (from 1) and ``step`` such as ``4 to 2``, and where all stages have steps in common one
        with step ``all``, the mean over those: ``mean`` (a fraction, negative where accuracy is lost), ``low`` and
        ``high`` (95 % interval by Student's t over the seeds, the other stages' bits held at those of the run; NaN for
        one seed), ``n_pairs``, ``n_seeds``, ``from_bits``, ``to_bits`` (0 in rows of all steps).

    Raises:
        AnalysisError: No two configurations differ in one stage only, several data sets, or no accuracies.
    """
    return measure_sensitivity(trials).effects


def measure_sensitivity(trials: pd.DataFrame) -> Sensitivity:
    """Return the effects with the pairs behind them, and how the last stage compares with the first.

    Raises:
        AnalysisError: As `sensitivity_frame`.
    """
    check_one_dataset(trials)
    images = evaluated_images(trials)
    by_seed = seed_means(trials, [f"{images}_accuracy"]).rename(columns={f"{images}_accuracy": "accuracy"})
    by_seed["accuracy"] = by_seed["accuracy"].replace([np.inf, -np.inf], np.nan)
    candidates, lowers_activations = _find_pairs(by_seed)
    pairs = _complete_pairs(candidates)
    n_stages = len(by_seed["bit_widths"].iloc[0])
    n_pairs = pairs.groupby(["stage", "from_bits", "to_bits"])["pair"].nunique()
    by_step = pairs.groupby(["stage", "from_bits", "to_bits", "seed"])["effect"].mean()
    rows = [
        {
            "stage": stage,
            "step": f"{start} to {end}",
            "from_bits": start,
            "to_bits": end,
            "n_pairs": count,
            **_interval(by_step.loc[stage, start, end]),
        }
        for stage, start, end, count in n_pairs.reset_index().itertuples(index=False, name=None)
    ]
    common = _common_steps(pairs, n_stages)
    # Each step counts alike, however many pairs it has.
    shared = by_step.reset_index().merge(pd.DataFrame(common, columns=["from_bits", "to_bits"], dtype=int))
    over_steps = shared.groupby(["stage", "seed"])["effect"].mean()
    for stage in sorted(set(shared["stage"])):
        count = sum(int(n_pairs.loc[stage, start, end]) for start, end in common)
        whole = {"stage": stage, "step": ALL_STEPS, "from_bits": 0, "to_bits": 0, "n_pairs": count}
        rows.append(whole | _interval(over_steps.loc[stage]))
    effects = pd.DataFrame(rows).sort_values(["stage", "from_bits", "to_bits"], ascending=[True, False, False])
    differences = over_steps.loc[n_stages] - over_steps.loc[1] if common else pd.Series([math.nan])
    contrast = _find_contrast(differences, n_stages, f"{images}_accuracy")
    n_left_out = candidates["pair"].nunique() - pairs["pair"].nunique()
    return Sensitivity(pairs, effects.reset_index(drop=True), contrast, images, lowers_activations, n_left_out)


def _find_contrast(differences: pd.Series, n_stages: int, column: str) -> Finding[StagesKind]:
    """Return how the last stage compares with the first: the effect of the last less that of the first, by seed."""
    found = _interval(differences)
    loss = Estimate(-found["mean"], -found["high"], -found["low"])
    if math.isnan(loss.value):
        kind = StagesKind.NO_COMMON_STEP
    elif math.isnan(loss.low):
        kind = StagesKind.ONE_SEED
    elif loss.low <= 0 <= loss.high:
        kind = StagesKind.NOT_SEPARATED
    else:
        kind = StagesKind.LAST_IS_MORE_SENSITIVE if loss.low > 0 else StagesKind.LAST_IS_LESS_SENSITIVE
    return Finding(
        kind,
        kind not in (StagesKind.LAST_IS_MORE_SENSITIVE, StagesKind.LAST_IS_LESS_SENSITIVE),
        column,
        subjects=("stage 1", f"stage {n_stages}"),
        estimates={"loss": loss},
        counts={"seeds": int(found["n_seeds"]), "stages": n_stages},
    )


def _find_pairs(by_seed: pd.DataFrame) -> tuple[pd.DataFrame, bool]:
    """Return the effect of every pair in every seed that both have, and whether activations are lowered as well."""
    n_stages = len(by_seed["bit_widths"].iloc[0])
    rows = by_seed.assign(setting=by_seed.groupby(SETTINGS, sort=False, dropna=False).ngroup())
    found = {
        lowers: pd.concat([_pairs_of_stage(rows, stage, lowers=lowers) for stage in range(n_stages)])
        for lowers in (True, False)
    }
    if all(map(len, found.values())):
        raise AnalysisError("some pairs lower activations with the weights, others hold them; analyse them apart")
    if not any(map(len, found.values())):
        raise AnalysisError(
            "sensitivity needs configurations that differ in the bits of one stage only, with an accuracy in the same "
            "seed; this run has none: sweep all schedules of some bits, as `--space free_mixed` does"
        )
    pairs = found[bool(len(found[True]))]
    pairs["pair"] = pairs.groupby(["stage", "setting", "higher", "schedule"], sort=False).ngroup()
    return pairs[["pair", "stage", "from_bits", "to_bits", "schedule", "seed", "effect"]], bool(len(found[True]))


def _pairs_of_stage(rows: pd.DataFrame, stage: int, *, lowers: bool) -> pd.DataFrame:
    """Return the pairs that differ in the bits of one stage (from 0), of its weights alone or of activations too."""

    def without_stage(bits: tuple[int, ...]) -> str:
        return str(bits[:stage] + bits[stage + 1 :])

    # Where activations have the bits of the weights, they cannot be held while those fall.
    eligible = rows[rows["act_bit_widths"] == rows["bit_widths"]] if lowers else rows
    acts = eligible["act_bit_widths"].map(without_stage if lowers else str)
    table = pd.DataFrame(
        {
            "setting": eligible["setting"],
            "others": eligible["bit_widths"].map(without_stage),
            "acts": acts,
            "seed": eligible["config_seed"],
            "bits": eligible["bit_widths"].map(lambda bits: bits[stage]),
            "schedule": eligible["schedule"],
            "accuracy": eligible["accuracy"],
        }
    )
    both = table.merge(table, on=["setting", "others", "acts", "seed"], suffixes=("_low", "_high"))
    both = both[both["bits_low"] < both["bits_high"]]
    return pd.DataFrame(
        {
            "stage": stage + 1,
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


def _common_steps(pairs: pd.DataFrame, n_stages: int) -> list[tuple[int, int]]:
    """Return the steps, as bits before and after, that every stage was lowered by."""
    steps = [set(zip(part["from_bits"], part["to_bits"], strict=True)) for _, part in pairs.groupby("stage")]
    return sorted(set.intersection(*steps)) if len(steps) == n_stages else []


def _interval(effects: pd.Series) -> dict[str, float | int]:
    """Return mean and interval of one figure per seed; no interval for one seed."""
    values = effects.to_numpy(dtype=float)
    n_seeds, mean = len(values), float(values.mean())
    if n_seeds < 2:
        return {"mean": mean, "low": math.nan, "high": math.nan, "n_seeds": n_seeds}
    half = student_quantile((1 - CONFIDENCE) / 2, n_seeds - 1) * float(values.std(ddof=1)) / math.sqrt(n_seeds)
    return {"mean": mean, "low": mean - half, "high": mean + half, "n_seeds": n_seeds}
