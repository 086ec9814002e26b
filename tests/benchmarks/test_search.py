from __future__ import annotations

import json
from pathlib import Path
from statistics import fmean

import numpy as np
import pandas as pd
import pytest

from benchmarks.search import SYNTHETIC, Table, hypervolume_shares, main, read_table, search, synthetic_table
from lwq_tune.quantization.schedules import enumerate_bit_widths
from lwq_tune.sweep.search.proposer import Outcome

TRIPLES = enumerate_bit_widths([2, 3, 4], 3, "free")


def test_the_share_of_a_front_is_what_a_hand_computes() -> None:
    # Costs are (0, 2), (-1, 4) and (-0.5, 4), the last one dominated; the reference is 10 % of the range beyond the
    # worst: (0.1, 4.2). The first dominates 0.1 x 2.2, the second 1.1 x 0.2, of which 0.1 x 0.2 is in both.
    table: Table = {(2,): Outcome(0.0, 2.0), (4,): Outcome(1.0, 4.0), (3,): Outcome(0.5, 4.0)}
    whole = 0.22 + 0.22 - 0.02
    assert hypervolume_shares(table, [(2,), (4,), (3,)]) == pytest.approx([0.22 / whole, 1, 1])
    assert hypervolume_shares(table, [(3,), (4,), (2,)]) == pytest.approx([0.12 / whole, 0.22 / whole, 1])


@pytest.mark.parametrize("method", ["random", "ends+random", "tpe", "nsga2"])
def test_every_method_trains_each_schedule_once(method: str) -> None:
    table = synthetic_table("rising", TRIPLES, seed=0)
    found = search(method, table, 14, seed=1, lag=2)
    assert len(found) == len(set(found)) == 14
    assert set(found) <= set(TRIPLES)
    assert (found[:2] == [(2, 2, 2), (4, 4, 4)]) == (method != "random")


def test_the_synthetic_tables_are_their_formulas_but_for_the_noise() -> None:
    bits = [(2, 2, 2), (8, 8, 8), (32, 32, 32), (2, 8, 2)]
    tables = {kind: [synthetic_table(kind, bits, seed) for seed in range(200)] for kind in SYNTHETIC}

    def mean(kind: str, schedule: tuple[int, ...]) -> list[float]:
        outcomes = [table[schedule] for table in tables[kind]]
        return [fmean(o.val_accuracy for o in outcomes), fmean(o.emissions_kg_co2eq for o in outcomes)]

    # The weights of the stages sum to 1, so a schedule of equal bits has no chance in it but the noise.
    assert mean("rising", (2, 2, 2)) == pytest.approx([0.54, 1.3], abs=0.01)
    assert mean("rising", (32, 32, 32)) == pytest.approx([0.9, 3.4], abs=0.02)
    assert mean("flat", (8, 8, 8)) == pytest.approx([0.9 - 1.44 / 256, 1.0], abs=0.01)
    assert mean("flat", (32, 32, 32)) == pytest.approx([0.9, 0.7], abs=0.01)
    lost = np.subtract(mean("rising", (2, 8, 2)), mean("interacting", (2, 8, 2)))
    assert lost == pytest.approx([0.024 * 4, 0.0], abs=1e-6)


def write_run(folder: Path) -> None:
    rows = [
        {
            "bit_widths": np.array(bits),
            "status": "done",
            "val_accuracy": accuracy,
            "emissions_kg_co2eq": 1e-6 * sum(bits),
        }
        for bits in TRIPLES
        for accuracy in (0.5 + sum(bits) / 100, 0.6 + sum(bits) / 100)
    ]
    rows[0]["status"] = "failed"
    rows[2]["emissions_kg_co2eq"] = None
    pd.DataFrame(rows).to_parquet(folder / "trials.parquet")


def test_a_run_becomes_a_table_of_means_over_the_seeds_that_are_done(tmp_path: Path) -> None:
    write_run(tmp_path)
    table = read_table(tmp_path)
    assert sorted(table) == TRIPLES
    assert table[4, 4, 4].val_accuracy == pytest.approx(0.67)
    assert table[4, 4, 4].emissions_kg_co2eq == pytest.approx(12e-6)
    assert table[2, 2, 2].val_accuracy == pytest.approx(0.66), "the failed seed is left out"
    assert table[2, 2, 3].val_accuracy == pytest.approx(0.67), "the seed that was not measured is left out"


def run_search(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr("sys.argv", ["search", *arguments])
    main()


def test_on_a_run_the_share_of_the_front_only_grows_and_the_quartiles_are_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path)
    file = tmp_path / "search.json"
    run_search(monkeypatch, str(tmp_path), "--seeds", "2", "--trials", "7", "--json", str(file))
    (table,) = json.loads(file.read_text())["tables"].values()
    assert table["n_schedules"] == 27
    for figure in table["methods"].values():
        assert list(figure["share"]) == ["3", "5", "7"]
        quartiles = [[share[name] for name in ("q1", "median", "q3")] for share in figure["share"].values()]
        assert 0 < np.min(quartiles) <= np.max(quartiles) <= 1
        assert (np.diff(quartiles, axis=1) >= 0).all()
        assert (np.diff(quartiles, axis=0) >= 0).all(), "a front only grows"
    printed = capsys.readouterr().out
    assert "SYNTHETIC" not in printed
    assert "27 schedules" in printed


def test_without_a_run_the_tables_are_synthetic_and_say_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_search(monkeypatch, "--seeds", "1", "--trials", "4", "--lag", "2", "--choices", "2", "8")
    assert capsys.readouterr().out.count("SYNTHETIC") == 3


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="must be the folder of a run"):
        read_table(tmp_path)
