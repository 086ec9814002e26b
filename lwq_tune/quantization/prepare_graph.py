"""Turn any float network into one that trains with a schedule: quantizers on the tensors of its graph.

Where a network cannot be traced, each layer of a unit quantizes its own weight and input instead; what leaves a unit
is then quantized only where a layer reads it.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import fx, nn

from lwq_tune.errors import ConfigError
from lwq_tune.models.layer_shapes import FULL_PRECISION_BITS
from lwq_tune.models.tracing import function_name, inplace_argument, trace
from lwq_tune.models.units import Units
from lwq_tune.quantization.graph_flow import Crossing, GraphFlow, gives_several, only_moves
from lwq_tune.quantization.layers import DEFAULT_SCHEME, QuantConv2d, QuantLinear
from lwq_tune.quantization.quantizers.base import Quantizer, bits_of
from lwq_tune.quantization.schedules import check_bit_widths
from lwq_tune.quantization.scheme import Scheme

QUANTIZERS = "quantizers"  # the module of a prepared network that holds those of its tensors
_OUT_OF_PLACE: dict[str, Callable[..., Any] | str] = {
    "iadd": operator.add,
    "isub": operator.sub,
    "imul": operator.mul,
    "itruediv": operator.truediv,
}


def prepare_network(
    model: nn.Module,
    units: Units,
    bit_widths: Sequence[int],
    act_bit_widths: Sequence[int] | None = None,
    scheme: Scheme = DEFAULT_SCHEME,
) -> nn.Module:
    """Return a network whose units have their bits.

    Args:
        model: A float network, which is used up: its parameters keep names and values.
        units: Its units.
        bit_widths: Weight bits per unit; 32 leaves the weights of a unit untouched.
        act_bit_widths: Activation bits per unit; the same as ``bit_widths`` by default.
        scheme: The quantizers. Where all units are in full precision, the network stays as it is.

    Raises:
        ConfigError: A bit-width is impossible, or the lengths differ from the number of units.
    """
    weights = check_bit_widths(bit_widths, len(units.names))
    activations = check_bit_widths(act_bit_widths or bit_widths, len(units.names))
    if {*weights, *activations} == {FULL_PRECISION_BITS}:
        return model
    traced = trace(model)
    if isinstance(traced, str):
        _quantize_layers(model, units, weights, scheme, activations)
        _quantize_first_and_last(model, units, scheme)
        return model
    flow = GraphFlow(traced, units.of_layer)
    non_negative = {
        flow.layer_name(node)
        for node in traced.graph.nodes
        if flow.is_layer(node) and flow.is_non_negative(node.args[0])
    }
    wanted, crossings = flow.wanted(activations), list(flow.crossings(activations))
    for source, ways in crossings:
        for bits in sorted({way.bits for way in ways}):
            _insert(traced, flow, scheme, source, [way for way in ways if way.bits == bits], bits)
    moved = {step for _, ways in crossings for way in ways for step in way.path[:-1]}
    for node in reversed(traced.graph.nodes):
        if node in moved and not node.users:  # its readers read a copy of it
            traced.graph.erase_node(node)
    _quantize_layers(traced, units, weights, scheme)
    _quantize_first_and_last(traced, units, scheme, non_negative)
    _leave_out_relus(traced)
    _keep_inputs_of_quantizers(traced)
    traced.graph.lint()
    traced.recompile()
    _check_entering(traced, units, wanted)
    return traced


def _insert(
    network: fx.GraphModule, flow: GraphFlow, scheme: Scheme, source: fx.Node, ways: Sequence[Crossing], bits: int
) -> None:
    """Put one quantizer of a tensor before all readers that want it at the same bits.

    It stands behind what only moves the tensor, as far as all its readers have that in common: behind a pooling there
    are fewer values.
    """
    place, paths = source, [way.path for way in ways]
    while all(len(path) > 1 and path[0] is paths[0][0] for path in paths) and not gives_several(paths[0][0]):
        place, paths = paths[0][0], [path[1:] for path in paths]
    quantizer = scheme.act_quantizer(bits, finds_sign=not flow.is_non_negative(source))
    name = f"{QUANTIZERS}.{place.name}"
    if any(key == name for key, _ in network.named_modules()):
        name = f"{name}_{bits}_bits"
    network.add_submodule(name, quantizer)
    with network.graph.inserting_after(place):
        node = network.graph.call_module(name, (place,))
    copies: dict[fx.Node, fx.Node] = {place: node}
    for path in paths:
        _lead(network.graph, place, path, copies)


def _lead(graph: fx.Graph, place: fx.Node, path: tuple[fx.Node, ...], copies: dict[fx.Node, fx.Node]) -> None:
    """Let a reader read a quantized tensor, through copies of what moves it: other readers keep the originals.

    Args:
        graph: Changed in place.
        place: The tensor.
        path: From there to the reader.
        copies: What stands for a node behind the quantizer; gets the new ones.
    """
    before = place
    for step in path[:-1]:
        if step not in copies:
            with graph.inserting_after(step):
                copies[step] = graph.node_copy(step, lambda one: copies.get(one, one))
        before = step
    path[-1].replace_input_with(before, copies[before])


def _quantize_layers(
    network: nn.Module, units: Units, weights: Sequence[int], scheme: Scheme, activations: Sequence[int] = ()
) -> None:
    """Replace the layers of units by their quantized twins, in place.

    Args:
        network: Holds them.
        units: Its units.
        weights: Weight bits per unit.
        scheme: The quantizers.
        activations: Bits of the input of each unit's layers; empty where quantizers of tensors stand before them.
    """
    for name, unit in units.of_layer.items():
        bits, act_bits = weights[unit - 1], activations[unit - 1] if activations else FULL_PRECISION_BITS
        if (bits, act_bits) != (FULL_PRECISION_BITS, FULL_PRECISION_BITS) and _has(network, name):
            _replace(network, name, _quantized(network.get_submodule(name), bits, act_bits, scheme))


def _quantize_first_and_last(
    network: nn.Module, units: Units, scheme: Scheme, non_negative: set[str] | frozenset[str] = frozenset()
) -> None:
    """Give the first and the last layer their bits, in place; the images enter as they are."""
    bits = scheme.first_last_bit_width
    if bits == FULL_PRECISION_BITS:
        return
    scheme = scheme.for_first_and_last()
    for name in units.first_and_last:
        act_bits = bits if name == units.first_and_last[-1] else FULL_PRECISION_BITS
        if _has(network, name):
            layer = network.get_submodule(name)
            _replace(network, name, _quantized(layer, bits, act_bits, scheme, finds_sign=name not in non_negative))


def _quantized(
    layer: nn.Module, weight_bit_width: int, act_bit_width: int, scheme: Scheme, *, finds_sign: bool = True
) -> nn.Module:
    about: dict[str, Any] = {
        "weight_bit_width": weight_bit_width,
        "act_bit_width": act_bit_width,
        "scheme": scheme,
        "finds_sign": finds_sign,
    }
    if isinstance(layer, nn.Conv2d):
        return QuantConv2d.from_float(layer, **about)
    assert isinstance(layer, nn.Linear)
    return QuantLinear.from_float(layer, **about)


def _has(network: nn.Module, name: str) -> bool:
    """Whether a network holds a module; a traced one holds what its forward pass uses."""
    try:
        network.get_submodule(name)
    except AttributeError:
        return False
    return True


def _replace(network: nn.Module, name: str, module: nn.Module) -> None:
    """Put a module in the place of another, wherever that one stands."""
    old = network.get_submodule(name)
    places = [key for key, part in network.named_modules(remove_duplicate=False) if part is old]
    for place in places:
        holder, _, attribute = place.rpartition(".")
        setattr(network.get_submodule(holder), attribute, module)


def _leave_out_relus(network: fx.GraphModule) -> None:
    """Take out a ReLU where each quantizer behind it clips at 0 itself: the same values and gradients."""
    modules = dict(network.named_modules(remove_duplicate=False))
    for node in list(network.graph.nodes):
        is_relu = node.op == "call_module" and type(modules[str(node.target)]) is nn.ReLU
        is_relu |= node.op in ("call_function", "call_method") and function_name(node) == "relu"
        readers = [modules.get(str(user.target)) for user in node.users]
        if is_relu and readers and all(getattr(reader, "clips_at_zero", False) for reader in readers):
            node.replace_all_uses_with(node.args[0])
            network.graph.erase_node(node)


def _keep_inputs_of_quantizers(network: fx.GraphModule) -> None:
    """Let nothing write over what a quantizer reads or gives, both of which its backward pass needs."""
    modules = dict(network.named_modules(remove_duplicate=False))
    needed = set()
    for node in network.graph.nodes:
        if node.op == "call_module" and isinstance(modules[str(node.target)], Quantizer):
            needed |= {node, node.args[0]}
    for node in network.graph.nodes:
        if not node.args or node.args[0] not in needed:
            continue
        if node.op == "call_module" and getattr(modules[str(node.target)], "inplace", False):
            modules[str(node.target)].inplace = False
        elif node.op == "call_method" and str(node.target).endswith("_") and not str(node.target).startswith("_"):
            node.target = str(node.target).rstrip("_")
        elif node.op == "call_function":
            _make_out_of_place(node)


def _make_out_of_place(node: fx.Node) -> None:
    """Let a function return a tensor of its own."""
    name = getattr(node.target, "__name__", "")
    if name.endswith("_") and not name.startswith("_"):
        twin = name.rstrip("_")
        node.target = getattr(torch, twin, None) or getattr(nn.functional, twin)
    elif inplace_argument(node):
        bound = inspect.signature(node.target).bind(*node.args, **node.kwargs)  # type: ignore[arg-type]
        bound.arguments["inplace"] = False
        node.args, node.kwargs = bound.args, bound.kwargs
    else:
        node.target = _OUT_OF_PLACE.get(function_name(node), node.target)


def used_unit_bits(network: nn.Module, units: Units) -> tuple[int, ...]:
    """Return the weight bits that each unit of a built network really has, read from the quantizers in place.

    Raises:
        ConfigError: A unit mixes bit-widths.
    """
    weights = []
    for number, unit in enumerate(units.names, start=1):
        layers = [name for name, its in units.of_layer.items() if its == number and _has(network, name)]
        bits = {bits_of(getattr(network.get_submodule(name), "weight_quantizer", None)) for name in layers}
        if len(bits) != 1:
            raise ConfigError(f"a unit has one bit-width, got weights {sorted(bits)} in {unit}")
        weights.append(bits.pop())
    return tuple(weights)


def _check_entering(network: fx.GraphModule, units: Units, wanted: Mapping[str, set[int]]) -> None:
    """Refuse a network whose layers do not read what they were meant to read.

    Raises:
        ConfigError: One does not.
    """
    found = entering_bits(network)
    for name in units.of_layer:
        expected = wanted.get(name, {FULL_PRECISION_BITS})
        if name in found and found[name] != expected:
            raise ConfigError(
                f"what enters a layer was asked to have {sorted(expected)} bits, the built model has "
                f"{sorted(found[name])} in {name}"
            )


def entering_bits(network: nn.Module) -> dict[str, set[int]]:
    """Return the bits of what enters each layer of a built network, over all its uses, by name of the layer.

    Read from the integer ranges of the quantizers in place, not from what was asked.

    Args:
        network: From `prepare_network`.
    """
    modules = dict(network.named_modules(remove_duplicate=False))
    names = {id(module): name for name, module in network.named_modules()}
    layers = {names[id(part)]: part for part in modules.values() if isinstance(part, nn.Conv2d | nn.Linear)}
    own = {name: bits_of(getattr(layer, "act_quantizer", None)) for name, layer in layers.items()}
    if not isinstance(network, fx.GraphModule):
        return {name: {bits} for name, bits in own.items()}
    found: dict[str, set[int]] = {}
    for node in network.graph.nodes:
        if node.op == "call_module" and id(modules[str(node.target)]) in {id(layer) for layer in layers.values()}:
            name = names[id(modules[str(node.target)])]
            found.setdefault(name, set()).add(min(own[name], _bits_before(node.args[0], modules)))
    return found


def _bits_before(node: Any, modules: Mapping[str, nn.Module]) -> int:
    """Return the bits of the grid that a node's values are on, looking through what only moves them."""
    while isinstance(node, fx.Node):
        if node.op == "call_module" and isinstance(modules[str(node.target)], Quantizer):
            return bits_of(modules[str(node.target)])
        if not only_moves(node, modules):
            break
        node = node.args[0]
    return FULL_PRECISION_BITS
