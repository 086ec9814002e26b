"""Finds the layers of a built network, and the blocks and stages that hold them, from its modules alone.

- A *block* is what a network repeats: the first module on the way down that is no plain container (``nn.Sequential``,
  ``nn.ModuleList``, ``nn.ModuleDict``), such as a ``BasicBlock``, an ``InvertedResidual`` or a single convolution. A
  module that holds more than half of all layers is looked into too: it wraps the network.
- A *stage* is a run of blocks of one container at one resolution: a new one begins where a block has a convolution or
  pooling of stride above 1, after a pooling between blocks, and where linear layers follow convolutions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn

from lwq_tune.errors import ConfigError
from lwq_tune.models.units import Place

LAYERS = (nn.Conv2d, nn.Linear)
_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
_POOLING = (nn.MaxPool2d, nn.AvgPool2d)
_ATTENTION = (nn.MultiheadAttention, nn.RNNBase, nn.Transformer, nn.TransformerEncoderLayer, nn.TransformerDecoderLayer)


@dataclass(frozen=True)
class _Block:
    name: str
    container: str
    layers: tuple[str, ...]
    begins_stage: bool
    is_linear: bool


def find_layers(model: nn.Module) -> tuple[list[Place], dict[str, str]]:
    """Return all convolutions and linear layers of a network in order, and other modules that hold weights.

    A layer that stands at several places is one layer.

    Returns:
        The layers; and by name, why other modules with weights stay in full precision.

    Raises:
        ConfigError: The network is a single layer.
    """
    if isinstance(model, LAYERS):
        raise ConfigError("model: a network needs layers between its first and its last to quantize, this is one layer")
    reasons, others = _reasons(model)
    layers = [name for name, module in model.named_modules() if isinstance(module, LAYERS)]
    blocks = list(_blocks(model, "", "", len(layers)))
    stages = _stages(blocks, {*layers[:1], *layers[-1:]})
    block_of = {name: block.name for block in blocks for name in block.layers}
    places = [Place(name, block_of[name], stages[name], reasons.get(name, "")) for name in layers]
    return places, others


def _reasons(model: nn.Module) -> tuple[dict[str, str], dict[str, str]]:
    """Return why some layers, and other modules with weights, stay in full precision, by name."""
    layers, others = {}, {}
    attention = [name for name, module in model.named_modules() if isinstance(module, _ATTENTION)]
    for name, module in model.named_modules():
        kind = type(module).__name__
        holder = next((one for one in attention if name == one or name.startswith(f"{one}.")), None)
        if isinstance(module, LAYERS):
            if holder is not None:
                layers[name] = f"part of {type(model.get_submodule(holder)).__name__}"
            elif type(module) not in LAYERS:
                layers[name] = f"{kind} computes in a way of its own"
            elif "weight" not in module._parameters:
                layers[name] = "its weight is computed from others"
            elif module._forward_hooks or module._forward_pre_hooks:
                layers[name] = "it has hooks"
        elif any(parameter.dim() > 1 for parameter in module.parameters(recurse=False)):
            others[name or kind] = f"{kind} is neither Conv2d nor Linear"
    return layers, others


def _blocks(module: nn.Module, path: str, container: str, n_layers: int) -> Iterator[_Block]:
    """Yield the blocks below a container in order."""
    follows_pooling = False
    for name, child in module.named_children():
        child_path = f"{path}.{name}" if path else name
        layers = _layers_of(child, child_path)
        is_container = type(child) in _CONTAINERS or (len(layers) * 2 > n_layers and not isinstance(child, LAYERS))
        if not layers:
            follows_pooling |= _reduces(child)
        elif is_container and any(True for _ in child.children()):
            first = True
            for block in _blocks(child, child_path, child_path, n_layers):
                yield _following(block, follows_pooling and first)
                first = False
            follows_pooling = False
        else:
            reduces = any(_reduces(part) for part in child.modules())
            is_linear = all(isinstance(part, nn.Linear) for part in child.modules() if isinstance(part, LAYERS))
            yield _Block(child_path, container, layers, reduces or follows_pooling, is_linear)
            # Where the pooling is the last thing in a block, what follows is at the next resolution.
            follows_pooling = not isinstance(child, LAYERS) and _reduces(list(child.modules())[-1])


def _following(block: _Block, begins_stage: bool) -> _Block:
    if not begins_stage:
        return block
    return _Block(block.name, block.container, block.layers, True, block.is_linear)


def _layers_of(module: nn.Module, path: str) -> tuple[str, ...]:
    found = [name for name, part in module.named_modules() if isinstance(part, LAYERS)]
    return tuple(f"{path}.{name}" if name else path for name in found)


def _reduces(module: nn.Module) -> bool:
    """Whether a layer or pooling of its own has a stride above 1."""
    if not isinstance(module, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
        return False
    stride = module.stride
    return any(step > 1 for step in (stride if isinstance(stride, tuple) else (stride,)))


def _stages(blocks: list[_Block], ends: set[str]) -> dict[str, str]:
    """Return the name of the stage of each layer; the first and the last layer alone make none.

    Args:
        blocks: In order.
        ends: Names of the first and the last layer.
    """
    groups: list[list[_Block]] = []
    for block in blocks:
        previous = groups[-1][-1] if groups else None
        is_new = (
            previous is None
            or block.container != previous.container
            or block.begins_stage
            or block.is_linear != previous.is_linear
        )
        if is_new:
            groups.append([])
        groups[-1].append(block)
    of_container: dict[str, list[list[_Block]]] = {}
    for group in groups:
        if {name for block in group for name in block.layers} - ends:
            of_container.setdefault(group[0].container, []).append(group)
    names = {name: name for block in blocks for name in block.layers}
    for container, its_groups in of_container.items():
        for number, group in enumerate(its_groups, start=1):
            stage = container if container and len(its_groups) == 1 else f"{container or 'stage'}_{number}"
            names |= {name: stage for block in group for name in block.layers}
    return names
