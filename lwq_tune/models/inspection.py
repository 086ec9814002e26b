"""Runs a network once without values, to find what its layers read, write and multiply."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from lwq_tune.errors import ConfigError
from lwq_tune.models.image_format import ImageFormat
from lwq_tune.models.module_tree import LAYERS, find_layers
from lwq_tune.models.network import Layer, NetworkDescription
from lwq_tune.models.sources import make_network
from lwq_tune.models.spec import NetworkSpec
from lwq_tune.models.tracing import trace
from lwq_tune.models.units import Units

_N = 2  # images of the run: what does not depend on their number shows


def built_without_values(spec: NetworkSpec, images: ImageFormat) -> nn.Module:
    """Return a network on the meta device; with values, where its code needs them.

    Raises:
        ConfigError: It cannot be built.
    """
    state = torch.random.get_rng_state()
    try:
        with torch.device("meta"):
            return make_network(spec, images)
    except ConfigError:
        return make_network(spec, images)
    finally:
        torch.random.set_rng_state(state)


def inspect_network(spec: NetworkSpec, images: ImageFormat, units: Units) -> NetworkDescription:
    """Return the layers of a network as a forward pass reaches them.

    Raises:
        ConfigError: It cannot be built, or cannot work on these images.
    """
    model = built_without_values(spec, images)
    with torch.random.fork_rng(devices=[]):  # what is found out draws no number that a trial would draw
        try:
            seen = _run(model, images, spec.model)
        except ConfigError:
            if not any(parameter.is_meta for parameter in model.parameters()):
                raise
            model = make_network(spec, images)  # it may ask for values on the way
            seen = _run(model, images, spec.model)
    names = {id(module): name for name, module in model.named_modules()}
    layers = tuple(
        _layer(names[id(module)], module, uses, units) for module, uses in seen.items() if id(module) in names
    )
    reached = {layer.name for layer in layers}
    unreached = [name for name in (*units.of_layer, *units.first_and_last) if name not in reached]
    for number, unit in enumerate(units.names, start=1):
        if not any(layer.unit == number for layer in layers):
            raise ConfigError(f"units: a unit must hold a layer that the network uses, {unit} holds none")
    left_out = {**units.left_out, **find_layers(model)[1], **dict.fromkeys(unreached, "not used in a forward pass")}
    graph = trace(model)
    untraced = graph if isinstance(graph, str) else ""
    return NetworkDescription(layers, units.names, left_out, "modules" if untraced else "graph", untraced)


Use = tuple[Tensor, Tensor]


def _run(model: nn.Module, images: ImageFormat, name: str) -> dict[nn.Module, list[Use]]:
    """Return what each layer read and wrote, in the order of first use.

    Raises:
        ConfigError: The network does not map images of this form to one logit per class.
    """
    seen: dict[nn.Module, list[Use]] = {}

    def hook(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        seen.setdefault(module, []).append((inputs[0], output))

    handles = [part.register_forward_hook(hook) for part in model.modules() if isinstance(part, LAYERS)]
    was_training = model.training
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    batch = torch.zeros(_N, *images.shape, device=device)
    call: Callable[[Tensor], Any] = model.eval()
    try:
        with torch.no_grad():
            logits = call(batch)
            for handle in handles:
                handle.remove()
            in_training = call.train()(batch)  # type: ignore[attr-defined]
    except Exception as error:  # any code of the user
        lines = str(error).splitlines()
        reason = f"{type(error).__name__}: {lines[0] if lines else ''}"
        raise ConfigError(
            f"model: {name} must take images of {images} (channels x rows x columns), it raised {reason}; use "
            "image_size, stem: cifar or another network"
        ) from error
    finally:
        model.train(was_training)
        for handle in handles:
            handle.remove()
    if not isinstance(logits, Tensor) or tuple(logits.shape) != (_N, images.num_classes):
        got = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise ConfigError(
            f"model: {name} must give a tensor of one logit per class, shape (n, {images.num_classes}), got {got} for "
            f"{_N} images"
        )
    if not isinstance(in_training, Tensor):
        raise ConfigError(
            f"model: {name} must give one tensor of logits in training too, got {type(in_training).__name__}; leave "
            "out auxiliary outputs, such as model_arguments: {aux_logits: false}"
        )
    return seen


def _layer(name: str, module: nn.Module, uses: list[Use], units: Units) -> Layer:
    weight = module.weight
    assert isinstance(weight, Tensor)
    kind = "conv" if isinstance(module, nn.Conv2d) else "linear"
    n_outputs = sum(output.numel() for _, output in uses) // _N
    per_output = weight[0].numel()  # a row of weights for each value that is written
    return Layer(
        name=name,
        kind=kind,  # type: ignore[arg-type]
        unit=units.of_layer.get(name),
        n_weights=weight.numel(),
        macs=n_outputs * per_output,
        n_inputs=sum(values.numel() for values, _ in uses) // _N,
        n_outputs=n_outputs,
        is_first_or_last=name in units.first_and_last,
    )
