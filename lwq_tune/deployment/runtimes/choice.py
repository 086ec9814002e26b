"""Runtimes by name."""

from __future__ import annotations

from typing import Any

from lwq_tune.deployment.runtimes.base import Runtime
from lwq_tune.errors import ConfigError

EXTRA = "install the extra: pip install 'lwq-tune[deploy]'"


def make_runtime(name: str = "openvino") -> Runtime:
    """Return a runtime by name.

    Raises:
        ConfigError: It is not installed, or there is none of that name.
    """
    from lwq_tune.deployment.runtimes.onnxruntime import OnnxRuntime
    from lwq_tune.deployment.runtimes.openvino import OpenVino

    kinds: dict[str, Any] = {"openvino": OpenVino, "onnxruntime": OnnxRuntime}
    if name not in kinds:
        raise ConfigError(f"a runtime is one of {', '.join(kinds)}, got {name!r}")
    try:
        runtime: Runtime = kinds[name]()
    except ImportError as error:
        raise ConfigError(f"a deployed network needs onnx and {name}, {error.name} is not here; {EXTRA}") from error
    return runtime
