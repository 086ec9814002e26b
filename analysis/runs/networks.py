"""Networks as their layers and units: what shapes and bits are looked up in, whatever a network is built from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import pandas as pd

FEW_UNITS = 6  # up to so many, each bit of a schedule is read by itself


@dataclass(frozen=True)
class RecordedLayer:
    """One convolution or linear layer, for one image.

    Attributes:
        name: Name of the module.
        kind: ``conv`` or ``linear``.
        unit: Number of the unit that decides its bits, from 1; None where it is in none.
        is_first_or_last: Whether it is the first or the last layer of the network.
        n_weights: Weights, biases not counted.
        macs: Multiply-accumulates.
        n_inputs: Values it reads.
        n_outputs: Values it writes.
    """

    name: str
    kind: str
    unit: int | None
    is_first_or_last: bool
    n_weights: int
    macs: int
    n_inputs: int
    n_outputs: int


@dataclass(frozen=True)
class RecordedNetwork:
    """A network of a run; its key stands for all of it, so that networks are compared and hashed by it.

    Attributes:
        key: As in the table of trials; made up for runs of earlier versions, whose tables have none.
        layers: In forward order.
        units: Names of the units, shallow to deep.
    """

    key: str
    layers: tuple[RecordedLayer, ...] = field(compare=False, repr=False)
    units: tuple[str, ...] = field(compare=False, repr=False)

    @property
    def macs(self) -> int:
        """Multiply-accumulates per image."""
        return sum(layer.macs for layer in self.layers)

    @property
    def shape(self) -> tuple[tuple[object, ...], ...]:
        """What networks have in common that differ in their units alone."""
        return tuple(
            (layer.name, layer.kind, layer.n_weights, layer.macs, layer.n_inputs, layer.n_outputs)
            for layer in self.layers
        )


def make_networks(rows: pd.DataFrame) -> dict[str, RecordedNetwork]:
    """Return the networks of some runs by their key.

    Args:
        rows: Columns `lwq_tune.results.schema.NETWORK_COLUMNS`, the layers of a network in forward order.
    """
    found = {}
    for key, own in rows.groupby("network", sort=False):
        names: dict[int, str] = {}
        layers = []
        for row in own.to_dict("records"):
            unit = None if pd.isna(row["unit"]) else int(row["unit"])
            if unit is not None:
                names[unit] = str(row["unit_name"])
            layers.append(
                RecordedLayer(
                    str(row["layer"]), str(row["kind"]), unit, bool(row["is_first_or_last"]), int(row["n_weights"]),
                    int(row["macs"]), int(row["n_inputs"]), int(row["n_outputs"]),
                )
            )  # fmt: skip
        units = tuple(names.get(number, f"unit {number}") for number in range(1, max(names, default=0) + 1))
        found[str(key)] = RecordedNetwork(str(key), tuple(layers), units)
    return found


def unit_names(trials: pd.DataFrame) -> tuple[str, ...]:
    """Return what to call the units of some trials, shallow to deep.

    A unit has the name that all networks of these trials give it. Where they differ it is called by its number, and
    where no network is known it is a stage, which units are by default.

    Args:
        trials: Columns ``network`` and ``bit_widths``.
    """
    n_units = max(map(len, trials["bit_widths"]), default=0)
    known = [network.units for network in dict.fromkeys(known_networks(trials))]
    names = [{units[place] for units in known if len(units) > place} for place in range(n_units)]
    return tuple(
        next(iter(found)) if len(found) == 1 else f"{'unit' if found else 'stage'} {place}"
        for place, found in enumerate(names, start=1)
    )


def known_networks(trials: pd.DataFrame) -> Iterable[RecordedNetwork]:
    """Return the networks of some trials, one for each trial whose network is known."""
    return (network for network in trials["network"] if isinstance(network, RecordedNetwork))


def bits_text(bit_widths: Iterable[int]) -> str:
    """Return the bits of a schedule, those of many units as runs of equal bits.

    >>> bits_text((2, 3, 4)), bits_text((2,) * 5 + (4,) * 9), bits_text((2, 4) * 4)
    ('2-3-4', '2x5 4x9', '2 4 2 4 2 4 2 4')
    """
    bits = list(bit_widths)
    if len(bits) <= FEW_UNITS:
        return "-".join(map(str, bits))
    runs: list[list[int]] = []
    for bit in bits:
        if runs and runs[-1][0] == bit:
            runs[-1][1] += 1
        else:
            runs.append([bit, 1])
    if len(runs) <= FEW_UNITS:
        return " ".join(f"{bit}x{count}" for bit, count in runs)
    return " ".join(map(str, bits))
