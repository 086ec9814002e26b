"""Runtimes say what ran, and what is missing."""

from __future__ import annotations

import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from lwq_tune.deployment.network import describe_network
from lwq_tune.deployment.onnx_graph import OnnxNetwork, executed_layers, float_fallbacks, to_onnx
from lwq_tune.deployment.runtimes.base import ExecutedLayer
from lwq_tune.deployment.runtimes.choice import make_runtime
from lwq_tune.errors import ConfigError
from tests.conftest import small_config
from tests.support.small_networks import IMAGES, small_network

PLACE = "layer2.0.conv2"


def four_bits() -> OnnxNetwork:
    return to_onnx(describe_network(small_network(small_config(bit_widths=(4, 4, 4)))))


def weight_of(model: onnx.ModelProto, layer: str) -> onnx.NodeProto:
    """Return the node that dequantizes the weight of a layer."""
    (convolution,) = (node for node in model.graph.node if node.name == layer)
    (found,) = (node for node in model.graph.node if node.output[0] == convolution.input[1])
    return found


def replace(model: onnx.ModelProto, name: str, new: onnx.TensorProto) -> None:
    (index,) = (index for index, one in enumerate(model.graph.initializer) if one.name == name)
    new.name = name
    model.graph.initializer[index].CopyFrom(new)


def ran_in_float(file: OnnxNetwork) -> list[str]:
    loaded = make_runtime("openvino").load(file.serialized(), n_threads=1)
    return float_fallbacks(file.layers, executed_layers(file.layers, loaded.describe()))


def test_openvino_names_precision_and_primitive_of_each_layer() -> None:
    file = four_bits()
    loaded = make_runtime("openvino").load(file.serialized(), n_threads=1)
    executed = executed_layers(file.layers, loaded.describe())
    assert set(executed) == {layer.name for layer in file.layers}
    assert all(one.precision and one.primitive for one in executed.values())
    assert executed[PLACE].precision == "u8"
    assert executed["conv1"].precision == "f32"
    assert loaded.run(IMAGES.numpy()).shape == (2, 10)


@pytest.mark.parametrize("name", ["openvino", "onnxruntime"])
def test_a_network_compiled_for_one_batch_size_gives_the_same_logits_call_after_call(name: str) -> None:
    content, images = four_bits().serialized(), IMAGES.numpy()
    runtime = make_runtime(name)  # type: ignore[arg-type]
    anything, fixed = runtime.load(content, n_threads=1), runtime.load(content, n_threads=1, batch_size=2)
    first, second = fixed.run(images), fixed.run(images[::-1])
    np.testing.assert_allclose(first, anything.run(images), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(second, first[::-1], rtol=1e-5, atol=1e-6)


def test_a_convolution_whose_weights_have_a_zero_point_is_noticed_as_float() -> None:
    file = four_bits()
    assert ran_in_float(file) == []
    weight = weight_of(file.model, PLACE)
    replace(file.model, weight.input[2], numpy_helper.from_array(np.array(1, np.int8)))
    assert ran_in_float(file) == [PLACE]


def test_so_is_one_whose_weights_are_stored_as_int4() -> None:
    file = four_bits()
    weight = weight_of(file.model, PLACE)
    for name in (weight.input[0], weight.input[2]):
        values = next(numpy_helper.to_array(one) for one in file.model.graph.initializer if one.name == name)
        replace(file.model, name, helper.make_tensor(name, TensorProto.INT4, values.shape, values.reshape(-1).tolist()))
    assert ran_in_float(file) == [PLACE]


def test_bf16_is_what_float_layers_compute_with_where_the_processor_has_it() -> None:
    file = to_onnx(describe_network(small_network(small_config(bit_widths=(32, 32, 32)))))
    runtime = make_runtime("openvino")
    in_f32 = runtime.load(file.serialized(), n_threads=1).describe()
    in_bf16 = runtime.load(file.serialized(), n_threads=1, precision="bf16").describe()
    assert {one.precision for one in in_f32} == {"f32"}
    assert "u8" not in {one.precision for one in in_bf16}
    flags = open("/proc/cpuinfo").read()  # noqa: PTH123, SIM115
    if "avx512_bf16" in flags or "amx_bf16" in flags:
        assert "bf16" in {one.precision for one in in_bf16}


def test_a_layer_is_found_under_the_name_of_what_was_fused_with_it() -> None:
    layers = four_bits().layers
    said = [
        ExecutedLayer("layer1.0.conv1/batch_norm", "u8", "a"),
        ExecutedLayer("layer1.0.conv2", "f32", "b"),
        ExecutedLayer("logits", "i8", "c"),
        ExecutedLayer("layer1.0", "u8", "of no layer"),
    ]
    found = executed_layers(layers, said)
    assert {name: one.primitive for name, one in found.items()} == {
        "layer1.0.conv1": "a",
        "layer1.0.conv2": "b",
        "fc": "c",
    }
    assert float_fallbacks(layers, found) == ["layer1.0.conv2"]


def test_onnx_runtime_tells_nothing_of_layers_and_has_no_bf16() -> None:
    runtime = make_runtime("onnxruntime")
    content = four_bits().serialized()
    assert runtime.load(content, n_threads=1).describe() == ()
    with pytest.raises(ValueError, match="in f32 on a CPU, got bf16"):
        runtime.load(content, n_threads=1, precision="bf16")


def test_an_unknown_runtime_is_refused_in_one_line() -> None:
    with pytest.raises(ConfigError) as refused:
        make_runtime("tensorrt")
    assert str(refused.value) == "a runtime is one of openvino, onnxruntime, got 'tensorrt'"


@pytest.mark.parametrize(
    ("missing", "runtime"), [("openvino", "openvino"), ("onnxruntime", "onnxruntime"), ("onnx", "openvino")]
)
def test_a_missing_package_is_one_line_that_names_the_extra(
    missing: str, runtime: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)  # importing it fails
    with pytest.raises(ConfigError) as refused:
        make_runtime(runtime, is_writer_needed=True)
    assert "\n" not in str(refused.value)
    assert f"needs onnx and {runtime}" in str(refused.value)
    assert f"{missing} is not here" in str(refused.value)
    assert "pip install 'lwq-tune[deploy]'" in str(refused.value)


def test_a_process_that_measures_does_without_onnx(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert make_runtime("openvino").name == "openvino"
