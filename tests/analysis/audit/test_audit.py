from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analysis.__main__ import main
from analysis.audit.checks import balance_nodes, check_run, sum_starts
from analysis.audit.compare import compare
from analysis.audit.findings import audit_run
from analysis.audit.tables import EPOCHS, INTERVALS, TRIALS, Tables
from analysis.audit.text import MAX_SHOWN, report
from tests.support.synthetic_runs import MILLIWATT_HOUR, A, B, LedgerRun, ledger_run, write_run

CPU, RAM = "parts add up to the node: h cpu", "parts add up to the node: h ram"
KG = "emissions == energy x intensity, intervals"
KG_PARTS = "emissions of the parts add up to the node's"
CHARGED = "charged == epochs that count + discarded + end of a trial"
SPLIT = "active + idle == energy, intervals"
STARTS = "epochs are within the intervals of their start"
UNITS = ("energy_kwh", "_kg_co2eq", "g_per_kwh")


def tables_of(run: LedgerRun) -> Tables:
    """Return the rows as `load_tables` reads them."""

    def frame(rows: list[dict[str, Any]], columns: pa.Schema, blank: list[str]) -> pd.DataFrame:
        read: pd.DataFrame = pa.Table.from_pylist(rows, schema=columns).to_pandas()
        return read.fillna(dict.fromkeys(blank, ""))

    return Tables(
        folder=Path("run"),
        trials=frame(run.trials, TRIALS, []),
        epochs=frame(run.epochs, EPOCHS, ["energy_segment"]),
        intervals=frame(run.intervals, INTERVALS, ["trial_key", "segment"]),
    )


def failed(run: LedgerRun) -> dict[str, list[str]]:
    """Return the places where each check failed, in order of their names."""
    checks = [check for check in check_run(tables_of(run)) if check.failures]
    return {check.name: sorted(failure.where for failure in check.failures) for check in checks}


def pick(rows: list[dict[str, Any]], **values: Any) -> dict[str, Any]:
    """Return the one row with these values."""
    (row,) = [row for row in rows if all(row.get(name) == value for name, value in values.items())]
    return row


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ledger_run().write(tmp_path_factory.mktemp("results") / "clean")


