"""The trainable as Tune drives it, in this process: no cluster, but the real class, meter and data."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest

from lwq_tune.config.trial import TrialConfig
from lwq_tune.data.catalog import describe_dataset
from lwq_tune.energy.meter import EnergyReading
from lwq_tune.errors import EnergyMeterError
from lwq_tune.sweep.tune import trainable as trainable_module
from lwq_tune.sweep.tune.job import TrialJob
from lwq_tune.sweep.tune.trainable import Trainable
from tests.conftest import small_config
from tests.support.fake_meter import CountingMeter
from tests.support.hub_folders import write_hub_folder


@pytest.fixture(autouse=True)
def counting_meter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainable_module, "_open_account", lambda job: CountingMeter())
    monkeypatch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")


def job(config: TrialConfig, resume_from: list[str] | None = None) -> dict[str, Any]:
    return {
        "job": TrialJob(
            trial=config,
            run_dir=Path(tempfile.mkdtemp()),
            data_dir=Path("/none"),
            n_cpus=1.0,
            n_gpus=0.0,
            n_threads=1,
            intensities={},
            session="test",
            resume_from=tuple(resume_from or ()),
        )
    }


def make(config: TrialConfig, resume_from: list[str] | None = None) -> Trainable:
    return Trainable(config=job(config, resume_from))


LOSSES = ("train_loss", "val_loss", "test_loss")


def losses(result: dict[str, Any]) -> list[float]:
    return [result["rows"][0][name] for name in LOSSES]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> TrialConfig:
    """A trial of a few images."""
    folder = tmp_path_factory.mktemp("images")
    write_hub_folder(folder)
    digest = describe_dataset(str(folder)).digest
    return small_config(epochs=2, dataset=str(folder), dataset_digest=digest)


@pytest.fixture(scope="module")
def whole(config: TrialConfig) -> list[list[float]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainable_module, "_open_account", lambda job: CountingMeter())
        trainable = make(config)
        results = [trainable.step(), trainable.step()]
    assert [result["done"] for result in results] == [False, True]
    return [losses(result) for result in results]


def test_a_checkpoint_goes_on_where_it_was(config: TrialConfig, tmp_path: Path, whole: list[list[float]]) -> None:
    first = make(config)
    assert losses(first.step()) == whole[0]
    first.save_checkpoint(str(tmp_path / "checkpoint_000000"))
    second = make(config)
    second.load_checkpoint(str(tmp_path / "checkpoint_000000"))
    result = second.step()
    assert result["rows"][0]["epoch"] == 2
    assert losses(result) == whole[1]


def test_a_damaged_checkpoint_gives_way_to_the_one_before(
    config: TrialConfig, tmp_path: Path, whole: list[list[float]]
) -> None:
    first = make(config)
    first.step()
    first.save_checkpoint(str(tmp_path / "checkpoint_000000"))
    first.step()
    first.save_checkpoint(str(tmp_path / "checkpoint_000001"))
    state = tmp_path / "checkpoint_000001" / "trial.pt"
    state.write_bytes(state.read_bytes()[:-1])
    second = make(config)
    second.load_checkpoint(str(tmp_path / "checkpoint_000001"))
    assert losses(second.step()) == whole[1]
    third = make(config, [str(tmp_path / "checkpoint_000001"), str(tmp_path / "checkpoint_000000")])
    assert losses(third.step()) == whole[1]


def test_with_no_whole_checkpoint_a_trial_starts_anew(
    config: TrialConfig, tmp_path: Path, whole: list[list[float]]
) -> None:
    (tmp_path / "checkpoint_000000").mkdir()
    trainable = make(config, [str(tmp_path / "checkpoint_000000")])
    assert losses(trainable.step()) == whole[0]


def test_a_reused_process_leaves_nothing_of_the_trial_before(config: TrialConfig, whole: list[list[float]]) -> None:
    trainable = make(config.model_copy(update={"seed": 9, "bit_widths": (4, 3, 2)}))
    trainable.step()
    assert trainable.reset_config(job(config))
    assert losses(trainable.step()) == whole[0]


def test_an_error_is_a_result_with_its_reason_and_leaves_no_checkpoint(config: TrialConfig, tmp_path: Path) -> None:
    trainable = make(config.model_copy(update={"lr": 1e30, "bit_widths": (32, 32, 32)}))
    result = trainable.step()
    while "failure" not in result:
        result = trainable.step()
    assert result["done"]
    assert result["failure"].startswith("TrialDivergedError: ")
    assert "trial.py:" in result["failure"]
    trainable.save_checkpoint(str(tmp_path / "checkpoint_000000"))
    assert not (tmp_path / "checkpoint_000000").exists()


def test_data_that_is_gone_fails_the_trial_and_not_the_sweep(tmp_path: Path) -> None:
    trainable = make(small_config(dataset=str(tmp_path / "gone"), dataset_digest="feed"))
    result = trainable.step()
    assert result["done"]
    assert "DatasetError" in result["failure"]


def test_a_trial_cut_off_after_its_last_checkpoint_is_done_and_trains_no_epoch_more(
    config: TrialConfig, tmp_path: Path
) -> None:
    first = make(config)
    first.step()
    first.step()
    first.save_checkpoint(str(tmp_path / "checkpoint_000001"))
    second = make(config, [str(tmp_path / "checkpoint_000001")])
    assert second.step() == {"done": True}


class BrokenMeter(CountingMeter):
    """Fails as a meter does whose CodeCarbon swallowed an error."""

    is_closed = False

    def end_window(self) -> EnergyReading:
        raise EnergyMeterError("no reading")

    def close(self) -> None:
        self.is_closed = True


def test_a_broken_meter_fails_its_trial_and_not_those_that_use_the_process_next(
    config: TrialConfig,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken = BrokenMeter()
    monkeypatch.setattr(trainable_module, "_open_account", lambda job: broken)
    trainable = make(config)
    assert trainable.step()["failure"].startswith("EnergyMeterError: no reading")
    assert broken.is_closed
    monkeypatch.setattr(trainable_module, "_open_account", lambda job: CountingMeter())
    trainable.reset_config(job(config))
    assert trainable.step()["rows"][0]["energy_kwh"] == 2e-6  # the first window was that of the setup


class ClosingMeter(CountingMeter):
    """Remembers that it was closed."""

    n_closed = 0

    def close(self) -> None:
        self.n_closed += 1


def test_a_trial_is_charged_no_longer_once_its_last_checkpoint_is_written(
    config: TrialConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meter = ClosingMeter()
    monkeypatch.setattr(trainable_module, "_open_account", lambda job: meter)
    trainable = make(config)
    for epoch in range(2):
        trainable.step()
        assert meter.n_closed == 0
        trainable.save_checkpoint(str(tmp_path / f"checkpoint_{epoch:06d}"))
    assert meter.n_closed == 1
