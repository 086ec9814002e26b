from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import get_args

import pytest
import torch

from lwq_tune.config.trial import Quantizer
from lwq_tune.data.images import Dataset, ImageSet
from lwq_tune.data.labels import UNKNOWN_CLASS
from lwq_tune.energy.meter import NullMeter
from lwq_tune.errors import ConfigError, TrialDivergedError
from lwq_tune.models.cifar_resnet import CifarResNet
from lwq_tune.models.image_format import ImageFormat
from lwq_tune.quantization.quantizers.lsq import LSQQuantizer
from lwq_tune.training import engine as engine_module
from lwq_tune.training import model as model_module
from lwq_tune.training.checkpoint import load_checkpoint, save_checkpoint
from lwq_tune.training.epoch_row import EpochRow
from lwq_tune.training.model import build_model, check_used_bits, make_optimizer
from lwq_tune.training.trial import Trial
from lwq_tune.training.trial_data import TrialData
from tests.conftest import small_config
from tests.support.fake_meter import CountingMeter

pytestmark = pytest.mark.slow  # it trains

NUMBERS_OF_TRAINING = (
    "epoch",
    "train_loss",
    "train_accuracy",
    "val_loss",
    "val_accuracy",
    "test_loss",
    "test_accuracy",
    "lr",
)


def numbers(row: EpochRow) -> list[float]:
    values = asdict(row)
    return [values[name] for name in NUMBERS_OF_TRAINING]


def test_a_trial_learns(tiny_dataset: Dataset) -> None:
    rows = list(Trial(small_config(epochs=12, lr=0.1), tiny_dataset, NullMeter()).epochs())
    assert [row.epoch for row in rows] == list(range(1, 13))
    assert rows[-1].test_accuracy > 0.6  # chance is 0.25
    assert rows[-1].train_loss < rows[0].train_loss


@pytest.mark.parametrize("bits", [(2, 3, 4), (32, 32, 32)])
def test_a_resumed_trial_gives_the_same_numbers_bit_for_bit(
    tiny_dataset: Dataset, tmp_path: Path, bits: tuple[int, ...]
) -> None:
    config = small_config(epochs=4, bit_widths=bits, dataset="cifar10")  # crops and flips: all generators in use
    whole = Trial(config, tiny_dataset, CountingMeter())
    expected = []
    for row in whole.epochs():
        expected.append(numbers(row))
        save_checkpoint(whole.state_dict(), tmp_path / f"checkpoint_{row.epoch}")
    for stop in (1, 3):
        torch.manual_seed(999)  # what happens elsewhere in the process must not matter
        second = Trial(config, tiny_dataset, CountingMeter())
        second.load_state_dict(load_checkpoint(tmp_path / f"checkpoint_{stop}"))
        assert [numbers(row) for row in second.epochs()] == expected[stop:]
        for name, value in whole.model.state_dict().items():
            assert torch.equal(value, second.model.state_dict()[name]), name


