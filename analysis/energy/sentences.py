"""The two ledgers in sentences; neither is added to the other."""

from __future__ import annotations

from typing import Any

import pandas as pd

from analysis.energy.findings import LedgerKind, find_in_ledgers
from analysis.energy.hardware.reader import default_hardware
from analysis.energy.hardware.table import HardwareTable
from analysis.energy.ledgers import hardware_of
from analysis.energy.sources import distinct_sources, energy_kind, labels_of, sources_text
from analysis.findings import Finding
from analysis.wording import per_cent

PLAIN = {
    LedgerKind.NOT_MEASURED: "training energy was not measured",
    LedgerKind.STARTS_FROM_TRAINED: "trials start from trained networks, whose training energy is in init_energy_kwh "
    "and in no ratio",
    LedgerKind.FULL_PRECISION_ALONE: "full precision alone: no ratio of training energies",
    LedgerKind.NO_FULL_PRECISION: "no full precision of the same settings and seeds: no ratio of training energies",
}
SHARES = {"compute_mj": "compute", "on_chip_mj": "all on chip", "dram_mj": "DRAM weights"}
SIMULATED = "quantization is simulated while training: it adds work, and saves none before deployment"
NOT_ADDED = "the two ledgers are not added: one is of this machine, the other of a chip that is not here"


def ledger_sentences(frame: pd.DataFrame) -> list[str]:
    """Return what the two ledgers say.

    Args:
        frame: From `analysis.energy.ledgers.ledger_frame`.
    """
    found = find_in_ledgers(frame)
    training = [
        _recorded(finding, frame) if finding.kind is LedgerKind.RECORDED else ledger_sentence(finding)
        for finding in found
        if finding.kind is not LedgerKind.MODELLED_SHARE
    ]
    if any(finding.kind is LedgerKind.USED_MORE for finding in found):
        training.append(SIMULATED)
    modelled = [ledger_sentence(finding) for finding in found if finding.kind is LedgerKind.MODELLED_SHARE]
    return [*training, _model(hardware_of(frame)), *modelled, NOT_ADDED]


def _model(hardware: HardwareTable) -> str:
    """Return what inference is modelled for, and what is counted."""
    column = ": compute is modelled_inference_energy_uj of the tables" if hardware is default_hardware() else ""
    return (
        f"inference energy, {hardware.label}, {hardware.modelled_for}, {hardware.figures} costs, batch 1{column}"
        f"{hardware.assumption}; {hardware.counted()}; not measured"
    )


def _recorded(finding: Finding[LedgerKind], frame: pd.DataFrame) -> str:
    sources = distinct_sources(trial for each in frame["sources"] for trial in each)
    kind = energy_kind(labels_of(frame["sources"]))
    coverage = per_cent(finding.estimates["coverage"].value, 1)
    return f"training energy, {kind}: {sources_text(sources)}; coverage at least {coverage}"


def ledger_sentence(finding: Finding[Any]) -> str:
    """Return a finding of `analysis.energy.findings.find_in_ledgers` as text."""
    if finding.kind in PLAIN:
        return PLAIN[finding.kind]
    if finding.kind is LedgerKind.MODELLED_SHARE:
        given = {column: name for column, name in SHARES.items() if f"least_{column}" in finding.estimates}
        shares = [f"{_ends(finding, column, '.1%')} {name}" for column, name in given.items()]
        return f"modelled inference, quantized over full precision: {', '.join(shares)}"
    counts = finding.counts
    more = "more" if finding.kind is LedgerKind.USED_MORE else "less"
    seeds = " to ".join(dict.fromkeys((str(counts["least_seeds"]), str(counts["most_seeds"]))))
    doubt = f"; {counts['not_in_every_seed']} of them not in every seed" if counts["not_in_every_seed"] else ""
    doubt += f"; {counts['one_seed']} with one seed, which may be chance" if counts["one_seed"] else ""
    return (
        f"{counts['configurations']} of {counts['quantized']} quantized configurations used {more} training energy "
        f"than full precision: {_ends(finding, 'ratio', '.2f')} times, mean over {seeds} "
        f"{'seed' if counts['most_seeds'] == 1 else 'seeds'}{doubt}"
    )


def _ends(finding: Finding[LedgerKind], name: str, style: str) -> str:
    ends = (finding.estimates[f"{end}_{name}"].value for end in ("least", "greatest"))
    return " to ".join(dict.fromkeys(f"{end:{style}}" for end in ends))
