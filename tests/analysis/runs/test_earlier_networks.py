"""Networks of runs that have no table of networks, against the layers that the sweep computes."""

from __future__ import annotations

import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.runs.earlier_networks import count_classes, earlier_networks, network_layers
from lwq_tune.models.image_format import ImageFormat
from lwq_tune.models.layer_shapes import layer_shapes

BLOCKS = st.lists(st.integers(1, 9), min_size=1, max_size=4).map(tuple)
WIDTHS = st.sampled_from([0.1, 0.25, 0.5, 1.0, 1.5, 4.0])


@given(BLOCKS, WIDTHS, st.integers(1, 200))
def test_layers_are_those_of_the_sweep(blocks: tuple[int, ...], width: float, num_classes: int) -> None:
    ours = network_layers(blocks, width, num_classes)
    theirs = layer_shapes(blocks, width, ImageFormat(num_classes=num_classes))
    assert [(layer.name, layer.n_weights, layer.macs) for layer in ours] == [
        (shape.name, shape.n_weights, shape.macs) for shape in theirs
    ]
    assert [layer.unit for layer in ours] == [
        int(layer.name[5]) if layer.name.startswith("layer") else None for layer in ours
    ]
    assert [layer.name for layer in ours if layer.is_first_or_last] == ["conv1", "fc"]
    assert count_classes(blocks, width, sum(layer.macs for layer in ours)) == num_classes


def trials_of(**values: object) -> pd.DataFrame:
    known: dict[str, object] = {
        "config_model": "resnet20", "config_blocks": (3, 3, 3), "config_width": 1.0, "macs": 40_813_184.0,
    }  # fmt: skip
    return pd.DataFrame({name: [value] for name, value in (known | values).items()})


def test_trials_of_one_network_share_it_and_its_units_are_stages() -> None:
    first, second = earlier_networks(pd.concat([trials_of(), trials_of(config_model="resnet")], ignore_index=True))
    assert first is not None
    assert first is second
    assert first.units == ("stage 1", "stage 2", "stage 3")
    assert first.macs == 40_813_184


@pytest.mark.parametrize(
    "changes",
    [
        {"macs": 40_813_185.0},
        {"macs": math.nan},
        {"config_blocks": ()},
        {"config_width": math.nan},
        {"config_model": "torchvision:resnet18"},
    ],
    ids=str,
)
def test_what_is_of_no_residual_network_is_not_known(changes: dict[str, object]) -> None:
    assert earlier_networks(trials_of(**changes)) == [None]
