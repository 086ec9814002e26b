from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwq_tune.data.catalog import ImageCounts
from lwq_tune.estimation import cost_model as estimate
from lwq_tune.estimation.cost_model import (
    Measured,
    TrialEstimate,
    TrialWork,
    Wave,
    energy_kwh,
    estimate_sweep,
    estimate_trial,
)
from lwq_tune.estimation.range import NOTHING, Range
from tests.conftest import small_config

STEADY = Measured(step_times_s=(0.1,), eval_times_s=(0.001,), calibration_times_s=(0.002,), powers_w=(36.0,))
WORK = TrialWork(n_epochs=2, n_train_images=640, n_steps=10.0, n_eval_images=100, n_calibration_images=50)
DIGITS = ImageCounts(1437, 360)

positive = st.floats(1e-4, 10.0)
several = st.lists(positive, min_size=1, max_size=8).map(tuple)
measurements = st.builds(Measured, several, several, several, several)
works = st.builds(
    TrialWork, st.integers(1, 400), st.just(640), st.floats(0, 400), st.integers(0, 10_000), st.integers(0, 512)
)


@pytest.fixture
def no_allowances(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave what is measured alone."""
    for name in ("SWEEP_START_S", "WAVE_START_S", "PROCESS_START_S", "TRIAL_SWITCH_S", "EPOCH_EXTRA_S"):
        monkeypatch.setattr(estimate, name, NOTHING)


def as_tuple(span: Range | None) -> tuple[float, float, float]:
    assert span is not None
    return span.low, span.point, span.high


@pytest.mark.usefixtures("no_allowances")
def test_a_trial_takes_its_steps_evaluations_and_one_calibration() -> None:
    trial = estimate_trial(STEADY, WORK)
    # 10 steps of 0.1 s and 100 images of 1 ms, 10 % either way; twice, and 50 images of 2 ms.
    assert as_tuple(trial.step_s) == (0.1, 0.1, 0.1)
    assert as_tuple(trial.epoch_s) == pytest.approx((0.99, 1.1, 1.21))
    assert as_tuple(trial.time_s) == pytest.approx((2.07, 2.3, 2.53))
    assert as_tuple(trial.power_w) == pytest.approx((32.4, 36.0, 39.6))
    # 36 W for 100 s are a milliwatt hour: 1e-6 kWh a tenth of a second.
    assert as_tuple(trial.energy_kwh) == pytest.approx((0.9 * 2.07e-5, 2.3e-5, 1.1 * 2.53e-5))


def test_allowances_come_on_top_of_what_is_measured() -> None:
    trial = estimate_trial(STEADY, WORK)
    epoch_s, switch_s = estimate.EPOCH_EXTRA_S, estimate.TRIAL_SWITCH_S
    assert trial.time_s.point == pytest.approx(2.3 + 2 * epoch_s.point + switch_s.point)
    assert trial.time_s.high == pytest.approx(2.53 + 2 * epoch_s.high + switch_s.high)


def test_the_figures_of_another_model_make_the_range_wider() -> None:
    own, other = (estimate_trial(STEADY, WORK, is_own=is_own).epoch_s for is_own in (True, False))
    assert own.point == other.point
    assert as_tuple(other) == pytest.approx((0.88, 1.1, 1.32))


@given(measurements, works, st.integers(1, 100))
def test_more_epochs_never_take_less_and_add_up(measured: Measured, work: TrialWork, more: int) -> None:
    shorter = estimate_trial(measured, work)
    longer = estimate_trial(measured, replace(work, n_epochs=work.n_epochs + more))
    added = shorter.epoch_s.plus(estimate.EPOCH_EXTRA_S).times(more)
    assert as_tuple(longer.time_s) == pytest.approx(as_tuple(shorter.time_s.plus(added)))
    for before, after in zip(as_tuple(shorter.energy_kwh), as_tuple(longer.energy_kwh), strict=True):
        assert before < after


@given(measurements, works)
def test_slower_steps_take_longer_in_proportion(measured: Measured, work: TrialWork) -> None:
    twice = replace(
        measured,
        step_times_s=tuple(2 * value for value in measured.step_times_s),
        eval_times_s=tuple(2 * value for value in measured.eval_times_s),
    )
    once_s, twice_s = (estimate_trial(values, work).epoch_s for values in (measured, twice))
    assert as_tuple(twice_s) == pytest.approx(tuple(2 * value for value in as_tuple(once_s)))


def test_a_compiled_step_is_expected_to_be_quicker_after_the_compiler() -> None:
    eager = estimate_trial(STEADY, WORK)
    compiled = estimate_trial(replace(STEADY, engine="compiled"), WORK)
    assert compiled.epoch_s.point < eager.epoch_s.point
    assert compiled.step_s.high == eager.step_s.high
    assert (eager.compile_s, compiled.compile_s) == (NOTHING, estimate.COMPILE_S)
    assert Wave((eager, compiled), 1).start_s.point == Wave((eager,), 1).start_s.point + estimate.COMPILE_S.point


def test_digits_are_divided_as_a_trial_divides_them() -> None:
    # A tenth of 1437 is 144 for validation; 1293 for training; 360 for tests.
    work = TrialWork.of(small_config(batch_size=64, epochs=5), DIGITS)
    assert work == TrialWork(5, 1293, pytest.approx(1293 / 64), 144 + 360, 64)
    assert TrialWork.of(small_config(evaluation="validation"), DIGITS).n_eval_images == 144
    assert TrialWork.of(small_config(batch_size=100_000), DIGITS).n_steps == 1.0
    assert TrialWork.of(small_config(bit_widths=(32, 32, 32)), DIGITS).n_calibration_images == 0
    assert TrialWork.of(small_config(calibration_images=9999), DIGITS).n_calibration_images == 1293


def test_calibration_alone_has_one_epoch_and_no_step() -> None:
    assert TrialWork.of(small_config(mode="ptq", epochs=30), DIGITS) == TrialWork(1, 1293, 0.0, 504, 512)
    assert TrialWork.of(small_config(mode="ptq", bit_widths=(32, 32, 32)), DIGITS).n_calibration_images == 512
    ptq = estimate_trial(Measured((), (0.001,), (0.002,), ()), TrialWork(1, 1293, 0.0, 504, 512))
    assert ptq.step_s == NOTHING
    assert ptq.time_s.point == pytest.approx(
        0.504 + 1.024 + estimate.EPOCH_EXTRA_S.point + estimate.TRIAL_SWITCH_S.point
    )
    assert (ptq.power_w, ptq.energy_kwh) == (None, None)


def trial_of(time_s: float, power_w: float | None = 36.0) -> TrialEstimate:
    power = None if power_w is None else Range.exact(power_w)
    return TrialEstimate(NOTHING, NOTHING, Range(0.5 * time_s, time_s, 2 * time_s), power)


@pytest.mark.usefixtures("no_allowances")
def test_a_sweep_is_its_waves_one_after_the_other() -> None:
    first = Wave((trial_of(30.0),), 1)
    second = Wave((trial_of(30.0), trial_of(10.0), trial_of(10.0), trial_of(20.0)), 2)
    time_s, energy = estimate_sweep([first, second])
    assert as_tuple(time_s) == pytest.approx((35.0, 70.0, 140.0))  # 30 alone; then 40 on two slots
    assert as_tuple(energy) == pytest.approx((5e-4, 1e-3, 2e-3))  # 100 s at 36 W


def test_starting_ray_waves_and_processes_takes_time_and_processes_energy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("SWEEP_START_S", 11.0), ("WAVE_START_S", 3.0), ("PROCESS_START_S", 5.0)):
        monkeypatch.setattr(estimate, name, Range.exact(seconds))
    wave = Wave((trial_of(100.0), trial_of(100.0, power_w=72.0)), 2, load_s=Range.exact(2.0))
    time_s, energy = estimate_sweep([wave, wave], extra_s=50.0)
    assert time_s.point == pytest.approx(50 + 11 + 3 + 2 * (5 + 2 + 100))
    # Two processes start at 54 W on average for 7 s, beside 100 s at 36 W and 100 s at 72 W; twice.
    assert energy is not None
    assert energy.point == pytest.approx(2 * (2 * 7 * 54 + 3600 + 7200) / 3.6e6)


def test_one_trial_without_energy_leaves_the_sweep_without() -> None:
    time_s, energy = estimate_sweep([Wave((trial_of(1.0), trial_of(1.0, power_w=None)), 2)])
    assert energy is None
    assert time_s.point > 1.0


@given(measurements, works, st.integers(1, 6), st.integers(1, 6))
def test_a_range_holds_its_figure_through_the_whole_sweep(
    measured: Measured, work: TrialWork, n_trials: int, n_slots: int
) -> None:
    trial = estimate_trial(measured, work)
    time_s, energy = estimate_sweep([Wave((trial,) * n_trials, n_slots)])
    more_s, more_energy = estimate_sweep([Wave((trial,) * (n_trials + 1), n_slots)])
    for span in (time_s, energy):
        assert span is not None
        assert span.contains(span.point)
    assert more_s.point >= time_s.point
    assert energy is not None
    assert more_energy is not None
    assert more_energy.point > energy.point


def test_measurements_of_two_processes_are_taken_together() -> None:
    both = STEADY.plus(replace(STEADY, step_times_s=(0.3, 0.5), powers_w=()))
    assert both == Measured((0.1, 0.3, 0.5), (0.001, 0.001), (0.002, 0.002), (36.0,))


def test_an_hour_at_a_kilowatt_is_a_kilowatt_hour() -> None:
    assert energy_kwh(Range.exact(1000.0), Range.exact(3600.0)).point == pytest.approx(1.0)
    assert estimate.mean_power_w(1.0, 3600.0) == pytest.approx(1000.0)
