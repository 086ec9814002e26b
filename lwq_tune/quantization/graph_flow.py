"""Which unit each tensor of a traced network belongs to, and which tensors have to be on a grid.

A layer belongs to its unit. What follows it element by element (batch norm, activations, sums, concatenation)
belongs to the unit of the latest layer it comes from, as runtimes compute it in one go with that layer. What only moves
values (max pooling, flattening, slicing, dropout) is passed through: its values stay on their grid. Anything else, such
as an average, belongs to a unit where it lies between layers of that one, and else to none.

From Algorithm 1 of Ikram et al. 2025 follows what is quantized: what enters each layer of a unit, at the unit's bits;
and what goes from one unit to another or leaves the units, once, at the fewer bits of the two sides. Logits stay as
they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch import fx, nn

from lwq_tune.models.layer_shapes import FULL_PRECISION_BITS
from lwq_tune.models.module_tree import LAYERS
from lwq_tune.models.tracing import function_name

_ELEMENTWISE_MODULES = (
    nn.modules.batchnorm._BatchNorm,
    nn.GroupNorm,
    nn.LayerNorm,
    nn.Identity,
    *(nn.AlphaDropout, nn.FeatureAlphaDropout),
    *(nn.ReLU, nn.ReLU6, nn.Hardtanh, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU, nn.Mish),
    *(nn.Hardswish, nn.Hardsigmoid, nn.Sigmoid, nn.Tanh, nn.Softplus, nn.Softsign, nn.LogSigmoid),
)
_ELEMENTWISE_NAMES = """
    add iadd mul imul sub isub rsub truediv itruediv div neg maximum minimum clamp clamp_min clamp_max clip
    cat concat concatenate stack alpha_dropout feature_alpha_dropout stochastic_depth
    batch_norm group_norm layer_norm relu relu6 hardtanh leaky_relu prelu elu celu selu gelu silu mish hardswish
    hardsigmoid sigmoid tanh softplus softsign logsigmoid exp sqrt pow abs
"""
_MOVING_NAMES = """
    flatten reshape view permute transpose getitem chunk split squeeze unsqueeze contiguous max_pool2d
    adaptive_max_pool2d pixel_shuffle channel_shuffle clone roll expand unbind dropout dropout1d dropout2d
"""
_KEEP_SIGN_NAMES = """
    add iadd mul imul cat concat mean sum avg_pool2d adaptive_avg_pool2d dropout dropout2d stochastic_depth maximum
    interpolate
