"""ONNX files against torch, through two runtimes, and their integers against formulas in double precision."""

from __future__ import annotations

import json
import math
from typing import Any, get_args

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper
from torch import Tensor, nn

from lwq_tune.config.trial import Quantizer
from lwq_tune.deployment.equality import compare_logits, simulated_logits
from lwq_tune.deployment.network import Network, describe_network
from lwq_tune.deployment.onnx_graph import OnnxNetwork, as_int8, executed_layers, float_fallbacks, to_onnx
from lwq_tune.deployment.reference import logits_of
from lwq_tune.deployment.runtimes.choice import make_runtime
from lwq_tune.models.cifar_resnet import CifarResNet
from tests.conftest import small_config
from tests.support import quantizer_twins as twins
from tests.support.small_networks import FINER, IMAGES, small_network, varied_images

Constants = dict[str, NDArray[Any]]
BITS = [(2, 3, 4), (4, 4, 4), (8, 8, 8)]
CASES = [
    *((quantizer, {"bit_widths": bits}) for quantizer in get_args(Quantizer) for bits in BITS),
    ("dorefa", {"bit_widths": (1, 2, 3), "act_bit_widths": (2, 2, 3)}),
    ("lsq", {"bit_widths": (4, 32, 2), "act_bit_widths": (32, 3, 2)}),
]
SCALES = pytest.mark.parametrize("scales", [{}, FINER], ids=["per tensor", "per channel, ends at 8 bits"])


def written(model: nn.Module, **how: Any) -> tuple[Network, OnnxNetwork]:
    network = describe_network(model)
    return network, to_onnx(network, **how)


def network_of(quantizer: str, **settings: Any) -> CifarResNet:
    return small_network(small_config(quantizer=quantizer, **settings))


def constants_of(model: onnx.ModelProto) -> Constants:
    return {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}


def nodes_by_output(model: onnx.ModelProto) -> dict[str, onnx.NodeProto]:
    return {node.output[0]: node for node in model.graph.node}


def layers_of(model: onnx.ModelProto) -> dict[str, onnx.NodeProto]:
    return {node.name: node for node in model.graph.node if node.op_type in ("Conv", "Gemm")}


@SCALES
@pytest.mark.parametrize(("quantizer", "settings"), CASES, ids=str)
def test_both_runtimes_give_the_logits_of_torch(
    quantizer: str, settings: dict[str, Any], scales: dict[str, Any]
) -> None:
    model = network_of(quantizer, **settings, **scales)
    network, file = written(model)
    images = varied_images(32)
    expected, in_float64 = simulated_logits(model, images), logits_of(network, images).numpy()
    assert np.ptp(expected, axis=0).min() > 1e-3, "the logits depend on the images"
    for name in ("openvino", "onnxruntime"):
        found = make_runtime(name).load(file.serialized(), n_threads=1).run(images.numpy())
        agreement = compare_logits(found, expected, in_float64)
        assert agreement.same_rows >= agreement.same_rows_float64 - 2 / len(images), name  # of 32, two may hit a tie
        assert agreement.median_difference < 2e-5, name
        assert agreement.same_class == 1, name


@SCALES
@pytest.mark.parametrize("quantizer", get_args(Quantizer))
@pytest.mark.parametrize("bits", [(2, 3, 4), (7, 6, 5)])
def test_every_layer_of_at_most_7_bits_runs_with_integers_in_openvino(
    quantizer: str, bits: tuple[int, ...], scales: dict[str, Any]
) -> None:
    _, file = written(network_of(quantizer, bit_widths=bits, **scales))
    executed = executed_layers(file.layers, make_runtime("openvino").load(file.serialized(), n_threads=1).describe())
    assert set(executed) == {layer.name for layer in file.layers}
    assert float_fallbacks(file.layers, executed) == []
    stages = {layer.name for layer in file.layers if layer.name.startswith("layer")}
    assert len(stages) == 8
    assert all(executed[name].precision == "u8" and executed[name].primitive for name in stages)
    assert not executed["conv1"].is_integer, "images are no integers"


def expected_integers(quantizer: str, weight: NDArray[np.float64], step: float, bits: int) -> NDArray[np.int64]:
    """Return the integers of one group of weights that share a scale, from the formulas."""
    values = weight.reshape(-1).tolist()
    if quantizer == "lsq":
        q_n, q_p = 2 ** (bits - 1), 2 ** (bits - 1) - 1
        levels = [twins.lsq(value, step, q_n, q_p)[0] / step for value in values]
    elif quantizer == "minmax":
        scale, zero_point = twins.affine_grid(min(values), max(values), bits)
        levels = [twins.minmax(value, scale, zero_point, bits)[0] / scale for value in values]
    elif bits == 1:
        levels = [1.0 if value >= 0 else -1.0 for value in values]
    else:  # 2 q_k(...) - 1 on a grid of odd integers from -(2^b - 1) to 2^b - 1
        levels = [value * (2**bits - 1) for value in twins.dorefa_weights(values, bits)[0]]
    return np.array([round(level) for level in levels]).reshape(weight.shape)


