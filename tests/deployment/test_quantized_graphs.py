"""Quantized networks with depthwise, grouped and dilated convolutions, biases, signed inputs and branches, exported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from lwq_tune.deployment.equality import compare_logits, first_departure, simulated_logits
from lwq_tune.deployment.network import describe_network
from lwq_tune.deployment.onnx_graph import executed_layers, float_fallbacks, to_onnx
from lwq_tune.deployment.reference import logits_of
from lwq_tune.deployment.runtimes.choice import make_runtime
from lwq_tune.quantization.calibrate import calibrate
from lwq_tune.quantization.layers import QuantConv2d, QuantLinear
from lwq_tune.quantization.quantizers.lsq import LSQQuantizer
from lwq_tune.quantization.scheme import Scheme
from tests.support.example_reader import run_example
from tests.support.faulty_runtime import FaultyRuntime
from tests.support.quantized_graphs import NETWORKS, quantized, small_graph
from tests.support.small_networks import varied_images

IMAGES = varied_images(64)
LAYERS = (QuantConv2d, QuantLinear)
SCHEMES = {
    "lsq": Scheme("lsq", least_squares=True),
    "lsq per channel": Scheme("lsq", per_channel=True, least_squares=True),
    "minmax": Scheme("minmax"),
    "minmax per channel": Scheme("minmax", per_channel=True),
}
CASES = [
    (network, scheme, bits)
    for network in NETWORKS
    for scheme in SCHEMES
    for bits in ((2, 3, 4, 5, 6, 7, 8) if scheme == "lsq" else (2, 4, 8))
]


def model_of(network: str, scheme: str, bits: int) -> nn.Module:
    return quantized(small_graph(network, IMAGES), IMAGES, bits, SCHEMES[scheme])


@pytest.mark.parametrize(("network", "scheme", "bits"), CASES)
def test_both_runtimes_give_the_logits_of_torch_and_openvino_with_integers(
    network: str, scheme: str, bits: int
) -> None:
    model = model_of(network, scheme, bits)
    described = describe_network(model)
    file = to_onnx(described)
    expected, in_float64 = simulated_logits(model, IMAGES), logits_of(described, IMAGES).numpy()
    assert np.ptp(expected, axis=0).min() > 1e-2, "the logits depend on the images"
    for name in ("openvino", "onnxruntime"):
        loaded = make_runtime(name).load(file.serialized(), n_threads=1)
        agreement = compare_logits(loaded.run(IMAGES.numpy()), expected, in_float64)
        assert agreement.median_difference < 2e-5, name
        assert agreement.same_rows >= agreement.same_rows_float64 - 0.25, f"{name}: a few of 64 images hit a tie"
        assert agreement.same_class >= 1 - 1 / len(IMAGES), name
        if name == "openvino":
            executed = executed_layers(file.layers, loaded.describe())
    assert float_fallbacks(file.layers, executed) == []
    if scheme.startswith("minmax") and bits == 8:  # whose levels fit int8 only where the zero point is in the middle
        return
    assert set(executed) == {layer.name for layer in file.layers}
    wanted = [name for name, kind in model.named_modules() if isinstance(kind, LAYERS)]
    assert len(wanted) == len(file.layers) - 2
    assert [layer.name for layer in file.layers if layer.is_integer] == wanted


def test_what_can_be_negative_has_a_zero_point_and_what_cannot_has_none() -> None:
    described = describe_network(model_of("mobile", "lsq", 4))
    signed = {name: grid.is_signed for name, grid in described.grids.items()}
    assert signed["_2_quantizer"] is False, "behind ReLU6"
    assert signed["add_quantizer"] is True, "behind a projection without activation"
    file = to_onnx(described)
    constants = {one.name: numpy_helper.to_array(one) for one in file.model.graph.initializer}
    quantize = [node for node in file.model.graph.node if node.op_type == "QuantizeLinear"]
    found = [int(constants[node.input[2]]) for node in quantize]
    assert all(constants[node.input[2]].dtype == np.uint8 for node in quantize)
    assert found == [8 if is_signed else 0 for is_signed in signed.values()]


def test_a_grid_with_as_many_levels_on_either_side_of_0_ends_one_level_earlier(tmp_path: Path) -> None:
    model = model_of("plain", "lsq", 4)
    quantizer: Any = next(module for module in model.modules() if getattr(module, "signed", None) is False)
    quantizer.low, quantizer.high = -7, 7
    described = describe_network(model)
    name = next(name for name, module in model.named_modules() if module is quantizer)
    assert (described.grids[name].highest, float(described.grids[name].zero_point)) == (14, 7)
    expected = simulated_logits(model, IMAGES)
    assert compare_logits(logits_of(described, IMAGES).numpy(), expected, expected).same_rows >= 0.75
    found = make_runtime("openvino").load(to_onnx(described).serialized(), n_threads=1).run(IMAGES.numpy())
    assert compare_logits(found, expected, expected).same_rows >= 0.75
    logits = run_example(described, IMAGES.numpy(), tmp_path)
    assert compare_logits(logits, expected, expected).same_rows >= 0.75


@pytest.mark.parametrize("network", NETWORKS)
def test_the_archive_alone_gives_the_logits(network: str, tmp_path: Path) -> None:
    model = model_of(network, "lsq per channel", 3)
    expected = simulated_logits(model, IMAGES)
    found = run_example(describe_network(model), IMAGES.numpy(), tmp_path)
    agreement = compare_logits(found, expected, expected)
    assert agreement.median_difference < 1e-5
    assert agreement.same_rows >= 0.75


def test_a_bias_goes_into_batch_norm_behind_it_and_else_stands_behind_its_layer() -> None:
    file = to_onnx(describe_network(model_of("plain", "lsq", 2)))
    nodes = {node.name: node for node in file.model.graph.node}
    consumers = {source: node for node in nodes.values() for source in node.input}
    behind = {
        name: [(step := consumers[nodes[name].output[0]]).op_type, consumers[step.output[0]].op_type]
        for name in ("2", "5", "13", "16")
    }
    assert all(len(nodes[name].input) == 2 for name in behind)
    assert behind == {"2": ["Add", "Relu"], "5": ["Mul", "Add"], "13": ["Add", "Relu"], "16": ["Mul", "Add"]}


def test_a_layer_whose_input_is_pooled_behind_the_quantizer_runs_with_integers() -> None:
    model = model_of("plain", "lsq", 4)
    graph: Any = model.graph
    for node in list(graph.nodes):  # the quantizer of the third convolution before the pooling, not behind it
        if node.op == "call_module" and node.target == "_4_quantizer":
            pool = node.args[0]
            with graph.inserting_before(pool):
                moved = graph.call_module("_4_quantizer", (pool.args[0],))
            pool.args = (moved,)
            node.replace_all_uses_with(pool)
            graph.erase_node(node)
    model.recompile()  # type: ignore[operator]
    described = describe_network(model)
    ops = [step["op"] for step in described.steps]
    assert ops[ops.index("max_pool") - 1 : ops.index("max_pool") + 2] == ["quantize", "max_pool", "conv"]
    file = to_onnx(described)
    assert next(layer for layer in file.layers if layer.name == "5").is_integer
    loaded = make_runtime("openvino").load(file.serialized(), n_threads=1)
    assert float_fallbacks(file.layers, executed_layers(file.layers, loaded.describe())) == []
    expected = simulated_logits(model, IMAGES)
    assert compare_logits(loaded.run(IMAGES.numpy()), expected, expected).same_rows >= 0.75


@pytest.mark.parametrize("pool", [nn.AvgPool2d(2), nn.AdaptiveAvgPool2d(16), nn.AdaptiveAvgPool2d(5)], ids=str)
def test_an_average_of_quantized_values_is_not_rounded_before_the_next_quantizer(pool: nn.Module) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        LSQQuantizer(3, signed=True),
        pool,
        LSQQuantizer(8, signed=True),
        QuantConv2d.from_float(nn.Conv2d(8, 8, 3), weight_bit_width=4, act_bit_width=32),
        nn.Flatten(),
    ).eval()
    calibrate(model, [IMAGES], batch_statistics=False)
    found = make_runtime("openvino").load(to_onnx(describe_network(model)).serialized(), n_threads=1)
    expected = simulated_logits(model, IMAGES)
    differs = np.abs(found.run(IMAGES.numpy()) - expected) > 1e-4 * np.abs(expected).max()
    assert differs.mean() < 0.01


def test_a_planted_fault_in_a_depthwise_convolution_is_found() -> None:
    described = describe_network(model_of("mobile", "lsq", 4))

    def larger_scale(model: onnx.ModelProto) -> None:
        for node in model.graph.node:
            if node.name == "3.conv.3":
                weight = next(one for one in model.graph.node if one.output[0] == node.input[1])
                (scale,) = (one for one in model.graph.initializer if one.name == weight.input[1])
                scale.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(scale) * np.float32(1.2), scale.name))

    assert first_departure(described, FaultyRuntime(larger_scale), IMAGES) == "3.conv.3"