def test_a_resumed_trial_in_bfloat16_gives_the_same_numbers_bit_for_bit(tiny_dataset: Dataset) -> None:
    config = small_config(epochs=3, precision="bf16")
    first = Trial(config, tiny_dataset, NullMeter())
    first.run_epoch()
    second = Trial(config, tiny_dataset, NullMeter())
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    expected = [numbers(row) for row in first.epochs()]
    assert [row[0] for row in expected] == [2, 3]
    assert [numbers(row) for row in second.epochs()] == expected


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("quantizer", get_args(Quantizer))
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_no_step_waits_for_the_gpu(
    tiny_dataset: Dataset, quantizer: str, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = small_config(quantizer=quantizer, precision=precision, dataset="cifar10", bit_widths=(4, 4, 4))
    trial = Trial(config, tiny_dataset, NullMeter(), "cuda")
    trial.run_epoch()
    draw = TrialData.training_batches
    n_watched = 0

    def watched(data: TrialData, generator: torch.Generator) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        nonlocal n_watched
        for batch in draw(data, generator):  # what is random goes to the GPU before the first
            torch.cuda.set_sync_debug_mode("error")
            n_watched += 1
            yield batch
        torch.cuda.set_sync_debug_mode("default")

    monkeypatch.setattr(TrialData, "training_batches", watched)
    try:
        trial.run_epoch()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert n_watched == 5


def test_energy_goes_on_from_the_checkpoint(tiny_dataset: Dataset, tmp_path: Path) -> None:
    config = small_config(epochs=3)
    first = Trial(config, tiny_dataset, CountingMeter())
    before = [
        first.run_epoch(),
        first.run_epoch(),
    ]  # 1 mWh of setup, 2 and 4 of training, 3 and 5 of evaluation
    save_checkpoint(first.state_dict(), tmp_path)
    second = Trial(config, tiny_dataset, CountingMeter())
    second.load_state_dict(load_checkpoint(tmp_path))
    after = second.run_epoch()
    assert [row.setup_energy_kwh for row in before] == [1e-6, 0.0]
    assert [row.energy_kwh for row in before] == pytest.approx([2e-6, 4e-6])
    assert [row.eval_energy_kwh for row in before] == pytest.approx([3e-6, 5e-6])
    assert before[-1].cumulative_energy_kwh == pytest.approx(6e-6)
    assert after.setup_energy_kwh == 0.0  # the ranges came with the checkpoint
    assert after.cumulative_energy_kwh == pytest.approx(7e-6)
    assert after.cumulative_emissions_kg_co2eq == pytest.approx(3.5e-6)


def test_what_is_not_measured_is_none_and_never_zero(tiny_dataset: Dataset) -> None:
    row = asdict(Trial(small_config(epochs=1), tiny_dataset, NullMeter()).run_epoch())
    for name, value in row.items():
        if "energy" in name or "emissions" in name or name.endswith("_source") or name in ("coverage", "concurrency"):
            assert value is None, name


def test_a_trial_is_a_matter_of_its_seed(tiny_dataset: Dataset) -> None:
    def losses(seed: int) -> list[float]:
        config = small_config(epochs=2, seed=seed)
        return [row.train_loss for row in Trial(config, tiny_dataset, NullMeter()).epochs()]

    assert losses(0) == losses(0)
    assert losses(0) != losses(1)


def test_the_learning_rate_runs_from_lr_along_its_curve(tiny_dataset: Dataset) -> None:
    rows = list(Trial(small_config(epochs=4, lr=0.1), tiny_dataset, NullMeter()).epochs())
    assert [row.lr for row in rows] == pytest.approx([0.1, 0.0853553, 0.05, 0.0146447], abs=1e-6)


def test_a_diverging_trial_fails_with_a_reason_and_yields_no_row(tiny_dataset: Dataset) -> None:
    trial = Trial(small_config(lr=1e30, bit_widths=(32, 32, 32)), tiny_dataset, NullMeter())
    with pytest.raises(TrialDivergedError, match="loss must stay finite, got (nan|inf) in epoch"):
        list(trial.epochs())


def test_a_trial_refuses_to_start_on_a_model_with_other_bits(
    tiny_dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match=r"the built model uses \(32, 32, 32\)"):
        check_used_bits(CifarResNet((1, 1, 1)), (2, 3, 4), (2, 3, 4), 32)
    monkeypatch.setattr(model_module, "prepare_qat", lambda model, *_: model)
    with pytest.raises(ConfigError, match="a trial trains the bits it was asked for"):
        Trial(small_config(), tiny_dataset, NullMeter())


def test_a_checkpoint_of_another_trial_is_refused(tiny_dataset: Dataset) -> None:
    state = Trial(small_config(seed=1), tiny_dataset, NullMeter()).state_dict()
    with pytest.raises(ConfigError, match="continues its own trial"):
        Trial(small_config(seed=2), tiny_dataset, NullMeter()).load_state_dict(state)


def test_scales_have_a_weight_decay_of_their_own_and_nothing_is_left_out() -> None:
    model = build_model(small_config(), ImageFormat(num_classes=4))
    optimizer = make_optimizer(model, lr=0.1, momentum=0.9, weight_decay=1e-4, scale_weight_decay=2e-4)
    decayed, spared = optimizer.param_groups
    scales = [m.scale for m in model.modules() if isinstance(m, LSQQuantizer)]
    assert {id(p) for p in spared["params"]} == {id(s) for s in scales}
    assert (decayed["weight_decay"], spared["weight_decay"]) == (1e-4, 2e-4)
    assert len(decayed["params"]) + len(spared["params"]) == len(list(model.parameters()))


@pytest.fixture(scope="module")
def full(tiny_dataset: Dataset) -> Trial:
    """A trial in full precision that has learned; what a test starts from it gets a copy."""
    trial = Trial(small_config(bit_widths=(32, 32, 32), epochs=12, lr=0.1), tiny_dataset, NullMeter())
    assert list(trial.epochs())[-1].test_accuracy > 0.6
    return trial


def test_a_trial_starts_from_the_network_it_is_given(tiny_dataset: Dataset, full: Trial) -> None:
    config = small_config(init_from="full_precision", bit_widths=(4, 4, 4), lr=1e-6, epochs=1)
    started = Trial(config, tiny_dataset, NullMeter(), initial=full.model.state_dict())
    assert torch.equal(started.model.get_parameter("fc.weight"), full.model.get_parameter("fc.weight"))
    assert started.run_epoch().test_accuracy > 0.5


@pytest.mark.parametrize("quantizer", ["lsq", "minmax"])
def test_calibration_alone_keeps_the_network_and_gives_one_row(
    tiny_dataset: Dataset, full: Trial, quantizer: str
) -> None:
    state = {name: value.clone() for name, value in full.model.state_dict().items()}
    images = torch.randn(16, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    logits = full.model.eval()(images)
    accuracies, deviations = {}, {}
    for bits in (8, 2):
        config = small_config(mode="ptq", quantizer=quantizer, bit_widths=(bits,) * 3)
        trial = Trial(config, tiny_dataset, CountingMeter(), initial=state)
        (row,) = trial.epochs()
        assert trial.is_finished
        assert (row.epoch, row.train_loss, row.train_accuracy, row.images_per_s) == (1, None, None, None)
        assert row.energy_kwh is not None
        accuracies[bits] = row.test_accuracy
        deviations[bits] = float((trial.model.eval()(images) - logits).detach().abs().mean())
        after = trial.model.state_dict()
        assert all(torch.equal(after[name], value) for name, value in state.items())
    plain = Trial(small_config(mode="ptq", bit_widths=(32, 32, 32)), tiny_dataset, NullMeter(), initial=state)
    full_accuracy = plain.run_epoch().test_accuracy
    assert abs(accuracies[8] - full_accuracy) <= 0.05
    assert deviations[2] > 3 * deviations[8] > 0


def test_calibration_sees_all_classes_of_a_sorted_data_set(tiny_dataset: Dataset) -> None:
    assert bool((tiny_dataset.train.labels.diff() >= 0).all())
    _, labels = TrialData(small_config(batch_size=24), tiny_dataset, torch.device("cpu")).first_batch()
    assert len(labels.unique()) == 4


@pytest.mark.parametrize("is_fast", [True, False])
def test_emulated_bfloat16_is_told_once(
    is_fast: bool, tiny_dataset: Dataset, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(engine_module, "has_fast_bf16", lambda device: is_fast)
    list(Trial(small_config(epochs=2, precision="bf16"), tiny_dataset, NullMeter()).epochs())
    told = [record for record in caplog.records if "bf16 is emulated on this CPU" in record.getMessage()]
    assert len(told) == (0 if is_fast else 1)


def test_a_screen_measures_nothing_on_test_images(tiny_dataset: Dataset) -> None:
    trained = Trial(small_config(epochs=1), tiny_dataset, NullMeter()).run_epoch()
    row = Trial(small_config(epochs=1, evaluation="validation"), tiny_dataset, NullMeter()).run_epoch()
    assert (row.test_loss, row.test_accuracy) == (None, None)
    assert (row.val_loss, row.val_accuracy) == (trained.val_loss, trained.val_accuracy)
    assert trained.test_accuracy is not None


def test_a_start_without_its_network_and_a_network_without_a_start_are_refused(tiny_dataset: Dataset) -> None:
    with pytest.raises(ConfigError, match="init_from: full_precision"):
        Trial(small_config(init_from="full_precision"), tiny_dataset, NullMeter())
    with pytest.raises(ConfigError, match="init_from: scratch"):
        Trial(small_config(), tiny_dataset, NullMeter(), initial={})
    other = CifarResNet((1, 1, 1), 0.5, 4).state_dict()
    with pytest.raises(ConfigError, match="network of its own shape"):
        Trial(small_config(init_from="full_precision"), tiny_dataset, NullMeter(), initial=other)


@pytest.mark.parametrize("quantizer", get_args(Quantizer))
def test_every_quantizer_learns_and_resumes_bit_for_bit(tiny_dataset: Dataset, tmp_path: Path, quantizer: str) -> None:
    config = small_config(quantizer=quantizer, bit_widths=(4, 4, 4), epochs=4, first_last_bit_width=8)
    first = Trial(config, tiny_dataset, NullMeter())
    whole = [numbers(first.run_epoch()) for _ in range(2)]
    save_checkpoint(first.state_dict(), tmp_path)
    whole += [numbers(row) for row in first.epochs()]
    second = Trial(config, tiny_dataset, NullMeter())
    second.load_state_dict(load_checkpoint(tmp_path))
    assert [numbers(row) for row in second.epochs()] == whole[2:]
    assert len(whole) == 4
    assert whole[-1][1] < whole[0][1]


@pytest.mark.parametrize("quantizer", get_args(Quantizer))
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_end_the_trial_with_a_reason(
    tiny_dataset: Dataset, quantizer: str, bad: float
) -> None:
    trial = Trial(small_config(quantizer=quantizer, bit_widths=(4, 4, 4)), tiny_dataset, NullMeter())
    with torch.no_grad():
        trial.model.get_parameter("fc.weight").fill_(bad)
    with pytest.raises(TrialDivergedError, match="must stay finite"):
        trial.run_epoch()


def test_test_images_of_a_class_that_training_lacks_count_as_wrong(tiny_dataset: Dataset) -> None:
    unknown = torch.arange(len(tiny_dataset.test)) % 4 == 0
    labels = torch.where(unknown, UNKNOWN_CLASS, tiny_dataset.test.labels)
    partly = replace(tiny_dataset, test=ImageSet(tiny_dataset.test.images, labels))
    known = replace(tiny_dataset, test=tiny_dataset.test.take(~unknown))
    rows = [next(Trial(small_config(), data, NullMeter()).epochs()) for data in (partly, known)]
    n_correct = rows[1].test_accuracy * int((~unknown).sum())
    assert rows[0].test_accuracy == pytest.approx(n_correct / len(unknown))
    assert rows[0].test_loss == pytest.approx(rows[1].test_loss)