def expected_scale(quantizer: str, weight: NDArray[np.float64], step: float, bits: int) -> float:
    values = weight.reshape(-1).tolist()
    if quantizer == "lsq":
        return step
    if quantizer == "minmax":
        return twins.affine_grid(min(values), max(values), bits)[0]
    return sum(map(abs, values)) / len(values) if bits == 1 else 1 / (2**bits - 1)


@pytest.mark.parametrize("per_channel", [False, True], ids=["per tensor", "per channel"])
@pytest.mark.parametrize(
    ("quantizer", "bits"),
    [*((name, (2, 3, 4)) for name in get_args(Quantizer)), ("dorefa", (1, 1, 7)), ("lsq", (8, 8, 8))],
    ids=str,
)
def test_the_integers_in_a_file_are_those_of_the_formulas(
    quantizer: str, bits: tuple[int, ...], per_channel: bool
) -> None:
    settings: dict[str, Any] = {"bit_widths": bits, "act_bit_widths": tuple(max(2, one) for one in bits)}
    if per_channel:
        settings["weight_scales"] = "per_channel"
    model = network_of(quantizer, **settings)
    _, file = written(model)
    constants, nodes = constants_of(file.model), nodes_by_output(file.model)
    checked = 0
    for name, layer in layers_of(file.model).items():
        if not name.startswith("layer"):
            continue
        source = nodes[layer.input[1]]
        levels, scale, zero_point = (constants[one] for one in source.input)
        assert (source.op_type, levels.dtype, zero_point.dtype) == ("DequantizeLinear", np.int8, np.int8)
        assert not zero_point.any()
        module: Any = model.get_submodule(name)
        weight = module.weight.detach().double().numpy()
        steps = getattr(module.weight_quantizer, "scale", torch.ones(())).detach().abs().double().reshape(-1)
        steps = steps.expand(len(weight)) if len(steps) == 1 else steps
        groups = [weight] if not per_channel else list(weight)
        stored = [levels] if not per_channel else list(levels)
        assert scale.shape == ((len(weight),) if per_channel else ())
        for group, integers, one_scale, step in zip(groups, stored, scale.reshape(-1), steps, strict=False):
            stage_bits = bits[int(name[5]) - 1]
            assert np.array_equal(integers, expected_integers(quantizer, group, float(step), stage_bits)), name
            assert one_scale == pytest.approx(expected_scale(quantizer, group, float(step), stage_bits), rel=1e-6)
            checked += 1
    assert checked == (2 * 4 + 3 * 8 + 3 * 16 if per_channel else 8)


def expected_ends(model: CifarResNet, grid: str, quantizer: str, bits: int) -> tuple[float, float, int]:
    """Return the ends of a grid of activations and its zero point, from the formulas."""
    module: Any = model.get_submodule(grid)
    top = 2**bits - 1
    if quantizer == "lsq":
        return 0.0, top * abs(float(module.scale.detach())), 0
    if quantizer == "pact":
        return 0.0, abs(float(module.alpha.detach())), 0
    if quantizer == "dorefa":
        return 0.0, 1.0, 0
    scale, zero_point = twins.affine_grid(float(module.smallest), float(module.largest), bits)
    return -zero_point * scale, (top - zero_point) * scale, zero_point


@pytest.mark.parametrize("quantizer", get_args(Quantizer))
def test_activations_are_clipped_at_the_ends_of_their_grid_and_stored_without_sign(quantizer: str) -> None:
    model = network_of(quantizer, bit_widths=(2, 3, 8))
    network, file = written(model)
    constants, nodes = constants_of(file.model), nodes_by_output(file.model)
    quantized = [node for node in file.model.graph.node if node.op_type == "QuantizeLinear"]
    names = [step["grid"] for step in network.steps if step["op"] == "quantize"]
    assert len(quantized) == len(names) == 7
    n_clipped = 0
    for node, name in zip(quantized, names, strict=True):
        bits = network.grids[name].bit_width
        low, high, zero_point = expected_ends(model, name, quantizer, bits)
        _, scale, stored = (constants.get(one) for one in node.input)
        assert scale == pytest.approx((high - low) / (2**bits - 1), rel=1e-6)
        assert scale.shape == stored.shape == ()  # type: ignore[union-attr]
        assert (stored.dtype, int(stored)) == (np.uint8, zero_point)  # type: ignore[union-attr, arg-type]
        clip = nodes[node.input[0]]
        assert (clip.op_type == "Clip") == (bits < 8), "uint8 clips 8 bits itself"
        if bits < 8:
            ends = [constants[one] for one in clip.input[1:]]
            assert [float(end) for end in ends] == pytest.approx([low, high], rel=1e-6)
            assert [end.shape for end in ends] == [(), ()]
            n_clipped += 1
    assert n_clipped == 5
    assert {network.grids[name].bit_width for name in names} == {2, 3, 8}


