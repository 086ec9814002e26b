"""The layers of a network and the units that get bits: what costs, tables and conversion share. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["conv", "linear"]


@dataclass(frozen=True)
class Layer:
    """One convolution or linear layer, for one image.

    Attributes:
        name: Its name in the built network, such as ``layer1.0.conv1``.
        kind: Convolution or linear layer.
        unit: Number of its unit from 1, or None: in full precision, or, as the first or the last layer, at
            ``first_last_bit_width``.
        n_weights: Weights, biases not counted.
        macs: Multiply-accumulates, over all its uses.
        n_inputs: Values that it reads.
        n_outputs: Values that it writes.
        is_first_or_last: Whether it is the first or the last layer, and in no unit.
    """

    name: str
    kind: Kind
    unit: int | None
    n_weights: int
    macs: int
    n_inputs: int
    n_outputs: int
    is_first_or_last: bool = False


@dataclass(frozen=True)
class NetworkDescription:
    """What is known of a network before it is trained.

    Attributes:
        layers: All convolutions and linear layers that a forward pass reaches, in the order of their first use.
        units: Names of the units; a schedule gives bits in this order.
        left_out: Layers in no unit, first and last aside, by name, and parts of other kinds that hold weights in full
            precision, with the reason.
        conversion: ``graph``, quantizers stand on the tensors of the traced graph; or ``modules``, where the network
            cannot be traced: weights and inputs of layers are quantized, not what leaves a unit.
        untraced: Why it cannot be traced; empty if it can.
    """

    layers: tuple[Layer, ...]
    units: tuple[str, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)
    conversion: Literal["graph", "modules"] = "graph"
    untraced: str = ""

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one image."""
        return sum(layer.macs for layer in self.layers)