"""
_ELEMENTWISE = frozenset(_ELEMENTWISE_NAMES.split())
_MOVING_MODULES = (
    *(nn.MaxPool2d, nn.AdaptiveMaxPool2d, nn.Flatten, nn.Unflatten, nn.PixelShuffle, nn.ChannelShuffle),
    *(nn.Dropout, nn.Dropout1d, nn.Dropout2d),
)
_MOVING = frozenset(_MOVING_NAMES.split())
_NO_VALUES = frozenset(("size", "dim", "numel", "getattr", "not", "len"))
_NON_NEGATIVE_MODULES = (nn.ReLU, nn.ReLU6, nn.Sigmoid, nn.Hardsigmoid, nn.Softplus)
_NON_NEGATIVE = frozenset(("relu", "relu6", "sigmoid", "hardsigmoid", "softmax", "softplus", "exp", "abs"))
_KEEP_SIGN_MODULES = (
    *_MOVING_MODULES,
    nn.Identity,
    nn.AvgPool2d,
    nn.AdaptiveAvgPool2d,
    *(nn.Dropout, nn.Dropout1d, nn.Dropout2d),
)
_ARITHMETIC = ("add", "iadd", "mul", "imul")
_KEEPING_MODES = ("nearest", "nearest-exact", "bilinear", "area")
_KEEP_SIGN = _MOVING | frozenset(_KEEP_SIGN_NAMES.split())


@dataclass(frozen=True)
class Crossing:
    """A tensor on its way to one of its readers.

    Attributes:
        path: The nodes that only move it, then the reader.
        bits: Of the grid that it has to be on.
    """

    path: tuple[fx.Node, ...]
    bits: int


class GraphFlow:
    """The units of the tensors of a traced network.

    Args:
        network: The traced network in float.
        unit_of: Number of the unit of each layer that is in one, from 1, by name.
    """

    def __init__(self, network: fx.GraphModule, unit_of: Mapping[str, int]) -> None:
        self._modules = dict(network.named_modules(remove_duplicate=False))
        self._names = {id(module): name for name, module in network.named_modules()}
        # A layer that stands at several places is one layer, by its first name.
        self._unit_of = {name: unit_of.get(self._names[id(module)]) for name, module in self._modules.items()}
        self._nodes = list(network.graph.nodes)
        self._valued = _valued(self._nodes)
        self._below = self._units_below()
        self._unit: dict[fx.Node, int | None] = {}
        self._order: dict[fx.Node, int] = {}
        for position, node in enumerate(self._nodes):
            self._unit[node], self._order[node] = self._place(node, position)
        self._non_negative: set[fx.Node] = set()
        for node in self._nodes:
            if self._cannot_be_negative(node):
                self._non_negative.add(node)

    def crossings(self, act_bit_widths: Sequence[int]) -> Iterator[tuple[fx.Node, list[Crossing]]]:
        """Yield each tensor that has to be on a grid somewhere, with its ways to the readers that want it so.

        Args:
            act_bit_widths: Activation bits of each unit.
        """
        for node in self._nodes:
            if not self._has_values(node) or self._passes(node):
                continue
            found = [
                Crossing(path, bits)
                for path in self._ways(node)
                if (bits := self._bits(node, path[-1], act_bit_widths)) != FULL_PRECISION_BITS
            ]
            if found:
                yield node, found

    def wanted(self, act_bit_widths: Sequence[int]) -> dict[str, set[int]]:
        """Return the bits of what has to enter each layer of a unit, over all its uses, by its first name."""
        found: dict[str, set[int]] = {}
        for _, ways in self.crossings(act_bit_widths):
            for way in ways:
                if self.is_layer(way.path[-1]):
                    found.setdefault(self.layer_name(way.path[-1]), set()).add(way.bits)
        return found

    def layer_name(self, node: fx.Node) -> str:
        """Return the first name of the layer that a node calls."""
        name: str = self._names[id(self._modules[str(node.target)])]
        return name

    def is_non_negative(self, node: fx.Node) -> bool:
        """Whether the values of a node cannot be negative, whatever the network learns."""
        return node in self._non_negative

    def _cannot_be_negative(self, node: fx.Node) -> bool:
        """Return whether they cannot, where that is known of all nodes before."""
        if _is_one_of(node, self._modules, _NON_NEGATIVE_MODULES, _NON_NEGATIVE):
            return True
        if not _is_one_of(node, self._modules, _KEEP_SIGN_MODULES, _KEEP_SIGN):
            return False
        if node.op != "call_module":
            numbers = [one for one in (*node.args, *node.kwargs.values()) if isinstance(one, float | int)]
            if function_name(node) in _ARITHMETIC and any(number < 0 for number in numbers):
                return False
            if function_name(node) == "interpolate" and node.kwargs.get("mode", "nearest") not in _KEEPING_MODES:
                return False
            if function_name(node) in _MOVING:  # numbers that follow from sizes are no values
                return self._non_negative.issuperset(one for one in node.all_input_nodes if self._has_values(one))
        return bool(node.all_input_nodes) and self._non_negative.issuperset(node.all_input_nodes)

    def is_layer(self, node: fx.Node) -> bool:
        """Whether a node is a convolution or linear layer."""
        return node.op == "call_module" and isinstance(self._modules[str(node.target)], LAYERS)

    def _bits(self, source: fx.Node, reader: fx.Node, act_bit_widths: Sequence[int]) -> int:
        """Return the bits of a tensor where one of its readers reads it."""

        def bits(unit: int | None) -> int:
            return FULL_PRECISION_BITS if unit is None else act_bit_widths[unit - 1]

        before, after = self._unit[source], self._unit[reader]
        if reader.op == "output" or (before == after and not self.is_layer(reader)):
            return FULL_PRECISION_BITS
        return min(bits(before), bits(after))

    def _ways(self, source: fx.Node) -> Iterator[tuple[fx.Node, ...]]:
        """Yield the ways of a tensor to its readers, through nodes that only move it."""
        for user in source.users:
            if not self._has_values(user) and user.op != "output":
                continue
            if self._passes(user):
                yield from ((user, *rest) for rest in self._ways(user))
            else:
                yield (user,)

    def _passes(self, node: fx.Node) -> bool:
        """Whether a node only moves values and lies in no unit."""
        return self._unit[node] is None and only_moves(node, self._modules)

    def _place(self, node: fx.Node, position: int) -> tuple[int | None, int]:
        """Return the unit of a node, and the position of the latest layer that it comes from."""
        if self.is_layer(node):
            return self._unit_of[str(node.target)], position
        inputs = [one for one in node.all_input_nodes if self._has_values(one)]
        if not inputs or node.op == "output":
            return None, -1
        latest = max(inputs, key=lambda one: self._order[one])
        unit, order = self._unit[latest], self._order[latest]
        if _is_one_of(node, self._modules, _ELEMENTWISE_MODULES, _ELEMENTWISE) or self._below[node] == {unit}:
            return unit, order
        return None, order

    def _units_below(self) -> dict[fx.Node, set[int | None]]:
        """Return the units of the next layers below each node; 0 stands for the output."""
        below: dict[fx.Node, set[int | None]] = {}
        for node in reversed(self._nodes):
            below[node] = set()
            for user in node.users:
                if user.op == "output":
                    below[node].add(0)
                elif self.is_layer(user):
                    below[node].add(self._unit_of[str(user.target)])
                else:
                    below[node] |= below[user]
        return below

    def _has_values(self, node: fx.Node) -> bool:
        """Whether a node gives activations, rather than a size, a mode or what follows from parameters alone."""
        return node in self._valued


def _valued(nodes: Sequence[fx.Node]) -> set[fx.Node]:
    """Return the nodes that give activations."""
    found: set[fx.Node] = set()
    for node in nodes:
        is_function = node.op in ("call_function", "call_method")
        if node.op == "placeholder" or (
            node.op not in ("get_attr", "output")
            and not (is_function and function_name(node) in _NO_VALUES)
            and not found.isdisjoint(node.all_input_nodes)
        ):
            found.add(node)
    return found


def gives_several(node: fx.Node) -> bool:
    """Whether a node gives several tensors."""
    return node.op != "call_module" and function_name(node) in ("chunk", "split", "tensor_split", "unbind")


def only_moves(node: fx.Node, modules: Mapping[str, nn.Module]) -> bool:
    """Whether a node gives some of the values that it reads, and no others; dropout gives them times one number."""
    return _is_one_of(node, modules, _MOVING_MODULES, _MOVING)


def _is_one_of(
    node: fx.Node, modules: Mapping[str, nn.Module], kinds: tuple[type[nn.Module], ...], functions: frozenset[str]
) -> bool:
    if node.op == "call_module":
        return isinstance(modules[str(node.target)], kinds)
    return node.op in ("call_function", "call_method") and function_name(node) in functions
