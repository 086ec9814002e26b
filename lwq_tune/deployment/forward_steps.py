"""The forward pass of a network as a list of plain steps, traced from the code that runs it, so that both agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from lwq_tune.deployment.step_kinds import Step, describe_function, describe_module
from lwq_tune.models.tracing import changes_in_place
from lwq_tune.quantization.layers import QuantConv2d, QuantLinear
from lwq_tune.quantization.quantizers.base import Quantizer

INPUT = "images"
_N_IMAGES = 2  # not 1, so that no axis of one image is taken for the axis of images
_OF_SEVERAL_INPUTS = ("add", "multiply", "concat")


@dataclass(frozen=True)
class Forward:
    """What a network does with normalised images in evaluation.

    Attributes:
        steps: In order; the last gives the logits.
        n_outputs: Number of logits of an image.
    """

    steps: list[Step]
    n_outputs: int


def forward_steps(model: nn.Module, image_shape: tuple[int, int, int] = (3, 32, 32)) -> Forward:
    """Return what a network does with normalised images in evaluation.

    Each step has ``op``, ``inputs`` (`INPUT` or outputs of steps before), ``output`` (a name of its own), and what
    follows. n is the number of images; what stands in pairs is of rows and of columns.

    =================  ======================================  =======================================================
    op                 also has                                gives
    =================  ======================================  =======================================================
    quantize           ``grid``, name of a quantizer           the nearest values of the grid
    conv               ``weight``, ``stride``, ``padding``,    the cross-correlation, zeros as padding, plus ``bias``
                       ``dilation``, ``groups``, and ``bias``  of each channel
                       where it has one
    linear             ``weight``, and ``bias`` where it has   input times transposed weight, plus bias
                       one
    batch_norm         ``name`` of a layer, ``eps``            (x - mean) / sqrt(variance + eps) * weight + bias,
                                                               with its running statistics
    relu                                                       the input, at least 0
    clip               ``low``, ``high``                       the input, at least low and at most high
    leaky_relu         ``slope``                               the input, times slope where it is negative
    sigmoid                                                    1 / (1 + exp(-x))
    tanh                                                       the hyperbolic tangent
    silu                                                       x * sigmoid(x)
    gelu                                                       x * (1 + erf(x / sqrt(2))) / 2
    hardsigmoid                                                x / 6 + 1 / 2, clipped to [0, 1]
    hardswish                                                  x * hardsigmoid(x)
    add                ``constant`` where it has one input     the sum of two inputs, axes of size 1 repeated, or of
                                                               one and the constant
    multiply           ``constant`` where it has one input     the product, likewise
    concat                                                     the channels of all inputs, one after the other
    channels           ``start``, ``stop``                     the channels from start up to stop, without it
    subsample          ``stride``                              every stride-th row and column, from the first
    max_pool           ``kernel``, ``stride``, ``padding``,    the largest value of each window; windows begin
                       ``size`` of the output                  padding before the first row, and may end behind the
                                                               last: there is nothing outside
    window_average     as max_pool, and ``counts_padding``     the mean of each window; where counts_padding, the
                                                               padding on both sides counts as zeros
    adaptive_average   ``size`` of the output                  with h rows, row i of m is the mean of the rows from
                                                               floor(i h / m) up to ceil((i + 1) h / m), without it;
                                                               likewise columns
    average_pool                                               the mean of each channel, shape (n, c, 1, 1)
    flatten                                                    shape (n, values of an image)
    reshape            ``shape``, without n                    the same values in that shape
    expand             ``shape``, without n                    axes of size 1 repeated up to that shape
    permute            ``axes``                                the axes in that order
    =================  ======================================  =======================================================

    Args:
        model: A network that consists of these.
        image_shape: Channels, rows and columns of its images.

    Raises:
        NotImplementedError: It has another step, or cannot be traced.
    """
    graph = _traced(model)
    found = _results(model, graph, image_shape)
    steps: list[Step] = []
    names: dict[fx.Node, str] = {}
    logits: object = None
    for node in graph.nodes:
        if node.op == "placeholder" and INPUT not in names.values():
            names[node] = INPUT
        elif node.op == "output":
            logits = node.args[0]
        elif _has_tensors(found[node]):
            inputs = [names[one] for one in _arguments(node) if one in names]
            for step in _described(node, model, found):
                output = f"{node.name}.{step['op']}"
                inputs = inputs if step["op"] in _OF_SEVERAL_INPUTS else inputs[:1]
                steps.append({**step, "inputs": inputs, "output": output})
                inputs = [output]
            names[node] = inputs[0]
            if changes_in_place(model, node):  # whoever reads its input later reads the result
                _rename(names, names[_arguments(node)[0]], inputs[0])
    if not isinstance(logits, fx.Node) or logits not in names or found[logits].dim() != 2:
        raise NotImplementedError(
            f"an exported network gives logits, shape (n, classes), and nothing else, got {logits}"
        )
    return Forward(_needed(steps, names[logits]), int(found[logits].shape[1]))


class _Tracer(fx.Tracer):
    """Look into blocks and stages, not into layers and quantizers."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, Quantizer | QuantConv2d | QuantLinear) or super().is_leaf_module(m, module_qualified_name)


