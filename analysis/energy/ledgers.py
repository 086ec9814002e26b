"""Two ledgers side by side, never added: training energy as recorded, inference energy as modelled."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from analysis.energy.inference_model import COLUMNS as MODELLED
from analysis.energy.inference_model import MODEL, inference_energy
from analysis.runs.configurations import SETTINGS, configuration_keys
from analysis.runs.seeds import configuration_labels, seed_means

IMAGES = 1000  # of the ledger of inference: uJ per image are mJ per 1,000 images
SOURCE_COLUMNS = ("cpu_source", "ram_source", "gpu_source", "share_method")
FULL_PRECISION = "full_precision"

# Columns of the table that people see, with their titles.
SHOWN = {
    "label": "schedule",
    "n_seeds": "seeds",
    "ratio": "x full precision",
    "coverage": "coverage",
    "compute_mj": "compute mJ",
    "weight_sram_mj": "weights SRAM mJ",
    "weight_dram_mj": "weights DRAM mJ",
    "activation_sram_mj": "activations mJ",
    "on_chip_mj": "all on chip mJ",
    "dram_mj": "DRAM weights, all mJ",
}


def ledger_frame(trials: pd.DataFrame) -> pd.DataFrame:
    """Return one row per configuration: what its training used, and what the model gives its inference.

    Args:
        trials: Finished trials, comparable in how their energy was found (`refuse_incomparable`).

    Returns:
        ``label``, ``schedule``, ``family``, ``bit_widths``, ``n_seeds``.
        Recorded: ``training_energy_kwh`` and ``training_energy_kwh_std`` over seeds (ddof 1), ``ratio``, ``ratio_low``
        and ``ratio_high``: over full precision of the same settings and seed, mean, least and greatest of
        ``n_ratio_seeds`` seeds (NaN and 0 without it), ``init_energy_kwh`` (of the training it starts from, in
        no other column), ``coverage`` (least over trials), ``sources``. Null where not measured.
        Modelled, in mJ per 1,000 images: ``compute_mj``, ``weight_sram_mj``, ``weight_dram_mj``,
        ``activation_sram_mj``, ``on_chip_mj``, ``dram_mj``, as `inference_model` defines them; ``bitops``.

    Raises:
        AnalysisError: The recorded network or its modelled MAC energy is none that this version knows.
    """
    known = pd.concat([trials, inference_energy(trials)], axis=1).assign(label=configuration_labels(trials))
    keys = configuration_keys(trials)
    numbers = known.groupby(keys, sort=False, dropna=False).ngroup()
    by_seed = seed_means(trials, ["energy_kwh", "init_energy_kwh"])
    by_seed["number"] = by_seed.groupby(keys, sort=False, dropna=False).ngroup()
    energies = by_seed.groupby("number")[["energy_kwh", "init_energy_kwh"]]
    ratios = _ratios(by_seed).groupby("number")["ratio"]
    first = known.loc[~numbers.duplicated()].set_axis(numbers.drop_duplicates())
    frame = first[["label", "schedule", "family", "bit_widths"]].assign(
        n_seeds=by_seed.groupby("number").size(),
        training_energy_kwh=energies.mean(skipna=False)["energy_kwh"],
        training_energy_kwh_std=energies.std(ddof=1, skipna=False)["energy_kwh"],
        ratio=ratios.mean(), ratio_low=ratios.min(), ratio_high=ratios.max(), n_ratio_seeds=ratios.count(),
        init_energy_kwh=energies.mean(skipna=False)["init_energy_kwh"],
        coverage=known["coverage"].astype(float).groupby(numbers).min(),
        sources=_sources(known).groupby(numbers).agg(_joined),
        bitops=first["bitops"],
        **{column.replace("_energy_uj", "_mj"): first[column] for column in MODELLED},
    )  # fmt: skip
    return frame.assign(n_ratio_seeds=frame["n_ratio_seeds"].fillna(0).astype(int)).reset_index(drop=True)


def _ratios(by_seed: pd.DataFrame) -> pd.DataFrame:
    """Return the energy of each trial over that of full precision with the same settings and seed.

    Bits of stem and classifier, and what the trial starts from, say nothing of a full-precision network.
    """
    ignored = ("config_quantizer", "config_first_last_bit_width", "config_weight_scales", "config_scale_weight_decay",
               "config_init_from", "config_calibration_images", "config_scale_init")  # fmt: skip
    settings = [name for name in SETTINGS if name not in ignored and not name.startswith("config_pretrain")]
    alike = by_seed.groupby([*settings, "config_seed"], sort=False, dropna=False).ngroup()
    is_base = by_seed["schedule"] == FULL_PRECISION
    base = by_seed["energy_kwh"][is_base].groupby(alike[is_base]).mean()
    ratio = by_seed["energy_kwh"] / alike.map(base.where(base > 0))  # calibration alone trains nothing
    return pd.DataFrame({"number": by_seed["number"], "ratio": ratio.where(~is_base)})


def _sources(trials: pd.DataFrame) -> pd.Series:
    """Return where the parts of each trial's energy come from; empty where none was measured or estimated."""
    names = [name.removesuffix("_source").removesuffix("_method") for name in SOURCE_COLUMNS]
    words = [
        ", ".join(
            f"{name} {label}" for name, label in zip(names, labels, strict=True)
            if isinstance(label, str) and label != "none"
        )
        for labels in trials[list(SOURCE_COLUMNS)].itertuples(index=False, name=None)
    ]  # fmt: skip
    return pd.Series(words, index=trials.index, dtype=object)


