"""A trained network as an ONNX model that a runtime executes with integers: QuantizeLinear and DequantizeLinear (QDQ).

Written step by step from the traced forward pass, opset 21:

- A grid of activations is a ``Clip`` in float (below 8 bits), ``QuantizeLinear`` to uint8 and ``DequantizeLinear``;
  each consumer has a ``DequantizeLinear`` of its own, the form in which runtimes look for integer kernels.
- A quantized weight is int8 with zero point 0 and a ``DequantizeLinear``, per tensor or per output channel: its levels
  less the zero point; where that is half an integer (DoReFa), twice that at half the scale. What does not fit int8, as
  8-bit affine weights do not, stays in float32 and is listed in `OnnxNetwork.layers`.
- A convolution has no bias, and batch norm stays a ``Mul`` and an ``Add`` behind it. Folded into the convolution it
  would be rounded to a multiple of the product of both scales, which is coarse at few bits.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lwq_tune.deployment.forward_steps import INPUT, Step
from lwq_tune.deployment.network import Network
from lwq_tune.deployment.runtimes.base import ExecutedLayer
from lwq_tune.quantization.packing import pack_bits

if TYPE_CHECKING:
    import onnx

OPSET, IR_VERSION = 21, 10
INT2_OPSET, INT2_IR_VERSION = 25, 13  # the first with integers of 2 bits
OUTPUT = "logits"
INT8 = np.iinfo(np.int8)


@dataclass(frozen=True)
class LayerPlan:
    """How a convolution or linear layer is written.

    Attributes:
        name: Its name in the network; that of its node too.
        weight_bits: Bits of its weights, 32 for float.
        act_bits: Bits of its input, 32 for float.
        is_integer: Whether weight and input are integers in the file, so that a runtime can compute with integers.
        reason: Why not, where one of them has fewer than 32 bits; else empty.
    """

    name: str
    weight_bits: int
    act_bits: int
    is_integer: bool
    reason: str = ""


@dataclass(frozen=True)
class OnnxNetwork:
    """An ONNX model and what it says of its layers.

    Attributes:
        model: The model; input ``images``, normalised, shape (n, 3, 32, 32), float32; output ``logits``, (n, classes).
        layers: Convolutions and linear layers in order.
    """

    model: onnx.ModelProto
    layers: tuple[LayerPlan, ...]

    def serialized(self) -> bytes:
        """Return the content of the file."""
        content: bytes = self.model.SerializeToString()
        return content


def to_onnx(
    network: Network,
    *,
    metadata: Mapping[str, Any] | None = None,
    is_packed: bool = False,
) -> OnnxNetwork:
    """Return a network as an ONNX model.

    Args:
        network: From `lwq_tune.deployment.network.describe_network`; or the first steps of one, whose last output is
            then that of the model.
        metadata: Written into the model's metadata as JSON, by name; the layers are added.
        is_packed: Whether weights that fit are stored as 4 or 2 bits, which makes the file small; runtimes compute
            such weights in float, if they load them at all.

    Raises:
        ImportError: ``onnx`` is not installed.
    """
    writer = _Writer(network, is_packed=is_packed)
    for step in network.steps:
        writer.add(step)
    model = writer.finish()
    described = {**(metadata or {}), "layers": [asdict(layer) for layer in writer.layers]}
    import onnx

    onnx.helper.set_model_props(model, {name: json.dumps(value) for name, value in described.items()})
    onnx.checker.check_model(model)
    return OnnxNetwork(model, tuple(writer.layers))


class _Writer:
    """Nodes and constants of a graph as its steps are added."""

    def __init__(self, network: Network, *, is_packed: bool) -> None:
        import onnx

        self._onnx = onnx
        self._network, self._is_packed, self._opset = network, is_packed, OPSET
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._grids: dict[str, tuple[str, str, str, int]] = {}  # quantized tensor, scale, zero point, bits; by output
        self._strides: dict[str, list[int]] = {}
        self._layer_names: dict[str, str] = {}  # by output
        self._flat: set[str] = set()  # outputs of two axes
        self._n = 0
        self.layers: list[LayerPlan] = []
        self._n_consumers = {
            name: sum(name in step["inputs"] for step in network.steps)
            for name in (INPUT, *(step["output"] for step in network.steps))
        }
        self._consumers = {name: step for step in network.steps for name in step["inputs"]}

    def add(self, step: Step) -> None:
        """Add the nodes of a step."""
        getattr(self, f"_{step['op']}")(step)
        if step["op"] in ("flatten", "linear") or not self._flat.isdisjoint(step["inputs"]):
            self._flat.add(step["output"])

    def finish(self) -> onnx.ModelProto:
        """Return the model."""
        helper, kinds = self._onnx.helper, self._onnx.TensorProto
        last = self._network.steps[-1]
        self._node("Identity", [self._value(last["output"])], OUTPUT)
        shape = ["n", self._network.n_classes]
        if last["op"] != "linear":  # the network is not whole
            shape = ["n", "channels"] if last["output"] in self._flat else ["n", "channels", "rows", "columns"]
        outputs = [helper.make_tensor_value_info(OUTPUT, kinds.FLOAT, shape)]
        images = helper.make_tensor_value_info(INPUT, kinds.FLOAT, ["n", *self._network.image_shape])
        graph = helper.make_graph(self._nodes, "network", [images], outputs, self._constants)
        model: onnx.ModelProto = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", self._opset)],
            ir_version=IR_VERSION if self._opset == OPSET else INT2_IR_VERSION,
            producer_name="lwq_tune",
        )
        return model

    def _node(self, kind: str, inputs: Sequence[str], output: str | None = None, **attributes: Any) -> str:
        self._n += 1
        output = output or f"{kind.lower()}_{self._n}"
        self._nodes.append(
            self._onnx.helper.make_node(kind, list(inputs), [output], name=f"{output}/{kind}", **attributes)
        )
        return output

    def _constant(self, values: Any, name: str = "constant") -> str:
        self._n += 1
        name = f"{name}_{self._n}"
        self._constants.append(self._onnx.numpy_helper.from_array(np.asarray(values, order="C"), name))
        return name

    def _value(self, name: str) -> str:
        """Return the float tensor of an output of a step: for a grid, dequantized anew for this consumer."""
        if name not in self._grids:
            return name
        quantized, scale, zero_point, _ = self._grids[name]
        return self._node("DequantizeLinear", [quantized, scale, zero_point])

    def _plain_value(self, name: str) -> str:
        """Return the float tensor of a grid in a form that no runtime takes for integers, see `_layer`."""
        if name not in self._grids:
            return name
        quantized, scale, zero_point, _ = self._grids[name]
        kind = self._onnx.TensorProto.FLOAT
        levels = (self._node("Cast", [one], to=kind) for one in (quantized, zero_point))
        return self._node("Mul", [self._node("Sub", list(levels)), scale])

    def _quantize(self, step: Step) -> None:
        grid = self._network.grids[step["grid"]]
        x = self._value(step["inputs"][0])
        scale, zero_point = np.float32(grid.scale), np.uint8(grid.zero_point)
        if grid.bit_width < 8:
            high = 2**grid.bit_width - 1
            ends = ((end - int(zero_point)) * scale for end in (0, high))
            x = self._node("Clip", [x, *(self._constant(np.float32(end)) for end in ends)])
        names = self._constant(scale, "scale"), self._constant(zero_point, "zero_point")
        quantized = self._node("QuantizeLinear", [x, *names])
        self._grids[step["output"]] = (quantized, *names, grid.bit_width)

    def _weight(self, step: Step) -> tuple[str, int, bool]:
        """Return the float tensor of a weight, its bits, and whether it is stored as int8."""
        name = step["weight"]
        weight = self._network.weights.get(name)
        if weight is None:
            return self._constant(self._network.arrays[name], name), 32, False
        stored = as_int8(weight.levels, weight.scale, weight.zero_point)
        if stored is None:
            return self._constant(weight.decoded(), name), weight.bit_width, False
        levels, scale = stored
        n_channels = levels.shape[0] if scale.size > 1 else None
        zero_point = np.zeros(() if n_channels is None else n_channels, np.int8)
        kind = self._integer_kind(levels)
        inputs = [self._integers(levels, kind, name), self._constant(scale.reshape(zero_point.shape), "scale")]
        inputs.append(self._integers(zero_point, kind, "zero_point"))
        attributes: dict[str, Any] = {} if n_channels is None else {"axis": 0}
        return self._node("DequantizeLinear", inputs, **attributes), weight.bit_width, True

    def _integer_kind(self, levels: np.ndarray) -> int:
        """Return the type that a weight is stored with, and note the opset that has it."""
        kinds = self._onnx.TensorProto
        low, high = int(levels.min()), int(levels.max())
        if self._is_packed and low >= -2 and high <= 1:
            self._opset = max(self._opset, INT2_OPSET)
            return int(kinds.INT2)
        return int(kinds.INT4 if self._is_packed and low >= -8 and high <= 7 else kinds.INT8)

    def _integers(self, values: np.ndarray, kind: int, name: str) -> str:
        if kind == self._onnx.TensorProto.INT8:
            return self._constant(values, name)
        self._n += 1
        name = f"{name}_{self._n}"
        bits = 2 if kind == self._onnx.TensorProto.INT2 else 4
        # As raw bytes, first value in the lowest bits; elsewhere in the file a byte may take two.
        packed = pack_bits((values & (2**bits - 1)).astype(np.uint8), bits).tobytes()
        self._constants.append(self._onnx.helper.make_tensor(name, kind, values.shape, packed, raw=True))
        return name

    def _layer(self, step: Step) -> tuple[str, str, str]:
        """Return input, weight and name of a layer, and note how it is written.

        A layer whose weights are float has its input without `DequantizeLinear`: behind that, ONNX Runtime quantizes
        the weights by itself, which changes the network.
        """
        source = step["inputs"][0]
        grid = self._grids.get(source)
        weight, weight_bits, is_stored = self._weight(step)
        act_bits = 32 if grid is None else grid[3]
        name = step["weight"].removesuffix(".weight")
        reason = ""
        if weight_bits < 32 and not is_stored:
            reason = f"weights of {weight_bits} bits with a zero point do not fit int8"
        elif (weight_bits < 32) != (act_bits < 32):
            reason = "its weights are float" if weight_bits == 32 else "its input is float"
        is_integer = is_stored and grid is not None
        self.layers.append(LayerPlan(name, weight_bits, act_bits, is_integer, reason))
        self._layer_names[step["output"]] = name
        return self._value(source) if is_integer else self._plain_value(source), weight, name

    def _conv(self, step: Step) -> None:
        stride = self._strides.get(step["inputs"][0], step["stride"])
        x, weight, name = self._layer(step)
        rows, columns = step["padding"]
        shape = self._network.shape_of(step["weight"])
        self._node(
            "Conv",
            [x, weight],
            step["output"],
            kernel_shape=list(shape[2:]),
            strides=stride,
            pads=[rows, columns, rows, columns],
        )
        self._nodes[-1].name = name

    def _linear(self, step: Step) -> None:
        x, weight, name = self._layer(step)
        bias = self._constant(self._network.arrays[step["bias"]], step["bias"])
        self._node("Gemm", [x, weight, bias], step["output"], transB=1)
        self._nodes[-1].name = name

    def _batch_norm(self, step: Step) -> None:
        parts = (
            self._network.arrays[f"{step['name']}.{part}"].astype(float)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        gamma, beta, mean, variance = parts
        factor = gamma / np.sqrt(variance + step["eps"])
        scaled = self._node("Mul", [self._value(step["inputs"][0]), self._constant(_per_channel(factor))])
        if (layer := self._layer_names.get(step["inputs"][0])) is not None:
            self._nodes[-1].name = f"{layer}/batch_norm"  # runtimes that fuse both keep this name
        self._node("Add", [scaled, self._constant(_per_channel(beta - mean * factor))], step["output"])

    def _relu(self, step: Step) -> None:
        self._node("Relu", [self._value(step["inputs"][0])], step["output"])

    def _add(self, step: Step) -> None:
        self._node("Add", [self._value(name) for name in step["inputs"]], step["output"])

    def _subsample(self, step: Step) -> None:
        source, output = step["inputs"][0], step["output"]
        consumer = self._consumers.get(output, step)
        shape = self._network.shape_of(consumer["weight"]) if consumer["op"] == "conv" else ()
        if self._n_consumers[output] == 1 and shape[2:] == (1, 1) and consumer["stride"] == [1, 1]:
            self._strides[output] = step["stride"]  # a 1x1 convolution with this stride is the same
            if source in self._grids:
                self._grids[output] = self._grids[source]
            else:
                self._node("Identity", [source], output)
            return
        ends = np.array([np.iinfo(np.int64).max] * 2)
        starts, axes, steps = np.zeros(2, np.int64), np.array([2, 3]), np.array(step["stride"])
        inputs = [self._value(source), *(self._constant(one) for one in (starts, ends, axes, steps))]
        self._node("Slice", inputs, output)

    def _average_pool(self, step: Step) -> None:
        self._node("GlobalAveragePool", [self._value(step["inputs"][0])], step["output"])

    def _flatten(self, step: Step) -> None:
        self._node("Flatten", [self._value(step["inputs"][0])], step["output"], axis=1)


def as_int8(levels: np.ndarray, scale: np.ndarray, zero_point: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Return integers in [-128, 127] and their scale that stand for the same values; None if there are none.

    Args:
        levels: Integers from 0.
        scale: Distance of two values, one or one for each output channel.
        zero_point: Level of the value 0, likewise; an integer or half an integer.

    >>> as_int8(np.array([0, 3], np.uint8), np.array(0.5), np.array(1.5))
    (array([-3,  3], dtype=int8), array(0.25, dtype=float32))
    """
    factor = 1 if np.all(zero_point == np.round(zero_point)) else 2
    integers = np.round(factor * (levels.astype(float) - zero_point)).astype(int)
    if integers.min() < INT8.min or integers.max() > INT8.max:
        return None
    return integers.astype(np.int8), np.asarray(scale / factor, np.float32)


def _per_channel(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float32)[:, None, None]


def executed_layers(layers: Sequence[LayerPlan], executed: Sequence[ExecutedLayer]) -> dict[str, ExecutedLayer]:
    """Return how each layer is executed, by its name, where the runtime tells.

    Args:
        layers: Layers of a file.
        executed: What the runtime says of them, under the names that nodes of the file have.
    """
    found = {}
    for one in executed:
        for index, layer in enumerate(layers):
            is_last = index == len(layers) - 1
            if one.name.split("/")[0] == layer.name or (is_last and one.name == OUTPUT):
                found[layer.name] = one
    return found


def float_fallbacks(layers: Sequence[LayerPlan], executed: Mapping[str, ExecutedLayer]) -> list[str]:
    """Return the layers that are integers in the file and that a runtime computes in float."""
    return [one.name for one in layers if one.is_integer and one.name in executed and not executed[one.name].is_integer]
