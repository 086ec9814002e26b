"""``python -m analysis pareto``: the front between the objectives, how sure it is, measured inference, and the plot."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.commands.options import (
    Loaded,
    add_hardware_argument,
    add_inference_arguments,
    add_run_arguments,
    add_width_argument,
    chosen_hardware,
    chosen_inference,
    load,
    say,
    tell,
)
from analysis.energy.inference_axis import add_inference_axis
from analysis.findings import Finding
from analysis.fronts.attainment import attainment_surfaces
from analysis.fronts.choice import ChoiceKind, choice_sentence, select_objectives, selection_doubts
from analysis.fronts.pareto import is_nondominated, mark, pareto_front, reference_point, to_costs
from analysis.lifetime.inference_front import InferenceFront, find_inference_front, inference_table, wide_columns
from analysis.lifetime.load import has_inference, load_inference
from analysis.lifetime.use import measure_use
from analysis.paper.table3 import caption
from analysis.runs.comparability import refuse_incomparable, without_origins
from analysis.runs.configurations import check_comparable, summarise_trials
from analysis.runs.load import AnalysisError, Objective
from analysis.runs.seeds import name_trials
from analysis.uncertainty.differences import SPREADS
from analysis.uncertainty.front import configuration_names, front_uncertainty
from analysis.uncertainty.hypervolume import family_fronts, front_hypervolume
from analysis.uncertainty.verdicts import FAMILY_WISE_ERROR, Verdict
from analysis.wording import as_sentence, counted

SHOWN = ["label", "family", "on_front", "rank", "n_seeds", "on_front_probability", "verdict", "dominated_by"]
SHOWN_OF_FAMILIES = {
    "family": "family",
    "n_configurations": "configurations",
    "hypervolume": "hypervolume",
    "hypervolume_low": "95 % low",
    "hypervolume_high": "95 % high",
    "members": "its own front",
}
NO_LINES = "none drawn: the fronts of families are lines where there are two objectives; they are listed above"
NO_INTERVAL = "no interval: it needs two or more seeds that all share"
UNFINISHED = ("pending", "interrupted")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_run_arguments(parser)
    add_width_argument(parser, None, "default 7.2; 3.5 is one column of two")
    add_hardware_argument(parser, "in place of the costs, the inference energy modelled for this hardware")
    add_inference_arguments(parser.add_argument_group("measured inference, the second panel"))
    flag = parser.add_argument
    flag("--families", action="store_true", help="draw the own front of each family of schedules as a thin line")
    flag("--mixed-sources", action="store_true", help="put energies on one front that were found in different ways")
    flag("--select", metavar="COLUMN", help="what decides on the front (default: validation for a test figure)")
    flag(
        "--epsilon",
        action="append",
        default=[],
        metavar="COLUMN=MARGIN",
        type=_margin,
        help="differences up to MARGIN, in the column's unit, are ties; once for each objective",
    )
    flag(
        "--spread",
        choices=SPREADS,
        default=SPREADS[0],
        help="verdicts with a spread of each pair of configurations, or one for all: surer with few seeds, false where "
        "one is noisier (default separate)",
    )
    flag("--error", type=_error, default=FAMILY_WISE_ERROR, help="family-wise error of the verdicts (default 0.05)")
    flag("--resamples", type=int, default=2000, metavar="N", help="bootstrap resamples of the seeds (default 2000)")
    flag("--seed", type=int, default=0, help="of the bootstrap (default 0)")


def run(parsed: argparse.Namespace) -> int:
    """Write the front, its surfaces and its plot, print it, and return the exit code.

    Raises:
        AnalysisError: The runs cannot be analysed, or the files not be written.
    """
    from analysis.figures.front import WIDTH_IN, draw_pareto, save_figure
    from analysis.figures.inference_panel import inference_caption

    hardware = chosen_hardware(parsed)
    loaded = load(parsed)
    objectives = loaded.runs.objectives
    axis = add_inference_axis(loaded.done, objectives, hardware) if hardware is not None else None
    if axis is not None:
        loaded, objectives = replace(loaded, done=axis.trials), axis.objectives
    ending = f"_{hardware.name}" if hardware is not None else ""
    modelled = axis.columns if axis is not None else ()
    done = loaded.done
    check_comparable(without_origins(done))
    warnings = refuse_incomparable(done, allow=parsed.mixed_sources, objectives=objectives)
    warnings = [*warnings, *(axis.warnings if axis is not None else ())]
    select, choice = select_objectives(done, objectives, parsed.select)
    if parsed.select is None:
        warnings = [*warnings, *selection_doubts(done, objectives, select)]
    summary = summarise_trials(done, modelled).assign(label=configuration_names(done))
    pareto_front(summary, objectives, select)  # refuses what has no front before anything is computed
    uncertainty = front_uncertainty(
        done,
        objectives,
        select=select,
        epsilon=_deciding_margins(parsed.epsilon, objectives, select),
        spread=parsed.spread,
        error=parsed.error,
        n_resamples=max(1, parsed.resamples),
        seed=parsed.seed,
    )
    front = pareto_front(summary.join(uncertainty), objectives, select)
    surfaces, why_none = _surfaces(done, objectives)
    has_lines = parsed.families and len(objectives) == 2
    origins = f"{_legend(choice, front, has_lines=has_lines)} {caption(done)}"
    origins += f"; {axis.sentence}" if axis is not None else ""
    inference, without = (None, []) if hardware is not None else _inference(parsed, done)
    if inference is not None:
        origins = " ".join([*map(as_sentence, inference.alerts), f"{origins}.", inference_caption(inference)])
        front = front.join(wide_columns(inference))
        warnings = [*warnings, *inference.alerts, *inference.notes]
    figure = draw_pareto(
        front,
        done,
        objectives,
        origins,
        surfaces=surfaces,
        with_families=has_lines,
        width_in=parsed.width_in or WIDTH_IN,
        inference=inference,
    )
    doubts = [f"warning: {line}" for line in [*warnings, *_doubts(loaded, front, objectives)]]
    lines = [
        _table(front, objectives, modelled),
        *([axis.sentence] if axis else []),
        choice_sentence(choice),
        *_verdict_lines(front, parsed),
    ]
    lines += _hypervolumes(done, front, objectives, select)
    if inference is not None:
        lines += ["deployed networks, the second panel:", inference_table(inference), *inference.sentences]
    with loaded.writing() as out:
        table = out / f"pareto{ending}.csv"
        (front.assign(hardware=hardware.label) if hardware is not None else front).to_csv(table, index=False)
        files = [table, *_write_surfaces(surfaces, out / f"attainment{ending}.csv")]
        files += save_figure(figure, out / f"pareto{ending}")
    say(doubts)
    tell(lines)
    say([*why_none, *without, *([NO_LINES] if parsed.families and not has_lines else [])])
    tell(files)
    return 0


def _inference(parsed: argparse.Namespace, done: pd.DataFrame) -> tuple[InferenceFront | None, list[str]]:
    """Return the front of the deployed networks, None where there is none, and lines on runs without one.

    Raises:
        AnalysisError: It was asked for by an option and cannot be shown.
    """
    lacking = [folder for folder in parsed.run_dirs if not has_inference(folder)]
    lines = [f"no measured inference of {folder}; measure it: python -m lwq_tune deploy {folder}" for folder in lacking]
    deployed = [folder for folder in parsed.run_dirs if folder not in lacking]
    if not deployed:
        return None, lines
    chosen = chosen_inference(parsed)
    try:
        use = measure_use(done, load_inference(deployed), **chosen)
    except AnalysisError as error:
        if any(chosen.values()):
            raise
        return None, [*lines, f"no second panel: {error}"]
    return find_inference_front(use), lines


def _legend(choice: Finding[ChoiceKind], front: pd.DataFrame, *, has_lines: bool) -> str:
    bars = " Points: means, bars: standard deviation over seeds." if (front["n_seeds"] > 1).any() else ""
    lines = " Thin lines: the front of each family alone." if has_lines else ""
    return f"{as_sentence(choice_sentence(choice, with_option=False))}{bars}{lines}"


def _margin(text: str) -> tuple[str, float]:
    column, _, number = text.partition("=")
    try:
        return column, float(number)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"a margin is COLUMN=NUMBER, got {text!r}") from error


def _error(text: str) -> float:
    error = float(text)
    if not 0 < error <= 0.5:
        raise argparse.ArgumentTypeError(f"a family-wise error is more than 0 and at most 0.5, got {text}")
    return error


def _deciding_margins(
    given: Sequence[tuple[str, float]], objectives: Sequence[Objective], select: Sequence[Objective]
) -> dict[str, float]:
    """Return margins by deciding column; they may be given by the reported one."""
    names = {axis.column: by.column for axis, by in zip(objectives, select, strict=True)}
    return {names.get(column, column): margin for column, margin in given}


def _surfaces(done: pd.DataFrame, objectives: Sequence[Objective]) -> tuple[pd.DataFrame | None, list[str]]:
    try:
        return attainment_surfaces(done, objectives), []
    except AnalysisError as error:
        return None, [f"none written: {error}"]


def _write_surfaces(surfaces: pd.DataFrame | None, file: Path) -> list[Path]:
    file.unlink(missing_ok=True)  # of an earlier call, on other trials
    if surfaces is None:
        return []
    surfaces.to_csv(file, index=False)
    return [file]


def _doubts(loaded: Loaded, front: pd.DataFrame, objectives: Sequence[Objective]) -> list[str]:
    """Return warnings on a run that goes on, unmeasured configurations, and what test figures would have chosen."""
    doubts, trials = [], loaded.runs.trials
    n_open = int(trials["status"].isin(UNFINISHED).sum())
    if n_open:
        doubts.append(f"{n_open} of {len(trials)} trials are not trained to their end yet, so the front may change")
    n_unmeasured = int(front["rank"].isna().sum())
    if len(front) - n_unmeasured == 1:
        which = "measured configuration" if n_unmeasured else "configuration"
        doubts.append(f"there is one {which}: the front is it alone, and nothing was compared")
    if n_unmeasured:
        lacking = {axis.column: loaded.done[loaded.done[axis.column].isna()] for axis in objectives}
        which = "; ".join(f"no {column} of {name_trials(found)}" for column, found in lacking.items() if len(found))
        lack = "lacks an objective in a seed and is" if n_unmeasured == 1 else "lack an objective in a seed and are"
        doubts.append(f"{n_unmeasured} of {len(front)} configurations {lack} on no front: {which}")
    known = front["rank"].notna().to_numpy()
    by_reported = mark(known, is_nondominated(to_costs(front[known], objectives)))
    if (by_reported != front["on_front"]).any():
        names = ", ".join(front.loc[by_reported, "label"])
        doubts.append(f"by the reported figures themselves the front would be {names}")
    return doubts


def _table(front: pd.DataFrame, objectives: Sequence[Objective], modelled: Sequence[str]) -> str:
    columns = list(dict.fromkeys([*SHOWN, *(axis.column for axis in objectives), *modelled]))
    columns += [column for column in ("on_epsilon_front", "tied_with") if column in front]
    return (
        front[columns]
        .rename(columns={"label": "schedule", "on_front_probability": "P(front)"})
        .to_string(index=False, float_format=lambda value: f"{value:.5g}", na_rep="-")
    )


def _verdict_lines(front: pd.DataFrame, parsed: argparse.Namespace) -> list[str]:
    """Return what the verdicts rest on, what would show more, and the knee."""
    least = int(front["n_seeds"].min())
    lines = [
        f"verdicts: all together right with {1 - parsed.error:.0%} confidence or more (Holm; t tests, {parsed.spread} "
        f"spread, {counted(least, 'seed')}); P(front): share of bootstrap resamples, no test"
    ]
    if parsed.epsilon:
        lines[0] += "; differences up to the margins count as ties in both"
    if front["verdict"].isin([Verdict.UNDECIDED, Verdict.ONE_SEED]).any() and least < 5:
        lines.append("more seeds show more: 5 or more, or --spread pooled where all configurations are equally noisy")
    knee = front.loc[front["is_knee"], "label"]
    lines.append(
        f"knee: {knee.iloc[0]} (farthest from the line between the extremes)"
        if len(knee)
        else "knee: none, the front has no point that bulges beyond the line between its extremes"
    )
    return lines


def _hypervolumes(
    done: pd.DataFrame, front: pd.DataFrame, objectives: Sequence[Objective], select: Sequence[Objective]
) -> list[str]:
    """Return the hypervolume of the front, and a table of the fronts of the families."""
    reference = np.asarray(reference_point(to_costs(front[front["rank"].notna()], objectives)))
    value, low, high = front_hypervolume(done, objectives, reference, select)
    at = ", ".join(f"{axis.column} {cost * axis.sign:.4g}" for axis, cost in zip(objectives, reference, strict=True))
    interval = NO_INTERVAL if math.isnan(low) else f"95 % interval {low:.4g} to {high:.4g} (jackknife over seeds)"
    families = family_fronts(done, front, objectives, reference, select)
    table = (
        families[list(SHOWN_OF_FAMILIES)]
        .rename(columns=SHOWN_OF_FAMILIES)
        .to_string(index=False, float_format=lambda number: f"{number:.4g}", na_rep="-")
    )
    return [
        f"hypervolume {value:.4g}, reference point {at}; {interval}",
        "each family alone, from the same reference point:",
        table,
    ]
