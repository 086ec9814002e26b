from __future__ import annotations

from typing import get_args

import pytest
import torch
from torch import Tensor, nn

from lwq_tune.config.trial import Quantizer
from lwq_tune.errors import ConfigError
from lwq_tune.models.cifar_resnet import CifarResNet
from lwq_tune.quantization.calibrate import calibrate, quantizers
from lwq_tune.quantization.prepare import first_last_bit_width, prepare_qat, used_bit_widths
from lwq_tune.quantization.quantizers.lsq import LSQQuantizer
from lwq_tune.quantization.quantizers.minmax import MinMaxActQuantizer
from lwq_tune.quantization.scheme import Scheme


@pytest.fixture
def images() -> Tensor:
    return torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def network(quantizer: str = "lsq", **settings: object) -> CifarResNet:
    torch.manual_seed(0)
    return prepare_qat(CifarResNet((1, 1, 1), 0.5), (2, 3, 4), scheme=Scheme(quantizer, **settings))  # type: ignore[arg-type]


@pytest.mark.parametrize("quantizer", get_args(Quantizer))
@pytest.mark.parametrize("batch_statistics", [True, False])
def test_calibration_sets_every_range_and_nothing_else(quantizer: str, batch_statistics: bool, images: Tensor) -> None:
    model = network(quantizer)
    ranges = {f"{name}." for name, module in model.named_modules() if module in quantizers(model)}
    before = {name: value.clone() for name, value in model.state_dict().items()}
    calibrate(model, [images, images + 1], batch_statistics=batch_statistics)
    assert all(quantizer.is_initialized for quantizer in quantizers(model))
    for name, value in model.state_dict().items():
        if not name.startswith(tuple(ranges)):
            assert torch.equal(value, before[name]), name


def test_calibration_in_training_mode_is_the_first_forward_pass_of_training(images: Tensor) -> None:
    calibrated, trained = network(), network()
    calibrate(calibrated, [images], batch_statistics=True)
    trained(images)
    for one, other in zip(quantizers(calibrated), quantizers(trained), strict=True):
        assert isinstance(one, LSQQuantizer)
        assert isinstance(other, LSQQuantizer)
        assert torch.equal(one.scale, other.scale)


def test_moving_averages_take_in_every_batch(images: Tensor) -> None:
    model = network("minmax")
    calibrate(model, [images, images * 3], batch_statistics=False)
    once = network("minmax")
    calibrate(once, [images], batch_statistics=False)
    first = next(m for m in quantizers(model) if isinstance(m, MinMaxActQuantizer))
    other = next(m for m in quantizers(once) if isinstance(m, MinMaxActQuantizer))
    assert first.largest > other.largest


@pytest.mark.parametrize("quantizer", ["lsq", "pact"])
def test_a_learned_range_is_the_mean_of_what_each_batch_would_set(quantizer: str) -> None:
    batches = [torch.rand(16), 3 * torch.rand(16), 5 * torch.rand(16)]
    act = Scheme(quantizer).act_quantizer(3)
    calibrate(nn.Sequential(act), batches, batch_statistics=True)
    each = []
    for batch in batches:
        alone = Scheme(quantizer).act_quantizer(3)
        alone(batch)
        each.append(next(alone.parameters()).item())
    assert next(act.parameters()).item() == pytest.approx(sum(each) / 3)
    assert max(each) > 1.5 * min(each)
    act(torch.full((4,), 100.0))
    assert next(act.parameters()).item() == pytest.approx(sum(each) / 3), "calibration did not end"


def test_without_images_calibration_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least one batch of images"):
        calibrate(network(), [], batch_statistics=True)


@pytest.mark.parametrize("quantizer", get_args(Quantizer))
@pytest.mark.parametrize("per_channel", [False, True])
def test_every_scheme_builds_the_bits_asked_for_and_learns(quantizer: str, per_channel: bool, images: Tensor) -> None:
    model = network(quantizer, per_channel=per_channel, first_last_bit_width=8)
    assert used_bit_widths(model) == ((2, 3, 4), (2, 3, 4))
    assert first_last_bit_width(model) == 8
    nn.functional.cross_entropy(model(images), torch.arange(8)).backward()
    parameters = dict(model.named_parameters())
    assert [name for name, p in parameters.items() if p.grad is None] == []
    # Where nothing is clipped, PACT's level has a gradient of 0.
    still = [name for name, p in parameters.items() if not p.grad.abs().sum() > 0 and not name.endswith("alpha")]  # type: ignore[union-attr]
    assert still == []


def test_first_and_last_layer_stay_in_full_precision_by_default_and_in_a_float_network() -> None:
    assert first_last_bit_width(network()) == 32
    float_network = prepare_qat(CifarResNet((1, 1, 1)), (32, 32, 32), scheme=Scheme(first_last_bit_width=8))
    assert first_last_bit_width(float_network) == 32


def test_the_images_enter_an_8_bit_stem_as_they_are(images: Tensor) -> None:
    model = network(first_last_bit_width=8)
    model(images)
    assert len(model.fc.weight_quantizer(model.fc.weight).unique()) <= 256  # type: ignore[operator]
    assert isinstance(model.conv1.act_quantizer, nn.Identity)


def test_one_bit_weights_are_two_values_per_layer_or_channel(images: Tensor) -> None:
    model = prepare_qat(CifarResNet((1, 1, 1), 0.5), (1, 1, 1), (2, 2, 2), Scheme("dorefa"))
    assert used_bit_widths(model) == ((1, 1, 1), (2, 2, 2))
    conv = model.get_submodule("layer1.0.conv2")
    assert len(conv.weight_quantizer(conv.weight).unique()) == 2  # type: ignore[operator]
