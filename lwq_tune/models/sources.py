"""Builds networks in float: our own, those of torchvision, and those of a user's factory."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from lwq_tune.errors import ConfigError, near_miss
from lwq_tune.models.cifar_resnet import CifarResNet
from lwq_tune.models.image_format import ImageFormat
from lwq_tune.models.spec import TORCHVISION, NetworkSpec, digest_of_file, file_of, is_file, split_factory

MAX_NAMED = 3


def make_network(spec: NetworkSpec, images: ImageFormat) -> nn.Module:
    """Return a network in float, initialised from torch's global generator, or from its file of weights.

    Under ``torch.device("meta")`` it has shapes and no values; weights are not loaded then.

    Raises:
        ConfigError: It cannot be built, or its weights do not fit.
    """
    if spec.is_builtin:
        model: nn.Module = CifarResNet(spec.blocks, spec.width, images.num_classes, images.channels)
    elif spec.model.startswith(TORCHVISION):
        model = _torchvision_network(spec, images)
    else:
        model = _called(_factory(spec.model), spec, images.num_classes)
    if spec.stem == "cifar":
        _set_cifar_stem(model, images.channels)
    if spec.weights is not None and torch.get_default_device().type != "meta":
        load_weights(model, Path(spec.weights))
    return model


def _torchvision_network(spec: NetworkSpec, images: ImageFormat) -> nn.Module:
    """Return a classification network of torchvision; its stem takes as many channels as the images have."""
    from torchvision import models

    name, known = spec.model.removeprefix(TORCHVISION), models.list_models(module=models)
    if name not in known:
        hint = near_miss(name, known)
        raise ConfigError(
            f"model: torchvision has no classification network {name!r}{hint}; torchvision.models.list_models() names "
            f"all {len(known)}"
        )
    model = _called(models.get_model_builder(name), spec, images.num_classes)
    if images.channels != 3:
        stem_name, stem = _stem(model)
        _replace(model, stem_name, _convolution_like(stem, in_channels=images.channels))
    return model


def _called(factory: Callable[..., Any], spec: NetworkSpec, num_classes: int) -> nn.Module:
    """Return what a factory makes.

    Raises:
        ConfigError: It raises, or makes no module.
    """
    arguments = spec.keyword_arguments
    try:
        model = factory(num_classes=num_classes, **arguments)
    except Exception as error:  # any code of the user
        given = ", ".join([f"num_classes={num_classes}", *(f"{key}={value!r}" for key, value in arguments.items())])
        raise ConfigError(f"model: {spec.model} must make a network from {given}, it raised {_of(error)}") from error
    if not isinstance(model, nn.Module):
        raise ConfigError(f"model: {spec.model} must return a torch.nn.Module, got {type(model).__name__}")
    return model


def _of(error: Exception) -> str:
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _factory(model: str) -> Callable[..., Any]:
    """Return the factory that a name stands for.

    Raises:
        ConfigError: Its module cannot be imported, or has no such callable.
    """
    place, name = split_factory(model)
    if is_file(model):
        path = file_of(model)
        module = _module_of_file(path, digest_of_file(path, "model"))
    else:
        try:
            module = importlib.import_module(place)
        except Exception as error:  # any code of the user
            raise ConfigError(
                f"model: {place} must be a module that can be imported, it raised {_of(error)}"
            ) from error
    factory = getattr(module, name, None)
    if not callable(factory):
        known = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        raise ConfigError(
            f"model: {place} must have a callable {name!r}, it has none{near_miss(name, known)}; it has "
            f"{', '.join(known) or 'no callable at all'}"
        )
    found: Callable[..., Any] = factory
    return found


@functools.cache
def _module_of_file(path: Path, digest: str) -> ModuleType:
    """Return the module that a file is; a file with another content is another module.

    Raises:
        ConfigError: It cannot be imported.
    """
    name = f"lwq_tune_network_{digest}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"model: {path} must be a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # any code of the user
        del sys.modules[name]
        hint = "; what it imports must be installed or in the same file" if isinstance(error, ImportError) else ""
        raise ConfigError(f"model: {path} must be a Python file that runs, it raised {_of(error)}{hint}") from error
    return module


def _set_cifar_stem(model: nn.Module, channels: int) -> None:
    """Give a network the usual stem for small images: 3x3 of stride 1, without the pooling behind it, in place.

    Raises:
        ConfigError: It does not begin with a convolution.
    """
    name, stem = _stem(model)
    _replace(model, name, _convolution_like(stem, in_channels=channels, kernel_size=3, stride=1, padding=1))
    modules = list(model.named_modules())
    after = modules[[one for one, _ in modules].index(name) + 1 :]
    for other, module in after:
        if isinstance(module, nn.Conv2d | nn.Linear):
            break
        if isinstance(module, nn.MaxPool2d):
            _replace(model, other, nn.Identity())


def _stem(model: nn.Module) -> tuple[str, nn.Conv2d]:
    name, layer = next(
        ((name, part) for name, part in model.named_modules() if isinstance(part, nn.Conv2d | nn.Linear)), ("", None)
    )
    if not isinstance(layer, nn.Conv2d):
        raise ConfigError("model: images of this form, or stem: cifar, need a network that begins with a Conv2d")
    return name, layer


def _convolution_like(stem: nn.Conv2d, **changes: Any) -> nn.Conv2d:
    """Return a convolution with other sizes, initialised after He et al. 2015 as torchvision's are."""
    sizes: dict[str, Any] = {
        "in_channels": stem.in_channels,
        "out_channels": stem.out_channels,
        "kernel_size": stem.kernel_size,
        "stride": stem.stride,
        "padding": stem.padding,
        "dilation": stem.dilation,
        "bias": stem.bias is not None,
        **changes,
    }
    convolution = nn.Conv2d(**sizes, device=stem.weight.device)
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    if convolution.bias is not None:
        nn.init.zeros_(convolution.bias)
    return convolution


