"""`examples/run_export.py`, which is no module of a package, and a network that goes through it."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from lwq_tune.deployment.archive import export_network
from lwq_tune.deployment.network import Network
from tests.conftest import REPOSITORY, small_config

EXAMPLE = REPOSITORY / "examples" / "run_export.py"


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("run_export", EXAMPLE)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


run_export: Any = _load()


def run_example(network: Network, images: np.ndarray, folder: Path) -> np.ndarray:
    """Return the logits of normalised images, from the archive of a network alone."""
    export_network(network, small_config(), folder / "network.npz")
    logits: np.ndarray = run_export.forward(*run_export.read_network(folder / "network.npz"), images)
    return logits
