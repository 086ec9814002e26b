"""What can be deployed: each configuration with a precision of its float layers, its accuracy, training and use."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from analysis.energy.ledgers import FULL_PRECISION
from analysis.lifetime.classes import MARGIN, Pooling, PrecisionClass, group_costs
from analysis.lifetime.load import VARIANT
from analysis.lifetime.means import Mean, difference, mean_of
from analysis.lifetime.training import TRAINING
from analysis.runs.keys import CONFIGURATION

ACCURACY = "deployed_test_accuracy"
_NAMES = [VARIANT, CONFIGURATION, "label", "schedule", "family", "float_precision"]
MICROJOULES_PER_KWH = 3.6e12


@dataclass(frozen=True)
class Variant:
    """A configuration as it is deployed.

    Attributes:
        key: Number of the variant.
        configuration: Its configuration; variants of one share their training.
        label: What to call it.
        schedule: Name of its schedule.
        family: Family of its schedule.
        float_precision: Precision of its float layers.
        precision: Its precision class.
        group: Number that variants share whose costs per image are not told apart, or are pooled.
        is_pooled: Whether ``energy_uj`` is that of its class.
        accuracy: Test accuracy of the deployed network, over seeds.
        training: Emissions of training in kg, over seeds, with its share of the search where asked for.
        energy_uj: Energy per image, its own or that of its pooled class.
        use: Emissions per image in kg by which it is ranked, the same for its whole group.
        n_seeds: Seeds that were trained.
        n_deployed_seeds: Seeds that were deployed.
    """

    key: int
    configuration: int
    label: str
    schedule: str
    family: str
    float_precision: str
    precision: str
    group: int
    is_pooled: bool
    accuracy: Mean
    training: Mean
    energy_uj: Mean
    use: Mean
    n_seeds: int
    n_deployed_seeds: int

    @property
    def is_full_precision(self) -> bool:
        """Whether its weights are in full precision."""
        return self.schedule == FULL_PRECISION

    def lifetime_kg(self, n_images: float) -> float:
        """Return the emissions of training and of a number of inferences in kg, by which it is ranked."""
        return self.training.value + n_images * self.use.value


def make_variants(
    rows: pd.DataFrame,
    done: pd.DataFrame,
    classes: Sequence[PrecisionClass],
    *,
    g_per_kwh: float,
    shares_kg: pd.Series | None = None,
) -> list[Variant]:
    """Return the variants that were measured, in the order of the table of trials.

    Args:
        rows: From `analysis.lifetime.load.choose_measurements`.
        done: Finished trials with a column ``training_kg_co2eq``.
        classes: Precision classes of the rows.
        g_per_kwh: Carbon intensity of use.
        shares_kg: Share of the search of each configuration, none without it.
    """
    costs = {member: (each, cost) for each in classes for member, cost in zip(each.members, each.costs, strict=True)}
    groups = group_costs(classes)
    by_seed = done.groupby([CONFIGURATION, "config_seed"])[TRAINING].mean()
    variants = []
    for key, own in rows[[*_NAMES, ACCURACY, "config_seed"]].groupby(VARIANT):
        first = own.iloc[0]
        configuration = int(first[CONFIGURATION])
        trained = by_seed.loc[configuration]
        training = mean_of(trained)
        share = 0.0 if shares_kg is None else float(shares_kg[configuration])
        accuracies = own.groupby("config_seed")[ACCURACY].mean()
        its_class, cost = costs[int(str(key))]
        group, group_cost = groups[int(str(key))]
        variants.append(
            Variant(
                key=int(str(key)),
                configuration=configuration,
                label=str(first["label"]),
                schedule=str(first["schedule"]),
                family=str(first["family"]),
                float_precision=str(first["float_precision"]),
                precision=its_class.precision,
                group=group,
                is_pooled=its_class.pooling is Pooling.POOLED,
                accuracy=mean_of(accuracies),
                training=Mean(training.value + share, training.variance, training.df),
                energy_uj=cost,
                use=group_cost.scaled(g_per_kwh / 1000 / MICROJOULES_PER_KWH),
                n_seeds=len(trained),
                n_deployed_seeds=len(accuracies),
            )
        )
    return variants


def is_as_cheap(variant: Variant, other: Variant, n_images: float) -> bool:
    """Return whether a variant of the same group counts as emitting no more than another over its lifetime.

    It does where it emits at most 5 % more, or where its training is not shown to have emitted more.
    """
    if variant.group != other.group:
        return False
    if variant.lifetime_kg(n_images) <= (1 + MARGIN) * other.lifetime_kg(n_images):
        return True
    before = training_difference(variant, other)
    return not math.isnan(before.variance) and before.sign <= 0


def training_difference(first: Variant, second: Variant) -> Mean:
    """Return the training of the first less that of the second in kg; exactly 0 where it is the same network."""
    if first.configuration == second.configuration:
        return Mean(0.0, 0.0, math.nan)
    return difference(first.training, second.training)


def use_difference(first: Variant, second: Variant) -> Mean:
    """Return the emissions per image of the first less the second in kg; exactly 0 within a group."""
    if first.group == second.group:
        return Mean(0.0, 0.0, math.nan)
    return difference(first.use, second.use)
