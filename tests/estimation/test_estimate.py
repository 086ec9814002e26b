"""The estimate as a whole: probes in processes of their own, with an energy ledger."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest

from lwq_tune.carbon.intensity import IntensitySeries
from lwq_tune.config.sweep import SweepConfig
from lwq_tune.config.trial import TrialConfig
from lwq_tune.data.catalog import describe_dataset
from lwq_tune.energy.service.location import FOLDER_VARIABLE
from lwq_tune.errors import ConfigError, DatasetError
from lwq_tune.estimation.estimate import measure_sweep
from lwq_tune.estimation.range import Range
from lwq_tune.host.hardware import available_cpus
from lwq_tune.models.image_format import ImageFormat
from lwq_tune.results.networks import trial_costs
from lwq_tune.sweep.confirmation import IDLE_S, WARM_UP_S
from lwq_tune.sweep.space.prerequisites import with_initial_trials
from tests.conftest import small_config

FRANCE = {"": IntensitySeries.constant(56.0, "user")}


def estimate(tmp_path: Path, *listed: TrialConfig, **changes: object) -> tuple[dict[str, Any], str]:
    """Return the record and the text of an estimate."""
    trials = {trial.trial_key: trial for trial in with_initial_trials(listed)}
    costs = {key: trial_costs(trial, ImageFormat()) for key, trial in trials.items()}
    config = SweepConfig(results_dir=tmp_path / "results", run="run", data_dir=tmp_path, **changes)  # type: ignore[arg-type]
    told: list[str] = []
    record = measure_sweep(config, describe_dataset(listed[0].dataset), trials, costs, FRANCE, tell=told.append)
    assert len(told) == 1
    return record, told[0]


@pytest.mark.slow
def test_a_sweep_in_waves_is_estimated_and_nothing_stays_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    listed = [
        small_config(init_from="full_precision", seed=0),
        small_config(init_from="full_precision", seed=1),
        small_config(mode="ptq"),
    ]
    record, text = estimate(tmp_path, *listed, max_concurrent=2)
    assert list(tmp_path.iterdir()) == []
    assert not list(Path(os.environ[FOLDER_VARIABLE]).glob("estimate-*"))
    captured = capsys.readouterr()
    assert captured.out == ""  # the text went where it was asked to go
    assert "measuring" in captured.err

    assert json.loads(json.dumps(record)) == record
    assert [wave["n_trials"] for wave in record["waves"]] == [2, 3]  # two seeds of full precision, then the rest
    assert record["n_trials"] == 5
    # Seeds are one model, and both waves have as many slots.
    modes = sorted((model["schedule"], model["mode"], model["n_trials"]) for model in record["models"])
    assert modes == [("ascending_234", "ptq", 1), ("ascending_234", "qat", 2), ("full_precision", "qat", 2)]
    assert record["hardware"]["available_cpus"] == available_cpus()
    time_s = Range.from_dict(record["time_s"])
    trials_s = sum(model["n_trials"] * model["time_s"]["low"] for model in record["models"])
    assert time_s.low > trials_s / 2
    energy_kwh = Range.from_dict(record["energy_kwh"])
    emissions_kg = Range.from_dict(record["emissions_kg_co2eq"])
    assert 0 < energy_kwh.low <= energy_kwh.point <= energy_kwh.high
    assert emissions_kg.point == pytest.approx(energy_kwh.point * 0.056)
    assert record["energy_sources"]["cpu_source"] in text
    assert text.splitlines()[4].startswith("estimate: ")


@pytest.mark.slow
def test_of_many_models_some_are_measured_and_waiting_counts(tmp_path: Path) -> None:
    triples = [(a, b, c) for a in (2, 3, 4) for b in (2, 3, 4) for c in (2, 3, 4)]
    listed = [small_config(bit_widths=bits, batch_size=256) for bits in triples]
    record, text = estimate(tmp_path, *listed, exclusive=True)
    assert (record["n_models"], record["n_trials"]) == (27, 27)
    assert 1 <= len(record["models"]) <= 12
    assert sum(model["n_trials"] for model in record["models"]) == 27
    assert sum(model["n_models"] for model in record["models"]) == 27
    assert f"of each of {len(record['models'])} of 27 models" in text
    assert record["time_s"]["low"] > IDLE_S + WARM_UP_S


def test_what_cannot_be_estimated_is_one_message_before_anything_is_measured(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--cpus-per-trial must be at most"):
        estimate(tmp_path, small_config(), cpus_per_trial=10_000.0)
    folder = tmp_path / "data"
    folder.mkdir()
    with pytest.raises(DatasetError):
        estimate(tmp_path, small_config(dataset=str(folder)))
