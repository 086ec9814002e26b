"""Sweeps over layer-wise quantization: accuracy against energy and emissions.

From Python, with the same meaning as on the command line:

    import lwq_tune

    run = lwq_tune.run_sweep("named_schedules", overrides=["epochs=2"], max_concurrent=1)
    print(run.path, run.statuses)

`load_space` reads a search space, `run_sweep` trains it, `resume_sweep` finishes a run; `export_trial` writes a trained
network as a file, `deploy_run` measures those of a run; `TrialConfig` and `SweepConfig` are what they are made of. They
are imported when they are first used, so that ``import lwq_tune`` is instant.

- cli/: the command line
- estimation/: what a sweep will take
- sweep/: search spaces, search, stopping rules, Ray Tune, clusters
- deployment/: exported networks, measured where they run
- training/: one trial, without Ray
- results/: the run folder
- energy/: energy per trial that adds up to the host
- carbon/: carbon intensity of electricity
- data/: image sets
- quantization/, models/: networks of few bits
- config/: settings of trials and sweeps
- host/: facts of this machine
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lwq_tune.config.sweep import SweepConfig
    from lwq_tune.config.trial import TrialConfig
    from lwq_tune.deployment.export import export_trial
    from lwq_tune.deployment.session import deploy_run
    from lwq_tune.sweep.resume import resume_sweep
    from lwq_tune.sweep.session import Run, run_sweep
    from lwq_tune.sweep.space.search_space import SearchSpace, load_space

__version__ = "0.1.0"
__all__ = [
    "Run",
    "SearchSpace",
    "SweepConfig",
    "TrialConfig",
    "deploy_run",
    "export_trial",
    "load_space",
    "resume_sweep",
    "run_sweep",
]

_MODULES = {
    "Run": "lwq_tune.sweep.session",
    "SearchSpace": "lwq_tune.sweep.space.search_space",
    "SweepConfig": "lwq_tune.config.sweep",
    "TrialConfig": "lwq_tune.config.trial",
    "deploy_run": "lwq_tune.deployment.session",
    "export_trial": "lwq_tune.deployment.export",
    "load_space": "lwq_tune.sweep.space.search_space",
    "resume_sweep": "lwq_tune.sweep.resume",
    "run_sweep": "lwq_tune.sweep.session",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
