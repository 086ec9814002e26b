"""The gate of exports: right files pass, planted faults are refused and found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from lwq_tune.config.trial import Quantizer
from lwq_tune.deployment.equality import Agreement, check_equality, compare_logits, first_departure
from lwq_tune.deployment.network import describe_network
from lwq_tune.deployment.onnx_graph import to_onnx
from tests.conftest import small_config
from tests.support.faulty_runtime import Change, FaultyRuntime
from tests.support.small_networks import small_network, varied_images

pytestmark = pytest.mark.slow  # it trains

IMAGES = varied_images(128)


def network(quantizer: str = "lsq", bits: tuple[int, ...] = (2, 2), blocks: tuple[int, ...] = (2, 1)) -> nn.Module:
    """Return a network with convolutions that batch norm follows with shifts of all sizes."""
    model = small_network(small_config(quantizer=quantizer, bit_widths=bits, blocks=blocks))
    with torch.no_grad():
        model.fc.weight.mul_(4)  # logits as far apart as those of a trained network
    return model


def checked(model: nn.Module, change: Change) -> tuple[Agreement, str | None]:
    described = describe_network(model)
    runtime = FaultyRuntime(change)
    agreement = check_equality(model, described, to_onnx(described).serialized(), runtime, IMAGES)
    return agreement, first_departure(described, runtime, IMAGES)  # also where the gate has found nothing


def has_layer(model: onnx.ModelProto, name: str) -> bool:
    return any(node.name == name for node in model.graph.node)


def node_of(model: onnx.ModelProto, name: str) -> onnx.NodeProto:
    (found,) = (node for node in model.graph.node if node.name == name)
    return found


def producer(model: onnx.ModelProto, output: str) -> onnx.NodeProto:
    (found,) = (node for node in model.graph.node if output in node.output)
    return found


def consumers(model: onnx.ModelProto, output: str, kind: str) -> list[onnx.NodeProto]:
    return [node for node in model.graph.node if output in node.input and node.op_type == kind]


def change_constant(model: onnx.ModelProto, name: str, change: Callable[[Any], Any]) -> None:
    (found,) = (one for one in model.graph.initializer if one.name == name)
    values = numpy_helper.to_array(found)
    found.CopyFrom(numpy_helper.from_array(np.asarray(change(values), values.dtype), name))


def constant(model: onnx.ModelProto, name: str) -> Any:
    return next(numpy_helper.to_array(one) for one in model.graph.initializer if one.name == name)


def larger_weight_scale(model: onnx.ModelProto) -> None:
    if has_layer(model, "layer1.1.conv2"):
        weight = producer(model, node_of(model, "layer1.1.conv2").input[1])
        change_constant(model, weight.input[1], lambda scale: 1.1 * scale)


def zero_point_off_by_one(model: onnx.ModelProto) -> None:
    """Take all values that enter a convolution for those one level lower."""
    if has_layer(model, "layer1.1.conv2"):
        producer(model, node_of(model, "layer1.1.conv2").input[0]).input[2] = "one"
        model.graph.initializer.append(numpy_helper.from_array(np.array(1, np.uint8), "one"))


def bias_in_int32(model: onnx.ModelProto) -> None:
    """Round the shift of each batch norm as a bias of an integer convolution is: to multiples of both scales."""
    for node in list(model.graph.node):
        if node.op_type != "Conv" or not node.name.startswith("layer"):
            continue
        scales = [constant(model, producer(model, source).input[1]) for source in node.input]
        for scaled in consumers(model, node.output[0], "Mul"):
            for shifted in consumers(model, scaled.output[0], "Add"):
                step = np.abs(constant(model, scaled.input[1])) * scales[0] * scales[1]
                change_constant(model, shifted.input[1], lambda shift, step=step: np.round(shift / step) * step)


def nothing(_model: onnx.ModelProto) -> None:
    return


@pytest.mark.parametrize("bits", [(2, 4), (7, 7)], ids=str)
@pytest.mark.parametrize("quantizer", get_args(Quantizer))
def test_a_right_export_passes_and_no_layer_departs(quantizer: str, bits: tuple[int, ...]) -> None:
    agreement, layer = checked(network(quantizer, bits, (1, 1)), nothing)
    assert agreement.faults() == []
    assert layer is None
    assert agreement.n_images == 128


@pytest.mark.parametrize(
    ("change", "layer"),
    [
        (larger_weight_scale, "layer1.1.conv2"),
        (zero_point_off_by_one, "layer1.1.conv2"),
        (bias_in_int32, "layer1.0.bn1"),
    ],
)
def test_a_planted_fault_is_refused_and_its_layer_named(change: Change, layer: str) -> None:
    agreement, found = checked(network(), change)
    assert agreement.faults()
    assert found == layer


def test_each_rule_of_the_gate_is_broken_by_its_own_fault() -> None:
    generator = np.random.default_rng(0)
    simulated = generator.normal(size=(2000, 10)) * 5
    exact = compare_logits(simulated, simulated, simulated)
    assert exact.faults() == []
    assert (exact.same_class, exact.same_rows, exact.same_rows_float64) == (1, 1, 1)
    other_class = simulated.copy()
    other_class[:3] = -other_class[:3]  # 3 of 2,000: 99.85 %
    (fault,) = compare_logits(other_class, simulated, simulated).faults()
    assert "at least 99.9% of the images, or on all but one, it is on 99.85% of 2000" in fault
    two_of_them = simulated.copy()
    two_of_them[:2] = -two_of_them[:2]  # 99.9 % is enough
    assert compare_logits(two_of_them, simulated, simulated).faults() == []
    (shifted, fewer) = compare_logits(simulated + 2e-4, simulated, simulated).faults()
    assert "must be below 0.0001, it is 0.0002" in shifted
    assert "as with float64, 100.0%, they are 0.0%" in fewer
    some_rows = simulated.copy()
    some_rows[:110] += 0.01  # 94.5 % of the rows, all classes as before
    (rows,) = compare_logits(some_rows, simulated, simulated).faults()
    assert "as with float64, 100.0%, they are 94.5%" in rows
    assert compare_logits(some_rows, simulated, some_rows).faults() == [], "float64 differs as much"


def test_twice_the_differences_of_float64_are_no_fault() -> None:
    generator = np.random.default_rng(0)
    simulated = generator.normal(size=(2000, 10)) * 5
    noise = np.sign(generator.normal(size=(2000, 1)))  # the same on all classes: each image keeps its own
    in_float64 = simulated + 1e-2 * noise
    in_float64[:3] = -in_float64[:3]
    deployed = simulated + 1.5e-2 * noise[::-1]
    deployed[-8:] = -deployed[-8:]  # 2 that are allowed anyway, and twice 3
    assert compare_logits(deployed, simulated, in_float64).faults() == []
    deployed[:1] = -deployed[:1]
    (fault,) = compare_logits(deployed, simulated, in_float64).faults()
    assert "it is on 99.55% of 2000 (with float64 99.85%)" in fault
    (fault,) = compare_logits(simulated + 2.5e-2 * noise, simulated, simulated + 1e-2 * noise).faults()
    assert "must be below 0.0001, it is 0.025 (with float64 0.01)" in fault


def test_a_network_whose_classes_float_arithmetic_decides_is_refused() -> None:
    generator = np.random.default_rng(0)
    simulated, in_float64, deployed = (generator.normal(size=(2000, 10)) for _ in range(3))
    faults = compare_logits(deployed, simulated, in_float64).faults()
    assert faults
    assert "the class must be the same" in faults[0]


@pytest.mark.parametrize(("n_other", "is_refused"), [(0, False), (1, False), (2, True)])
def test_of_a_few_images_one_may_have_another_class(n_other: int, is_refused: bool) -> None:
    simulated = np.random.default_rng(0).normal(size=(143, 10))
    deployed = simulated.copy()
    deployed[:n_other] = -deployed[:n_other]
    assert bool(compare_logits(deployed, simulated, simulated).faults()) == is_refused


def test_logits_that_are_no_numbers_are_refused() -> None:
    simulated = np.eye(10)
    assert compare_logits(np.full((10, 10), np.nan), simulated, simulated).faults()
