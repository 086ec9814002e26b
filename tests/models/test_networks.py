"""Networks of torchvision and of users: what they are made of, before they are trained."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

from lwq_tune.errors import ConfigError
from lwq_tune.models.cifar_resnet import CifarResNet
from lwq_tune.models.description import describe_network, find_units
from lwq_tune.models.image_format import ImageFormat
from lwq_tune.models.module_tree import find_layers
from lwq_tune.models.sources import make_network
from lwq_tune.models.spec import NetworkSpec, check_model_name, source_digest
from lwq_tune.models.tracing import trace
from lwq_tune.models.units import make_units
from tests.support.user_networks import CODE, Branches, TakesAnotherWay

SMALL = ImageFormat(3, 32, 32, 10)
RESNET18 = NetworkSpec(model="torchvision:resnet18", stem="cifar")


def own_network(folder: Path, code: str = CODE) -> NetworkSpec:
    (folder / "net.py").write_text(code)
    return NetworkSpec(model=f"{folder / 'net.py'}:build", granularity="layer")


def test_the_weights_and_macs_of_resnet18_are_those_counted_by_hand() -> None:
    network = describe_network(RESNET18, SMALL)
    # Published: 11.17 M parameters with a CIFAR stem, of them 9,600 of batch norm and 10 biases; 0.56 G MACs.
    assert sum(layer.n_weights for layer in network.layers) == 11_173_962 - 9_600 - 10
    assert network.macs == pytest.approx(0.556e9, rel=0.01)
    assert network.units == ("layer1", "layer2", "layer3", "layer4")
    assert [layer.name for layer in network.layers if layer.is_first_or_last] == ["conv1", "fc"]
    stage1 = 4 * 64 * 64 * 9
    assert sum(layer.n_weights for layer in network.layers if layer.unit == 1) == stage1


@pytest.mark.parametrize(
    ("name", "units"),
    [
        ("vgg11_bn", ("features_1", "features_2", "features_3", "features_4", "classifier")),
        ("mobilenet_v2", tuple(f"features_{stage}" for stage in range(1, 6))),
        ("shufflenet_v2_x0_5", ("stage2", "stage3", "stage4", "conv5")),
    ],
)
def test_a_stage_ends_where_the_resolution_falls(name: str, units: tuple[str, ...]) -> None:
    assert find_units(NetworkSpec(model=f"torchvision:{name}")).names == units


def test_units_of_our_own_networks_are_the_same_by_arithmetic_and_from_the_modules() -> None:
    for granularity in ("stage", "block", "layer"):
        spec = NetworkSpec(blocks=(2, 1, 1), model="resnet", granularity=granularity)  # type: ignore[arg-type]
        assert find_units(spec) == make_units(find_layers(CifarResNet((2, 1, 1)))[0], granularity)  # type: ignore[arg-type]
    assert len(find_units(NetworkSpec(blocks=(2, 2, 2), granularity="layer")).names) == 14
    assert len(find_units(NetworkSpec(blocks=(2, 2, 2), granularity="block")).names) == 6


def test_shapes_of_our_own_networks_are_those_of_a_forward_pass_at_any_size() -> None:
    for size in ((32, 32), (28, 28), (17, 40)):
        images = ImageFormat(1, *size, 7)
        spec = NetworkSpec(model="resnet", blocks=(1, 2), width=0.5)
        model = CifarResNet((1, 2), 0.5, 7, 1).eval()
        seen = seen_sizes(model, images)
        layers = describe_network(spec, images).layers
        assert {layer.name: layer.n_outputs for layer in layers} == {name: size[1] for name, size in seen.items()}
        # A shortcut is counted as a strided convolution; ours takes the stride before it.
        assert all(layer.n_inputs == seen[layer.name][0] for layer in layers if "shortcut" not in layer.name)
        assert all(layer.macs == layer.n_weights * layer.n_outputs // _channels(model, layer.name) for layer in layers)


def seen_sizes(model: nn.Module, images: ImageFormat) -> dict[str, tuple[int, int]]:
    """Return how many values each layer reads and writes in a forward pass of one image."""
    seen: dict[str, tuple[int, int]] = {}

    def note(name: str) -> Callable[..., None]:
        return lambda module, inputs, output: seen.update({name: (inputs[0].numel(), output.numel())})

    for name, part in model.named_modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            part.register_forward_hook(note(name))
    model(torch.zeros(1, *images.shape))
    return seen


def _channels(model: nn.Module, name: str) -> int:
    return int(model.get_submodule(name).weight.shape[0])  # type: ignore[union-attr,index,arg-type]


def test_a_layer_that_is_used_twice_is_one_layer_with_the_work_of_both() -> None:
    spec = NetworkSpec(model="tests.support.user_networks:branches", granularity="layer")
    layers = {layer.name: layer for layer in describe_network(spec, SMALL).layers}
    assert list(layers) == ["stem", "left", "right", "twice", "gate", "head"]
    assert layers["twice"].n_weights == 16 * 4 * 9
    assert layers["twice"].macs == 2 * 16 * 4 * 9 * 32 * 32
    assert layers["gate"].macs == 16 * 16


def test_a_network_that_cannot_be_traced_says_so() -> None:
    network = describe_network(NetworkSpec(model="tests.support.user_networks:takes_another_way"), SMALL)
    assert network.conversion == "modules"
    assert "symbolically traced" in network.untraced
    assert isinstance(trace(TakesAnotherWay()), str)


def test_functional_dropout_follows_the_mode_of_the_traced_network(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = make_network(own_network(tmp_path), SMALL)
    traced, images = trace(model), torch.randn(4, 3, 32, 32)
    assert not isinstance(traced, str)
    torch.testing.assert_close(traced.eval()(images), model.eval()(images), rtol=0, atol=0)
    assert not torch.equal(traced.train()(images), traced(images)), "another mask each time"


class _InPassing(Branches):
    """Goes on with the old name of what it changed in place."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.stem(images)
        torch.relu_(x)
        y = self.norm(torch.cat([self.left(x), self.right(x)], 1))
        z = functional.relu(y, True)
        logits: torch.Tensor = self.head((y + self.twice(input=z)).mean((2, 3)))
        return logits