def test_a_consistent_run_adds_up(clean: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", str(clean)]) == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines()[-1] == "audit: everything adds up"
    assert "FAIL" not in captured.out
    assert captured.err == ""


def test_the_report_has_the_figures_that_follow_from_the_rows(clean: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["audit", str(clean)])
    out = capsys.readouterr().out
    # Trials were charged with 16 + 15.5 + 4 + 4.5 = 40 mWh, three quarters of it CPU. The other parts use 3.875 mWh of
    # CPU and 4.25 of memory in each of four intervals: 30 + 15.5 and 10 + 17 mWh.
    assert "h    cpu          5 4.55e-05  4.55e-05" in out
    assert "h    ram          4  2.7e-05   2.7e-05" in out
    # A took 0.5 after its last epoch, B lost 3 in the crash and took 0.5; B's replaced epoch took 4 + 1 + 1.
    assert "after the last row of a start: 4e-06 kWh of trials that are done, 0 kWh of others" in out
    assert "lost in a crash or trained again: 9e-06 kWh by the intervals, 9e-06 kWh recorded as discarded" in out
    assert "cpu_source estimated:tdp*load^3: 2 trials on h" in out
    assert "ram_source estimated:dimm-heuristic: 2 trials on h" in out
    assert "share of the host by: cpu-seconds (2 trials)" in out
    assert "coverage of the epochs: min 1.0000, mean 1.0000" in out
    assert "unmeasured: 10 s of 50 s" in out
    assert "flags: counter-reset (1 interval), gap (1 interval), ledger-down (1 interval)" in out
    assert "not measured: gpu_energy_kwh in 5 of 5 rows of epochs" in out


def change(table: str, column: str, by: float, **where: Any) -> Callable[[LedgerRun], None]:
    """Return what adds energy in mWh, or its emissions, to one figure of one row."""
    scale = 0.5 if column.endswith("kg_co2eq") else 1.0

    def apply(run: LedgerRun) -> None:
        pick(getattr(run, table), **where)[column] += by * scale * MILLIWATT_HOUR

    return apply


NODE = {"interval": 0, "part": "node"}
OTHER = {"interval": 1, "part": "other", "domain": "cpu"}
B_2 = {"trial_key": B, "attempt": 2}
A_1 = {"trial_key": A, "epoch": 1}
B_2_NAME, A_1_NAME = f"trial {B}, epoch 2, attempt 2", f"trial {A}, epoch 1, attempt 1"
PERTURBATIONS = {
    "node energy": (
        change("intervals", "energy_kwh", 1e-6, **NODE, domain="ram"),
        {RAM: ["interval 0", "whole sweep"], KG: ["h, interval 0, ram, node"]},
    ),
    "node emissions": (
        change("intervals", "emissions_kg_co2eq", 1e-6, **NODE, domain="ram"),
        {KG: ["h, interval 0, ram, node"], KG_PARTS: ["h, interval 0, ram"]},
    ),
    "energy of other processes": (
        change("intervals", "energy_kwh", 1e-6, **OTHER),
        {CPU: ["interval 1", "whole sweep"], SPLIT: ["h, interval 1, cpu, other"], KG: ["h, interval 1, cpu, other"]},
    ),
    "active energy of a part": (
        change("intervals", "active_energy_kwh", 1e-6, **OTHER),
        {SPLIT: ["h, interval 1, cpu, other"]},
    ),
    "a part below 0": (
        lambda run: pick(run.intervals, **OTHER).update(active_energy_kwh=-1.0, idle_energy_kwh=1 + MILLIWATT_HOUR),
        {"no figure is negative, intervals": ["h, interval 1, cpu, other"]},
    ),
    "a part that is there twice": (
        lambda run: run.intervals.append(
            {**pick(run.intervals, **OTHER), "energy_kwh": 0.0, "active_energy_kwh": 0.0, "emissions_kg_co2eq": 0.0}
        ),
        {"each part is once in an interval": ["h, interval 1, cpu, other"]},
    ),
    "a part without its node": (
        lambda run: run.intervals.remove(pick(run.intervals, **NODE, domain="ram")),
        {RAM: ["interval 0", "whole sweep"], KG_PARTS: ["h, interval 0, ram"]},
    ),
    "another intensity": (
        lambda run: pick(run.intervals, **OTHER).update(g_per_kwh=475.0),
        {KG: ["h, interval 1, cpu, other"]},
    ),
    "evaluation that no interval holds": (
        change("epochs", "eval_energy_kwh", 0.6, **A_1),
        {STARTS: [f"trial {A}, start h-1"], "trials sum their epochs: eval_energy_kwh": [f"trial {A}"]},
    ),
    "an epoch of a start without intervals": (
        lambda run: pick(run.epochs, **B_2).update(energy_segment="h-9"),
        {STARTS: [f"trial {B}, start h-9"], CHARGED: [f"trial {B}"]},
    ),
    "a measured epoch without a start": (
        lambda run: pick(run.epochs, **B_2).update(energy_segment=None),
        {STARTS: [f"trial {B}, start"], CHARGED: [f"trial {B}"]},
    ),
    "training energy of an epoch": (
        change("epochs", "energy_kwh", 1e-6, **B_2),
        {
            "trials sum their epochs: energy_kwh": [f"trial {B}"],
            "active + idle == energy, epochs": [B_2_NAME],
            "cpu + gpu + ram == energy, epochs": [B_2_NAME],
            "cumulative_energy_kwh is the running sum": [B_2_NAME],
        },
    ),
    "running energy": (
        change("epochs", "cumulative_energy_kwh", -1e-6, **B_2),
        {"cumulative_energy_kwh is the running sum": [B_2_NAME]},
    ),
    "running energy that falls": (
        change("epochs", "cumulative_energy_kwh", 5.0, **A_1),
        {
            "cumulative_energy_kwh never falls": [f"trial {A}, epoch 2, attempt 1"],
            "cumulative_energy_kwh is the running sum": [A_1_NAME],
        },
    ),
    "running emissions": (
        change("epochs", "cumulative_emissions_kg_co2eq", 1e-6, **A_1),
        {"cumulative_emissions_kg_co2eq is the running sum": [A_1_NAME]},
    ),
    "emissions of an epoch": (
        change("epochs", "emissions_kg_co2eq", 1e-6, **A_1),
        {
            "trials sum their epochs: emissions_kg_co2eq": [f"trial {A}"],
            "cumulative_emissions_kg_co2eq is the running sum": [A_1_NAME, f"trial {A}, epoch 2, attempt 1"],
        },
    ),
    "memory energy of a replaced epoch": (
        change("epochs", "ram_energy_kwh", 1e-6, trial_key=B, epoch=2, attempt=1),
        {"cpu + gpu + ram == energy, epochs": [f"trial {B}, epoch 2, attempt 1"]},
    ),
    "training energy of a trial": (
        change("trials", "energy_kwh", 1e-6, trial_key=A),
        {
            "trials sum their epochs: energy_kwh": [f"trial {A}"],
            "active + idle == energy, trials": [f"trial {A}"],
            "cpu + gpu + ram == energy, trials": [f"trial {A}"],
        },
    ),
    **{
        f"{column} of a trial": (
            change("trials", column, 1e-6, trial_key=B),
            {f"trials sum their epochs: {column}": [f"trial {B}"]},
        )
        for column in (
            "eval_energy_kwh",
            "setup_energy_kwh",
            "overhead_energy_kwh",
            "emissions_kg_co2eq",
            "eval_emissions_kg_co2eq",
            "setup_emissions_kg_co2eq",
            "overhead_emissions_kg_co2eq",
        )
    },
    "discarded energy of a trial": (
        change("trials", "discarded_energy_kwh", 1e-6, trial_key=B),
        {CHARGED: [f"trial {B}"]},
    ),
    "a trial that is not done": (
        lambda run: pick(run.trials, trial_key=B).update(status="failed"),
        {CHARGED: [f"trial {B}"]},  # what followed its last row is then lost, and not in discarded_energy_kwh
    ),
    "a trial that has no row": (
        lambda run: run.trials.remove(pick(run.trials, trial_key=A)),
        {"each trial is one row of trials.parquet": [f"trial {A}"]},
    ),
    "no epochs of a trial": (
        lambda run: run.epochs.__delitem__(slice(0, 2)),
        {CHARGED: [f"trial {A}"]}
        | {
            f"trials sum their epochs: {name}": [f"trial {A}"]
            for name in TRIALS.names
            if name.endswith(UNITS) and not name.startswith(("gpu", "discarded"))
        },
    ),
}


@pytest.mark.parametrize("what", PERTURBATIONS)
def test_one_wrong_figure_fails_the_checks_that_it_breaks_and_no_other(what: str) -> None:
    apply, expected = PERTURBATIONS[what]
    run = ledger_run()
    apply(run)
    assert failed(run) == expected


@settings(max_examples=10, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), factor=st.sampled_from([0.5, 1.0001, 2.0, float("inf")]))
def test_no_figure_that_counts_can_change_unseen(data: st.DataObject, factor: float) -> None:
    run = ledger_run()
    run.epochs.remove(pick(run.epochs, trial_key=B, epoch=2, attempt=1))  # what was replaced only has an upper bound
    columns = {name for schema in (TRIALS, EPOCHS, INTERVALS) for name in schema.names if name.endswith(UNITS)}
    figures = [
        (row, name)
        for row in (*run.trials, *run.epochs, *run.intervals)
        for name in sorted(columns)
        if row.get(name) and (name != "g_per_kwh" or row["energy_kwh"])  # an intensity of no energy counts for nothing
    ]
    assert len(figures) > 200
    row, name = data.draw(st.sampled_from(figures))
    row[name] *= factor
    assert failed(run)


