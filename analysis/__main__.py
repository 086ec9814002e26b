"""``python -m analysis``: fronts and tables from run folders."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from analysis.audit_tables import load_tables
from analysis.comparable import refuse_incomparable, without_origins
from analysis.load import AnalysisError, Runs, load_runs, read_epochs
from analysis.pareto import hypervolume, pareto_front, reference_point, to_costs
from analysis.tables import FIGURES, table_over_epochs, table_over_seeds
from analysis.trials import check_comparable, done_trials, summarise_trials

EXIT_DONE, EXIT_AUDIT_FAILED, EXIT_BAD_INPUT = 0, 1, 2


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="python -m analysis", description="Fronts and tables from the run folders of lwq_tune."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    made = {}
    for name, words in (
        ("pareto", "the front between the objectives: pareto.csv, pareto.png, pareto.svg"),
        ("table", "the paper's Table 3: mean ± std over the epochs, and over seeds"),
        ("audit", "add up the recorded energies again; exit code 1 where something does not add up"),
    ):
        command = made[name] = commands.add_parser(name, help=words, description=words)
        command.add_argument("run_dirs", nargs="+", type=Path, metavar="RUN_DIR")
    for name in ("pareto", "table"):
        made[name].add_argument(
            "--out", type=Path, metavar="DIR", help="where files go (default for one run: RUN_DIR/analysis)"
        )
    made["pareto"].add_argument(
        "--mixed-sources", action="store_true", help="put energies on one front that were found in different ways"
    )
    made["audit"].add_argument("--json", type=Path, metavar="FILE", help="write the same figures as JSON")
    return parser


def audit(run_dirs: Sequence[Path], json_file: Path | None) -> int:
    """Print what an audit of each run found and return the exit code."""
    from analysis.audit_figures import audit_run
    from analysis.audit_report import count_failed, report, verdict, write_json

    audits = [audit_run(load_tables(run_dir)) for run_dir in run_dirs]
    if json_file is not None:
        write_json(audits, json_file)
    print(*map(report, audits), verdict(audits), sep="\n")
    return EXIT_AUDIT_FAILED if count_failed(audits)[0] else EXIT_DONE


def pareto(runs: Runs, out: Path, *, mixed_sources: bool = False) -> None:
    """Write the front and print it."""
    from analysis.plots import draw_pareto, save_figure

    done = done_trials(runs.trials)
    check_comparable(without_origins(done))
    warnings = refuse_incomparable(done, allow=mixed_sources, objectives=runs.objectives)
    front = pareto_front(summarise_trials(done), runs.objectives)
    figure = draw_pareto(front, done, runs.objectives, caption(done))
    for words in warnings:
        print(f"warning: {words}", file=sys.stderr)
    columns = [objective.column for objective in runs.objectives]
    shown = front[["schedule", "family", "on_front", "rank", "n_seeds", *columns]]
    print(shown.to_string(index=False, float_format=lambda value: f"{value:.5g}"))
    costs = to_costs(front.dropna(subset=columns), runs.objectives)
    reference = reference_point(costs)
    signs = [objective.sign for objective in runs.objectives]
    at = ", ".join(f"{name} {value * sign:.4g}" for name, value, sign in zip(columns, reference, signs, strict=True))
    print(f"hypervolume {hypervolume(costs, reference):.4g}, reference point {at}")
    _say_what_is_missing(runs.trials, done)
    out.mkdir(parents=True, exist_ok=True)
    front.to_csv(out / "pareto.csv", index=False)
    print(out / "pareto.csv", *save_figure(figure, out / "pareto"), sep="\n")


def table(runs: Runs, out: Path) -> None:
    """Write both forms of Table 3 and print them."""
    done = done_trials(runs.trials)
    check_comparable(done)
    tables = (
        (
            "Mean ± std over the epochs, the paper's convention (time, energy, emissions per epoch)",
            "table_over_epochs.csv",
            table_over_epochs(done, read_epochs(done, FIGURES)),
        ),
        (
            "Mean ± std over seeds (last epoch's metrics; time, energy, emissions of the whole training)",
            "table_over_seeds.csv",
            table_over_seeds(done),
        ),
    )
    out.mkdir(parents=True, exist_ok=True)
    for title, name, frame in tables:
        print(f"{title}\n{frame.to_string(index=False)}\n")
        frame.to_csv(out / name, index=False)
    print(caption(done))
    _say_what_is_missing(runs.trials, done)


def caption(trials: pd.DataFrame) -> str:
    """Return where the numbers of some trials come from, in one line."""

    def values(column: str) -> str:
        return "/".join(dict.fromkeys(str(value) for value in trials[column].dropna())) or "not measured"

    dataset = "/".join(dict.fromkeys(Path(str(value)).name for value in trials["config_dataset"]))
    seeds = trials["config_seed"].nunique()
    return (
        f"{dataset}, {values('config_model')}, {values('config_epochs')} epochs, {seeds} "
        f"seed{'s' if seeds > 1 else ''}; {values('cpu_model')}; energy: CPU {values('cpu_source')}, "
        f"RAM {values('ram_source')}, GPU {values('gpu_source')}, share {values('share_method')}; "
        f"{values('carbon_intensity_g_per_kwh')} g/kWh ({values('carbon_intensity_source')})"
    )


def _say_what_is_missing(trials: pd.DataFrame, done: pd.DataFrame) -> None:
    others = trials[~trials.index.isin(done.index)]["status"]
    if len(others):
        words = others.replace("done", "done in a configuration that was stopped in another seed").value_counts()
        counts = ", ".join(f"{count} {status}" for status, count in words.items())
        print(f"left out: {counts} of {len(trials)} trials", file=sys.stderr)


def write_files(parsed: argparse.Namespace) -> None:
    """Run a command that writes files.

    Raises:
        AnalysisError: The runs cannot be analysed, or the files not be written.
    """
    if parsed.out is None and len(parsed.run_dirs) > 1:
        raise AnalysisError("files about several runs belong to none of them, got no --out; give --out DIR")
    out: Path = parsed.out or parsed.run_dirs[0] / "analysis"
    runs = load_runs(parsed.run_dirs)
    try:
        if parsed.command == "pareto":
            pareto(runs, out, mixed_sources=parsed.mixed_sources)
        else:
            table(runs, out)
    except OSError as error:
        raise AnalysisError(f"the output folder must be writable, {out} is not ({error}); give --out") from error


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    parsed = make_parser().parse_args(arguments)
    try:
        if parsed.command == "audit":
            return audit(parsed.run_dirs, parsed.json)
        write_files(parsed)
    except AnalysisError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