class _InPlaceOfAPart(Branches):
    """Changes a view of a tensor."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.stem(images)
        x[:, :4].relu_()
        logits: torch.Tensor = self.head(torch.cat([self.left(x), self.right(x)], 1).mean((2, 3)))
        return logits


class _AtRandom(Branches):
    """Leaves a layer out at random, by Python's generator."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.stem(images)
        y = torch.cat([self.left(x), self.right(x)], 1)
        if random.random() < 0.5:
            y = self.twice(y)
        logits: torch.Tensor = self.head(y.mean((2, 3)))
        return logits


def test_the_graph_shows_who_reads_what_was_changed_in_place() -> None:
    torch.manual_seed(0)
    model = _InPassing()
    images = torch.randn(2, 3, 32, 32)
    expected = model.eval()(images)
    traced = trace(model)
    assert not isinstance(traced, str)
    nodes = {node.name: node for node in traced.graph.nodes}
    assert nodes["left"].args[0] is nodes["relu_"]
    assert nodes["add"].args[0] is nodes["relu"]
    assert torch.equal(traced.eval()(images), expected)


@pytest.mark.parametrize(
    ("network", "reason"), [(_InPlaceOfAPart, "changes a part of a tensor in place"), (_AtRandom, "at random")]
)
def test_what_a_graph_cannot_say_is_not_traced(network: type[nn.Module], reason: str) -> None:
    assert reason in str(trace(network()))


def test_layers_whose_weight_is_computed_or_that_have_hooks_stay_in_full_precision() -> None:
    model = Branches()
    with pytest.warns(FutureWarning):  # old, and still about
        nn.utils.weight_norm(model.left)
    model.right.register_forward_hook(lambda module, inputs, output: 2 * output)
    units = make_units(find_layers(model)[0], "layer")
    assert units.names == ("twice", "gate")
    assert units.left_out == {"left": "its weight is computed from others", "right": "it has hooks"}


def test_attention_stays_in_full_precision_and_is_listed() -> None:
    spec = NetworkSpec(
        model="torchvision:vit_b_32",
        arguments='{"hidden_dim":32,"image_size":32,"mlp_dim":32,"num_heads":2,"num_layers":2}',
    )
    spec = NetworkSpec(model="torchvision:vit_b_32", arguments='{"image_size":32}')
    left_out = describe_network(spec, SMALL).left_out
    assert left_out["encoder.layers.encoder_layer_0.self_attention.out_proj"] == "part of MultiheadAttention"


def test_an_edited_file_is_another_network(tmp_path: Path) -> None:
    spec = own_network(tmp_path)
    before = source_digest(spec.model)
    assert len(describe_network(spec, SMALL).units) == 2
    (tmp_path / "net.py").write_text(CODE.replace("self.pointwise(self.depthwise(x))", "self.pointwise(x)"))
    assert source_digest(spec.model) != before
    with pytest.raises(ConfigError, match="depthwise holds none"):
        describe_network(spec, SMALL)


@pytest.mark.parametrize(
    ("units", "message"),
    [
        ((("a", ("conv9",)),), "'conv9' matches none; did you mean 'conv1'"),
        ((("a", ("*",)), ("b", ("fc",))), "'fc' matches fc, which is in a already"),
    ],
)
def test_patterns_that_match_nothing_or_overlap_are_refused(
    units: tuple[tuple[str, tuple[str, ...]], ...], message: str, tmp_path: Path
) -> None:
    spec = own_network(tmp_path)
    with pytest.raises(ConfigError, match=message):
        find_units(NetworkSpec(model=spec.model, units=units))


