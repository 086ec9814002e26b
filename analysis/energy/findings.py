"""What the two ledgers say, as values; `analysis.energy.sentences` says them."""

from __future__ import annotations

from enum import Enum

import pandas as pd

from analysis.energy.ledgers import FULL_PRECISION
from analysis.findings import Estimate, Finding

SHARES = ("compute_mj", "on_chip_mj", "dram_mj")


class LedgerKind(Enum):
    """What the ledgers say of recorded training energy and of modelled inference energy."""

    NOT_MEASURED = "no training energy was measured"
    RECORDED = "training energy was recorded"
    STARTS_FROM_TRAINED = "trials start from trained networks"
    FULL_PRECISION_ALONE = "there is full precision only"
    NO_FULL_PRECISION = "there is no full precision of the same settings and seeds"
    USED_MORE = "configurations used more than full precision"
    USED_LESS = "configurations used no more than full precision"
    MODELLED_SHARE = "modelled inference energy over that of full precision"


def find_in_ledgers(frame: pd.DataFrame) -> list[Finding[LedgerKind]]:
    """Return what a `analysis.energy.ledgers.ledger_frame` says; neither ledger is added to the other."""
    return [*_find_training(frame), *_find_inference(frame)]


def _find_training(frame: pd.DataFrame) -> list[Finding[LedgerKind]]:
    if frame["training_energy_kwh"].isna().all():
        return [Finding(LedgerKind.NOT_MEASURED, True)]
    found = [Finding(LedgerKind.RECORDED, estimates={"coverage": Estimate(float(frame["coverage"].min()))})]
    if frame["init_energy_kwh"].gt(0).any():
        found.append(Finding(LedgerKind.STARTS_FROM_TRAINED))
    if (frame["schedule"] == FULL_PRECISION).all():
        return [*found, Finding(LedgerKind.FULL_PRECISION_ALONE, True)]
    quantized = frame[frame["n_ratio_seeds"] > 0]
    if quantized.empty:
        return [*found, Finding(LedgerKind.NO_FULL_PRECISION, True)]
    parts = {
        LedgerKind.USED_MORE: quantized[quantized["ratio"] > 1],
        LedgerKind.USED_LESS: quantized[quantized["ratio"] <= 1],
    }
    return [*found, *(_find_ratio(kind, part, len(quantized)) for kind, part in parts.items() if len(part))]


def _find_ratio(kind: LedgerKind, part: pd.DataFrame, n_quantized: int) -> Finding[LedgerKind]:
    """Return the ratios of some configurations; open where one crosses 1 between seeds, or has one seed."""
    n_in_some_seeds = int(((part["ratio_low"] <= 1) & (part["ratio_high"] > 1)).sum())
    n_single = int((part["n_ratio_seeds"] == 1).sum())
    seeds = part["n_ratio_seeds"].astype(int)
    return Finding(
        kind,
        bool(n_in_some_seeds or n_single),
        "energy_kwh",
        tuple(part["label"]),
        _ends("ratio", part["ratio"]),
        {
            "configurations": len(part),
            "quantized": n_quantized,
            "not_in_every_seed": n_in_some_seeds,
            "one_seed": n_single,
            "least_seeds": int(seeds.min()),
            "most_seeds": int(seeds.max()),
        },
    )


def _find_inference(frame: pd.DataFrame) -> list[Finding[LedgerKind]]:
    base = frame[frame["schedule"] == FULL_PRECISION]
    quantized = frame[frame["schedule"] != FULL_PRECISION]
    if len(base) != 1 or quantized.empty:
        return []
    shares = {column: (quantized[column] / base[column].iloc[0]).dropna() for column in SHARES}
    ends = [_ends(column, share) for column, share in shares.items() if len(share)]
    if not ends:  # no cost of both
        return []
    return [Finding(LedgerKind.MODELLED_SHARE, estimates={name: end for each in ends for name, end in each.items()})]


def _ends(name: str, values: pd.Series) -> dict[str, Estimate]:
    return {f"least_{name}": Estimate(float(values.min())), f"greatest_{name}": Estimate(float(values.max()))}
