"""Deployed accuracy against measured emissions per image, training left out: the second axis of `pareto`."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from analysis.fronts.pareto import is_nondominated, to_costs
from analysis.lifetime.findings import LifetimeKind, find_class
from analysis.lifetime.load import VARIANT
from analysis.lifetime.means import Mean
from analysis.lifetime.sentences import BY_TEST, ESTIMATED_POWER, energy_words, lifetime_sentence, use_sentence
from analysis.lifetime.training import TRAINING
from analysis.lifetime.use import Axis, Use
from analysis.lifetime.variants import ACCURACY, Variant, make_variants
from analysis.runs.keys import CONFIGURATION
from analysis.runs.load import Objective
from analysis.wording import join_words

EMISSIONS = "inference_kg_co2eq_per_million_images"
OBJECTIVES = (Objective(ACCURACY, "maximize"), Objective(EMISSIONS, "minimize"))
MILLION = 1e6


@dataclass(frozen=True)
class InferenceFront:
    """Deployed networks by accuracy and emissions per million images.

    Attributes:
        axis: What the emissions are of.
        points: One row per variant: ``configuration``, ``label``, ``schedule``, ``family``, ``float_precision``,
            ``precision_class``, ``deployed_test_accuracy`` and ``inference_kg_co2eq_per_million_images``, each with
            the ends of its 95 % interval, ``inference_energy_per_image_uj``, ``inference_is_pooled``,
            ``float_fallbacks`` and ``on_inference_front``.
        alerts: A sentence on each class of networks whose quantized layers ran in float.
        sentences: What the precision classes say, and what the axis is.
        notes: What a reader must know of measurements that are left out or mixed.
    """

    axis: Axis
    points: pd.DataFrame
    alerts: tuple[str, ...]
    sentences: tuple[str, ...]
    notes: tuple[str, ...]


def find_inference_front(use: Use) -> InferenceFront:
    """Return the front of some measurements; it is of means, and noise ranks nothing within a precision class."""
    trained = use.deployed.assign(**{TRAINING: math.nan})  # what was trained stands on the other axis
    variants = make_variants(use.rows, trained, use.classes, g_per_kwh=use.axis.g_per_kwh)
    fallbacks = {member: each.float_fallbacks for each in use.classes for member in each.members}
    points = pd.DataFrame([_point(variant, fallbacks[variant.key]) for variant in variants])
    points["on_inference_front"] = is_nondominated(to_costs(points, OBJECTIVES))
    findings = [found for each in use.classes for found in find_class(each)]
    alerts = [found for found in findings if found.kind is LifetimeKind.RAN_IN_FLOAT]
    others = [found for found in findings if found.kind is not LifetimeKind.RAN_IN_FLOAT]
    return InferenceFront(
        axis=use.axis,
        points=points,
        alerts=tuple(lifetime_sentence(found, use.axis) for found in alerts),
        sentences=(
            *(lifetime_sentence(found, use.axis) for found in others),
            *_front_sentences(points, use.axis),
        ),
        notes=use.notes,
    )


def _point(variant: Variant, float_fallbacks: str) -> dict[str, object]:
    return {
        VARIANT: variant.key, CONFIGURATION: variant.configuration, "label": variant.label,
        "schedule": variant.schedule, "family": variant.family, "float_precision": variant.float_precision,
        "precision_class": variant.precision, **_with_ends(ACCURACY, variant.accuracy),
        **_with_ends(EMISSIONS, variant.use.scaled(MILLION)),
        "inference_energy_per_image_uj": variant.energy_uj.value, "inference_is_pooled": variant.is_pooled,
        "float_fallbacks": float_fallbacks,
    }  # fmt: skip


def _with_ends(column: str, mean: Mean) -> dict[str, float]:
    ends = mean.estimate()
    return {column: ends.value, f"{column}_low": ends.low, f"{column}_high": ends.high}


def _front_sentences(points: pd.DataFrame, axis: Axis) -> list[str]:
    members = points[points["on_inference_front"]].sort_values(EMISSIONS, kind="stable")
    return [
        f"front of the deployed networks by their means: {join_words(list(members['label']))} ({energy_words(axis)})",
        use_sentence(axis),
        BY_TEST,
    ]


def inference_table(found: InferenceFront) -> str:
    """Return the networks as text, the least emissions first."""
    points = found.points.sort_values([EMISSIONS, ACCURACY], ascending=[True, False], kind="stable")
    gram = {end: points[f"{EMISSIONS}{end}"].map(lambda value: f"{1000 * value:.4g}") for end in ("", "_low", "_high")}
    shown = pd.DataFrame({
        "schedule": points["label"],
        "on front": points["on_inference_front"],
        "accuracy %": points[ACCURACY].map(lambda value: f"{100 * value:.2f}"),
        "g CO2eq/million images": gram[""],
        "95 % low": gram["_low"],
        "95 % high": gram["_high"],
        "ran with": points["precision_class"] + points["inference_is_pooled"].map({True: ", pooled", False: ""}),
        "IN FLOAT": points["float_fallbacks"],
    })  # fmt: skip
    if not found.alerts:
        shown = shown.drop(columns="IN FLOAT")
    return shown.replace("nan", "-").to_string(index=False)


def wide_columns(found: InferenceFront) -> pd.DataFrame:
    """Return the columns of the second axis for tables of configurations.

    A configuration may have been deployed with several precisions of its float layers: each column is one of them,
    which ends its name, such as ``deployed_test_accuracy_bf16``.

    Returns:
        One row per configuration that was deployed, by its key.
    """
    names = [ACCURACY, EMISSIONS]
    columns = [end for name in names for end in (name, f"{name}_low", f"{name}_high")]
    columns += [
        "inference_energy_per_image_uj", "inference_is_pooled", "precision_class", "on_inference_front",
        "float_fallbacks",
    ]  # fmt: skip
    parts = [
        own.set_index(CONFIGURATION)[columns].add_suffix(f"_{precision}")
        for precision, own in sorted(found.points.groupby("float_precision"), key=lambda item: item[0] != "f32")
    ]
    axis = found.axis
    return pd.concat(parts, axis=1).assign(
        inference_runtime=axis.runtime, inference_batch_size=axis.batch_size, inference_g_per_kwh=axis.g_per_kwh,
        inference_energy=ESTIMATED_POWER if axis.is_power_estimated else str(axis.kind),
    )  # fmt: skip