@SCALES
def test_batch_norm_stays_apart_and_no_convolution_has_a_bias(scales: dict[str, Any]) -> None:
    model = network_of("lsq", bit_widths=(2, 3, 4), **scales)
    _, file = written(model)
    constants = constants_of(file.model)
    consumers = {source: node for node in file.model.graph.node for source in node.input}
    norms = {name: module for name, module in model.named_modules() if isinstance(module, nn.BatchNorm2d)}
    of_convolution = {"conv1": "bn1"} | {
        name: name.replace("conv", "bn") if "conv" in name else name.replace("shortcut.0", "shortcut.1")
        for name in layers_of(file.model)
        if name.startswith("layer")
    }
    assert sorted(of_convolution.values()) == sorted(norms)
    for name, norm_name in of_convolution.items():
        norm = norms[norm_name]
        convolution = layers_of(file.model)[name]
        assert (convolution.op_type, len(convolution.input)) == ("Conv", 2)
        scaled = consumers[convolution.output[0]]
        shifted = consumers[scaled.output[0]]
        assert (scaled.op_type, shifted.op_type) == ("Mul", "Add")
        gamma, beta, mean, variance = (
            value.detach().double().numpy()
            for value in (norm.weight, norm.bias, norm.running_mean, norm.running_var)  # type: ignore[union-attr]
        )
        factor = gamma / np.sqrt(variance + norm.eps)
        assert constants[scaled.input[1]].reshape(-1) == pytest.approx(factor, rel=1e-6)
        assert constants[shifted.input[1]].reshape(-1) == pytest.approx(beta - mean * factor, rel=1e-6, abs=1e-7)


def test_the_shortcut_takes_its_stride_into_its_convolution() -> None:
    _, file = written(network_of("lsq", bit_widths=(4, 4, 4)))
    kinds = [node.op_type for node in file.model.graph.node]
    assert "Slice" not in kinds
    for stage in (2, 3):
        node = layers_of(file.model)[f"layer{stage}.0.shortcut.0"]
        settings = {one.name: list(one.ints) for one in node.attribute}
        assert settings == {"kernel_shape": [1, 1], "strides": [2, 2], "pads": [0, 0, 0, 0]}


