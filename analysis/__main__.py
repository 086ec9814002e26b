"""``python -m analysis``: fronts and tables from run folders."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from analysis.commands import audit, controls, curves, heatmap, ledgers, lifetime, pareto, report, sensitivity, table
from analysis.runs.load import AnalysisError
from lwq_tune.output_streams import lost_output, make_output_optional

EXIT_DONE, EXIT_BAD_INPUT = 0, 2
# Each is a module with `add_arguments(parser)` and `run(parsed)`, which returns the exit code.
COMMANDS = {
    "pareto": (pareto, "the front between the objectives, how sure it is, and its plot: pareto.csv, .png, .svg, .pdf"),
    "table": (table, "the paper's Table 3: mean ± std over the epochs, and over seeds, the paper's figures beside it"),
    "curves": (curves, "the paper's Figures 2 and 3: accuracy and loss against the epoch, all schedules"),
    "heatmap": (heatmap, "accuracy and emissions over the bits of three units, a cell per schedule, or of two of many"),
    "sensitivity": (sensitivity, "what lowering the bits of one unit alone does to accuracy"),
    "ledgers": (ledgers, "training energy as recorded and inference energy as modelled, side by side"),
    "lifetime": (lifetime, "training and N inferences on one axis, as measured: fronts, break-even, the best per N"),
    "controls": (controls, "more bits, or bits in the right place: pairs of equal cost, and a regression"),
    "report": (report, "all of it in one HTML file without network: interactive front, curves, tables, audit, sources"),
    "audit": (audit, "add up the recorded energies again; exit code 1 where something does not add up"),
}


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="python -m analysis", description="Fronts and tables from the run folders of lwq_tune."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (module, purpose) in COMMANDS.items():
        module.add_arguments(commands.add_parser(name, help=purpose, description=purpose))
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    make_output_optional()
    code = _run(make_parser().parse_args(arguments))
    lost = lost_output()
    if lost is None:
        return code
    print(f"error: {lost}", file=sys.stderr)
    return code or EXIT_BAD_INPUT


def _run(parsed: argparse.Namespace) -> int:
    if parsed.command == "completion":
        print(completion(parsed.shell).rstrip("\n"))
        return EXIT_DONE
    try:
        code: int = COMMANDS[parsed.command][0].run(parsed)
    except AnalysisError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    return code


if __name__ == "__main__":
    sys.exit(main())
