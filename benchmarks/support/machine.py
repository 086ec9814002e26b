"""Interleaved timing, the machine a figure is from, and the JSON it is written to."""

from __future__ import annotations

import json
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from lwq_tune.host.hardware import cpu_model


def interleaved_times_s(
    variants: Mapping[str, Callable[[], object]], n_rounds: int, synchronize: Callable[[], object]
) -> dict[str, list[float]]:
    """Return the times of each variant in seconds: one call of each per round, so that a drift falls on all alike."""
    times: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(n_rounds):
        for name, call in variants.items():
            synchronize()
            begin_s = time.perf_counter()
            call()
            synchronize()
            times[name].append(time.perf_counter() - begin_s)
    return times


def medians(times: Mapping[str, list[float]]) -> dict[str, float]:
    """Return the median of each variant."""
    return {name: statistics.median(values) for name, values in times.items()}


def version_of(package: str) -> str | None:
    """Return the installed version of a package, None where it is missing."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def machine(device: torch.device) -> dict[str, Any]:
    """Return what a figure must name: hardware, threads, versions."""
    return {
        "cpu_model": cpu_model(),
        "n_threads": torch.get_num_threads(),
        "gpu_model": torch.cuda.get_device_name(device) if device.type == "cuda" else None,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "brevitas": version_of("brevitas"),
    }


def write_json(path: Path | None, figures: Mapping[str, Any]) -> None:
    """Write the figures where the user asked for it."""
    if path is not None:
        path.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
