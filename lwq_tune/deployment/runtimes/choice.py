"""Runtimes by name."""

from __future__ import annotations

import importlib
from typing import Any

from lwq_tune.deployment.runtimes.base import Runtime
from lwq_tune.errors import ConfigError

EXTRA = "install the extra: pip install 'lwq-tune[deploy]'"


def make_runtime(name: str = "openvino", *, is_writer_needed: bool = False) -> Runtime:
    """Return a runtime by name.

    Args:
        name: Its name.
        is_writer_needed: Whether files are written too, which needs ``onnx``; a process that measures goes without.

    Raises:
        ConfigError: It, or ``onnx``, is not installed, or there is none of that name.
    """
    from lwq_tune.deployment.runtimes.onnxruntime import OnnxRuntime
    from lwq_tune.deployment.runtimes.openvino import OpenVino

    kinds: dict[str, Any] = {"openvino": OpenVino, "onnxruntime": OnnxRuntime}
    if name not in kinds:
        raise ConfigError(f"a runtime is one of {', '.join(kinds)}, got {name!r}")
    try:
        if is_writer_needed:
            importlib.import_module("onnx")
        runtime: Runtime = kinds[name]()
    except ImportError as error:
        raise ConfigError(f"a deployed network needs onnx and {name}, {error.name} is not here; {EXTRA}") from error
    return runtime
