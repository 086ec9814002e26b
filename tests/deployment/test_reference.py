"""The steps of a network, run in float64, against the same network in torch, converted to float64."""

from __future__ import annotations

import copy
from typing import Any, get_args

import pytest
import torch
from torch import nn

from lwq_tune.config.trial import Quantizer
from lwq_tune.deployment.network import describe_network
from lwq_tune.deployment.reference import logits_of, run_steps
from tests.conftest import small_config
from tests.support.small_networks import FINER, IMAGES, small_network, varied_images


@pytest.mark.parametrize("scales", [{}, FINER], ids=["per tensor", "per channel, ends at 8 bits"])
@pytest.mark.parametrize("quantizer", get_args(Quantizer))
def test_in_float32_the_steps_give_what_each_layer_of_torch_gives(quantizer: str, scales: dict[str, Any]) -> None:
    model = small_network(small_config(quantizer=quantizer, bit_widths=(2, 3, 4), **scales))
    network = describe_network(model)
    outputs: dict[str, torch.Tensor] = {}
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d | nn.BatchNorm2d | nn.Linear):
            module.register_forward_hook(
                lambda _module, _inputs, output, name=name: outputs.update({name: output.detach().clone()})
            )
    with torch.no_grad():
        model(IMAGES)
    values = run_steps(network, IMAGES, torch.float32)
    compared = 0
    for step in network.steps:
        name = step.get("name") or step.get("weight", "").removesuffix(".weight")
        if not name:
            continue
        expected = outputs[name]
        difference = (values[step["output"]] - expected).abs()
        # Values in the middle between two levels fall to either; behind them, a few pixels differ.
        assert float((difference > 1e-5 * expected.abs().max()).float().mean()) < 0.02, name
        compared += 1
    assert compared == 10 + 9


def test_in_float64_a_float_network_is_that_of_torch_in_float64() -> None:
    model = small_network(small_config(bit_widths=(32, 32, 32)))
    expected = copy.deepcopy(model).double()(IMAGES.double()).detach()
    found = logits_of(describe_network(model), IMAGES)
    assert found.dtype == torch.float64
    assert torch.allclose(found, expected, rtol=1e-12, atol=1e-12)
    assert not torch.allclose(model(IMAGES).double(), expected, rtol=1e-12, atol=1e-12), "float32 differs"


def test_in_float64_the_grids_hold_the_values_of_the_network_exactly() -> None:
    model = small_network(small_config(bit_widths=(2, 3, 4)))
    network = describe_network(model)
    values = run_steps(network, IMAGES)
    checked = 0
    for step in network.steps:
        if step["op"] == "quantize":
            grid = network.grids[step["grid"]]
            levels = values[step["output"]] / float(grid.scale)
            assert torch.allclose(levels, levels.round(), atol=1e-9, rtol=0)
            assert 0 <= int(levels.round().min()) <= int(levels.round().max()) <= 2**grid.bit_width - 1
            checked += 1
    assert checked == 7


def test_logits_do_not_depend_on_how_images_are_grouped() -> None:
    network = describe_network(small_network(small_config(bit_widths=(2, 3, 4))))
    images = varied_images(7)
    assert torch.allclose(logits_of(network, images, batch_size=3), logits_of(network, images), atol=1e-9)
