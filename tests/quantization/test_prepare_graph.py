"""Quantizers on the tensors of any network: values, gradients and bits, counted from outside."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor, fx, nn

from lwq_tune.errors import ConfigError
from lwq_tune.models.cifar_resnet import CifarResNet
from lwq_tune.models.description import check_units, find_units
from lwq_tune.models.image_format import ImageFormat
from lwq_tune.models.module_tree import find_layers
from lwq_tune.models.sources import make_network
from lwq_tune.models.spec import Granularity, NetworkSpec
from lwq_tune.models.units import Units, make_units
from lwq_tune.quantization.calibrate import calibrate, quantizers
from lwq_tune.quantization.prepare import prepare_qat
from lwq_tune.quantization.prepare_graph import entering_bits, prepare_network, used_unit_bits
from lwq_tune.quantization.scheme import Scheme
from tests.support.user_networks import Branches, TakesAnotherWay

IMAGES = torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(8)
QUANTIZERS = ("lsq", "pact", "dorefa", "minmax")


def units_of(model: nn.Module, granularity: Granularity = "layer") -> Units:
    return make_units(find_layers(model)[0], granularity)


def prepared(
    model: nn.Module, bits: tuple[int, ...], acts: tuple[int, ...] | None = None, **scheme: object
) -> nn.Module:
    network = prepare_network(model, units_of(model), bits, acts, Scheme(**scheme))  # type: ignore[arg-type]
    calibrate(network, [IMAGES], batch_statistics=True)
    return network


def step(network: nn.Module) -> tuple[Tensor, dict[str, Tensor]]:
    network.zero_grad()
    loss = nn.functional.cross_entropy(network.train()(IMAGES), LABELS)
    loss.backward()  # type: ignore[no-untyped-call]
    return loss, {name: one.grad for name, one in network.named_parameters() if one.grad is not None}


@pytest.mark.parametrize("quantizer", QUANTIZERS)
@pytest.mark.parametrize(
    ("bits", "acts", "first_last"),
    [
        ((2, 3, 4), None, 32),
        ((4, 3, 2), None, 8),
        ((32, 4, 2), None, 32),
        ((4, 32, 4), None, 8),
        ((32,) * 3, (4, 3, 4), 32),
        ((2, 3, 4), (32,) * 3, 8),
    ],
)
def test_our_own_network_is_the_same_by_either_way(
    quantizer: str, bits: tuple[int, ...], acts: tuple[int, ...] | None, first_last: int
) -> None:
    torch.manual_seed(0)
    model = CifarResNet((2, 1, 1), 0.25)
    scheme, units = Scheme(quantizer, False, first_last), find_units(NetworkSpec(model="resnet", blocks=(2, 1, 1)))
    own = prepare_qat(copy.deepcopy(model), bits, acts, scheme)
    general = prepare_network(copy.deepcopy(model), units, bits, acts, scheme)
    for network in (own, general):
        calibrate(network, [IMAGES], batch_statistics=True)
    assert len(quantizers(own)) == len(quantizers(general))
    (loss, gradients), (other_loss, others) = step(own), step(general)
    assert loss == other_loss
    float_names = dict(model.named_parameters())
    assert all(torch.equal(gradients[name], others[name]) for name in float_names)
    learned = [
        sorted(value.item() for name, value in found.items() if name not in float_names)
        for found in (gradients, others)
    ]
    assert learned[0] == learned[1]
    assert torch.equal(own.eval()(IMAGES), general.eval()(IMAGES))


@pytest.mark.parametrize("quantizer", QUANTIZERS)
def test_an_outside_hook_counts_the_levels_of_what_each_layer_reads(quantizer: str) -> None:
    model = Branches()
    bits = (2, 3, 4, 5)  # left, right, twice, gate
    network = prepared(model, bits, quantizer=quantizer)
    levels: dict[str, set[int]] = {}

    def count(name: str) -> object:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            levels.setdefault(name, set()).add(len(inputs[0].unique()))

        return hook

    layers = ("left", "right", "twice", "gate")
    for name in layers:
        network.get_submodule(name).register_forward_pre_hook(count(name))  # type: ignore[arg-type]
    network.eval()(IMAGES)
    entering = dict(zip(layers, bits, strict=True))
    assert all(max(levels[name]) <= 2 ** entering[name] for name in layers)
    assert {name: entering_bits(network)[name] for name in ("left", "right", "gate")} == {
        "left": {2},
        "right": {3},
        "gate": {5},
    }
    for name, b in entering.items():
        weight = network.get_submodule(name)
        assert len(weight.weight_quantizer(weight.weight).unique()) <= 2**b  # type: ignore[operator]


def test_values_that_can_be_negative_get_a_signed_grid_that_the_state_remembers() -> None:
    network = prepared(Branches(), (4, 4, 4, 4), quantizer="lsq")
    signed = {name: part.low < 0 for name, part in network.named_modules() if name.startswith("quantizers.")
              if hasattr(part, "low")}  # fmt: skip
    assert signed["quantizers.hardswish"]
    assert not signed["quantizers.relu"]
    fresh = prepare_network(Branches(), units_of(Branches()), (4, 4, 4, 4))
    fresh.load_state_dict(network.state_dict())
    assert torch.equal(fresh.eval()(IMAGES), network.eval()(IMAGES))


@pytest.mark.parametrize("quantizer", ["lsq", "pact", "dorefa"])
def test_a_signed_grid_has_as_many_levels_as_its_bits_allow_and_holds_zero(quantizer: str) -> None:
    found = Scheme(quantizer).act_quantizer(3, finds_sign=True)
    values = torch.linspace(-2, 2, 4001)
    out = found(values).detach().unique()
    assert 3 < len(out) <= 8
    assert 0 in out
    assert out.min() < 0 < out.max()
    grid = found.fixed_grid()  # type: ignore[operator]
    levels = torch.arange(2**3) - grid.zero_point
    assert all(torch.isclose(levels * grid.scale, value).any() for value in out)


class _CanBeNegative(Branches):
    """Sums and products with numbers and parameters that may be negative, behind a ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.full((1,), -1.0))

    def forward(self, images: Tensor) -> Tensor:
        x = nn.functional.relu(self.stem(images))
        parts = [self.left(x + self.shift), self.right(-1 + x)]
        y = nn.functional.relu(self.norm(torch.cat(parts, 1)))
        logits: Tensor = self.head(self.twice(torch.add(y, y, alpha=-2)).mean((2, 3)))
        return logits