def test_rounding_is_no_failure_and_ten_times_the_tolerance_is_one() -> None:
    for factor, is_failure in ((1 + 1e-10, False), (1 + 1e-8, True)):
        run = ledger_run()
        pick(run.intervals, **NODE, domain="cpu")["energy_kwh"] *= factor
        assert (CPU in failed(run)) == is_failure


def test_errors_too_small_in_each_interval_can_show_over_the_sweep() -> None:
    intervals = [
        {"host": "h", "interval": i, "part": part, "domain": "cpu", "energy_kwh": energy}
        for i in range(3)
        for part, energy in (("node", 1e-18), ("other", 1e-18 + 0.9e-15))
    ]
    ((balance, check),) = balance_nodes(tables_of(LedgerRun([], [], intervals)).intervals)
    assert [failure.where for failure in check.failures] == ["whole sweep"]
    assert balance.residual_kwh == pytest.approx(2.7e-15, abs=0)
    assert balance.worst_residual_kwh == pytest.approx(0.9e-15, abs=0)


def test_the_worst_interval_and_its_residual_are_named() -> None:
    run = ledger_run()
    pick(run.intervals, interval=3, part="node", domain="cpu")["energy_kwh"] -= 2 * MILLIWATT_HOUR
    pick(run.intervals, interval=4, part="node", domain="cpu")["energy_kwh"] += 3 * MILLIWATT_HOUR
    (cpu, check), _ = balance_nodes(tables_of(run).intervals)
    assert (cpu.worst_interval, cpu.worst_residual_kwh) == (4, pytest.approx(-3e-6))
    assert cpu.residual_kwh == pytest.approx(-1e-6)
    assert cpu.relative_residual == pytest.approx(-1 / 46.5)
    assert [failure.where for failure in check.failures] == ["whole sweep", "interval 4", "interval 3"]


