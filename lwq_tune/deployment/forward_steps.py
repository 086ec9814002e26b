"""The forward pass of a network as a list of plain steps, traced from the code that runs it, so that both agree."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import Tensor, fx, nn

from lwq_tune.quantization.layers import QuantConv2d, QuantLinear
from lwq_tune.quantization.quantizers.base import Quantizer

INPUT = "images"
Step = dict[str, Any]


def forward_steps(model: nn.Module) -> list[Step]:
    """Return what a network does with normalised images in evaluation, in order; the last step gives the logits.

    Each step has ``op``, ``inputs`` (`INPUT` or outputs of steps before), ``output`` (a name of its own), and

    ============  ==============================================================================
    op            also has                          gives
    ============  ==============================================================================
    quantize      ``grid``, name of a quantizer     the nearest values of the grid
    conv          ``weight``, ``stride``,           the cross-correlation, zeros as padding;
                  ``padding``                       both for rows and columns
    batch_norm    ``name`` of a layer, ``eps``      (x - mean) / sqrt(variance + eps) * weight + bias,
                                                    with its running statistics
    relu                                            the input, at least 0
    add                                             the sum of two inputs
    subsample     ``stride``                        every stride-th row and column, from the first
    average_pool                                    the mean of each channel, shape (n, c, 1, 1)
    flatten                                         shape (n, c)
    linear        ``weight``, ``bias``              input times transposed weight, plus bias
    ============  ==============================================================================

    Args:
        model: A network that consists of these.

    Raises:
        NotImplementedError: It has another step.
    """
    steps: list[Step] = []
    outputs: dict[fx.Node, str] = {}
    for node in _Tracer().trace(model).nodes:
        if node.op == "placeholder":
            outputs[node] = INPUT
        elif node.op != "output":
            inputs = [outputs[argument] for argument in node.args if isinstance(argument, fx.Node)]
            for step in _described(node, model):
                output = f"{node.name}.{step['op']}"
                steps.append({**step, "inputs": inputs, "output": output})
                inputs = [output]
            (outputs[node],) = inputs
    return steps


class _Tracer(fx.Tracer):
    """Look into blocks and stages, not into layers and quantizers."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, Quantizer | QuantConv2d | QuantLinear) or super().is_leaf_module(m, module_qualified_name)


def _described(node: fx.Node, model: nn.Module) -> list[Step]:
    """Return the steps that a node of the traced graph is, without inputs and outputs."""
    if node.op == "call_module":
        name = str(node.target)
        described = _module_steps(name, model.get_submodule(name))
    else:
        described = _function_steps(node)
    if described is None:
        raise NotImplementedError(
            f"an exported network has only the steps that its format knows, got {node.format_node()}"
        )
    return described


def _module_steps(name: str, module: nn.Module) -> list[Step] | None:
    """Return the steps of a layer or quantizer, None for an unknown one."""
    match module:
        case nn.Identity():
            return []
        case Quantizer():
            return [{"op": "quantize", "grid": name}]
        case nn.ReLU():
            return [{"op": "relu"}]
        case nn.BatchNorm2d(affine=True, track_running_stats=True):
            return [{"op": "batch_norm", "name": name, "eps": module.eps}]
        case nn.Conv2d(bias=None, groups=1, dilation=(1, 1), padding=(int(), int()), padding_mode="zeros"):
            step = {"op": "conv", "stride": list(module.stride), "padding": list(module.padding)}
        case nn.Linear(bias=Tensor()):
            step = {"op": "linear", "bias": f"{name}.bias"}
        case _:
            return None
    act_quantizer = getattr(module, "act_quantizer", nn.Identity())
    before = _module_steps(f"{name}.act_quantizer", act_quantizer)
    return None if before is None else [*before, {**step, "weight": f"{name}.weight"}]


def _function_steps(node: fx.Node) -> list[Step] | None:
    """Return the steps of a function or method of tensors, None for an unknown one."""
    others: Any = node.args[1:]  # than the first input
    match others:
        case (fx.Node(),) if node.target == "add_":
            return [{"op": "add"}]
        case ((images, channels, slice(start=None, stop=None) as rows, slice(start=None, stop=None) as columns),) if (
            node.target is operator.getitem and images == channels == slice(None)
        ):
            return [{"op": "subsample", "stride": [rows.step, columns.step]}]
        case (1,) if node.target is nn.functional.adaptive_avg_pool2d:
            return [{"op": "average_pool"}]
        case (1,) if node.target is torch.flatten:
            return [{"op": "flatten"}]
    return None