def test_what_is_shifted_below_zero_gets_a_signed_grid() -> None:
    network = prepared(_CanBeNegative(), (8, 8, 8, 8))
    assert isinstance(network, fx.GraphModule)
    for name in ("left", "right", "twice"):
        (reader,) = (node for node in network.graph.nodes if node.target == name)
        assert network.get_submodule(str(reader.args[0].target)).low < 0, name  # type: ignore[operator]


def test_dropout_between_two_units_does_not_make_a_second_grid() -> None:
    class Dropping(Branches):
        def forward(self, images: Tensor) -> Tensor:
            x = nn.functional.relu(
                self.norm(torch.cat([self.left(self.stem(images)), self.right(self.stem(images))], 1))
            )
            x = nn.functional.dropout(nn.functional.max_pool2d(x, 2), 0.5, self.training)
            logits: Tensor = self.head(self.twice(x).mean((2, 3)))
            return logits

    network = prepared(Dropping(), (4, 4, 4, 4))
    assert isinstance(network, fx.GraphModule)
    (reader,) = (node for node in network.graph.nodes if node.target == "twice")
    assert reader.args[0].target == "quantizers.dropout"  # type: ignore[union-attr]
    assert reader.args[0].args[0].args[0].name == "max_pool2d"  # type: ignore[union-attr]


def test_what_calibration_never_saw_below_zero_stays_unsigned() -> None:
    found = Scheme("lsq").act_quantizer(2, finds_sign=True)
    found(torch.rand(100))
    assert found(torch.tensor([-1.0])).item() == 0


def test_two_layers_of_one_unit_that_read_one_tensor_share_its_quantizer() -> None:
    model = Branches()
    together = Units(("all",), dict.fromkeys(("left", "right", "twice", "gate"), 1), ("stem", "head"), {})
    network = prepare_network(model, together, (3,))
    assert isinstance(network, fx.GraphModule)
    readers = [node.args[0] for node in network.graph.nodes if node.target in ("left", "right")]
    assert readers[0] is readers[1]


def test_a_step_updates_every_parameter_though_the_network_adds_in_place() -> None:
    class InPlace(Branches):
        def forward(self, images: Tensor) -> Tensor:
            x = self.stem(images).relu_()
            y = self.norm(torch.cat([self.left(x), self.right(x)], 1))
            y += self.twice(y)
            logits: Tensor = self.head((y * self.gate(y)).mean((2, 3)))
            return logits

    network = prepared(InPlace(), (4, 4, 4, 4))
    _, gradients = step(network)
    assert set(gradients) == {name for name, _ in network.named_parameters()}


def test_a_network_that_cannot_be_traced_is_quantized_layer_by_layer() -> None:
    network = prepared(TakesAnotherWay(), (3,))
    assert not isinstance(network, fx.GraphModule)
    assert used_unit_bits(network, units_of(TakesAnotherWay())) == (3,)
    assert entering_bits(network)["inner"] == {3}
    step(network)


def test_full_precision_is_the_network_itself() -> None:
    model = Branches()
    assert prepare_network(model, units_of(model), (32,) * 4) is model


def test_weights_or_activations_alone_are_quantized() -> None:
    weights_only = prepared(Branches(), (4,) * 4, (32,) * 4)
    assert set().union(*entering_bits(weights_only).values()) == {32}
    acts_only = prepared(Branches(), (32,) * 4, (4,) * 4)
    assert used_unit_bits(acts_only, units_of(Branches())) == (32,) * 4
    assert entering_bits(acts_only)["left"] == {4}


@pytest.mark.parametrize("name", ["mobilenet_v2", "shufflenet_v2_x0_5", "mobilenet_v3_small"])
@pytest.mark.slow
def test_networks_of_torchvision_train_a_step_with_bits_per_layer(name: str) -> None:
    spec = NetworkSpec(model=f"torchvision:{name}", granularity="layer")
    model = make_network(spec, ImageFormat())
    units = check_units(model, spec)
    bits = tuple(2 + number % 7 for number in range(len(units.names)))
    network = prepare_network(model, units, bits, None, Scheme("lsq", first_last_bit_width=8))
    calibrate(network, [IMAGES], batch_statistics=True)
    assert used_unit_bits(network, units) == bits
    _, gradients = step(network)
    assert all(value.isfinite().all() for value in gradients.values())


def test_a_wrong_number_of_bits_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"one entry per unit \(4\), got 2"):
        prepare_network(Branches(), units_of(Branches()), (2, 2))