def _joined(values: pd.Series) -> str:
    return "; ".join(dict.fromkeys(value for value in values if value))


def energy_kind(sources: str) -> str:
    """Return what may be called measured, by the labels of the sources.

    >>> energy_kind("cpu estimated:tdp*load^3, gpu measured:nvml-energy-counter"), energy_kind("")
    ('estimated in part', 'not measured')
    """
    if "estimated" in sources:
        return "estimated in part" if "measured" in sources else "estimated"
    return "measured" if "measured" in sources else "of unknown source" if sources else "not measured"


def ledger_words(frame: pd.DataFrame) -> list[str]:
    """Return in words what the two ledgers say; neither is added to the other."""
    return [*_training_words(frame), *_inference_words(frame)]


def _training_words(frame: pd.DataFrame) -> list[str]:
    if frame["training_energy_kwh"].isna().all():
        return ["training energy was not measured"]
    sources = _joined(frame["sources"])
    words = [
        f"training energy, {energy_kind(sources)}: {sources}; coverage at least {_percent(frame['coverage'].min())}"
    ]
    if frame["init_energy_kwh"].gt(0).any():
        words.append("trials start from trained networks, whose training energy is in init_energy_kwh and in no ratio")
    if (frame["schedule"] == FULL_PRECISION).all():
        return [*words, "full precision alone: no ratio of training energies"]
    quantized = frame[frame["n_ratio_seeds"] > 0]
    if quantized.empty:
        return [*words, "no full precision of the same settings and seeds: no ratio of training energies"]
    for label, part in (("more", quantized[quantized["ratio"] > 1]), ("less", quantized[quantized["ratio"] <= 1])):
        if len(part):
            words.append(
                f"{len(part)} of {len(quantized)} quantized configurations used {label} training energy than full "
                f"precision: {_range(part['ratio'], '.2f')} times, mean over {_range(part['n_ratio_seeds'], 'd')} "
                f"{'seed' if part['n_ratio_seeds'].max() == 1 else 'seeds'}{_doubt(part)}"
            )
    if (quantized["ratio"] > 1).any():
        words.append("quantization is simulated while training: it adds work, and saves none before deployment")
    return words


def _doubt(part: pd.DataFrame) -> str:
    """Return how many configurations are on the other side of 1 in some seed, or have one seed only."""
    n_mixed = int(((part["ratio_low"] <= 1) & (part["ratio_high"] > 1)).sum())
    n_single = int((part["n_ratio_seeds"] == 1).sum())
    mixed = f"; {n_mixed} of them not in every seed" if n_mixed else ""
    return mixed + (f"; {n_single} with one seed, which may be chance" if n_single else "")


def _inference_words(frame: pd.DataFrame) -> list[str]:
    words = [
        f"inference energy, {MODEL}, 45 nm, batch 1: compute is modelled_inference_energy_uj of the tables; added here "
        "are weights (read once from SRAM or DRAM) and activations (written and read once in SRAM)"
    ]
    base = frame[frame["schedule"] == FULL_PRECISION]
    quantized = frame[frame["schedule"] != FULL_PRECISION]
    if len(base) == 1 and len(quantized):
        shares = [
            f"{_range(quantized[column] / base[column].iloc[0], '.1%')} {name}"
            for column, name in (("compute_mj", "compute"), ("on_chip_mj", "all on chip"), ("dram_mj", "DRAM weights"))
        ]
        words.append(f"modelled inference, quantized over full precision: {', '.join(shares)}")
    return [*words, "the two ledgers are not added: one is of this machine, the other of a chip that is not here"]


def _range(values: pd.Series | Sequence[float], style: str) -> str:
    low, high = min(values), max(values)
    ends = (f"{low:{style}}", f"{high:{style}}")
    return " to ".join(dict.fromkeys(ends))


def _percent(share: float) -> str:
    return "unknown" if math.isnan(share) else f"{share:.1%}"


def shown_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the columns to print, as text."""
    from analysis.paper.table3 import mean_and_spread

    table = frame[list(SHOWN)].copy()
    table["ratio"] = frame["ratio"].map("{:.2f}".format).where(frame["ratio"].notna(), "-")
    table["coverage"] = frame["coverage"].map("{:.1%}".format).where(frame["coverage"].notna(), "-")
    for column in SHOWN:
        if column.endswith("_mj"):
            table[column] = frame[column].map("{:.2f}".format).where(frame[column].notna(), "-")
    energies = zip(frame["training_energy_kwh"], frame["training_energy_kwh_std"], strict=True)
    table.insert(2, "training kWh", [mean_and_spread(mean, spread, ".3e") for mean, spread in energies])
    return table.rename(columns=SHOWN)
