"""A trained network as an ONNX model that a runtime executes with integers: QuantizeLinear and DequantizeLinear (QDQ).

Written step by step from the traced forward pass, opset 21:

- A grid of activations is a ``Clip`` in float (unless it has all 256 levels of uint8, from 0), ``QuantizeLinear`` to
  uint8, where negative values have levels below the zero point, and ``DequantizeLinear``; each consumer has a
  ``DequantizeLinear`` of its own, the form in which runtimes look for integer kernels. What only moves values or
  chooses from them, such as max pooling, stands behind it.
- A quantized weight is int8 with zero point 0 and a ``DequantizeLinear``, per tensor or per output channel: its levels
  less the zero point; where that is half an integer (DoReFa), twice that at half the scale. What does not fit int8, as
  8-bit affine weights do not, stays in float32 and is listed in `OnnxNetwork.layers`.
- A convolution with integers has no bias, and batch norm stays a ``Mul`` and an ``Add`` behind it. Folded into the
  convolution it would be rounded to a multiple of the product of both scales, which is coarse at few bits. A bias
  before batch norm goes into that ``Add``; any other is an ``Add`` of its own, behind linear layers too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lwq_tune.deployment.forward_steps import INPUT
from lwq_tune.deployment.network import Network
from lwq_tune.deployment.reference import output_shapes
from lwq_tune.deployment.runtimes.base import ExecutedLayer
from lwq_tune.deployment.step_kinds import Step
from lwq_tune.quantization.packing import pack_bits

if TYPE_CHECKING:
    import onnx

OPSET, IR_VERSION = 21, 10
INT2_OPSET, INT2_IR_VERSION = 25, 13  # the first with integers of 2 bits
OUTPUT = "logits"
INT8, UINT8 = np.iinfo(np.int8), np.iinfo(np.uint8)


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
        model: The model; input ``images``, normalised, shape (n, c, h, w), float32; output ``logits``, (n, classes).
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


@dataclass(frozen=True)
class _Quantized:
    """Integers of activations in a graph.

    Attributes:
        integers: Name of the tensor.
        scale: Name of its scale.
        zero_point: Name of its zero point.
        bit_width: Bits.
    """

    integers: str
    scale: str
    zero_point: str
    bit_width: int


@dataclass(frozen=True)
class _Moved:
    """Values of a grid that a step moves, chooses from or repeats, so that they stay on it.

    Attributes:
        source: Output that they come from.
        node: Adds the node; it takes the input and returns the output.
    """

    source: str
    node: Callable[[str], str]


class _Writer:
    """Nodes and constants of a graph as its steps are added."""

    def __init__(self, network: Network, *, is_packed: bool) -> None:
        import onnx

        self._onnx = onnx
        self._network, self._is_packed, self._opset = network, is_packed, OPSET
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._grids: dict[str, _Quantized] = {}  # by output, as are those that follow
        self._rounded_values: dict[str, Callable[[], str]] = {}  # the same in float, written when they are used
        self._moved: dict[str, _Moved] = {}
        self._moved_values: dict[tuple[str, bool], str] = {}
        self._strides: dict[str, list[int]] = {}
        self._biases: dict[str, np.ndarray] = {}  # that are still to be added
        self._layer_names: dict[str, str] = {}
        self._n = 0
        self._layers: dict[str, LayerPlan] = {}
        self._n_consumers = {
            name: sum(name in step["inputs"] for step in network.steps)
            for name in (INPUT, *(step["output"] for step in network.steps))
        }
        self._consumers = {name: step for step in network.steps for name in step["inputs"]}
        self._shapes = output_shapes(network)

    @property
    def layers(self) -> tuple[LayerPlan, ...]:
        """How each layer is written."""
        return tuple(self._layers.values())

    def add(self, step: Step) -> None:
        """Add the nodes of a step."""
        getattr(self, f"_{step['op']}")(step)

    def finish(self) -> onnx.ModelProto:
        """Return the model."""
        helper, kinds = self._onnx.helper, self._onnx.TensorProto
        last = self._network.steps[-1]["output"]
        self._node("Identity", [self._value(last)], OUTPUT)
        outputs = [helper.make_tensor_value_info(OUTPUT, kinds.FLOAT, ["n", *self._shapes[last][1:]])]
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
        if name in self._moved:
            return self._moved_value(name, is_plain=False)
        if name not in self._grids:
            return name
        grid = self._grids[name]
        return self._node("DequantizeLinear", [grid.integers, grid.scale, grid.zero_point])

    def _plain_value(self, name: str) -> str:
        """Return the values of a grid in a form that no runtime takes for integers, see `_layer` and `_averaged`."""
        if name in self._moved:
            return self._moved_value(name, is_plain=True)
        return self._rounded_values[name]() if name in self._grids else name

    def _moved_value(self, name: str, *, is_plain: bool) -> str:
        if (name, is_plain) not in self._moved_values:
            moved = self._moved[name]
            source = self._plain_value(moved.source) if is_plain else self._value(moved.source)
            self._moved_values[name, is_plain] = moved.node(source)
        return self._moved_values[name, is_plain]

    def _grid_of(self, name: str) -> _Quantized | None:
        """Return the grid that the values of an output are on, if there is one."""
        while name in self._moved:
            name = self._moved[name].source
        return self._grids.get(name)

    def _move(self, step: Step, kind: str, constants: Sequence[Any] = (), **attributes: Any) -> None:
        """Add a step that moves values or chooses from them: what is on a grid stays on it."""
        (source,), output = step["inputs"], step["output"]

        def node(value: str, output: str | None = None) -> str:
            return self._node(kind, [value, *map(self._constant, constants)], output, **attributes)

        if self._grid_of(source) is None:
            node(source, output)
        else:
            self._moved[output] = _Moved(source, node)

    def _map(self, step: Step, kind: str, constants: Sequence[Any] = (), **attributes: Any) -> None:
        """Add a step that is a node."""
        inputs = [self._value(name) for name in step["inputs"]]
        self._node(kind, [*inputs, *map(self._constant, constants)], step["output"], **attributes)

    def _quantize(self, step: Step) -> None:
        grid = self._network.grids[step["grid"]]
        x = self._value(step["inputs"][0])
        scale, zero_point = np.float32(grid.scale), np.uint8(grid.zero_point)
        ends = [np.float32((end - grid.zero_point) * scale) for end in (0, grid.highest)]
        # Without a zero point, uint8 clips 256 levels itself; with one, the Clip keeps batch norm and `_rounded` apart.
        is_clipped = bool(grid.highest < UINT8.max or zero_point > 0)
        clipped = self._clipped(x, ends) if is_clipped else x
        if zero_point > 0:
            clipped = self._rounded(clipped, scale)
            self._rounded_values[step["output"]] = lambda: clipped
        else:
            self._rounded_values[step["output"]] = lambda: self._rounded(
                clipped if is_clipped else self._clipped(x, ends), scale
            )
        names = self._constant(scale, "scale"), self._constant(zero_point, "zero_point")
        quantized = self._node("QuantizeLinear", [clipped, *names])
        self._grids[step["output"]] = _Quantized(quantized, *names, grid.bit_width)

    def _clipped(self, x: str, ends: Sequence[np.floating[Any]]) -> str:
        return self._node("Clip", [x, *map(self._constant, ends)])

    def _rounded(self, x: str, scale: np.floating[Any]) -> str:
        """Return the values of a grid in float, of clipped ones.

        Values with a zero point are rounded so before they become integers. OpenVINO adds the zero point before it
        rounds, which from 128 on leaves 16 bits for the fraction: of a MobileNet v2 of 8 bits, 13 % of the images got
        other logits, and 3 % with the levels rounded before (6 % and 4 % with float64, in the same runs).
        """
        levels = self._node("Round", [self._node("Mul", [x, self._constant(np.float32(1) / scale)])])
        return self._node("Mul", [levels, self._constant(scale)])

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

    def _layer(self, step: Step, kind: str, **attributes: Any) -> None:
        """Add a convolution or linear layer, and note how it is written.

        A layer whose weights are float has its input without `DequantizeLinear`: behind that, ONNX Runtime quantizes
        the weights by itself, which changes the network.
        """
        source, output = step["inputs"][0], step["output"]
        grid = self._grid_of(source)
        weight, weight_bits, is_stored = self._weight(step)
        act_bits = 32 if grid is None else grid.bit_width
        name = step["weight"].removesuffix(".weight")
        reason = ""
        if weight_bits < 32 and not is_stored:
            reason = f"weights of {weight_bits} bits with a zero point do not fit int8"
        elif (weight_bits < 32) != (act_bits < 32):
            reason = "its weights are float" if weight_bits == 32 else "its input is float"
        is_integer = is_stored and grid is not None
        if name not in self._layers or not is_integer:  # a layer that is used twice is one layer
            self._layers[name] = LayerPlan(name, weight_bits, act_bits, is_integer, reason)
        self._layer_names[output] = name
        inputs = [self._value(source) if is_integer else self._plain_value(source), weight]
        bias = self._network.arrays[step["bias"]] if "bias" in step else None
        if bias is not None and self._is_before_batch_norm(output):
            self._biases[output] = bias
            bias = None
        if bias is not None and not is_integer:
            inputs.append(self._constant(bias, step["bias"]))
            bias = None
        made = self._node(kind, inputs, output if bias is None else None, **attributes)
        self._nodes[-1].name = name
        if bias is not None:
            shaped = _per_channel(bias) if kind == "Conv" else bias
            self._node("Add", [made, self._constant(shaped, step["bias"])], output)

    def _is_before_batch_norm(self, output: str) -> bool:
        return self._n_consumers[output] == 1 and self._consumers[output]["op"] == "batch_norm"

    def _conv(self, step: Step) -> None:
        rows, columns = step["padding"]
        self._layer(
            step,
            "Conv",
            kernel_shape=list(self._network.shape_of(step["weight"])[2:]),
            strides=self._strides.get(step["inputs"][0], step["stride"]),
            pads=[rows, columns, rows, columns],
            **({} if step["dilation"] == [1, 1] else {"dilations": step["dilation"]}),
            **({} if step["groups"] == 1 else {"group": step["groups"]}),
        )

    def _linear(self, step: Step) -> None:
        self._layer(step, "Gemm", transB=1)

    def _batch_norm(self, step: Step) -> None:
        parts = (
            self._network.arrays[f"{step['name']}.{part}"].astype(float)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        gamma, beta, mean, variance = parts
        source = step["inputs"][0]
        factor = gamma / np.sqrt(variance + step["eps"])
        shift = beta + (self._biases.pop(source, 0.0) - mean) * factor
        shaped = _per_channel if len(self._shapes[source]) == 4 else np.float32
        scaled = self._node("Mul", [self._value(source), self._constant(shaped(factor))])
        if (layer := self._layer_names.get(source)) is not None:
            self._nodes[-1].name = f"{layer}/batch_norm"  # runtimes that fuse both keep this name
        self._node("Add", [scaled, self._constant(shaped(shift))], step["output"])

    def _relu(self, step: Step) -> None:
        self._move(step, "Relu")  # every grid has the value 0

    def _clip(self, step: Step) -> None:
        self._map(step, "Clip", [np.float32(step["low"]), np.float32(step["high"])])

    def _leaky_relu(self, step: Step) -> None:
        self._map(step, "LeakyRelu", alpha=step["slope"])

    def _sigmoid(self, step: Step) -> None:
        self._map(step, "Sigmoid")

    def _tanh(self, step: Step) -> None:
        self._map(step, "Tanh")

    def _silu(self, step: Step) -> None:
        x = self._value(step["inputs"][0])
        self._node("Mul", [x, self._node("Sigmoid", [x])], step["output"])

    def _gelu(self, step: Step) -> None:
        self._map(step, "Gelu")

    def _hardsigmoid(self, step: Step) -> None:
        self._map(step, "HardSigmoid", alpha=1 / 6, beta=0.5)

    def _hardswish(self, step: Step) -> None:
        self._map(step, "HardSwish")

    def _add(self, step: Step) -> None:
        self._map(step, "Add", [np.float32(step["constant"])] if "constant" in step else [])

    def _multiply(self, step: Step) -> None:
        self._map(step, "Mul", [np.float32(step["constant"])] if "constant" in step else [])

    def _concat(self, step: Step) -> None:
        self._map(step, "Concat", axis=1)

    def _channels(self, step: Step) -> None:
        self._move(step, "Slice", [np.array([one]) for one in (step["start"], step["stop"], 1)])

    def _subsample(self, step: Step) -> None:
        source, output = step["inputs"][0], step["output"]
        consumer = self._consumers.get(output, step)
        shape = self._network.shape_of(consumer["weight"]) if consumer["op"] == "conv" else ()
        if self._n_consumers[output] == 1 and shape[2:] == (1, 1) and consumer["stride"] == [1, 1]:
            self._strides[output] = step["stride"]  # a 1x1 convolution with this stride is the same
            if self._grid_of(source) is None:
                self._node("Identity", [source], output)
            else:
                self._moved[output] = _Moved(source, lambda value: value)
            return
        ends = np.array([np.iinfo(np.int64).max] * 2)
        self._move(step, "Slice", [np.zeros(2, np.int64), ends, np.array([2, 3]), np.array(step["stride"])])

    def _pads(self, step: Step, padding: Sequence[int]) -> list[int]:
        """Return the pads before and after all windows of a step."""
        extents = self._shapes[step["inputs"][0]][2:]
        ends = [
            max(pad, (size - 1) * stride + kernel - extent - pad)
            for pad, size, stride, kernel, extent in zip(
                padding, step["size"], step["stride"], step["kernel"], extents, strict=True
            )
        ]
        return [*padding, *ends]

    def _max_pool(self, step: Step) -> None:
        pads = self._pads(step, step["padding"])
        self._move(step, "MaxPool", kernel_shape=step["kernel"], strides=step["stride"], pads=pads)

    def _averaged(self, step: Step) -> str:
        """Return what a step averages, in float: OpenVINO (2026.4) rounds averages of integers to integers."""
        return self._plain_value(step["inputs"][0])

    def _window_average(self, step: Step) -> None:
        x = self._averaged(step)
        pads = self._pads(step, step["padding"])
        if step["counts_padding"] and any(step["padding"]):
            rows, columns = step["padding"]
            x = self._node("Pad", [x, self._constant(np.array([0, 0, rows, columns] * 2))])
            pads = [0, 0, pads[2] - rows, pads[3] - columns]
        self._node("AveragePool", [x], step["output"], kernel_shape=step["kernel"], strides=step["stride"], pads=pads)

    def _adaptive_average(self, step: Step) -> None:
        extents, size = self._shapes[step["inputs"][0]][2:], step["size"]
        if extents == (1, 1):
            self._map(step, "Expand", [np.array([1, 1, *size])])
        elif all(extent % one == 0 for extent, one in zip(extents, size, strict=True)):
            kernel = [extent // one for extent, one in zip(extents, size, strict=True)]
            self._node("AveragePool", [self._averaged(step)], step["output"], kernel_shape=kernel, strides=kernel)
        else:
            rows, columns = (adaptive_means(extent, one) for extent, one in zip(extents, size, strict=True))
            of_rows = self._node("MatMul", [self._constant(rows), self._averaged(step)])
            self._node("MatMul", [of_rows, self._constant(columns.T)], step["output"])

    def _average_pool(self, step: Step) -> None:
        self._map(step, "GlobalAveragePool")

    def _flatten(self, step: Step) -> None:
        self._move(step, "Flatten", axis=1)

    def _reshape(self, step: Step) -> None:
        self._move(step, "Reshape", [np.array([0, *step["shape"]])])

    def _expand(self, step: Step) -> None:
        self._move(step, "Expand", [np.array([1, *step["shape"]])])

    def _permute(self, step: Step) -> None:
        self._move(step, "Transpose", perm=step["axes"])


def adaptive_means(extent: int, size: int) -> np.ndarray:
    """Return the matrix, shape (size, extent), that takes the means of adaptive pooling along an axis.

    >>> adaptive_means(3, 2)
    array([[0.5, 0.5, 0. ],
           [0. , 0.5, 0.5]], dtype=float32)
    """
    means = np.zeros((size, extent), np.float32)
    for index in range(size):
        start, stop = index * extent // size, -(-(index + 1) * extent // size)
        means[index, start:stop] = 1 / (stop - start)
    return means


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