def test_what_a_start_used_beyond_its_rows_is_summed_by_what_became_of_the_trial() -> None:
    run = ledger_run()
    pick(run.trials, trial_key=B)["status"] = "interrupted"
    starts = sum_starts(tables_of(run)).set_index("segment")
    beyond = (starts["intervals_kwh"] - starts["rows_kwh"]) / MILLIWATT_HOUR
    assert beyond.to_dict() == {"h-1": pytest.approx(0.5), "h-2": pytest.approx(3.0), "h-3": pytest.approx(0.5)}
    after = audit_run(tables_of(run))["after_last_row_kwh"]
    assert after == {"done": pytest.approx(0.5e-6), "others": pytest.approx(3.5e-6)}


def test_a_start_that_crashed_before_its_first_row_is_no_failure() -> None:
    run = ledger_run()
    for epoch in (1, 2):
        run.epochs.remove(pick(run.epochs, trial_key=A, epoch=epoch))
    run.trials[0] = {"trial_key": A, "status": "failed", "discarded_energy_kwh": 14.5 * MILLIWATT_HOUR}
    assert failed(run) == {}
    found = audit_run(tables_of(run))
    assert found["after_last_row_kwh"]["others"] == pytest.approx(14.5e-6)
    assert not [entry for entry in found["not_measured"] if entry["column"] == "energy_kwh"]


def test_an_epoch_left_from_before_a_restart_has_a_running_total_of_its_own() -> None:
    # B trained epochs 1, 2 and 3, crashed, trained 1 and 2 again with more energy, and was stopped.
    rows = [
        {"trial_key": B, "epoch": epoch, "attempt": attempt, "energy_kwh": energy, "cumulative_energy_kwh": total}
        for attempt, epoch, energy, total in (
            (1, 1, 1.0, 1.0),
            (1, 2, 1.0, 2.0),
            (1, 3, 1.0, 3.0),
            (2, 1, 2.0, 2.0),
            (2, 2, 2.0, 4.0),
        )
    ]
    names = [check.name for check in check_run(tables_of(LedgerRun([], rows, []))) if check.failures]
    assert "cumulative_energy_kwh is the running sum" not in names
    assert "cumulative_energy_kwh never falls" not in names


@pytest.mark.parametrize(
    ("table", "named"),
    [
        ("trials", "2 of 2 rows of trials"),
        ("epochs", "5 of 5 rows of epochs"),
        ("intervals", "9 of 9 rows of intervals of nodes"),
    ],
)
def test_what_was_not_measured_is_named_and_no_failure(table: str, named: str) -> None:
    run = ledger_run()
    for row in getattr(run, table):
        row |= {name: None for name in row if name.endswith(UNITS)}
    assert failed(run) == {}
    text = report(audit_run(tables_of(run)))
    assert f"not measured: energy_kwh in {named}" in text
    assert "-          0  " in text


