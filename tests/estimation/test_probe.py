from __future__ import annotations

import dataclasses
import os
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
import torch

from lwq_tune.carbon.intensity import IntensitySeries
from lwq_tune.config.trial import Quantizer, TrialConfig
from lwq_tune.data.catalog import count_images
from lwq_tune.data.loading import load_digits
from lwq_tune.energy.ledger.run_ledger import RunSpec
from lwq_tune.energy.meter import NullMeter
from lwq_tune.energy.trial_meter import LedgerMeter
from lwq_tune.estimation import probe as probe_module
from lwq_tune.estimation.cost_model import Measured, TrialWork, estimate_trial
from lwq_tune.estimation.probe import MIN_REPEATS, Probe, measure_model, resolve_engine
from lwq_tune.models.image_format import ImageFormat
from lwq_tune.training import engine as engine_module
from lwq_tune.training.trial import Trial
from tests.conftest import small_config
from tests.support.fake_meter import CountingMeter

CPU = torch.device("cpu")
DIGITS = count_images("digits")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Measure with one thread, whatever else runs here."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take as few repeats as there may be."""
    monkeypatch.setattr(probe_module, "STEPS_S", 0.0)
    monkeypatch.setattr(probe_module, "EVALUATIONS_S", 0.0)


def measured_of(config: TrialConfig, meter: CountingMeter | NullMeter | None = None) -> Measured:
    measured = measure_model(config, TrialWork.of(config, DIGITS), ImageFormat(), meter or CountingMeter(), CPU)
    assert measured is not None
    return measured


@pytest.mark.usefixtures("short")
def test_a_probe_times_steps_evaluations_and_the_calibration() -> None:
    measured = measured_of(small_config())
    assert len(measured.step_times_s) == len(measured.eval_times_s) == MIN_REPEATS
    assert len(measured.calibration_times_s) == 1
    for times_s in (measured.step_times_s, measured.eval_times_s, measured.calibration_times_s):
        assert all(0 < time_s < 60 for time_s in times_s)
    assert (measured.engine, measured.device) == ("eager", "cpu")


@pytest.mark.usefixtures("short")
def test_power_is_the_energy_of_the_window_over_its_time() -> None:
    # The first window of this meter is 1e-6 kWh in 1 s.
    assert measured_of(small_config()).powers_w == (pytest.approx(3.6),)
    assert measured_of(small_config(), NullMeter()).powers_w == ()


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("quantizer", get_args(Quantizer))
def test_every_quantizer_can_be_measured(quantizer: str) -> None:
    assert measured_of(small_config(quantizer=quantizer, init_from="full_precision")).step_times_s


@pytest.mark.usefixtures("short")
def test_full_precision_has_no_calibration_and_calibration_alone_no_step() -> None:
    full = measured_of(small_config(bit_widths=(32, 32, 32)))
    assert (len(full.step_times_s), full.calibration_times_s) == (MIN_REPEATS, ())
    ptq = measured_of(small_config(mode="ptq"))
    assert (ptq.step_times_s, len(ptq.calibration_times_s), len(ptq.powers_w)) == ((), 1, 1)


@pytest.mark.usefixtures("short")
def test_a_learning_rate_that_would_diverge_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    losses = []
    train_pass = probe_module.train_pass

    def watched(*arguments: object) -> object:
        losses.append(train_pass(*arguments).loss)  # type: ignore[arg-type]
        return losses[-1]

    monkeypatch.setattr(probe_module, "train_pass", watched)
    measured_of(small_config(lr=1e30, weight_decay=1e3))
    assert len(losses) > MIN_REPEATS
    assert all(0 < loss < 100 for loss in losses)


def test_no_batch_is_larger_than_the_training_set() -> None:
    assert Probe(small_config(batch_size=100_000), 1293, ImageFormat(), CPU).batch_size == 1293
    assert Probe(small_config(batch_size=16), 1293, ImageFormat(), CPU).batch_size == 16


def test_repeats_go_on_for_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe_module, "STEPS_S", 0.3)
    monkeypatch.setattr(probe_module, "EVALUATIONS_S", 0.0)
    measured = measured_of(small_config(batch_size=2, bit_widths=(32, 32, 32)))
    without_last_s = sum(measured.step_times_s[:-1])
    assert len(measured.step_times_s) == MIN_REPEATS or without_last_s < 0.3
    assert sum(measured.step_times_s) > 0.2


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("n_asked", range(5))
def test_a_probe_that_is_over_returns_nothing_and_asks_for_no_more_steps(n_asked: int) -> None:
    config, answers = small_config(), iter([False] * n_asked + [True] * 20)
    meter = CountingMeter()
    assert measure_model(config, TrialWork.of(config, DIGITS), ImageFormat(), meter, CPU, lambda: next(answers)) is None
    assert not meter.is_open


def test_the_engine_is_that_of_the_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolved(**changes: object) -> str:
        config = small_config(**changes)
        return resolve_engine(config, TrialWork.of(config, DIGITS), ImageFormat(), CPU)

    assert resolved() == "eager"
    assert resolved(engine="compiled") == "compiled"
    assert resolved(engine="compiled", mode="ptq") == "eager"
    assert resolved(epochs=2_000_000) == "compiled"
    dataset = load_digits()
    monkeypatch.setattr(engine_module, "MIN_CPU_MACS_PER_THREAD", 1e10)
    kinds = []
    for epochs in (1, 2, 3, 4, 6, 9):
        trial = Trial(small_config(epochs=epochs), dataset, NullMeter())
        kinds.append(resolved(epochs=epochs))
        assert kinds[-1] == trial._engine.kind
    assert set(kinds) == {"eager", "compiled"}


@pytest.mark.slow
@pytest.mark.parametrize("bits", [(2, 3, 4), (32, 32, 32)])
def test_an_estimate_is_near_what_training_takes(bits: tuple[int, ...], tmp_path: Path) -> None:
    config = small_config(bit_widths=bits, batch_size=64, epochs=3)
    work = TrialWork.of(config, DIGITS)
    spec = RunSpec("probe", tmp_path / "log.jsonl", IntensitySeries.constant(400, "user"), 1.0, "probe")
    meter = LedgerMeter(spec, "probe", os.getpid(), 1.0)
    try:
        before = measure_model(config, work, ImageFormat(), meter, CPU)
        meter.between_windows()
        rows = list(Trial(config, load_digits(), meter).epochs())
        after = measure_model(config, work, ImageFormat(), meter, CPU)
    finally:
        meter.close()
    assert before is not None
    assert after is not None
    estimated = estimate_trial(before.plus(after), work)
    actual_s = statistics.fmean(row.train_time_s + row.eval_time_s for row in rows)
    assert estimated.epoch_s.point / 3 < actual_s < estimated.epoch_s.point * 3
    values = [dataclasses.asdict(row) for row in rows]
    actual_kwh = sum(row["energy_kwh"] + row["eval_energy_kwh"] for row in values)
    measured_s = estimated.epoch_s.times(len(rows))
    assert estimated.power_w is not None
    expected_kwh = estimated.power_w.point * measured_s.point / 3.6e6
    assert expected_kwh / 3 < actual_kwh < expected_kwh * 3
