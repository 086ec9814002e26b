"""Networks as runs record them: read with the trials, named in axis labels, and refused where a table lacks one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis.__main__ import main
from analysis.runs.load import load_run, load_runs, read_table
from analysis.runs.networks import RecordedNetwork, bits_text, unit_names
from lwq_tune.results.schema import NETWORK_COLUMNS, TRIAL_COLUMNS
from lwq_tune.results.tables import write_table
from tests.support.synthetic_networks import layer_rows, write_network_run
from tests.support.synthetic_runs import OBJECTIVES, change_trials, write_run

POINTS: Any = {(2, 3, 4, 4): ([0.5, 0.6], 1e-6), (4, 4, 4, 4): ([0.7], 1e-6)}


def drop_columns(file: Path, *names: str) -> None:
    """Make a table one of an earlier version."""
    table = pq.read_table(file)
    pq.write_table(table.drop_columns(list(names)), file)


def test_trials_have_their_network_with_layers_in_order_and_units_by_name(tmp_path: Path) -> None:
    networks = load_run(write_network_run(tmp_path / "run", POINTS)).trials["network"]
    assert networks.nunique() == 1
    network = networks[0]
    assert isinstance(network, RecordedNetwork)
    assert network.key == "0a1b2c3d4e04"
    assert network.units == ("features.1", "features.2", "features.3", "features.4")
    assert [(layer.name, layer.kind, layer.unit) for layer in network.layers] == [
        ("stem", "conv", None), ("features.1", "conv", 1), ("features.1.gate", "linear", None),
        ("features.2", "conv", 2), ("features.3", "conv", 3), ("features.4", "conv", 4), ("classifier", "linear", None),
    ]  # fmt: skip
    assert [layer.name for layer in network.layers if layer.is_first_or_last] == ["stem", "classifier"]
    assert network.macs == 5000 + 4000 + 16 + 3000 + 2000 + 1000 + 640
    assert [layer.n_weights for layer in network.layers] == [27, 100, 16, 200, 300, 400, 640]


def test_runs_without_the_table_have_the_networks_of_earlier_versions(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    trials = load_run(run).trials
    drop_columns(run / "trials.parquet", "network")
    again = load_run(run).trials
    pd.testing.assert_frame_equal(again, trials)
    assert unit_names(again) == ("stage 1", "stage 2", "stage 3")
    both = load_runs([run, write_network_run(tmp_path / "other", {(2, 2, 2): ([0.5], 1e-6)})]).trials
    assert unit_names(both) == ("unit 1", "unit 2", "unit 3"), "two networks have two names for each"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda run: (run / "network.parquet").unlink(), "network.parquet lacks 0a1b2c3d4e04"),
        (lambda run: change_trials(run, "fixed_4", 0, network="fedcba987654"), "network.parquet lacks fedcba987654"),
        (lambda run: drop_columns(run / "network.parquet", "macs"), "network.parquet lacks macs"),
        (lambda run: change_trials(run, "fixed_4", 0, bit_widths=[4] * 5), "one has 5 for 4"),
    ],
    ids=["no table", "another network", "no column", "other units"],
)
def test_a_run_whose_networks_are_not_described_is_one_message_with_the_way_out(
    tmp_path: Path, spoil: Any, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write_network_run(tmp_path / "run", POINTS)
    spoil(run)
    assert main(["ledgers", str(run)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert f"python -m lwq_tune resume {run}" in line


def test_recorded_macs_that_are_not_those_of_the_layers_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write_network_run(tmp_path / "run", POINTS)
    rows = [row | {"macs": row["macs"] + (row["layer"] == "stem")} for row in layer_rows(4)]
    write_table(run / "network.parquet", NETWORK_COLUMNS, rows, {"run": "run", "objectives": OBJECTIVES})
    assert main(["ledgers", str(run)]) == 2
    assert "has 15656 and its network has 15657" in capsys.readouterr().err


def test_a_column_that_came_later_has_its_value_of_before(tmp_path: Path) -> None:
    write_table(tmp_path / "t.parquet", TRIAL_COLUMNS, [{"run": "a"}, {"run": "b"}], {})
    added = {"granularity": "stage", "sizes": (32, 32), "none": (), "digest": None}
    table = read_table(tmp_path / "t.parquet", ["run", *added], added)
    assert table.column_names == ["run", *added]
    assert table.to_pydict() == {
        "run": ["a", "b"], "granularity": ["stage"] * 2, "sizes": [[32, 32]] * 2, "none": [[], []],
        "digest": [None] * 2,
    }  # fmt: skip
    for name, kind in {"sizes": pa.list_(pa.int32()), "none": pa.list_(pa.int32()), "digest": pa.string()}.items():
        assert table[name].cast(kind).to_pylist() == table[name].to_pylist()


def test_bits_of_many_units_are_runs_of_equal_bits_where_those_are_few() -> None:
    assert bits_text((2,) * 10 + (8,) * 4) == "2x10 8x4"
    assert bits_text((32,) * 20) == "32x20"
    assert bits_text((2, 3) * 10) == " ".join(["2 3"] * 10)
