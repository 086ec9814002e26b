"""What is really quantized in a built network, seen from outside by hooks on its convolutions."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from torch import Tensor, nn

from lwq_tune.config.trial import Quantizer
from lwq_tune.errors import ConfigError
from lwq_tune.models.cifar_resnet import BasicBlock, CifarResNet
from lwq_tune.quantization.layers import QuantConv2d, QuantLinear, encoded_weights
from lwq_tune.quantization.prepare import first_last_bit_width, prepare_qat, used_bit_widths
from lwq_tune.quantization.quantizers.dorefa import DoReFaActQuantizer, DoReFaWeightQuantizer
from lwq_tune.quantization.quantizers.lsq import LSQQuantizer
from lwq_tune.quantization.quantizers.minmax import MinMaxActQuantizer, MinMaxWeightQuantizer
from lwq_tune.quantization.quantizers.pact import PACTQuantizer
from lwq_tune.quantization.scheme import Scheme

TRIPLES = [(2, 3, 4), (4, 3, 2), (2, 2, 2), (32, 3, 32), (8, 32, 5)]


def convolution_operands(
    model: CifarResNet, images: Tensor, monkeypatch: pytest.MonkeyPatch
) -> dict[str, list[Tensor]]:
    """Return input and weight of every convolution as they reach the arithmetic, in call order by stage."""
    seen: list[tuple[Tensor, Tensor]] = []
    original = nn.functional.conv2d

    def spy(values: Tensor, weight: Tensor, *rest: object) -> Tensor:
        seen.append((values.detach().clone(), weight.detach().clone()))
        return original(values, weight, *rest)  # type: ignore[arg-type]

    names = [n for n, m in model.named_modules() if isinstance(m, nn.Conv2d)]
    monkeypatch.setattr(nn.functional, "conv2d", spy)
    model(images)
    assert len(seen) == len(names)
    return dict(zip(names, ([x, w] for x, w in seen), strict=True))


@pytest.fixture
def images() -> Tensor:
    return torch.randn(6, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("bits", TRIPLES)
def test_every_operand_of_a_quantized_stage_is_on_its_grid(
    bits: tuple[int, ...], images: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    model = prepare_qat(CifarResNet((2, 2, 2)), bits)
    outputs: dict[int, Tensor] = {}
    for number, stage in enumerate(model.stages(), start=1):
        stage.register_forward_hook(lambda _m, _i, out, n=number: outputs.__setitem__(n, out.detach()))  # type: ignore[misc]
    operands = convolution_operands(model, images, monkeypatch)
    n_checked = 0
    for name, tensors in operands.items():
        stage = int(name[5]) if name.startswith("layer") else 0
        bit_width = bits[stage - 1] if stage else 32
        if bit_width == 32:
            weight = tensors[1]
            assert len(weight.unique()) > 0.9 * weight.numel(), f"{name} looks quantized"
            continue
        for tensor in tensors:
            n_values = len(tensor.unique())
            assert 2 <= n_values <= 2**bit_width, f"{name} has {n_values} values"
            n_checked += 1
    assert n_checked == 2 * sum(4 + (stage > 1) for stage in (1, 2, 3) if bits[stage - 1] != 32) > 0
    for number, out in outputs.items():
        if bits[number - 1] != 32:
            assert len(out.unique()) <= 2 ** bits[number - 1]


@pytest.mark.parametrize("bits", TRIPLES)
def test_the_built_model_says_the_bits_it_has(bits: tuple[int, ...]) -> None:
    assert used_bit_widths(prepare_qat(CifarResNet((2, 1, 3)), bits)) == (bits, bits)


def test_activations_may_have_bits_of_their_own(images: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    model = prepare_qat(CifarResNet((1, 1, 1), 0.5), (2, 32, 3), (4, 8, 32))
    assert used_bit_widths(model) == ((2, 32, 3), (4, 8, 32))
    operands = convolution_operands(model, images, monkeypatch)
    values, weight = operands["layer1.0.conv2"]
    assert len(weight.unique()) <= 4
    assert 4 < len(values.unique()) <= 16
    values, weight = operands["layer3.0.conv1"]
    assert len(weight.unique()) <= 8
    assert 16 < len(values.unique()) <= 256  # not quantized anew: layer2 leaves it on 8 bits


@pytest.mark.parametrize(
    ("bits", "enters", "leaves"),
    [
        ((2, 3, 4), [2, 32, 32], [2, 3, 4]),
        ((4, 3, 2), [4, 32, 32], [3, 2, 2]),
        ((32, 3, 32), [32, 3, 32], [32, 3, 32]),
        ((3, 32, 4), [3, 32, 4], [3, 32, 4]),
    ],
)
def test_between_two_stages_stands_one_quantizer_of_the_fewer_bits(
    bits: tuple[int, ...], enters: list[int], leaves: list[int]
) -> None:
    def bits_of(quantizer: nn.Module) -> int:
        return quantizer.bit_width if isinstance(quantizer, LSQQuantizer) else 32

    model = prepare_qat(CifarResNet((2, 1, 2)), bits)
    assert [bits_of(stage[0].input_quantizer) for stage in model.stages()] == enters
    assert [bits_of(stage[-1].output_quantizer) for stage in model.stages()] == leaves
    assert used_bit_widths(model) == (bits, bits)


@pytest.mark.parametrize("quantizer", get_args(Quantizer))
def test_a_relu_left_out_changes_neither_values_nor_gradients(quantizer: str, images: Tensor) -> None:
    def run(*, with_relus: bool) -> list[Tensor]:
        torch.manual_seed(0)
        model = prepare_qat(CifarResNet((1, 2, 1), 0.5), (2, 3, 4), scheme=Scheme(quantizer))
        blocks = [module for module in model.modules() if isinstance(module, BasicBlock)]
        left_out = [isinstance(relu, nn.Identity) for block in blocks for relu in (block.relu1, block.relu2)]
        inside = [True, True, True, False, True, True, True, True]  # the sum inside the second stage keeps its own
        assert left_out == ([False] * 8 if quantizer == "minmax" else inside)
        for block in blocks if with_relus else []:
            block.relu1, block.relu2 = nn.ReLU(), nn.ReLU()
        logits = model(images)
        nn.functional.cross_entropy(logits, torch.arange(6)).backward()
        return [logits.detach(), *(p.grad for p in model.parameters() if p.grad is not None)]

    with_relus, without = run(with_relus=True), run(with_relus=False)
    assert len(with_relus) == len(without) > 20
    for one, other in zip(with_relus, without, strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-6)


def test_full_precision_is_the_untouched_network(images: Tensor) -> None:
    torch.manual_seed(0)
    plain = CifarResNet()
    torch.manual_seed(0)
    prepared = prepare_qat(CifarResNet(), (32, 32, 32))
    assert not any(isinstance(module, LSQQuantizer | QuantConv2d) for module in prepared.modules())
    assert torch.equal(plain(images), prepared(images))


def test_preparing_keeps_names_and_values_of_the_float_parameters() -> None:
    torch.manual_seed(0)
    before = {name: value.clone() for name, value in CifarResNet().state_dict().items()}
    torch.manual_seed(0)
    after = prepare_qat(CifarResNet(), (2, 3, 4)).state_dict()
    assert before.keys() <= after.keys()
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_every_parameter_of_a_quantized_network_learns(images: Tensor) -> None:
    torch.manual_seed(0)
    model = prepare_qat(CifarResNet(), (2, 3, 4))
    nn.functional.cross_entropy(model(images), torch.arange(6)).backward()
    without = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert without == []


@pytest.mark.parametrize("tamper", ["weight", "activation", "one block", "input", "output", "fewer"])
def test_a_model_whose_bits_were_tampered_with_does_not_pass_as_asked(tamper: str) -> None:
    model = prepare_qat(CifarResNet(), (4, 3, 2))
    block = model.get_submodule("layer2.1")
    conv = block.get_submodule("conv1")
    if tamper == "weight":
        conv.weight_quantizer = LSQQuantizer(4, signed=True)
    elif tamper == "activation":
        conv.act_quantizer = nn.Identity()
    elif tamper == "input":
        model.get_submodule("layer2.0").input_quantizer = LSQQuantizer(2, signed=False)
    elif tamper == "fewer":
        block.output_quantizer = LSQQuantizer(3, signed=False)  # the third stage takes 2 bits
    elif tamper == "output":
        block.output_quantizer = nn.Identity()
    else:
        block.conv2 = nn.Conv2d(32, 32, 3, padding=1, bias=False)
    with pytest.raises(ConfigError, match="in layer2"):
        used_bit_widths(model)


@pytest.mark.parametrize("bits", [(2, 3), (2, 3, 9), (2, 3, 1)])
def test_impossible_bits_are_refused(bits: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError):
        prepare_qat(CifarResNet(), bits)


def test_quantized_layers_compute_as_the_float_ones_do_with_the_same_settings(images: Tensor) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(6, 4, (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2), groups=2, bias=False)
    x = torch.rand(2, 6, 9, 9)
    expected = conv(x)
    quant = QuantConv2d.from_float(conv, weight_bit_width=32, act_bit_width=32)
    assert torch.equal(quant(x), expected)
    assert quant.weight is conv.weight
    assert quant.bias is None
    for bias in (True, False):
        linear = nn.Linear(5, 3, bias=bias)
        twin = QuantLinear.from_float(linear, weight_bit_width=32, act_bit_width=32)
        assert torch.equal(twin(x[:, 0, :5, :5]), linear(x[:, 0, :5, :5]))
        assert twin.weight is linear.weight
        assert twin.bias is linear.bias


def test_the_integers_of_all_quantized_weights_are_found_by_the_names_of_their_parameters() -> None:
    model = prepare_qat(CifarResNet((1, 1, 1), 0.25), (2, 32, 4), scheme=Scheme(first_last_bit_width=8))
    found = encoded_weights(model)
    stages = [f"layer{stage}.0.{conv}.weight" for stage in (1, 3) for conv in ("conv1", "conv2")]
    assert set(found) == {"conv1.weight", "fc.weight", "layer3.0.shortcut.0.weight", *stages}
    bits = {"layer1.0.conv2.weight": 2, "layer3.0.conv2.weight": 4, "fc.weight": 8}
    assert {name: found[name].grid.bit_width for name in bits} == bits
    for name, encoded in found.items():
        module = model.get_submodule(name.removesuffix(".weight"))
        assert torch.allclose(encoded.decode(), module.weight_quantizer(module.weight), atol=1e-6)  # type: ignore[operator]


def test_a_scheme_makes_the_quantizers_that_it_names() -> None:
    weight = torch.rand(3, 2, 1, 1)
    for name, weights, activations in (
        ("lsq", LSQQuantizer, LSQQuantizer),
        ("pact", DoReFaWeightQuantizer, PACTQuantizer),
        ("dorefa", DoReFaWeightQuantizer, DoReFaActQuantizer),
        ("minmax", MinMaxWeightQuantizer, MinMaxActQuantizer),
    ):
        for per_channel in (False, True):
            scheme = Scheme(name, per_channel=per_channel)
            quantizer = scheme.weight_quantizer(3, weight)
            assert type(quantizer) is weights
            assert (quantizer.bit_width, quantizer.per_channel, quantizer.is_initialized) == (3, per_channel, True)
            assert type(scheme.act_quantizer(3)) is activations
            assert scheme.act_quantizer(3).per_channel is False
        assert isinstance(Scheme(name).weight_quantizer(32, weight), nn.Identity)
        assert isinstance(Scheme(name).act_quantizer(32), nn.Identity)
        ends = Scheme(name, per_channel=True).for_first_and_last()
        assert ends == Scheme("lsq" if name == "lsq" else "minmax", per_channel=True)
    assert LSQQuantizer(2, signed=True, n_channels=3).scale.shape == (3, 1, 1, 1)
    assert [Scheme(least_squares=choice).act_quantizer(2).least_squares for choice in (False, True)] == [False, True]
    assert Scheme() == Scheme("lsq", per_channel=False, first_last_bit_width=32, least_squares=False)


def test_a_stem_and_a_classifier_of_other_bits_do_not_pass() -> None:
    model = prepare_qat(CifarResNet((1,), 0.25), (2,), scheme=Scheme(first_last_bit_width=8))
    assert first_last_bit_width(model) == 8
    model.fc.act_quantizer = nn.Identity()  # type: ignore[assignment]
    with pytest.raises(ConfigError, match=r"have one bit-width, got \[8, 32\]"):
        first_last_bit_width(model)