def _replace(model: nn.Module, name: str, module: nn.Module) -> None:
    holder, _, attribute = name.rpartition(".")
    setattr(model.get_submodule(holder), attribute, module)


def load_weights(model: nn.Module, path: Path) -> None:
    """Load a state dict from a file into a network.

    A file without the tensors of the last layer leaves that one as it was initialised.

    Raises:
        ConfigError: The file cannot be read, or its tensors are of another network.
    """
    try:
        state = torch.load(path.expanduser(), map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, ValueError) as error:
        raise ConfigError(
            f"weights must be a file that torch.save wrote of a state dict, {path} is not ({_of(error)})"
        ) from error
    if isinstance(state, dict) and isinstance(state.get("model"), dict):
        state = state["model"]  # a checkpoint
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ConfigError(f"weights must hold a state dict, names and tensors, got {type(state).__name__} in {path}")
    wanted = model.state_dict()
    last = [name for name, part in model.named_modules() if isinstance(part, nn.Conv2d | nn.Linear)][-1:]
    is_new_last = not any(name.rpartition(".")[0] in last for name in state)
    wrong = [
        _difference(name, value, state)
        for name, value in wanted.items()
        if (name not in state or state[name].shape != value.shape)
        and not (is_new_last and name.rpartition(".")[0] in last)
        and not name.endswith("num_batches_tracked")
    ]
    wrong += [f"{name} is not of this network" for name in state if name not in wanted]
    if wrong:
        more = f", and {len(wrong) - MAX_NAMED} more" if len(wrong) > MAX_NAMED else ""
        raise ConfigError(
            f"weights must fit the network: {'; '.join(wrong[:MAX_NAMED])}{more} in {path}; for another number of "
            f"classes leave out the tensors of {last[0] if last else 'the last layer'}"
        )
    model.load_state_dict(state, strict=False)


def _difference(name: str, value: Tensor, state: dict[str, Tensor]) -> str:
    if name not in state:
        return f"{name} is missing"
    return f"{name} has the shape {tuple(state[name].shape)} instead of {tuple(value.shape)}"