def test_patterns_take_a_layer_or_what_holds_it_and_leave_the_rest_in_full_precision() -> None:
    units = (("early", ("layer1", "layer2.0.*")), ("head", ("fc",)))
    found = find_units(NetworkSpec(model="resnet", blocks=(1, 2), units=units))
    assert [name for name, unit in found.of_layer.items() if unit == 2] == ["fc"]
    assert {name.partition(".")[0] for name, unit in found.of_layer.items() if unit == 1} == {"layer1", "layer2"}
    assert found.first_and_last == ("conv1",)
    assert set(found.left_out) == {"layer2.1.conv1", "layer2.1.conv2"}


@pytest.mark.parametrize("model", ["resnet15", "torchvision:", "net.py", "a:1b", 3])
def test_other_names_are_refused(model: str) -> None:
    with pytest.raises(ConfigError, match="model must be one of"):
        check_model_name(model)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("raise ValueError('no luck')", "it raised ValueError: no luck"),
        ("return 3", "must return a torch.nn.Module, got int"),
        ("return nn.Flatten()", "needs a convolution"),
        (
            "return nn.Sequential(nn.Flatten(), nn.Linear(3072, num_classes))",
            "needs layers between its first and its last",
        ),
        ("return Net(num_classes, 4).conv1", "needs layers between"),
    ],
)
def test_a_factory_that_makes_no_network_is_one_clear_error(body: str, message: str, tmp_path: Path) -> None:
    spec = own_network(tmp_path, f"{CODE}\n\ndef build(num_classes):\n    {body}\n")
    with pytest.raises(ConfigError, match=message):
        find_units(spec)


@pytest.mark.parametrize(
    ("images", "message"),
    [(ImageFormat(1, 32, 32, 10), "must take images of 1x32x32"), (ImageFormat(3, 32, 32, 4), None)],
)
def test_images_that_a_network_does_not_take_are_one_clear_error(
    images: ImageFormat, message: str | None, tmp_path: Path
) -> None:
    spec = own_network(tmp_path)
    if message is None:
        assert describe_network(spec, images).layers[-1].n_outputs == 4
    else:
        with pytest.raises(ConfigError, match=message):
            describe_network(spec, images)


def test_auxiliary_outputs_in_training_are_refused(tmp_path: Path) -> None:
    lines = "\n\nclass Two(Net):\n    def forward(self, x):\n        logits = super().forward(x)\n"
    lines += "        return (logits, logits) if self.training else logits\n\n\n"
    spec = own_network(tmp_path, f"{CODE}{lines}def build(num_classes):\n    return Two(num_classes, 4)\n")
    with pytest.raises(ConfigError, match="one tensor of logits in training too, got tuple"):
        describe_network(spec, SMALL)


def test_gray_images_get_a_stem_of_one_channel_and_a_cifar_stem_no_pooling() -> None:
    with torch.device("meta"):
        gray = make_network(NetworkSpec(model="torchvision:resnet18"), ImageFormat(1, 64, 64, 5))
        small = make_network(RESNET18, SMALL)
    assert gray.get_submodule("conv1").weight.shape == (64, 1, 7, 7)  # type: ignore[union-attr]
    assert small.get_submodule("conv1").weight.shape == (64, 3, 3, 3)  # type: ignore[union-attr]
    assert isinstance(small.get_submodule("maxpool"), nn.Identity)


def test_weights_are_loaded_and_what_does_not_fit_is_named(tmp_path: Path) -> None:
    spec, file = own_network(tmp_path), tmp_path / "weights.pt"
    other = NetworkSpec(model=spec.model, weights=str(file))
    state = make_network(spec, SMALL).state_dict()
    torch.save(state, file)
    torch.testing.assert_close(make_network(other, SMALL).state_dict(), state, rtol=0, atol=0)
    torch.save({name: value for name, value in state.items() if not name.startswith("fc.")}, file)
    loaded = make_network(other, ImageFormat(num_classes=3)).state_dict()
    torch.testing.assert_close(loaded["pointwise.weight"], state["pointwise.weight"], rtol=0, atol=0)
    assert loaded["fc.weight"].shape == (3, 8)
    torch.save({**state, "pointwise.weight": torch.zeros(3), "more": torch.zeros(1)}, file)
    with pytest.raises(
        ConfigError, match=r"pointwise.weight has the shape \(3,\) instead of \(8, 4, 1, 1\).*more is not"
    ):
        make_network(other, SMALL)
    file.write_bytes(b"no weights")
    with pytest.raises(ConfigError, match=r"must be a file that torch.save wrote"):
        make_network(other, SMALL)
