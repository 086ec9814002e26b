"""Trials beside foreign load are charged with what their CPU time says, by a sampler that shares no code with us."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from benchmarks.attribution import HALF, SHORT_LIVED, ProcessSampler, compare
from lwq_tune.carbon.intensity import IntensitySeries
from lwq_tune.energy.ledger.interval_log import read_intervals
from lwq_tune.energy.service.client import RunSpec
from lwq_tune.energy.service.location import FOLDER_VARIABLE
from lwq_tune.energy.trial_meter import LedgerMeter

TIME_S = 6.0
BUSY = "while True: pass"


@pytest.mark.slow
def test_an_independent_sampler_finds_what_the_ledger_charges_trials_of_two_runs_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "ledger"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv(FOLDER_VARIABLE, str(folder))
    trials = [subprocess.Popen([sys.executable, "-c", code]) for code in (BUSY, HALF)]
    foreign = [subprocess.Popen([sys.executable, "-c", code], start_new_session=True) for code in (HALF, SHORT_LIVED)]
    grid = IntensitySeries.constant(100.0, "user")
    specs = [RunSpec(f"run{number}", tmp_path / f"run{number}.jsonl", grid, session="one") for number in range(2)]
    try:
        with ProcessSampler([trial.pid for trial in trials]) as sampler:
            time.sleep(0.3)  # the log begins after the sampler
            meters = [LedgerMeter(spec, "key", trial.pid, 1.0) for spec, trial in zip(specs, trials, strict=True)]
            ledger = psutil.Process(meters[0]._client.ledger_pid)
            before_s = sum(ledger.cpu_times()[:2])
            time.sleep(TIME_S)
            ledger_s = sum(ledger.cpu_times()[:2]) - before_s
            for meter in meters:
                meter.close()
            time.sleep(2.0)  # and ends before it
    finally:
        for process in [*trials, *foreign]:
            process.kill()
        for process in [*trials, *foreign]:
            process.wait()
    for spec, trial in zip(specs, trials, strict=True):
        records = [record for record in read_intervals(spec.log) if "parts" in record]
        result = compare(records, "key", trial.pid, sampler)
        assert result["intervals"] >= 1
        assert 0.9 < result["charged_j"] / result["expected_j"] < 1.1
        for record in records:
            for domain, host_j in record["node"].items():
                assert sum(map(sum, record["parts"][domain].values())) == pytest.approx(host_j, rel=1e-9)
    assert ledger_s < 0.25 * TIME_S