def test_a_node_that_was_not_measured_in_one_interval_leaves_the_others_checked() -> None:
    run = ledger_run()
    for row in run.intervals:
        if (row["interval"], row["domain"]) == (1, "cpu"):
            row |= {"active_energy_kwh": None, "idle_energy_kwh": None, "energy_kwh": None, "emissions_kg_co2eq": None}
    (cpu, check), _ = balance_nodes(tables_of(run).intervals)
    assert (cpu.n_intervals, check.n_compared, check.failures) == (4, 4, ())


def test_a_gpu_counts_where_it_was_measured() -> None:
    run = ledger_run()
    pick(run.epochs, **A_1)["gpu_energy_kwh"] = MILLIWATT_HOUR
    assert failed(run) == {"cpu + gpu + ram == energy, epochs": [A_1_NAME]}


def test_labels_are_named_with_their_hosts_and_trials() -> None:
    run = ledger_run()
    pick(run.epochs, **B_2).update(
        hostname="i", cpu_source="unknown:Foo", gpu_source="estimated:nvml-power", coverage=0.5
    )
    pick(run.epochs, **A_1).update(cpu_source="measured:rapl-package", share_method="exclusive", idle_source="unknown")
    found = audit_run(tables_of(run))
    named = {
        (entry["column"], entry["label"]): (entry["hosts"], entry["n_trials"]) for entry in found["doubtful_sources"]
    }
    assert named == {
        ("cpu_source", "estimated:tdp*load^3"): (["h"], 2),
        ("cpu_source", "unknown:Foo"): (["i"], 1),
        ("gpu_source", "estimated:nvml-power"): (["i"], 1),
        ("ram_source", "estimated:dimm-heuristic"): (["h", "i"], 2),
        ("idle_source", "unknown"): (["h"], 1),
    }
    assert found["share_methods"] == {"cpu-seconds": 2, "exclusive": 1}
    assert found["coverage"] == {"min": 0.5, "mean": pytest.approx(0.9)}


def test_a_flag_counts_once_in_an_interval() -> None:
    run = ledger_run()
    for row in run.intervals:
        row["flags"] = "gap, counter-reset" if row["interval"] == 1 else None
    assert audit_run(tables_of(run))["flags"] == {"counter-reset": 1, "gap": 1}


def test_a_failure_is_named_with_its_values_and_gives_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ledger_run()
    pick(run.trials, trial_key=A)["setup_energy_kwh"] = 3 * MILLIWATT_HOUR
    folder = run.write(tmp_path / "run")
    assert main(["audit", str(folder), "--json", str(tmp_path / "audit.json")]) == 1
    out = capsys.readouterr().out
    assert "FAIL       2  trials sum their epochs: setup_energy_kwh" in out
    assert f"     trial {A}: expected 2e-06, got 3e-06 kWh (off by 1e-06)" in out
    found = json.loads((tmp_path / "audit.json").read_text())
    n_checks = len(found["runs"][0]["checks"])
    assert out.splitlines()[-1] == f"audit: 1 of {n_checks} checks failed"
    assert (found["n_failed"], found["n_checks"]) == (1, n_checks)
    (failures,) = [check["failures"] for check in found["runs"][0]["checks"] if check["failures"]]
    assert failures == [{"where": f"trial {A}", "expected": pytest.approx(2e-6), "got": pytest.approx(3e-6)}]


def test_of_many_failures_the_worst_are_shown_and_the_rest_counted() -> None:
    places = pd.DataFrame({"n": range(9)})
    check = compare("rule", places, "place {n}", pd.Series(1.0, index=range(9)), pd.Series(range(9), dtype=float))
    assert [failure.where for failure in check.failures[:2]] == ["place 8", "place 7"]
    run = ledger_run()
    for row in run.intervals:
        row["g_per_kwh"] = 1.0
    lines = report(audit_run(tables_of(run))).splitlines()
    at = next(i for i, line in enumerate(lines) if line.endswith(KG))
    assert (
        lines[at + MAX_SHOWN + 1]
        == f"     and {sum(bool(row['energy_kwh']) for row in run.intervals) - MAX_SHOWN} more"
    )


