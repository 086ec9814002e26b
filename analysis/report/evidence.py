"""Everything a report shows, computed once; what cannot be shown is a reason instead."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from analysis.audit.findings import Figures, audit_run
from analysis.audit.tables import load_tables
from analysis.controls.controls import ENERGIES, Controls, run_controls
from analysis.effects.curves import FIGURES as CURVE_FIGURES
from analysis.effects.curves import curves_over_seeds
from analysis.effects.heatmap import HeatmapUnits, choose_units, heatmap_frame
from analysis.effects.sensitivity import Sensitivity, measure_sensitivity
from analysis.energy.hardware.table import HardwareTable
from analysis.energy.inference_axis import uncovered_warnings
from analysis.energy.ledgers import ledger_frame
from analysis.energy.sources import EnergyKind, distinct_sources, energy_kind, labels_of, trial_sources
from analysis.findings import Finding
from analysis.fronts.attainment import attainment_surfaces
from analysis.fronts.choice import ChoiceKind, select_objectives, selection_doubts
from analysis.fronts.pareto import pareto_front
from analysis.lifetime.inference_front import find_inference_front
from analysis.lifetime.lifetime import Lifetime, analyse_lifetime
from analysis.lifetime.load import has_inference, load_inference
from analysis.lifetime.use import Use, measure_use
from analysis.paper.table3 import FIGURES as TABLE_FIGURES
from analysis.paper.table3 import caption
from analysis.runs.comparability import refuse_incomparable, without_origins
from analysis.runs.configurations import check_comparable, dataset_names, summarise_trials
from analysis.runs.keys import CONFIGURATION, first_trials
from analysis.runs.load import AnalysisError, Objective, Runs, read_epochs
from analysis.runs.networks import unit_names
from analysis.runs.seeds import configuration_labels, evaluated_images, lacking_epochs
from analysis.uncertainty.front import front_uncertainty
from analysis.uncertainty.verdicts import Verdict

Result = TypeVar("Result")
MOST_SHOWN = 300  # configurations with rows, curves and verdicts of their own
MOST_CONTROLLED = 400  # pairs grow with the square: 27 triples x 10 settings are within it
MOST_EPOCHS = 100  # points of a curve
MOST_EPOCH_ROWS = 200_000  # of a run that is audited; more take longer than the rest of the report
LIFETIME_IMAGES = tuple(10.0**power for power in range(3, 13))
FEW_RESAMPLES, MANY_RESAMPLES = 500, 2000


@dataclass(frozen=True)
class Missing:
    """Why something cannot be shown."""

    reason: str


@dataclass(frozen=True)
class Audit:
    """What an audit of one run found, or why there is none."""

    run: str
    figures: Figures | None
    reason: str


@dataclass(frozen=True)
class Evidence:
    """What the runs hold.

    Attributes:
        runs: The runs.
        folders: Their folders.
        done: Finished trials; ``label`` names their configurations.
        objectives: Axes of the front.
        front: One row per configuration, by its key and in order of rank: columns of
            `analysis.fronts.pareto.pareto_front`, of `analysis.uncertainty.front.front_uncertainty`, and ``label``.
            Without a front, by accuracy.
        no_front: Why there is no front; empty where there is one.
        choice: Which figures decide on the front; none without a front.
        n_resamples: Of the probabilities on the front.
        surfaces: From `analysis.fronts.attainment.attainment_surfaces`.
        warnings: On the energies, and on trials that are left out.
        mixed: Whether energies found in different ways are shown together.
        hardware: What inference is modelled for; None for the 45 nm model.
        chosen_inference: Which measured inferences are shown: arguments of `analysis.lifetime.use.measure_use`.
    """

    runs: Runs
    folders: tuple[Path, ...]
    done: pd.DataFrame
    objectives: tuple[Objective, ...]
    front: pd.DataFrame
    no_front: str
    choice: Finding[ChoiceKind] | None
    n_resamples: int
    surfaces: pd.DataFrame | Missing
    warnings: tuple[str, ...]
    mixed: bool
    hardware: HardwareTable | None = None
    chosen_inference: Mapping[str, Any] = field(default_factory=dict)

    @functools.cached_property
    def shown(self) -> pd.DataFrame:
        """Rows of ``front`` that are shown one by one: the first by rank, and full precision."""
        is_reference = (self.front["family"] == "full_precision").to_numpy()
        is_first = np.arange(len(self.front)) < MOST_SHOWN
        return self.front[is_first | (is_reference & (is_reference.cumsum() <= 10))]

    @functools.cached_property
    def shown_trials(self) -> pd.DataFrame:
        """Finished trials of the shown configurations."""
        return self.done[self.done[CONFIGURATION].isin(self.shown.index)]

    @functools.cached_property
    def epochs(self) -> pd.DataFrame | Missing:
        """Epochs of `shown_trials`: columns of Table 3 and of the curves."""
        columns = list(dict.fromkeys([*TABLE_FIGURES, *CURVE_FIGURES]))
        return attempt(lambda: read_epochs(self.shown_trials, columns))

    @property
    def lacking_epochs(self) -> list[str]:
        """What `epochs` lacks, see `analysis.runs.seeds.lacking_epochs`."""
        epochs = self.epochs
        return [] if isinstance(epochs, Missing) else lacking_epochs(self.shown_trials, epochs)

    @functools.cached_property
    def curves(self) -> pd.DataFrame | Missing:
        """Curves of the shown configurations, from `analysis.effects.curves.curves_over_seeds`."""
        epochs = self.epochs
        if isinstance(epochs, Missing):
            return epochs
        trials = self.shown_trials
        return attempt(lambda: curves_over_seeds(trials, thin_epochs(epochs), trials["label"]))

    @property
    def names(self) -> list[str]:
        """What to call the runs: their folders, with the one above where two have one name."""
        names = [folder.name for folder in self.folders]
        return names if len(set(names)) == len(names) else ["/".join(folder.parts[-2:]) for folder in self.folders]

    @functools.cached_property
    def origin(self) -> str:
        """Where all numbers come from, in one line."""
        return f"{caption(self.done)}."

    @functools.cached_property
    def shown_origin(self) -> str:
        """Where the numbers of `shown_trials` come from."""
        return self.origin if len(self.shown_trials) == len(self.done) else f"{caption(self.shown_trials)}."

    @functools.cached_property
    def energy_kind(self) -> EnergyKind:
        """How the energies of the finished trials that have one were found."""
        known = self.done[self.done["energy_kwh"].notna()]
        return energy_kind(labels_of([distinct_sources(trial_sources(known))]))

    @functools.cached_property
    def ledgers(self) -> pd.DataFrame | Missing:
        """Both ledgers of all configurations, by their keys."""
        return attempt(lambda: ledger_frame(self.done, self.hardware))

    @functools.cached_property
    def images(self) -> str:
        """Which images accuracies are of, ``test`` or ``val``."""
        return evaluated_images(self.done)

    @functools.cached_property
    def heatmap_objectives(self) -> list[Objective]:
        """Figures of the heat maps: accuracy, and emissions or energy where one was measured."""
        costs = [name for name in ("emissions_kg_co2eq", "energy_kwh") if self.done[name].notna().any()]
        return [Objective(f"{self.images}_accuracy", "maximize"), *(Objective(name, "minimize") for name in costs[:1])]

    @functools.cached_property
    def heatmap_units(self) -> HeatmapUnits | Missing:
        """What the heat maps are about."""
        return attempt(lambda: choose_units(self.done, [axis.column for axis in self.heatmap_objectives]))

    @functools.cached_property
    def heatmap(self) -> pd.DataFrame | Missing:
        """Their cells, from `analysis.effects.heatmap.heatmap_frame`."""
        units, columns = self.heatmap_units, [axis.column for axis in self.heatmap_objectives]
        if isinstance(units, Missing):
            return units
        return attempt(lambda: heatmap_frame(self.done, columns, units))

    @functools.cached_property
    def units(self) -> tuple[str, ...]:
        """Names of the units of the networks."""
        return unit_names(self.done)

    @functools.cached_property
    def controls(self) -> Controls | Missing:
        """Pairs of equal cost and the regression."""
        if (few := self._few_enough("controls", "pairs of configurations")) is not None:
            return few
        return attempt(lambda: run_controls(self.done, f"{self.images}_accuracy"))

    @functools.cached_property
    def sensitivity(self) -> Sensitivity | Missing:
        """What lowering the bits of one unit alone does."""
        if (few := self._few_enough("sensitivity", "pairs of configurations")) is not None:
            return few
        return attempt(lambda: measure_sensitivity(self.done))

    @functools.cached_property
    def measured_inference(self) -> pd.DataFrame | Missing:
        """Measured inferences of those runs that have some."""
        deployed = [folder for folder in self.folders if has_inference(folder)]
        if not deployed:
            names = " ".join(self.names)
            return Missing(f"inference of {names} was not measured; `python -m lwq_tune deploy RUN_DIR` measures it")
        return attempt(lambda: load_inference(deployed))

    @functools.cached_property
    def use(self) -> Use | Missing:
        """Measured inferences that stand on one axis."""
        inference = self.measured_inference
        if isinstance(inference, Missing):
            return inference
        return attempt(lambda: measure_use(self.done, inference, **self.chosen_inference))

    @functools.cached_property
    def lifetime(self) -> Lifetime | Missing:
        """Training and use on one axis, with fronts for each power of ten of images."""
        inference = self.measured_inference
        if isinstance(inference, Missing):
            return inference
        chosen = {"mixed_sources": self.mixed, **self.chosen_inference}
        return attempt(lambda: analyse_lifetime(self.runs, self.done, LIFETIME_IMAGES, inference=inference, **chosen))

    @property
    def in_float(self) -> tuple[str, ...]:
        """A sentence on each class of networks whose quantized layers ran in float."""
        use = self.use
        return () if isinstance(use, Missing) else find_inference_front(use).alerts

    @functools.cached_property
    def audits(self) -> list[Audit]:
        """What the audit of each run found."""
        return audit_runs(self.folders, self.names, self.runs.trials)

    def _few_enough(self, command: str, what: str) -> Missing | None:
        n = len(self.front)
        if n <= MOST_CONTROLLED:
            return None
        return Missing(
            f"the report compares {what} for up to {MOST_CONTROLLED} of them, these are {n:,}; "
            f"`python -m analysis {command} RUN_DIR` compares all"
        )


def audit_runs(folders: Sequence[Path], names: Sequence[str], trials: pd.DataFrame) -> list[Audit]:
    """Return one audit for each run.

    Args:
        folders: Run folders.
        names: What to call them.
        trials: Their trials, with ``folder`` and ``epochs_done``.
    """
    rows = trials["epochs_done"].fillna(0).groupby(trials["folder"]).sum()
    counts = [int(rows.get(str(folder.resolve()), 0)) for folder in folders]
    return [_audit(folder, name, n_rows) for folder, name, n_rows in zip(folders, names, counts, strict=True)]


def _audit(folder: Path, name: str, n_rows: int) -> Audit:
    if n_rows > MOST_EPOCH_ROWS:
        return Audit(
            name,
            None,
            f"not audited here: {n_rows:,} rows of epochs take longer than the rest of the report; "
            "`python -m analysis audit RUN_DIR` adds them up",
        )
    try:
        return Audit(name, audit_run(load_tables(folder)), "")
    except AnalysisError as error:
        return Audit(name, None, f"not audited: {error}")


def thin_epochs(epochs: pd.DataFrame, most: int = MOST_EPOCHS) -> pd.DataFrame:
    """Return the rows of at most about ``most`` epochs, evenly spaced; the last of each trial is kept.

    Args:
        epochs: From `analysis.runs.load.read_epochs`: a row per epoch, the index is that of the trial.
        most: Epochs that all trials keep.
    """
    numbers = epochs["epoch"]
    every = np.unique(numbers.to_numpy())
    kept = every[np.unique(np.linspace(0, len(every) - 1, min(len(every), most)).round().astype(np.int64))]
    is_last = ~epochs.index.duplicated(keep="last")
    return epochs[numbers.isin(kept).to_numpy() | is_last]


def attempt(compute: Callable[[], Result]) -> Result | Missing:
    """Return what a function returns, or why it cannot be answered."""
    try:
        return compute()
    except AnalysisError as error:
        return Missing(str(error))


def gather(
    runs: Runs,
    done: pd.DataFrame,
    folders: Sequence[Path],
    warnings: Sequence[str],
    *,
    mixed: bool = False,
    hardware: HardwareTable | None = None,
    chosen_inference: Mapping[str, Any] | None = None,
) -> Evidence:
    """Return the evidence of some runs.

    Args:
        runs: From `analysis.runs.load.load_runs`.
        done: Their finished trials, from `analysis.runs.configurations.done_trials`.
        folders: Their folders.
        warnings: What else a reader must know, such as how many trials are left out.
        mixed: Whether energies that were found in different ways may stand together.
        hardware: What inference is modelled for; None for the 45 nm model.
        chosen_inference: Which measured inferences are shown, see `Evidence`.

    Raises:
        AnalysisError: The records cannot be compared, or no accuracy was measured.
    """
    check_comparable(without_origins(done))
    evaluated_images(done)
    objectives = runs.objectives
    axes = (objectives, *([Objective(column, "minimize")] for column in ENERGIES))
    doubts = dict.fromkeys(line for axis in axes for line in refuse_incomparable(done, allow=mixed, objectives=axis))
    lacking = uncovered_warnings(done, hardware) if hardware is not None else []
    named = done.assign(label=configuration_labels(done), dataset=dataset_names(done))
    front, no_front, choice, n_resamples, selection = _front(named, objectives)
    surfaces = Missing(no_front) if no_front else attempt(lambda: attainment_surfaces(named, objectives))
    return Evidence(
        runs,
        tuple(folder.resolve() for folder in folders),
        named,
        objectives,
        front,
        no_front,
        choice,
        n_resamples,
        surfaces,
        (*warnings, *doubts, *selection, *lacking),
        mixed,
        hardware,
        chosen_inference or {},
    )


def _front(
    done: pd.DataFrame, objectives: tuple[Objective, ...]
) -> tuple[pd.DataFrame, str, Finding[ChoiceKind] | None, int, list[str]]:
    """Return the configurations by rank, why they have none, what decides, the resamples, and warnings."""
    summary = summarise_trials(done).assign(label=first_trials(done)["label"])
    n_resamples = MANY_RESAMPLES if len(summary) <= MOST_CONTROLLED else FEW_RESAMPLES
    try:
        select, choice = select_objectives(done, objectives)
        ranked = pareto_front(summary, objectives, select)
    except AnalysisError as error:
        accuracy = f"{evaluated_images(done)}_accuracy"
        ordered = summary.sort_values(accuracy, ascending=False, kind="stable")
        unknown = {"on_front": False, "rank": None, "is_knee": False, "verdict": Verdict.NOT_MEASURED}
        return ordered.assign(**unknown), str(error), None, 0, []
    wanted = ranked.index[:MOST_SHOWN].tolist()
    found = front_uncertainty(done, objectives, select=select, n_resamples=n_resamples, wanted=wanted)
    return ranked.join(found), "", choice, n_resamples, selection_doubts(done, objectives, select)
