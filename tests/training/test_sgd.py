"""SGD equals PyTorch's, step by step and state by state, and leaves the compiler out of the process."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from lwq_tune.training.sgd import SGD
from tests.conftest import run_python


def network(dtype: torch.dtype = torch.float32) -> nn.Sequential:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 5))
    return model.to(dtype, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def groups(model: nn.Sequential) -> list[dict[str, Any]]:
    return [
        {"params": list(model[:4].parameters()), "weight_decay": 1e-2},
        {"params": list(model[4].parameters()), "weight_decay": 0.0},
    ]


def steps(model: nn.Module, optimizer: SGD | torch.optim.SGD, n_steps: int, first: int = 0) -> None:
    for step in range(first, first + n_steps):
        images = torch.randn(16, 3, 8, 8, generator=torch.Generator().manual_seed(step))
        for group in optimizer.param_groups:
            group["lr"] = 0.1 / (step + 1)
        optimizer.zero_grad()
        model(images.to(next(model.parameters()).dtype)).square().mean().backward()
        optimizer.step()


def both(n_steps: int, momentum: float = 0.9) -> tuple[nn.Sequential, SGD, nn.Sequential, torch.optim.SGD]:
    ours, theirs = network(), network()
    own = SGD(groups(ours), lr=0.1, momentum=momentum)
    peer = torch.optim.SGD(groups(theirs), lr=0.1, momentum=momentum, fused=True)
    steps(ours, own, n_steps)
    steps(theirs, peer, n_steps)
    return ours, own, theirs, peer


def assert_same(left: nn.Module, right: nn.Module) -> None:
    assert left.state_dict().keys() == right.state_dict().keys()
    for name, value in left.state_dict().items():
        assert torch.equal(value, right.state_dict()[name]), name


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_steps_equal_those_of_torch(momentum: float) -> None:
    ours, _, theirs, _ = both(5, momentum)
    assert not torch.equal(ours[0].weight, network()[0].weight)
    assert_same(ours, theirs)


def test_a_state_of_torch_is_gone_on_from_and_the_other_way_round() -> None:
    ours, own, theirs, peer = both(3)
    own_next, peer_next = network(), network()
    own_next.load_state_dict(theirs.state_dict())
    peer_next.load_state_dict(ours.state_dict())
    resumed = SGD(groups(own_next), lr=1.0, momentum=0.9)
    resumed.load_state_dict(peer.state_dict())
    peer_resumed = torch.optim.SGD(groups(peer_next), lr=1.0, momentum=0.9, fused=True)
    defaults = {name: value for name, value in peer.param_groups[0].items() if name != "params"}
    state = copy.deepcopy(own.state_dict())  # torch takes the tensors themselves
    peer_resumed.load_state_dict({**state, "param_groups": [defaults | group for group in state["param_groups"]]})
    for model, optimizer in ((ours, own), (own_next, resumed), (peer_next, peer_resumed)):
        steps(model, optimizer, 2, first=3)
    assert_same(ours, own_next)
    assert_same(ours, peer_next)


def test_a_loaded_state_is_a_copy() -> None:
    ours, own, *_ = both(2)
    state = own.state_dict()
    before = {number: entry["momentum_buffer"].clone() for number, entry in state["state"].items()}
    other = network()
    second = SGD(groups(other), lr=0.1, momentum=0.9)
    second.load_state_dict(state)
    steps(other, second, 2)
    assert all(torch.equal(entry["momentum_buffer"], before[number]) for number, entry in state["state"].items())
    assert state["param_groups"][0]["params"] == [0, 1, 2, 3]
    assert ours is not other


def test_a_state_of_other_groups_is_refused() -> None:
    _, own, *_ = both(1)
    model = network()
    other = SGD([{"params": list(model.parameters()), "weight_decay": 0.0}], lr=0.1, momentum=0.9)
    with pytest.raises(ValueError, match=r"groups of \[4, 2\] parameters, the optimizer has \[6\]"):
        other.load_state_dict(own.state_dict())


EAGER = """
import sys
from lwq_tune.cli.main import main
arguments = ["--bits", "2,3,4", "--width", "0.25", "--epochs", "1", "--engine", "eager", "--no-energy", "--json"]
code = main(["train", *arguments])
print(code, [name for name in ("torch._dynamo", "torch._inductor", "triton") if name in sys.modules])
"""


@pytest.mark.slow
def test_an_eager_trial_brings_no_compiler_into_its_process(tmp_path: Path) -> None:
    result = run_python("-c", EAGER, cwd=tmp_path)
    assert result.stdout.splitlines()[-1] == "0 []", result.stderr
