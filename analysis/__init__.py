"""Reads the results tables of lwq_tune: fronts between accuracy and emissions, how sure they are, tables and plots.

From Python: `load_run`, `done_trials`, `summarise_trials`, `pareto_front`, `front_uncertainty`, `hypervolume`, imported
when they are first used.

Start at `runs` (folders to frames) and `fronts` (frames to fronts); `commands` shows how the parts go together.

- runs/: run folders as frames
- fronts/: who is dominated, what the seeds attain
- uncertainty/: how sure a front is
- controls/: more bits, or bits in the right place
- effects/: accuracy by schedule, unit and epoch
- energy/: training energy as recorded, inference energy as modelled
- lifetime/: training and measured use on one axis
- audit/: adding up again what a run recorded
- paper/: the paper's figures beside ours
- figures/: plots for print
- report/: one HTML file with all of it
- commands/: the command line
- block_regression: least squares with an intercept per block
- findings: what parts find, as values
- statistics: intervals and tests that several parts use
- wording: parts of sentences that several parts use
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.fronts.pareto import hypervolume, pareto_front
    from analysis.runs.configurations import done_trials, summarise_trials
    from analysis.runs.load import load_run, load_runs
    from analysis.uncertainty.front import front_uncertainty

__all__ = [
    "done_trials",
    "front_uncertainty",
    "hypervolume",
    "load_run",
    "load_runs",
    "pareto_front",
    "summarise_trials",
]

_MODULES = {
    "done_trials": "analysis.runs.configurations",
    "front_uncertainty": "analysis.uncertainty.front",
    "hypervolume": "analysis.fronts.pareto",
    "load_run": "analysis.runs.load",
    "load_runs": "analysis.runs.load",
    "pareto_front": "analysis.fronts.pareto",
    "summarise_trials": "analysis.runs.configurations",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