def _traced(model: nn.Module) -> fx.Graph:
    try:
        return _Tracer().trace(model)
    except (fx.proxy.TraceError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        raise NotImplementedError(
            f"an exported network is one that torch.fx traces, {type(model).__name__} is not ({error})"
        ) from error


class _Results(fx.Interpreter):
    """Results of all nodes for images of zeros, of tensors the shape alone.

    What has a state that zeros would change, quantizers and batch norm, gives back what it gets.
    """

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.found: dict[fx.Node, Any] = {}

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        self.found[n] = fx.node.map_aggregate(result, _without_values)
        return result

    def call_module(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        match module := self.fetch_attr(target):
            case Quantizer() | nn.BatchNorm2d() | nn.BatchNorm1d():
                return args[0]
            case QuantConv2d():
                return nn.Conv2d.forward(module, *args)
            case QuantLinear():
                return nn.Linear.forward(module, *args)
        return super().call_module(target, args, kwargs)


def _without_values(one: Any) -> Any:
    return torch.empty_like(one, device="meta") if isinstance(one, Tensor) else one


@torch.no_grad()
def _results(model: nn.Module, graph: fx.Graph, image_shape: tuple[int, int, int]) -> dict[fx.Node, Any]:
    results = _Results(fx.GraphModule(model, graph))
    results.run(torch.zeros(_N_IMAGES, *image_shape))
    return results.found


def _has_tensors(result: Any) -> bool:
    return isinstance(result, Tensor) or (isinstance(result, tuple | list) and any(map(_has_tensors, result)))


def _arguments(node: fx.Node) -> list[fx.Node]:
    """Return the nodes that a node takes, in order, each as often as it takes it."""
    found: list[fx.Node] = []
    fx.node.map_arg((node.args, node.kwargs), found.append)
    return found


def _described(node: fx.Node, model: nn.Module, found: dict[fx.Node, Any]) -> list[Step]:
    """Return the steps that a node of the traced graph is, without inputs and outputs."""
    given: Any = fx.node.map_arg((node.args, node.kwargs), found.__getitem__)
    args, kwargs = given
    described = None
    if node.op == "call_module":
        name = str(node.target)
        described = describe_module(name, model.get_submodule(name), found[node], args[0])
    elif node.op in ("call_function", "call_method"):
        described = describe_function(node.target, found[node], args, kwargs)
    if described is None:
        raise NotImplementedError(
            f"an exported network has only the steps that its format knows, got {node.format_node()}"
            + (f", {model.get_submodule(str(node.target))}" if node.op == "call_module" else "")
        )
    return described


def _rename(names: dict[fx.Node, str], old: str, new: str) -> None:
    names.update({node: new for node, name in names.items() if name == old})


def _needed(steps: list[Step], output: str) -> list[Step]:
    """Return the steps that an output rests on; its own is the last."""
    wanted, found = {output}, []
    for step in reversed(steps):
        if step["output"] in wanted:
            wanted.update(step["inputs"])
            found.append(step)
    return found[::-1]
