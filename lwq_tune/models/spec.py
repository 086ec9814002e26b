"""Which network: what settings say of it, before anything is built. No torch.

A network is one of three: built in (``resnet14`` to ``resnet56``, ``resnet`` with blocks), of torchvision
(``torchvision:NAME``), or a factory of the user, ``package.module:factory`` or ``path/to/file.py:factory``.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any, Literal

from lwq_tune.errors import ConfigError, near_miss
from lwq_tune.models.layer_shapes import MODEL_BLOCKS

Granularity = Literal["stage", "block", "layer"]
BUILTIN = (*MODEL_BLOCKS, "resnet")
TORCHVISION = "torchvision:"
DIGEST_LENGTH = 16


@dataclass(frozen=True)
class NetworkSpec:
    """A network and how its layers are grouped into units.

    Attributes:
        model: Its name: built in, ``torchvision:NAME``, or ``module:factory`` or ``file.py:factory``.
        blocks: Basic blocks per stage of a built-in network.
        width: Multiplier on the channels of a built-in network.
        arguments: What a factory is called with beside the classes, as canonical JSON.
        stem: ``cifar`` for a 3x3 stem of stride 1 without pooling in the place of torchvision's own.
        weights: File with a state dict that it starts from.
        granularity: What a unit is, where ``units`` names none.
        units: Name and patterns of each unit.
    """

    model: str = "resnet14"
    blocks: tuple[int, ...] = ()
    width: float = 1.0
    arguments: str = "{}"
    stem: Literal["own", "cifar"] = "own"
    weights: str | None = None
    granularity: Granularity = "stage"
    units: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def is_builtin(self) -> bool:
        """Whether it is one of our own residual networks."""
        return self.model in BUILTIN

    @property
    def is_converted_by_stage(self) -> bool:
        """Whether it is a built-in network with one unit per residual stage."""
        return self.is_builtin and self.granularity == "stage" and not self.units

    @property
    def keyword_arguments(self) -> dict[str, Any]:
        """What a factory is called with beside the classes."""
        arguments: dict[str, Any] = json.loads(self.arguments)
        return arguments


def network_spec(settings: Mapping[str, Any]) -> NetworkSpec:
    """Return the network that settings of a trial name, checked or not; what they leave out has its default.

    Raises:
        ConfigError: One has a form that no network has.
    """
    model = settings.get("model", "resnet14")
    blocks, units, arguments = settings.get("blocks") or (), settings.get("units"), settings.get("model_arguments")
    try:
        patterns = json.loads(units) if isinstance(units, str) else units or {}
        return NetworkSpec(
            model=check_model_name(model),
            blocks=tuple(int(n_blocks) for n_blocks in blocks) or MODEL_BLOCKS.get(model, ()),
            width=float(settings.get("width", 1.0)),
            arguments=arguments if isinstance(arguments, str) else canonical_arguments(arguments or {}),
            stem=settings.get("stem", "own"),
            weights=settings.get("weights"),
            granularity=settings.get("granularity", "stage"),
            units=tuple((name, (its,) if isinstance(its, str) else tuple(its)) for name, its in patterns.items()),
        )
    except (TypeError, ValueError, AttributeError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"model: a network is named by settings of the right kinds ({error})") from error


def canonical_arguments(arguments: Mapping[str, Any]) -> str:
    """Return arguments of a factory as JSON, the same for equal ones.

    >>> canonical_arguments({"b": 1, "a": [2]})
    '{"a":[2],"b":1}'
    """
    return json.dumps(arguments, sort_keys=True, separators=(",", ":"))


def check_model_name(model: str) -> str:
    """Return the name of a network when it has one of the known forms.

    Raises:
        ConfigError: It has not.
    """
    if model in BUILTIN or (str(model).startswith(TORCHVISION) and len(model) > len(TORCHVISION)):
        return model
    module, separator, factory = model.rpartition(":") if isinstance(model, str) else ("", "", "")
    if separator and module and factory.isidentifier():
        return model
    raise ConfigError(
        f"model must be one of {', '.join(MODEL_BLOCKS)}, resnet with blocks, torchvision:NAME, "
        f"package.module:factory or file.py:factory, got {model!r}{near_miss(str(model), BUILTIN)}"
    )


def split_factory(model: str) -> tuple[str, str]:
    """Return the module or file of a factory, and the name of the factory.

    >>> split_factory("nets/mine.py:build"), split_factory("mynets.small:build")
    (('nets/mine.py', 'build'), ('mynets.small', 'build'))
    """
    module, _, factory = model.rpartition(":")
    return module, factory


def is_file(model: str) -> bool:
    """Whether a network comes from a file of the user."""
    return ":" in model and not model.startswith(TORCHVISION) and split_factory(model)[0].endswith(".py")


def file_of(model: str) -> Path:
    """Return where the code of a factory in a file is."""
    return Path(split_factory(model)[0]).expanduser()


def source_digest(model: str) -> str | None:
    """Return what identifies the code of a factory, None for networks that are no user's.

    Of a file it is the digest of its content; of a module that of its file, with the version of its package.

    Raises:
        ConfigError: There is no such file or module.
    """
    if model in BUILTIN or model.startswith(TORCHVISION):
        return None
    module, _ = split_factory(model)
    if is_file(model):
        return digest_of_file(file_of(model), "model")
    path = _file_of_module(module)
    package = module.partition(".")[0]
    distributions = packages_distributions().get(package, ())
    return f"{digest_of_file(path, 'model')}{f'-{version(distributions[0])}' if distributions else ''}"


def digest_of_file(path: Path, setting: str) -> str:
    """Return the first hex digits of the SHA-256 of a file.

    Raises:
        ConfigError: It cannot be read.
    """
    try:
        with path.expanduser().open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()[:DIGEST_LENGTH]
    except OSError as error:
        raise ConfigError(f"{setting}: a file must be there and readable, got {path} ({error.strerror})") from error


def _file_of_module(module: str) -> Path:
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError) as error:
        spec, reason = None, f" ({error})"
    else:
        reason = ""
    if spec is None or spec.origin is None:
        raise ConfigError(
            f"model: {module} must be a module that Python finds{reason}; install its package, set PYTHONPATH, or give "
            "a file, path/to/file.py:factory"
        )
    return Path(spec.origin)
