from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import run_python


@pytest.mark.slow
def test_an_independent_sampler_finds_what_the_ledger_charges_two_sweeps_with(tmp_path: Path) -> None:
    flags = ["--sweeps", "2", "--seconds", "15", "--json", "attribution.json"]
    result = run_python("-m", "benchmarks.attribution", *flags, cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    figures = json.loads((tmp_path / "attribution.json").read_text())
    assert figures["audits"] == [0, 0]
    assert 0.9 < figures["charged_over_expected"] < 1.1
    assert all(0.9 < trial["charged_j"] / trial["expected_j"] < 1.1 for trial in figures["trials"])
    assert all(trial["intervals"] >= 1 for trial in figures["trials"])
