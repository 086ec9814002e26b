"""A network of the user's own, from a file, with bits per layer: cut off, edited, resumed, audited, exported."""

from __future__ import annotations

import signal
from pathlib import Path

import pandas as pd
import pytest

from analysis.__main__ import main as analyse
from lwq_tune.results.schema import NETWORK_COLUMNS
from tests.conftest import run_python
from tests.support.sweeps import n_rows, read_trials, resume, sweeping, training_numbers, wait_for
from tests.support.user_networks import CODE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SPACE = """version: 1
fixed: {dataset: digits, model: net.py:build, model_arguments: {width: 4}, granularity: layer, epochs: 4,
  batch_size: 64, lr: 0.05, validation_fraction: 0.5}
schedules: [fixed_4, [2, 3]]
"""
SWEEP = ("-m", "lwq_tune", "sweep", "--space", "own.yaml", "--cpus-per-trial", "1", "--country", "FRA", "--run")


def test_a_run_goes_on_with_the_network_it_began_with(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "net.py").write_text(CODE)
    (tmp_path / "own.yaml").write_text(SPACE)
    undisturbed, run = (tmp_path / "results" / name for name in ("undisturbed", "cut"))
    whole = run_python(*SWEEP, "undisturbed", cwd=tmp_path)
    assert whole.returncode == 0, whole.stderr
    with sweeping([*SWEEP, "cut"], tmp_path) as process:
        wait_for(lambda: n_rows(run) >= 2, process)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=120) == 130
    (tmp_path / "net.py").write_text("this is no Python any more\n")
    resumed = resume(run)
    assert resumed.returncode == 0, resumed.stderr
    assert "net.py was edited or removed since the run began; it goes on with the network as it was" in resumed.stderr
    assert training_numbers(run) == training_numbers(undisturbed)
    assert analyse(["audit", str(run)]) == 0
    layers = pd.read_parquet(run / "network.parquet")
    assert list(layers.columns) == [column.name for column in NETWORK_COLUMNS]
    assert layers["layer"].tolist() == ["conv1", "depthwise", "pointwise", "fc"]
    assert layers["unit_name"].fillna("").tolist() == ["", "depthwise", "pointwise", ""]
    trials = read_trials(run)
    assert set(trials["network"]) == set(layers["network"])
    assert trials["macs"].unique().tolist() == [layers["macs"].sum()]
    key = trials["trial_key"].iloc[0]
    exported = run_python("-m", "lwq_tune", "export", str(run), "--trial", key, cwd=tmp_path)
    assert exported.returncode == 0, exported.stderr
    again = run_python(*SWEEP, "again", cwd=tmp_path)
    assert again.returncode == 2
    assert "net.py must be a Python file that runs, it raised SyntaxError" in again.stderr