def test_infinity_agrees_with_nothing_and_is_text_in_json(tmp_path: Path) -> None:
    run = ledger_run()
    pick(run.trials, trial_key=A)["energy_kwh"] = pick(run.epochs, **A_1)["energy_kwh"] = float("inf")
    assert "trials sum their epochs: energy_kwh" in failed(run)
    file = tmp_path / "audit.json"
    assert main(["audit", str(run.write(tmp_path / "run")), "--json", str(file)]) == 1
    assert '"inf"' in file.read_text()


def test_several_runs_are_audited_apart_and_judged_together(
    clean: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ledger_run()
    pick(run.trials, trial_key=A)["setup_energy_kwh"] = 1.0
    assert main(["audit", str(clean), str(run.write(tmp_path / "other"))]) == 1
    out = capsys.readouterr().out
    states = [line.split()[0] for line in out.splitlines() if re.match(r"(ok|FAIL|-) +\d+  ", line)]
    assert states.count("FAIL") == 1
    assert len(states) > 50
    assert out.splitlines()[-1] == f"audit: 1 of {len(states)} checks failed"


def test_an_audit_writes_nothing_into_the_run(clean: Path) -> None:
    before = sorted(clean.rglob("*"))
    main(["audit", str(clean)])
    assert sorted(clean.rglob("*")) == before


def test_a_run_without_a_trial_adds_up_to_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", str(LedgerRun([], [], []).write(tmp_path / "run"))]) == 0
    assert "no intervals" in capsys.readouterr().out


def spoil(folder: Path, how: str) -> None:
    intervals = folder / "energy" / "h.parquet"
    if how == "no run":
        (folder / "trials.parquet").unlink()
    elif how == "no ledger":
        write_run(folder.parent / "other").rename(folder.parent / "plain")
        intervals.unlink()
    elif how == "no folder of the ledger":
        intervals.unlink()
        intervals.parent.rmdir()
    elif how == "damaged intervals":
        intervals.write_bytes(intervals.read_bytes()[:-50])
    elif how == "damaged epochs":
        next((folder / "epochs").glob("*.parquet")).write_bytes(b"x")
    elif how == "missing column":
        pq.write_table(pq.read_table(intervals).drop_columns(["g_per_kwh"]), intervals)
    elif how == "other type":
        table = pq.read_table(intervals)
        at = table.schema.get_field_index("energy_kwh")
        words = pa.array(["much"] * len(table))
        pq.write_table(table.set_column(at, "energy_kwh", words), intervals)
    elif how == "other version":
        table = pq.read_table(intervals)
        pq.write_table(table.replace_schema_metadata({b"schema_version": b"1"}), intervals)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("no run", "run `python -m lwq_tune sweep` first"),
        ("no ledger", "it ran with --no-energy, is older than the ledger"),
        ("no folder of the ledger", "it ran with --no-energy, is older than the ledger"),
        ("damaged intervals", "must be readable as Parquet"),
        ("damaged epochs", "must be readable as Parquet"),
        ("missing column", "lacks g_per_kwh"),
        ("other type", "has the types of its schema"),
        ("other version", "has 1; use the lwq_tune that wrote it"),
    ],
)
def test_what_cannot_be_audited_is_one_message(
    tmp_path: Path, how: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = ledger_run().write(tmp_path / "run")
    spoil(folder, how)
    assert main(["audit", str(folder), "--json", str(tmp_path / "audit.json")]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert message in captured.err
    assert len(captured.err.splitlines()) == 1
    assert not (tmp_path / "audit.json").exists()


def test_an_unwritable_json_file_is_one_message(clean: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", str(clean), "--json", str(clean / "no" / "audit.json")]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "the file of --json must be writable" in captured.err
    assert len(captured.err.splitlines()) == 1
