"""Manifests of runs that no sweep made."""

from __future__ import annotations

from typing import Any

from lwq_tune.results.manifest import Manifest, SpaceRecord


def manifest_of(**known: Any) -> Manifest:
    """Return a manifest where nothing was asked for but what is known."""
    empty: dict[str, Any] = {
        "run": "run",
        "space": SpaceRecord("space", "", "", (), ""),
        "objectives": [],
        "sweep": {},
        "dataset": {},
        "carbon_intensity": {},
        "trials": [],
        "initial_trials": [],
        "init_energies_kwh": {},
        "sessions": [],
    }
    return Manifest(**{**empty, **known})
