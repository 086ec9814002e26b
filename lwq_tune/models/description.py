"""What is known of a network before it is trained: its layers, its units, its costs. Torch only where it is needed.

Of our own networks that is arithmetic. Others are built without values and run once, so that layers, shapes and
multiply-accumulates are those of the code that trains.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

from lwq_tune.errors import ConfigError
from lwq_tune.models.image_format import ImageFormat
from lwq_tune.models.layer_shapes import CLASSIFIER, STEM, layer_names, layer_shapes
from lwq_tune.models.network import NetworkDescription
from lwq_tune.models.spec import NetworkSpec, source_digest
from lwq_tune.models.units import Place, Units, make_units

if TYPE_CHECKING:
    from torch import nn


def find_units(spec: NetworkSpec) -> Units:
    """Return the units of a network; they do not depend on the images.

    Raises:
        ConfigError: It cannot be built, or has no such units.
    """
    return _units(spec, source_digest(spec.model))


def describe_network(spec: NetworkSpec, images: ImageFormat) -> NetworkDescription:
    """Return the layers and units of a network for images of a form.

    Raises:
        ConfigError: It cannot be built, or cannot work on these images.
    """
    return _described(spec, images, source_digest(spec.model))


@functools.lru_cache(maxsize=64)
def _units(spec: NetworkSpec, digest: str | None) -> Units:
    if spec.is_builtin:
        return make_units(_places(spec.blocks), spec.granularity, spec.units)
    from lwq_tune.models.inspection import built_without_values
    from lwq_tune.models.module_tree import find_layers

    return make_units(find_layers(built_without_values(spec, ImageFormat()))[0], spec.granularity, spec.units)


@functools.lru_cache(maxsize=256)
def _described(spec: NetworkSpec, images: ImageFormat, digest: str | None) -> NetworkDescription:
    units = _units(spec, digest)
    if spec.is_builtin:
        layers = layer_shapes(spec.blocks, spec.width, images, units.of_layer)
        layers = tuple(dataclasses.replace(one, is_first_or_last=one.name in units.first_and_last) for one in layers)
        return NetworkDescription(layers, units.names, units.left_out)
    from lwq_tune.models.inspection import inspect_network

    return inspect_network(spec, images, units)


def _places(blocks: tuple[int, ...]) -> list[Place]:
    """Return where the layers of our own networks stand."""
    places = []
    for name in layer_names(blocks):
        stage, _, rest = name.partition(".")
        block = name if name in (STEM, CLASSIFIER) else f"{stage}.{rest.partition('.')[0]}"
        places.append(Place(name, block, stage))
    return places


def check_units(model: nn.Module, spec: NetworkSpec) -> Units:
    """Return the units of a built network.

    Raises:
        ConfigError: They are not those that were found before it was built.
    """
    from lwq_tune.models.module_tree import find_layers

    units = make_units(find_layers(model)[0], spec.granularity, spec.units)
    if units != find_units(spec):
        raise ConfigError(f"model: {spec.model} must make the same layers each time, it made others this time")
    return units
