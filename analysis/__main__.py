"""``python -m analysis``: fronts and tables from run folders."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from analysis.audit_tables import load_tables
from analysis.commands import controls, curves, heatmap, ledgers, pareto, sensitivity, table
from analysis.load import AnalysisError

EXIT_DONE, EXIT_AUDIT_FAILED, EXIT_BAD_INPUT = 0, 1, 2
# Each is a module with `add_arguments(parser)` and `run(parsed)`, which returns the exit code.
COMMANDS = {
    "pareto": (pareto, "the front between the objectives, how sure it is, and its plot: pareto.csv, .png, .svg, .pdf"),
    "table": (table, "the paper's Table 3: mean ± std over the epochs, and over seeds, the paper's figures beside it"),
    "curves": (curves, "the paper's Figures 2 and 3: accuracy and loss against the epoch, all schedules"),
    "heatmap": (heatmap, "accuracy and emissions of every schedule of three stages, a cell for each"),
    "sensitivity": (sensitivity, "what lowering the bits of one stage alone does to accuracy"),
    "ledgers": (ledgers, "training energy as recorded and inference energy as modelled, side by side"),
    "controls": (controls, "more bits, or bits in the right place: pairs of equal cost, and a regression"),
}


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="python -m analysis", description="Fronts and tables from the run folders of lwq_tune."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    made = {}
    for name, words in (("audit", "add up the recorded energies again; exit code 1 where something does not add up"),):
        command = made[name] = commands.add_parser(name, help=words, description=words)
        command.add_argument("run_dirs", nargs="+", type=Path, metavar="RUN_DIR")
    made["audit"].add_argument("--json", type=Path, metavar="FILE", help="write the same figures as JSON")
    for name, (module, words) in COMMANDS.items():
        module.add_arguments(commands.add_parser(name, help=words, description=words))
    shell = commands.add_parser("completion", help="print the completion script of a shell")
    shell.add_argument("shell", choices=("bash", "zsh", "fish"))
    return parser


def completion(shell: str) -> str:
    """Return the script that makes a shell complete ``lwq-analysis``: commands, flags, folders and files."""
    import shtab

    parser = make_parser()
    parser.prog = "lwq-analysis"
    completed = {"RUN_DIR": shtab.DIRECTORY, "DIR": shtab.DIRECTORY, "FILE": shtab.FILE}
    (commands,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    for action in (action for command in commands.choices.values() for action in command._actions):
        if action.metavar in completed:
            action.complete = completed[action.metavar]  # what shtab looks for
    script: str = shtab.complete(parser, shell)
    return script


def audit(run_dirs: Sequence[Path], json_file: Path | None) -> int:
    """Print what an audit of each run found and return the exit code."""
    from analysis.audit_figures import audit_run
    from analysis.audit_report import count_failed, report, verdict, write_json

    audits = [audit_run(load_tables(run_dir)) for run_dir in run_dirs]
    if json_file is not None:
        write_json(audits, json_file)
    print(*map(report, audits), verdict(audits), sep="\n")
    return EXIT_AUDIT_FAILED if count_failed(audits)[0] else EXIT_DONE


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    parsed = make_parser().parse_args(arguments)
    if parsed.command == "completion":
        print(completion(parsed.shell).rstrip("\n"))
        return EXIT_DONE
    try:
        if parsed.command == "audit":
            return audit(parsed.run_dirs, parsed.json)
        code: int = COMMANDS[parsed.command][0].run(parsed)
        return code
    except AnalysisError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT


if __name__ == "__main__":
    sys.exit(main())
