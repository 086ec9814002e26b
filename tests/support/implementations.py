"""The classes of a package that have what a protocol asks for."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from types import ModuleType


def implementations(protocol: type, package: ModuleType) -> set[type]:
    """Return the classes defined in a package, or below it, with the methods of a protocol, parameter for parameter.

    >>> from lwq_tune import energy
    >>> from lwq_tune.energy.meter import EnergyMeter
    >>> sorted(found.__name__ for found in implementations(EnergyMeter, energy))
    ['LedgerMeter', 'NullMeter']
    """
    modules = [
        importlib.import_module(info.name) for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    ]
    classes = {
        member
        for module in modules
        for _, member in inspect.getmembers(module, inspect.isclass)
        if member.__module__ == module.__name__ and not getattr(member, "_is_protocol", False)
    }
    asked = methods(protocol)
    return {each for each in classes if asked.items() <= methods(each).items()}


def methods(owner: type) -> dict[str, tuple[str, ...]]:
    """Return the parameters of each public method of a class."""
    members = inspect.getmembers(owner, inspect.isfunction)
    return {name: tuple(inspect.signature(member).parameters) for name, member in members if not name.startswith("_")}
