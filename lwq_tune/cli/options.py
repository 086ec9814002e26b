"""Flags that are derived from settings, and flags that commands share."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from lwq_tune.config.settings import Setting, settings_of

# What decides the carbon intensity and where the data is, for every command that trains.
SHARED_SETTINGS = ("data_dir", "country", "carbon_intensity", "intensity_file", "pue")


def add_settings(parser: argparse.ArgumentParser, model: type[BaseModel], names: Sequence[str] | None = None) -> None:
    """Add a flag for each setting of a model that has one; `given_settings` returns those that the user gave.

    Args:
        parser: Parser of the command.
        model: A model whose fields are settings.
        names: Names of the settings, all by default.
    """
    settings = settings_of(model)
    for name in settings if names is None else names:
        one = settings[name]
        if one.flag is not None:
            parser.add_argument(one.flag or f"--{name.replace('_', '-')}", dest=name, **_how_it_is_read(one))


def given_settings(arguments: argparse.Namespace, model: type[BaseModel]) -> dict[str, Any]:
    """Return the settings of a model that a command line gives, by name; the others have their defaults."""
    return {name: value for name, value in vars(arguments).items() if name in model.model_fields}


def _how_it_is_read(one: Setting) -> dict[str, Any]:
    """Return the arguments of `ArgumentParser.add_argument` for a setting."""
    described: dict[str, Any] = {"help": _help(one), "default": argparse.SUPPRESS}
    if one.kind == "bool":
        return {**described, "action": "store_true"}
    described["metavar"] = one.metavar or {"int": "N", "float": "F", "ints": "N1,N2"}.get(one.kind, "NAME")
    if one.kind == "strs":
        return {**described, "action": "append"}
    if one.without_value is not None:
        described |= {"nargs": "?", "const": one.without_value}
    types = {"int": int, "float": float, "ints": integers}
    return {**described, "type": types[one.kind]} if one.kind in types else described


def _help(one: Setting) -> str:
    """Return the line of a setting in the help of its command."""
    facts = []
    if one.choices:
        *first, last = map(str, one.choices)
        facts.append(f"{', '.join(first)} or {last}")
    if one.default not in (None, (), False) and "default" not in one.meaning:
        facts.append(f"default: {one.default}")
    return f"{one.meaning} ({'; '.join(facts)})" if facts else one.meaning


def integers(text: str) -> tuple[int, ...]:
    """Return the integers in ``1,2,3``.

    Raises:
        ArgumentTypeError: It is no such list.
    """
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"integers are separated by commas, got {text!r}") from error


def add_dashboard(parser: argparse.ArgumentParser) -> None:
    """Add ``--dashboard``, with a port or without."""
    parser.add_argument(
        "--dashboard",
        nargs="?",
        const=0,  # no port: Ray chooses
        type=_port,
        metavar="PORT",
        help="start Ray's dashboard and Prometheus metrics on this host (default: the first free port from 8265 on)",
    )


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"a port is a number from 1 to 65535, got {text!r}")
    return int(text)
