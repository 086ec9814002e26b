"""The wording of the ledgers' findings, which other tests assert as values."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.energy.findings import LedgerKind
from analysis.energy.sentences import ledger_sentence, ledger_sentences
from analysis.findings import Estimate, Finding
from tests.analysis.energy.test_ledgers import frame_of


def test_the_sentences_name_ratios_sources_and_that_nothing_is_added(tmp_path: Path) -> None:
    sentences = ledger_sentences(frame_of(tmp_path / "run"))
    text = " ".join(sentences)
    assert "1 of 3 quantized configurations used more training energy than full precision: 1.33 times" in text
    assert "2 of 3 quantized configurations used less training energy than full precision: 0.33 to 0.67 times" in text
    assert "mean over 2 seeds" in text
    assert "estimated in part: cpu measured:rapl-package, ram estimated:dimm-heuristic" in text
    assert "it adds work, and saves none before deployment" in text
    assert "coverage at least 100.0 %" in text
    assert "are not added" in sentences[-1]


@pytest.mark.parametrize(
    ("kind", "counts", "expected"),
    [
        (LedgerKind.NO_FULL_PRECISION, {}, "no full precision of the same settings and seeds: no ratio"),
        (LedgerKind.FULL_PRECISION_ALONE, {}, "full precision alone: no ratio"),
        (LedgerKind.STARTS_FROM_TRAINED, {}, "whose training energy is in init_energy_kwh and in no ratio"),
        (LedgerKind.NOT_MEASURED, {}, "training energy was not measured"),
        (LedgerKind.USED_MORE, {"one_seed": 1, "most_seeds": 1}, "mean over 1 seed; 1 with one seed, which may be cha"),
        (
            LedgerKind.USED_LESS,
            {"not_in_every_seed": 2, "most_seeds": 3},
            "mean over 1 to 3 seeds; 2 of them not in ev",
        ),
    ],
    ids=lambda value: value.name if isinstance(value, LedgerKind) else "",
)
def test_each_finding_has_its_sentence(kind: LedgerKind, counts: dict[str, int], expected: str) -> None:
    none = {"configurations": 2, "quantized": 3, "not_in_every_seed": 0, "one_seed": 0, "least_seeds": 1}
    ends = {"least_ratio": Estimate(1.1), "greatest_ratio": Estimate(1.2)}
    assert expected in ledger_sentence(Finding(kind, estimates=ends, counts=none | counts))