class _Sliced(nn.Module):
    """Every second pixel goes into a layer that cannot take the stride, or into two."""

    def __init__(self, size: int, n_consumers: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.convs = nn.ModuleList(nn.Conv2d(4, 4, size, padding=size // 2, bias=False) for _ in range(n_consumers))
        self.fc = nn.Linear(4, 5)

    def forward(self, images: Tensor) -> Tensor:
        kept = self.conv1(images)[:, :, ::2, ::2]
        out = self.convs[0](kept)
        for conv in list(self.convs)[1:]:
            out = out.add_(conv(kept))
        return self.fc(torch.flatten(nn.functional.adaptive_avg_pool2d(out, 1), 1))  # type: ignore[no-any-return]


@pytest.mark.parametrize(("size", "n_consumers", "n_slices"), [(3, 1, 1), (1, 2, 1), (1, 1, 0)])
def test_what_only_slices_is_a_slice_where_no_convolution_can_take_the_stride(
    size: int, n_consumers: int, n_slices: int
) -> None:
    torch.manual_seed(3)
    model = _Sliced(size, n_consumers).eval()
    _, file = written(model)
    assert [node.op_type for node in file.model.graph.node].count("Slice") == n_slices
    expected = model(IMAGES).detach().numpy()
    for name in ("openvino", "onnxruntime"):
        found = make_runtime(name).load(file.serialized(), n_threads=1).run(IMAGES.numpy())
        assert found == pytest.approx(expected, abs=1e-5), name


@pytest.mark.parametrize(
    ("quantizer", "settings", "expected"),
    [
        ("lsq", {"bit_widths": (8, 8, 8)}, {}),
        ("lsq", {"bit_widths": (4, 4, 4), **FINER}, {"conv1": "its input is float"}),
        (
            "minmax",
            {"bit_widths": (4, 8, 4)},
            dict.fromkeys(
                ("layer2.0.conv1", "layer2.0.conv2", "layer2.0.shortcut.0"),
                "weights of 8 bits with a zero point do not fit int8",
            ),
        ),
        (
            "lsq",
            {"bit_widths": (4, 32, 4), "act_bit_widths": (4, 4, 4)},
            dict.fromkeys(("layer2.0.conv1", "layer2.0.conv2", "layer2.0.shortcut.0"), "its weights are float"),
        ),
    ],
    ids=["all fit", "image", "8 bits affine", "float weights"],
)
def test_a_layer_that_does_not_fit_is_listed_with_its_reason(
    quantizer: str, settings: dict[str, Any], expected: dict[str, str]
) -> None:
    _, file = written(network_of(quantizer, **settings))
    found = {layer.name: layer.reason for layer in file.layers if layer.reason}
    assert found == expected
    assert all(
        layer.is_integer == (layer.name not in (*expected, "conv1", "fc")) or layer.name == "fc"
        for layer in file.layers
    )
    assert (
        json.loads({one.key: one.value for one in file.model.metadata_props}["layers"])[1]["name"] == "layer1.0.conv1"
    )


def test_integers_that_do_not_fit_int8_are_told() -> None:
    scale = np.array(0.5)
    assert as_int8(np.array([0, 255], np.uint8), scale, np.array(127.5)) is None, "-255 and 255"
    assert as_int8(np.array([0, 255], np.uint8), scale, np.array(3.0)) is None, "-3 to 252"
    fits = as_int8(np.array([0, 255], np.uint8), scale, np.array(128.0))
    assert fits is not None
    assert fits[0].tolist() == [-128, 127]
    assert float(fits[1]) == 0.5


def test_the_metadata_is_what_was_given_and_how_each_layer_is_written() -> None:
    model = network_of("lsq", bit_widths=(2, 3, 4))
    given = {"trial_key": "0123", "data": {"mean": [0.5, 0.25, 0.125]}, "bit_widths": [2, 3, 4]}
    _, file = written(model, metadata=given)
    read = onnx.load_from_string(file.serialized())
    found = {one.key: json.loads(one.value) for one in read.metadata_props}
    layers = found.pop("layers")
    assert found == given
    assert [(one["name"], one["weight_bits"], one["act_bits"]) for one in layers[:3]] == [
        ("conv1", 32, 32),
        ("layer1.0.conv1", 2, 2),
        ("layer1.0.conv2", 2, 2),
    ]
    assert (read.opset_import[0].version, read.ir_version, read.producer_name) == (21, 10, "lwq_tune")
    onnx.checker.check_model(read, full_check=True)


@pytest.mark.parametrize(
    ("quantizer", "bits", "kinds", "opset", "n_saved"),
    [
        ("lsq", (2, 3, 4), {1: TensorProto.INT2, 2: TensorProto.INT4, 3: TensorProto.INT4}, 25, 3456 + 7168 + 28672),
        ("lsq", (4, 4, 5), {1: TensorProto.INT4, 2: TensorProto.INT4, 3: TensorProto.INT8}, 21, 2304 + 7168),
        # odd integers from -(2^b - 1) to 2^b - 1 need a bit more
        ("dorefa", (2, 3, 4), {1: TensorProto.INT4, 2: TensorProto.INT4, 3: TensorProto.INT8}, 21, 2304 + 7168),
    ],
    ids=str,
)
def test_packed_weights_take_their_bits_and_give_the_same_logits(
    quantizer: str, bits: tuple[int, ...], kinds: dict[int, int], opset: int, n_saved: int
) -> None:
    network, file = written(network_of(quantizer, bit_widths=bits, width=1.0, blocks=(1, 1, 1)))
    packed = to_onnx(network, is_packed=True)
    assert packed.model.opset_import[0].version == opset
    n_bits = {TensorProto.INT2: 2, TensorProto.INT4: 4, TensorProto.INT8: 8}
    stored = {one.name.rpartition("_")[0]: one for one in packed.model.graph.initializer}
    saved_bytes = 0
    for name, weight in network.weights.items():
        one = stored[name]
        assert one.data_type == kinds[int(name[5])], name
        assert len(one.raw_data) == math.ceil(weight.levels.size * n_bits[one.data_type] / 8)
        saved_bytes += weight.levels.size - len(one.raw_data)
    assert saved_bytes == n_saved, "of stages with 4,608, 14,336 and 57,344 weights"
    assert len(file.serialized()) - len(packed.serialized()) == pytest.approx(saved_bytes, abs=300)
    runtime, images = make_runtime("onnxruntime"), varied_images(8).numpy()
    expected = runtime.load(file.serialized(), n_threads=1).run(images)
    found = runtime.load(packed.serialized(), n_threads=1).run(images)
    assert found == pytest.approx(expected, abs=1e-4)
