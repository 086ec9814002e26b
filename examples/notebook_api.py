# ruff: noqa: T201 - what a cell prints is its output
# %% [markdown]
# # A run in pandas
#
# Everything that `python -m analysis` prints, writes and draws comes from functions that take and return pandas
# frames. This file is a notebook in the percent format (VS Code, Spyder, or `jupytext --to ipynb`) and a script:
# `python examples/notebook_api.py RUN_DIR`.

# %%
from __future__ import annotations

import argparse
import contextlib
from pathlib import Path

import pandas as pd

from analysis.controls.controls import run_controls
from analysis.controls.tables import pairs_table
from analysis.effects.curves import curve_frame
from analysis.effects.heatmap import heatmap_frame
from analysis.energy.ledgers import ledger_frame
from analysis.figures.front import draw_pareto
from analysis.fronts.attainment import attainment_surfaces
from analysis.fronts.choice import choice_sentence, select_objectives, selection_doubts
from analysis.fronts.pareto import pareto_front, reference_point, to_costs
from analysis.paper.table3 import caption, table_over_seeds
from analysis.runs.comparability import refuse_incomparable, without_origins
from analysis.runs.configurations import check_comparable, done_trials, summarise_trials
from analysis.runs.load import AnalysisError, load_run
from analysis.uncertainty.front import configuration_names, front_uncertainty
from analysis.uncertainty.hypervolume import family_fronts, front_hypervolume

pd.set_option("display.width", 160, "display.max_columns", 20, "display.precision", 4)

# %% [markdown]
# ## The run
#
# In a notebook, write `run_dir = Path("results/RUN")` instead of these lines. What a run cannot answer raises
# `AnalysisError`, whose message says why and what to do.

# %%
parser = argparse.ArgumentParser(description="A run in pandas.")
parser.add_argument("run_dir", type=Path, metavar="RUN_DIR", help="run folder, as a sweep prints it")
run_dir = parser.parse_args().run_dir

try:
    run = load_run(run_dir)
    trials = done_trials(run.trials)
    # Records must be comparable to stand on one front.
    check_comparable(without_origins(trials))
    warnings = refuse_incomparable(trials, allow=False, objectives=run.objectives)
except AnalysisError as error:
    parser.error(str(error))

# One row per trial, all columns of trials.parquet. Figures have their unit in their name, fractions are in [0, 1],
# what was not measured is NaN.
print(trials[["schedule", "config_seed", "test_accuracy", "energy_kwh", "emissions_kg_co2eq"]])
print(run.objectives)

# %% [markdown]
# ## Configurations: mean and standard deviation over seeds

# %%
summary = summarise_trials(trials).assign(label=configuration_names(trials))
print(summary[["label", "n_seeds", "test_accuracy", "test_accuracy_std", "emissions_kg_co2eq"]])
print(table_over_seeds(trials))

# %% [markdown]
# ## The front, and how sure it is
#
# Validation decides where it was recorded, test figures are reported.

# %%
select, choice = select_objectives(trials, run.objectives)
uncertainty = front_uncertainty(trials, run.objectives, select=select)  # by the same keys as summary
front = pareto_front(summary.join(uncertainty), run.objectives, select)
print(front[["label", "on_front", "rank", "on_front_probability", "verdict", "dominated_by"]])
print(*warnings, *selection_doubts(trials, run.objectives, select), choice_sentence(choice), sep="\n")

# %%
reference = reference_point(to_costs(front[front["rank"].notna()], run.objectives))
volume, low, high = front_hypervolume(trials, run.objectives, reference, select)
print(f"hypervolume {volume:.4g}, 95 % interval {low:.4g} to {high:.4g}")
families = family_fronts(trials, front, run.objectives, reference, select)
print(families)

# %% [markdown]
# ## Curves, heat map, ledgers

# %%
curves = curve_frame(run)
last = curves[(curves["quantity"] == "accuracy") & (curves["epoch"] == curves["epoch"].max())]
print(last.pivot_table(index="label", columns="images", values="mean"))

# %%
cells = heatmap_frame(trials, [axis.column for axis in run.objectives])  # the untrained have n_seeds 0
print(cells[cells["n_seeds"] > 0])

# %%
ledgers = ledger_frame(trials)  # training as recorded, inference as modelled: two ledgers, never added
print(ledgers[["label", "training_energy_kwh", "ratio", "on_chip_mj", "dram_mj"]])

# %% [markdown]
# ## More bits, or bits in the right place?

# %%
try:
    controls = run_controls(trials)
    pairs = pairs_table(controls.pairs)  # with what was found of each pair as text
    print(pairs[["first_label", "second_label", "column", "difference", "t_low", "t_high", "verdict"]])
    print(*controls.sentences, sep="\n")
except AnalysisError as error:
    print(f"no controls: {error}")

# %% [markdown]
# ## A figure
#
# A matplotlib figure, to be changed before it is saved; after `%matplotlib inline`, `figure` as last line shows it.

# %%
surfaces: pd.DataFrame | None = None
with contextlib.suppress(AnalysisError):  # of one seed there are none
    surfaces = attainment_surfaces(trials, run.objectives)
words = f"Thin lines: the front of each family alone. {caption(trials)}"
figure = draw_pareto(front, trials, run.objectives, words, surfaces=surfaces, with_families=True)
figure.suptitle(run_dir.name, fontsize=9)
file = run_dir / "analysis" / "notebook.png"
file.parent.mkdir(exist_ok=True)
figure.savefig(file, dpi=200)
print(file)
